//! What is kept beside an object's bytes so that lists need no text: titles, guests, partners, instances that differ.
//! Called before every write (hook.rs), and for series whose instances are not kept as rows.
//!
//! Floating times are kept as if their wall were UTC, as the collection engine keeps them: which instants they are is
//! decided when somebody asks, by the calendar's zone of that moment.

use std::collections::HashMap;

use jiff::Timestamp;
use kontor_vobject::expand::{Occurrence, Series};
use kontor_vobject::ical::{CalendarObject, Item, ItemKind};
use kontor_vobject::recur::Budget;
use kontor_vobject::tree::Document;
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};
use kontor_vobject::{Error, Kind, Limits};

use super::attachment;
use super::busy::Busy;
use super::event::{Status, partners_of_object};
use super::scheduling;
use super::time::{self, MICROS};

/// Bytes of a title or a place that lists show; the object itself has all of it.
const SHOWN: usize = 1_000;
/// Addresses of one object that are kept at most.
const ADDRESSES: usize = 2_000;

/// Everything that is kept beside the bytes. Instants are microseconds UTC.
#[derive(Debug, Clone)]
pub struct Typed {
    /// Event, task or journal.
    pub kind: ItemKind,
    /// UID.
    pub uid: String,
    /// The item that speaks for the object.
    pub face: Face,
    /// Its start; the due time of a task without one; 0 without both.
    pub start: i64,
    /// Whether `start` is floating.
    pub floating: bool,
    /// Whether it has more instances than one.
    pub recurring: bool,
    /// Instances that are described by another item than the master.
    pub exceptions: Vec<Exception>,
    /// Whether an item holds for all later instances too, so that rows can't tell which item describes an instance.
    pub ranged: bool,
    /// What the item that speaks for the object makes of its time.
    pub busy: Option<Busy>,
    /// Whether guests answered for some instances in another way than for the series, so that rows can't tell who takes part.
    pub apart: bool,
    /// Addresses of guests and organizer in lower case, each with its PARTSTAT (empty for the organizer).
    pub people: Vec<(String, String)>,
    /// Partners given in the object.
    pub partners: Vec<String>,
    /// Whether there is somebody to tell of it: it has an organizer and guests (RFC 6638 section 3.1).
    pub schedules: bool,
    /// MANAGED-IDs of its attachments, each once, in order (RFC 8607).
    pub managed: Vec<String>,
    /// Stands for all that makes a meeting another one: times, place, title, status, instances.
    pub stamp: i64,
}

/// What one item shows of itself in lists, texts cut to 1,000 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// SUMMARY
    pub summary: String,
    /// LOCATION
    pub location: String,
    /// STATUS
    pub status: Status,
    /// Whether it is made of days.
    pub all_day: bool,
    /// CLASS is PRIVATE or CONFIDENTIAL: nobody but its readers may learn more than that there is a meeting.
    pub private: bool,
}

impl Face {
    /// The title for a partner's timeline, which the whole company reads.
    pub fn told(&self) -> &str {
        if self.private { "private meeting" } else { &self.summary }
    }
}

/// One instance with an item of its own, or one that begins when such a one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Where it begins.
    pub start: i64,
    /// Where it ends, exclusive.
    pub end: i64,
    /// Where the series has it.
    pub original: i64,
    /// The item that describes it.
    pub face: Face,
    /// What it makes of its time.
    pub busy: Option<Busy>,
}

/// One occurrence. Instants are microseconds UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// Start.
    pub start: i64,
    /// End, exclusive.
    pub end: i64,
    /// Start that the series gave it; none for what happens once.
    pub original: Option<i64>,
    /// The item that describes it.
    pub face: Face,
}

/// Reads what is kept of an object that was checked.
///
/// # Errors
/// Rules or times that can't be read.
pub fn typed(document: &Document<'_>, object: &CalendarObject) -> Result<Typed, Error> {
    let item = object.first();
    let mut zones = Zones::of(document, Zone::UTC);
    let start = item.start.as_ref().or(item.due.as_ref());
    let seconds = start.map_or(0, |start| time::seconds(start, &mut zones));
    let ranged =
        object.overrides().any(|item| item.recurrence_id.as_ref().is_some_and(|id| id.this_and_future));
    let series = Series::of(document, Zone::UTC)?;
    Ok(Typed {
        kind: object.kind,
        uid: object.uid.clone(),
        face: face(item),
        start: seconds * MICROS,
        floating: start.is_some_and(|start| is_floating(start, &mut zones)),
        recurring: series.is_recurring(),
        exceptions: if ranged { Vec::new() } else { exceptions(document, object, &series)? },
        ranged,
        busy: Busy::of(item, &document.component(item.component)),
        apart: is_apart(object),
        people: people(object),
        partners: partners_of_object(document, object),
        schedules: scheduling::may_schedule(object),
        managed: attachment::managed(document, object),
        stamp: stamp(object),
    })
}

/// Occurrences in a range, read from the bytes.
///
/// # Errors
/// When the budget is spent.
pub fn expand(
    bytes: &[u8],
    zone: &Zone,
    from: i64,
    to: i64,
    budget: &mut Budget,
) -> Result<Vec<Happening>, Error> {
    let document = Document::parse(bytes, &Limits::default())?;
    let object = CalendarObject::read(&document).map_err(|_| Error::new(Kind::NoComponent))?;
    let series = Series::of(&document, zone.clone())?;
    let found = series.occurrences(floor(from), ceil(to), budget)?;
    Ok(found.iter().map(|occurrence| happening(&object, occurrence)).collect())
}

/// An instant kept as if its wall were UTC, in its zone.
pub fn settle(wall_micros: i64, zone: &Zone) -> i64 {
    zone.to_utc(wall_micros.div_euclid(MICROS)) * MICROS
}

