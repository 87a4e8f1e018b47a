//! A meeting or another event as callers of the API see it, and how their changes come into its lines.
//! Called by change.rs, and by rpc/events.rs to show an event.

use kontor_kit::mask::Mask;
use kontor_kit::{Error, Result};
use kontor_vobject::ical::{CalendarObject, Item, ItemKind, Person, RawDates};
use kontor_vobject::recur::{Rule, day};
use kontor_vobject::tree::{Component, Document};
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::Zones;

use super::time;

/// Fields that UpdateEvent can take over.
pub const FIELDS: [&str; 12] = [
    "summary",
    "description",
    "location",
    "start",
    "end",
    "recurrence_rule",
    "status",
    "transparent",
    "organizer",
    "attendees",
    "partners",
    "categories",
];

/// Property that names a partner which an event is with.
pub const PARTNER: &str = "X-KONTOR-PARTNER";

/// Bytes of one text at most.
const TEXT: usize = 100_000;
const ATTENDEES: usize = 1_000;
const CATEGORIES: usize = 50;
const PARTNERS: usize = 100;

/// STATUS of an event (RFC 5545 section 3.8.1.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// Not said.
    #[default]
    Unset,
    /// CONFIRMED
    Confirmed,
    /// TENTATIVE
    Tentative,
    /// CANCELLED
    Cancelled,
}

impl Status {
    const ALL: [(Status, &'static str); 3] = [
        (Status::Confirmed, "CONFIRMED"),
        (Status::Tentative, "TENTATIVE"),
        (Status::Cancelled, "CANCELLED"),
    ];

    /// The status that a line says; an unknown one is none.
    pub fn of(item: &Item) -> Status {
        let written = item.status.as_deref();
        Self::ALL.iter().find(|(_, word)| written == Some(*word)).map_or(Status::Unset, |(status, _)| *status)
    }

    fn word(self) -> Option<String> {
        Self::ALL.iter().find(|(status, _)| *status == self).map(|(_, word)| (*word).to_owned())
    }
}

/// Someone invited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guest {
    /// E-mail address.
    pub email: String,
    /// Name; may be empty.
    pub name: String,
    /// PARTSTAT in capitals; may be empty.
    pub participation: String,
}

/// What callers see and change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the fields of Event in calendar.proto say it")]
pub struct Event {
    pub summary: String,
    pub description: String,
    pub location: String,
    pub start: Option<DateValue>,
    pub end: Option<DateValue>,
    pub rule: String,
    pub status: Status,
    pub transparent: bool,
    pub organizer: String,
    pub attendees: Vec<Guest>,
    /// Only those given in the object, not those found by an address.
    pub partners: Vec<String>,
    pub categories: Vec<String>,
}

impl Event {
    /// Reads the item that speaks for the object.
    pub fn read(document: &Document<'_>, item: &Item, zones: &mut Zones<'_>) -> Event {
        Event {
            summary: item.summary.clone().unwrap_or_default(),
            description: item.description.clone().unwrap_or_default(),
            location: item.location.clone().unwrap_or_default(),
            start: item.start.as_ref().map(|start| time::shown(start, zones)),
            end: end_of(item, zones).map(|end| time::shown(&end, zones)),
            rule: item.rules.first().map(|rule| rule.value.clone()).unwrap_or_default(),
            status: Status::of(item),
            transparent: item.transparent,
            organizer: item.organizer.as_ref().map(|person| person.address.clone()).unwrap_or_default(),
            attendees: item.attendees.iter().map(Guest::read).collect(),
            partners: partners_of(&document.component(item.component)),
            categories: item.categories.clone(),
        }
    }

