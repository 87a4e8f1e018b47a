//! Counter-proposals: another time or place that a guest wants (RFC 5546 sections 3.2.7 and 3.2.8).
//! Called by schedule/counter.rs and rpc/proposals.rs.

use std::collections::BTreeSet;

use kontor_kit::mask::Mask;
use kontor_kit::{Error, Result};
use kontor_vobject::Patch;
use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::{Item, ItemKind, Person, RecurrenceId};
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};

use super::respond::with_instance;
use super::{Addresses, Read, in_utc};
use crate::domain::event::{Event, end_of};
use crate::domain::{change, text, time};

/// Bytes of a place at most.
const LOCATION: usize = 1_000;
/// Bytes of a title, and of an organizer's name, that are kept.
const SUMMARY: usize = 1_000;
/// Bytes of a comment at most.
pub const COMMENT: usize = 10_000;

/// What a guest asks for over the API.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Seconds UTC of the instance; none for all of the meeting.
    pub instance: Option<i64>,
    /// New start; none keeps it.
    pub start: Option<DateValue>,
    /// New end; none keeps the length.
    pub end: Option<DateValue>,
    /// New place; empty keeps it.
    pub location: String,
    /// A word to the organizer.
    pub comment: String,
}

/// A counter-proposal: what a COUNTER says of time and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// UID of the meeting.
    pub uid: String,
    /// Address of the guest, as `Person::address` has it.
    pub attendee: String,
    /// The organizer.
    pub organizer: Person,
    /// Title of the meeting.
    pub summary: Option<String>,
    /// Seconds UTC of the instance; none for all of the meeting.
    pub instance: Option<i64>,
    /// The same as it is written, in UTC when it is an instant.
    pub recurrence_id: Option<DateValue>,
    /// SEQUENCE of what the guest had seen.
    pub sequence: u32,
    /// Proposed start, in a zone that everybody knows.
    pub start: DateValue,
    /// Proposed end, exclusive.
    pub end: Option<DateValue>,
    /// Proposed place; empty when nothing is said of it.
    pub location: String,
    /// What the guest wrote; may be empty.
    pub comment: String,
}

/// The proposal that a guest makes on the own copy.
///
/// # Errors
/// FAILED_PRECONDITION with reason NOT_INVITED; NOT_FOUND when the series has no such instance; INVALID_ARGUMENT naming the field.
pub fn wished(bytes: &[u8], name: &str, own: &Addresses, wish: &Wish, now: i64) -> Result<Proposal> {
    if wish.location.len() > LOCATION {
        return Err(Error::invalid("location", format!("use at most {LOCATION} bytes")));
    }
    if wish.comment.len() > COMMENT {
        return Err(Error::invalid("comment", format!("use at most {COMMENT} bytes")));
    }
    let bytes = match wish.instance {
        Some(original) => with_instance(bytes, name, original, now)?,
        None => bytes.to_vec(),
    };
    let read = Read::of(&bytes)?;
    let items = read.by_instance();
    let (_, item) = items
        .iter()
        .find(|(instance, _)| *instance == wish.instance)
        .ok_or_else(|| Error::not_found(format!("the instance of {name}: name one that stands there")))?;
    let mut zones = read.zones();
    let mut wanted = Item { kind: ItemKind::Event, ..(*item).clone() };
    let old_end = end_of(item, &mut zones);
    if let Some(start) = &wish.start {
        time::check_zone(start, &mut zones, "start")?;
        wanted.start = Some(start.clone());
        wanted.end = moved_end(item.start.as_ref(), old_end.as_ref(), start, &mut zones);
        wanted.duration = None;
    }
    if let Some(end) = &wish.end {
        time::check_zone(end, &mut zones, "end")?;
        wanted.end = Some(end.clone());
        wanted.duration = None;
    }
    // A place that stays is not proposed, or it would undo the organizer's next one.
    let is_elsewhere = item.location.as_ref() != Some(&wish.location);
    wanted.location = (is_elsewhere && !wish.location.is_empty()).then(|| wish.location.clone());
    let guest = item.attendees.iter().find(|guest| own.has(&guest.address));
    let (Some(guest), Some(_)) = (guest, &item.organizer) else {
        return Err(Error::precondition(
            "NOT_INVITED",
            format!("the owner of the calendar is no guest of {name}"),
        ));
    };
    let proposal = of_item(&read, &wanted, guest.address.clone(), &mut zones)?;
    check_order(&proposal, &mut zones)?;
    Ok(Proposal { comment: wish.comment.clone(), ..proposal })
}