/// The instances of overrides, and those that begin in the same moment as one.
fn exceptions(
    document: &Document<'_>,
    object: &CalendarObject,
    series: &Series,
) -> Result<Vec<Exception>, Error> {
    let mut zones = Zones::of(document, Zone::UTC);
    let mut found: HashMap<(i64, i64), Exception> = HashMap::new();
    let mut budget = Budget::default();
    for item in object.overrides() {
        let Some(start) = item.start.as_ref().or(item.due.as_ref()) else { continue };
        let at = time::seconds(start, &mut zones) * MICROS;
        for occurrence in series.occurrences(floor(at), ceil(at.saturating_add(MICROS)), &mut budget)? {
            let start = occurrence.start.as_microsecond();
            let original = occurrence.recurrence_id.map_or(start, Timestamp::as_microsecond);
            if start == at {
                let Happening { end, face, .. } = happening(object, &occurrence);
                let item = object.items.iter().find(|item| item.component == occurrence.component);
                let busy = item.and_then(|item| Busy::of(item, &document.component(item.component)));
                found.insert((start, original), Exception { start, end, original, face, busy });
            }
        }
    }
    let mut found: Vec<Exception> = found.into_values().collect();
    found.sort_by_key(|exception| (exception.original, exception.start));
    Ok(found)
}

fn happening(object: &CalendarObject, occurrence: &Occurrence) -> Happening {
    let item = object.items.iter().find(|item| item.component == occurrence.component);
    Happening {
        start: occurrence.start.as_microsecond(),
        end: occurrence.end.as_microsecond(),
        original: occurrence.recurrence_id.map(Timestamp::as_microsecond),
        face: Face { all_day: occurrence.is_all_day(), ..face(item.unwrap_or(object.first())) },
    }
}

fn face(item: &Item) -> Face {
    Face {
        summary: shown(item.summary.as_deref()),
        location: shown(item.location.as_deref()),
        status: Status::of(item),
        all_day: item.start.as_ref().or(item.due.as_ref()).is_some_and(DateValue::is_date),
        private: matches!(item.class.as_deref(), Some("PRIVATE" | "CONFIDENTIAL")),
    }
}

fn shown(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    text[..text.floor_char_boundary(SHOWN)].to_owned()
}

fn is_floating(value: &DateValue, zones: &mut Zones<'_>) -> bool {
    match value {
        DateValue::Date(_) | DateValue::Floating(_) => true,
        DateValue::Utc(_) => false,
        DateValue::Zoned { tzid, .. } => zones.resolve(tzid).unknown,
    }
}

fn people(object: &CalendarObject) -> Vec<(String, String)> {
    let mut people = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for item in &object.items {
        let guests = item.attendees.iter().map(|guest| (guest, guest.partstat.clone().unwrap_or_default()));
        let organizer = item.organizer.iter().map(|person| (person, String::new()));
        for (person, partstat) in guests.chain(organizer) {
            if people.len() < ADDRESSES && seen.insert(person.address.as_str()) {
                people.push((person.address.clone(), partstat));
            }
        }
    }
    people
}

/// Addresses of guests with their PARTSTAT, which may be empty, in the order of the text.
pub fn answers(object: &CalendarObject) -> impl Iterator<Item = (&str, &str)> {
    let guests = object.items.iter().flat_map(|item| &item.attendees);
    guests.map(|guest| (guest.address.as_str(), guest.partstat.as_deref().unwrap_or_default()))
}

/// Whether an override has another answer of a guest than the item that speaks for the object.
fn is_apart(object: &CalendarObject) -> bool {
    let first = object.first();
    let answers = |item: &Item| -> HashMap<String, Option<String>> {
        item.attendees.iter().map(|guest| (guest.address.clone(), guest.partstat.clone())).collect()
    };
    if object.items.len() < 2 {
        return false;
    }
    let usual = answers(first);
    object.items.iter().any(|item| answers(item) != usual)
}

/// FNV-1a over what a partner would call the meeting, so that it never changes with the program.
fn stamp(object: &CalendarObject) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for item in &object.items {
        let text = format!(
            "{:?}\0{:?}\0{:?}\0{:?}\0{:?}\0{:?}\0{:?}\0{:?}\0{:?}\0{:?}\0{:?}\0",
            item.recurrence_id.as_ref().map(|id| (id.at.format(), id.this_and_future)),
            item.start.as_ref().map(DateValue::format),
            item.end.as_ref().map(DateValue::format),
            item.duration.map(|duration| duration.to_string()),
            item.summary,
            item.location,
            item.status,
            values(&item.rules),
            values(&item.dates),
            values(&item.except_dates),
            values(&item.except_rules),
        );
        hash = text
            .bytes()
            .fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    }
    i64::from_ne_bytes(hash.to_ne_bytes())
}

fn values(raw: &[kontor_vobject::ical::RawDates]) -> Vec<&str> {
    raw.iter().map(|raw| raw.value.as_str()).collect()
}

/// An instant in whole seconds, not after; held inside of the years that are known.
pub(crate) fn floor(micros: i64) -> Timestamp {
    let least = Timestamp::MIN.as_second();
    Timestamp::from_second(micros.div_euclid(MICROS).max(least)).unwrap_or(Timestamp::MIN)
}

/// An instant in whole seconds, not before.
pub(crate) fn ceil(micros: i64) -> Timestamp {
    let most = Timestamp::MAX.as_second();
    let seconds = micros.div_euclid(MICROS) + i64::from(micros.rem_euclid(MICROS) > 0);
    Timestamp::from_second(seconds.min(most)).unwrap_or(Timestamp::MAX)
}