    /// Checks what can be checked without the object.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        for (field, text) in [
            ("event.summary", &self.summary),
            ("event.description", &self.description),
            ("event.location", &self.location),
        ] {
            check_text(field, text)?;
        }
        if !self.rule.is_empty() {
            Rule::parse(&self.rule).map_err(|cause| Error::invalid("event.recurrence_rule", cause))?;
        }
        at_most("event.attendees", self.attendees.len(), ATTENDEES)?;
        for guest in &self.attendees {
            check_text("event.attendees.display_name", &guest.name)?;
        }
        at_most("event.partners", self.partners.len(), PARTNERS)?;
        for partner in &self.partners {
            kontor_kit::id::parse("partners", partner, "event.partners")?;
        }
        at_most("event.categories", self.categories.len(), CATEGORIES)?;
        self.categories.iter().try_for_each(|category| check_text("event.categories", category))
    }

    /// The item with the masked fields taken over from here. `zones` are those of the object.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a time without a known zone, an end that is not behind the start, a missing start.
    pub fn put_on(&self, old: &Item, mask: &Mask, zones: &mut Zones<'_>) -> Result<Item> {
        let mut item = Item { kind: ItemKind::Event, ..old.clone() };
        for (field, given, place) in [
            ("summary", &self.summary, &mut item.summary),
            ("description", &self.description, &mut item.description),
            ("location", &self.location, &mut item.location),
        ] {
            if mask.has(field) && place.as_deref().unwrap_or_default() != given {
                *place = (!given.is_empty()).then(|| given.clone());
            }
        }
        if mask.has("status") && Status::of(&item) != self.status {
            item.status = self.status.word();
        }
        if mask.has("transparent") {
            item.transparent = self.transparent;
        }
        if mask.has("recurrence_rule") {
            put_rule(&mut item, &self.rule);
        }
        if mask.has("categories") {
            item.categories = self.categories.clone();
        }
        if mask.has("organizer") {
            put_organizer(&mut item, &self.organizer)?;
        }
        if mask.has("attendees") {
            item.attendees =
                self.attendees.iter().map(|guest| guest.put_on(&old.attendees)).collect::<Result<_>>()?;
        }
        self.put_times(&mut item, mask, zones)?;
        Ok(item)
    }

    fn put_times(&self, item: &mut Item, mask: &Mask, zones: &mut Zones<'_>) -> Result<()> {
        if mask.has("start") {
            let start = self.start.as_ref().ok_or_else(|| Error::invalid("event.start", "it is missing"))?;
            time::check_zone(start, zones, "event.start")?;
            if item.start.as_ref().is_none_or(|old| !time::same(old, start, zones)) {
                item.start = Some(start.clone());
            }
        }
        if mask.has("end") {
            if let Some(end) = &self.end {
                time::check_zone(end, zones, "event.end")?;
            }
            let present = end_of(item, zones);
            let unchanged = match (&present, &self.end) {
                (Some(old), Some(new)) => time::same(old, new, zones),
                (old, new) => old.is_none() && new.is_none(),
            };
            // An end that says the same stays written as it was, be it as DTEND or as DURATION.
            if !unchanged {
                item.end = self.end.clone();
                item.duration = None;
            }
        }
        check_order(item, zones)
    }
}

/// The end of an item, exclusive: DTEND, or made from DURATION, or the day after an all-day start.
pub fn end_of(item: &Item, zones: &mut Zones<'_>) -> Option<DateValue> {
    if item.end.is_some() {
        return item.end.clone();
    }
    let start = item.start.as_ref()?;
    let Some(duration) = item.duration else {
        let next = start.civil().saturating_add(jiff::Span::new().days(1));
        return start.is_date().then(|| time::with_civil(start, next));
    };
    let wall = day::seconds(start.civil()) + duration.signed_days() * day::DAY;
    if start.is_date() {
        return Some(time::with_civil(start, day::date_time(wall + duration.signed_seconds())));
    }
    let utc = zones.zone_of(start).to_utc(wall) + duration.signed_seconds();
    Some(time::at_instant(start, utc, zones))
}

/// Partners given in the component's own lines.
pub fn partners_of(component: &Component<'_>) -> Vec<String> {
    let mut partners: Vec<String> = component
        .properties_named(PARTNER)
        .map(|property| property.value().trim().to_owned())
        .filter(|name| kontor_kit::id::parse("partners", name, "partner").is_ok())
        .take(PARTNERS)
        .collect();
    partners.sort();
    partners.dedup();
    partners
}