/// The end of what begins at another time and lasts as long as before.
fn moved_end(
    old_start: Option<&DateValue>,
    old_end: Option<&DateValue>,
    start: &DateValue,
    zones: &mut Zones<'_>,
) -> Option<DateValue> {
    let length = time::seconds(old_end?, zones).saturating_sub(time::seconds(old_start?, zones));
    let utc = time::seconds(start, zones).saturating_add(length);
    (old_start?.is_date() == start.is_date()).then(|| time::at_instant(start, utc, zones))
}

fn check_order(proposal: &Proposal, zones: &mut Zones<'_>) -> Result<()> {
    let Some(end) = &proposal.end else { return Ok(()) };
    if end.is_date() != proposal.start.is_date() {
        return Err(Error::invalid("end", "start and end must both be dates or both be times"));
    }
    if time::seconds(end, zones) <= time::seconds(&proposal.start, zones) {
        return Err(Error::invalid("end", "it must be after start"));
    }
    Ok(())
}

/// The proposal of a COUNTER, or what a DECLINECOUNTER is about: of the guest `attendee`.
///
/// # Errors
/// INVALID_ARGUMENT naming `icalendar`.
pub fn of_message(message: &Read<'_>, attendee: &str) -> Result<Proposal> {
    let bad = |why: &str| Error::invalid("icalendar", why);
    if message.object.items.len() != 1 || message.object.kind != ItemKind::Event {
        return Err(bad("a counter-proposal has one VEVENT"));
    }
    let item = message.object.first();
    if item.recurrence_id.as_ref().is_some_and(|id| id.this_and_future) {
        return Err(bad("a counter-proposal is about one instance or all of the meeting"));
    }
    if item.organizer.is_none() {
        return Err(bad("ORGANIZER is missing"));
    }
    if item.location.as_ref().is_some_and(|location| location.len() > LOCATION) {
        return Err(bad("LOCATION is longer than 1,000 bytes"));
    }
    let mut zones = message.zones();
    let proposal = of_item(message, item, attendee.to_owned(), &mut zones)?;
    let written = message.component(item).text("COMMENT").unwrap_or_default();
    check_order(&proposal, &mut zones).map_err(|cause| bad(&format!("DTEND: {}", cause.message())))?;
    Ok(Proposal { comment: clipped(&written), ..proposal })
}

/// A comment, cut to what is kept of one.
pub fn clipped(text: &str) -> String {
    clipped_to(text, COMMENT)
}