/// Partners given anywhere in the object.
pub fn partners_of_object(document: &Document<'_>, object: &CalendarObject) -> Vec<String> {
    let mut partners: Vec<String> =
        object.items.iter().flat_map(|item| partners_of(&document.component(item.component))).collect();
    partners.sort();
    partners.dedup();
    partners.truncate(PARTNERS);
    partners
}

fn check_order(item: &Item, zones: &mut Zones<'_>) -> Result<()> {
    let (Some(start), Some(end)) = (&item.start, &item.end) else { return Ok(()) };
    if start.is_date() != end.is_date() {
        return Err(Error::invalid("event.end", "start and end must both be dates or both be times"));
    }
    if time::seconds(end, zones) <= time::seconds(start, zones) {
        return Err(Error::invalid("event.end", "it must be after start"));
    }
    Ok(())
}

fn put_rule(item: &mut Item, rule: &str) {
    if item.rules.first().is_some_and(|old| old.value == rule) {
        return;
    }
    if rule.is_empty() {
        item.rules.clear();
        return;
    }
    let new = RawDates { value: rule.to_owned(), ..RawDates::default() };
    match item.rules.first_mut() {
        Some(first) => *first = new,
        None => item.rules.push(new),
    }
}

fn put_organizer(item: &mut Item, email: &str) -> Result<()> {
    if item.organizer.as_ref().is_some_and(|person| person.address.eq_ignore_ascii_case(email.trim())) {
        return Ok(());
    }
    item.organizer = match email.trim() {
        "" => None,
        email => {
            check_email("event.organizer", email)?;
            Some(Person { address: email.to_lowercase(), ..Person::default() })
        }
    };
    Ok(())
}

impl Guest {
    fn read(person: &Person) -> Guest {
        Guest {
            email: person.address.clone(),
            name: person.name.clone().unwrap_or_default(),
            participation: person.partstat.clone().unwrap_or_default(),
        }
    }

    /// The same person as before, with the name and participation given here. Who was there before may be named by
    /// something else than an e-mail address, as Apple does.
    fn put_on(&self, old: &[Person]) -> Result<Person> {
        let email = self.email.trim();
        let known = old.iter().find(|person| person.address.eq_ignore_ascii_case(email)).cloned();
        let mut person = match known {
            Some(person) => person,
            None => {
                check_email("event.attendees.email", email)?;
                Person { address: email.to_lowercase(), ..Person::default() }
            }
        };
        if person.partstat.as_deref().unwrap_or_default() != self.participation {
            check_participation(&self.participation)?;
        }
        person.name = (!self.name.is_empty()).then(|| self.name.clone());
        person.partstat = (!self.participation.is_empty()).then(|| self.participation.clone());
        Ok(person)
    }
}

/// Refuses a text that is too long.
pub(super) fn check_text(field: &str, text: &str) -> Result<()> {
    if text.len() <= TEXT {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("it is longer than {TEXT} bytes")))
    }
}

fn at_most(field: &str, count: usize, limit: usize) -> Result<()> {
    if count <= limit {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("at most {limit} are taken, not {count}")))
    }
}

/// Refuses what is no e-mail address.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn check_email(field: &str, email: &str) -> Result<()> {
    let trimmed = email.trim();
    let good = (3..=320).contains(&trimmed.len())
        && trimmed.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && !trimmed.contains(|letter: char| {
            letter.is_control() || letter.is_whitespace() || ",;:\"<>".contains(letter)
        });
    if good { Ok(()) } else { Err(Error::invalid(field, format!("{email:?} is no e-mail address"))) }
}

fn check_participation(word: &str) -> Result<()> {
    let good = word.is_empty()
        || ["NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED"].contains(&word)
        || word.starts_with("X-")
            && word.len() <= 60
            && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if good {
        return Ok(());
    }
    let message = format!("{word:?} is none of NEEDS-ACTION, ACCEPTED, DECLINED, TENTATIVE");
    Err(Error::invalid("event.attendees.participation", message))
}