fn clipped_to(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn of_item(read: &Read<'_>, item: &Item, attendee: String, zones: &mut Zones<'_>) -> Result<Proposal> {
    let start = item.start.as_ref().ok_or_else(|| Error::invalid("icalendar", "DTSTART is missing"))?;
    let end = end_of(item, zones);
    let recurrence_id = item.recurrence_id.as_ref().map(|id| in_utc(&id.at, zones));
    Ok(Proposal {
        uid: read.object.uid.clone(),
        attendee,
        organizer: item.organizer.clone().unwrap_or_default(),
        summary: item.summary.clone(),
        instance: recurrence_id.as_ref().map(|at| time::seconds(at, zones)),
        recurrence_id,
        sequence: item.sequence,
        start: portable(start, zones),
        end: end.map(|end| portable(&end, zones)),
        location: item.location.clone().unwrap_or_default(),
        comment: String::new(),
    })
}

/// The value in a zone of the IANA database, or in UTC: the message is read without the zones of this text.
fn portable(value: &DateValue, zones: &mut Zones<'_>) -> DateValue {
    match time::shown(value, zones) {
        DateValue::Zoned { at, tzid } if Zone::iana(&tzid).is_some() => DateValue::Zoned { at, tzid },
        DateValue::Zoned { .. } => in_utc(value, zones),
        other => other,
    }
}

impl Proposal {
    /// The message: COUNTER, or DECLINECOUNTER with the same time. Empty `method` gives an object without one.
    ///
    /// # Errors
    /// INTERNAL.
    pub fn text(&self, method: &str, comment: &str, now: i64) -> Result<Vec<u8>> {
        let (partstat, said) = (Some("TENTATIVE".to_owned()), Some(self.location.clone()));
        let guest = Person { address: mailable(&self.attendee), partstat, ..Person::default() };
        let address = mailable(&self.organizer.address);
        let item = Item {
            kind: ItemKind::Event,
            recurrence_id: self.recurrence_id.clone().map(|at| RecurrenceId { at, this_and_future: false }),
            summary: self.summary.clone(),
            start: Some(self.start.clone()),
            end: self.end.clone(),
            location: said.filter(|location| !location.is_empty()),
            sequence: self.sequence,
            organizer: Some(Person { address, name: self.organizer.name.clone(), ..Person::default() }),
            attendees: vec![guest],
            ..Item::default()
        };
        let bytes = text::create(&self.uid, &item, &[], now)?;
        let document = super::parse(&bytes)?;
        let mut patch = Patch::new(&document);
        let root = document.root();
        if !method.is_empty() {
            patch.set(&root, ContentLine::new("METHOD", method));
        }
        if let Some(event) = root.children("VEVENT").next()
            && !comment.is_empty()
        {
            patch.set(&event, ContentLine::text("COMMENT", comment));
        }
        Ok(patch.apply())
    }

    /// The proposal as the organizer keeps it: of the guest whom the meeting names `attendee`, with the meeting's own title and organizer, with no
    /// place where the guest wants the present one, and to no later SEQUENCE than there is.
    #[must_use]
    pub fn beside(self, organized: &Read<'_>, attendee: &str) -> Proposal {
        let Some(item) = described(organized, self.instance) else { return self };
        let clip = |text: &Option<String>| text.as_ref().map(|text| clipped_to(text, SUMMARY));
        let organizer = item.organizer.clone().unwrap_or_default();
        let is_here = item.location.as_ref() == Some(&self.location);
        Proposal {
            attendee: attendee.to_owned(),
            organizer: Person {
                address: organizer.address,
                name: clip(&organizer.name),
                ..Person::default()
            },
            summary: clip(&item.summary),
            sequence: self.sequence.min(item.sequence),
            location: if is_here { String::new() } else { self.location },
            ..self
        }
    }

    /// The proposal as it is told: with the place where it would be, also when that is the present one.
    #[must_use]
    pub fn with_place(&self, meeting: &Read<'_>) -> Proposal {
        let present = described(meeting, self.instance).and_then(|item| item.location.clone());
        let present = present.filter(|_| self.location.is_empty());
        Proposal { location: present.unwrap_or_else(|| self.location.clone()), ..self.clone() }
    }

    /// Start and end in seconds UTC.
    pub fn span(&self) -> (i64, i64) {
        let mut zones = Zones::known(Zone::UTC);
        let start = time::seconds(&self.start, &mut zones);
        (start, self.end.as_ref().map_or(start, |end| time::seconds(end, &mut zones)))
    }
}

/// A principal's path is an address too, but not one behind "mailto:".
fn mailable(address: &str) -> String {
    if address.starts_with('/') { format!("https://localhost{address}") } else { address.to_owned() }
}

/// What the organizer's meeting says to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can be accepted.
    Open,
    /// There is no such instance.
    NoInstance,
    /// The guest is not invited to it.
    NotInvited,
    /// The meeting changed since the guest saw it.
    Outdated,
    /// Nothing differs from what is.
    Same,
}

/// Compares a proposal with the organizer's meeting. `own` are the addresses of the guest.
pub fn standing(organized: &Read<'_>, proposal: &Proposal, own: &Addresses) -> Standing {
    let Some(item) = described(organized, proposal.instance) else { return Standing::NoInstance };
    if !item.attendees.iter().any(|guest| own.has(&guest.address)) {
        return Standing::NotInvited;
    }
    if proposal.sequence < item.sequence {
        return Standing::Outdated;
    }
    let mut zones = organized.zones();
    let point = |value: &DateValue, zones: &mut Zones<'_>| (time::seconds(value, zones), value.is_date());
    let start = item.start.as_ref().map(|start| point(start, &mut zones));
    let length = end_of(item, &mut zones).map(|end| time::seconds(&end, &mut zones)).zip(start);
    let length = length.map(|(end, (start, _))| end - start);
    // An instance without a component of its own stands where the series puts it.
    let start = match proposal.instance {
        Some(original) if item.recurrence_id.is_none() => start.map(|(_, is_date)| (original, is_date)),
        _ => start,
    };
    let wanted = point(&proposal.start, &mut zones);
    let wanted_length = proposal.end.as_ref().map(|end| time::seconds(end, &mut zones) - wanted.0);
    let same_place =
        proposal.location.is_empty() || proposal.location == item.location.clone().unwrap_or_default();
    if Some(wanted) == start && wanted_length == length && same_place {
        Standing::Same
    } else {
        Standing::Open
    }
}

/// The item that describes an instance: its own, or that of the series when it has such an instance.
fn described<'r>(read: &'r Read<'_>, instance: Option<i64>) -> Option<&'r Item> {
    let items = read.by_instance();
    if let Some((_, item)) = items.iter().find(|(known, _)| *known == instance) {
        return Some(item);
    }
    change::find(&read.document, &read.object, &Zone::UTC, instance?)?;
    read.object.master()
}

/// SEQUENCE of what describes an instance now; none when nothing does.
pub fn sequence_of(read: &Read<'_>, instance: Option<i64>) -> Option<u32> {
    let items = read.by_instance();
    let own = items.iter().find(|(known, _)| *known == instance).map(|(_, item)| *item);
    own.or_else(|| read.object.master()).map(|item| item.sequence)
}

/// Whether a change gave any component another SEQUENCE: then proposals may have come to their end.
pub fn is_raised(before: &Read<'_>, after: &Read<'_>) -> bool {
    let numbers = |read: &Read<'_>| -> BTreeSet<(Option<i64>, u32)> {
        read.by_instance().into_iter().map(|(instance, item)| (instance, item.sequence)).collect()
    };
    numbers(before) != numbers(after)
}

/// The organizer's text with the proposed time and place.
///
/// # Errors
/// NOT_FOUND when the series lost the instance; those of a change over the API.
pub fn accepted(bytes: &[u8], name: &str, proposal: &Proposal, zone: &Zone, now: i64) -> Result<Vec<u8>> {
    let read = Read::of(bytes)?;
    let item = described(&read, proposal.instance);
    let item = item.ok_or_else(|| Error::not_found(format!("the instance of {name}")))?;
    let mut zones = Zones::of(&read.document, zone.clone());
    let like = item.start.clone();
    let mut fit = |value: &DateValue| match (&like, value) {
        (Some(like), DateValue::Utc(_) | DateValue::Zoned { .. }) if !like.is_date() => {
            let utc = time::seconds(value, &mut zones);
            time::at_instant(like, utc, &mut zones)
        }
        _ => value.clone(),
    };
    let event = Event {
        start: Some(fit(&proposal.start)),
        end: proposal.end.as_ref().map(&mut fit),
        location: proposal.location.clone(),
        ..Event::default()
    };
    let mut fields = vec!["start"];
    fields.extend(event.end.is_some().then_some("end"));
    fields.extend((!event.location.is_empty()).then_some("location"));
    let mask = Mask::read(None, &fields, &fields)?;
    match proposal.instance {
        None => change::update(bytes, &event, &mask, &[], zone, now),
        Some(instance) => {
            let original = instance.saturating_mul(time::MICROS);
            change::update_occurrence(bytes, name, original, &event, &mask, zone, now)
        }
    }
}
