//! Scheduling messages (RFC 5546) that come as such: read with caps.
//! Called by rpc/messages.rs and schedule/.

use std::collections::BTreeSet;

use kontor_kit::{Error, Result};
use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::{CalendarObject, Item};
use kontor_vobject::tree::{Component, Document, Property};
use kontor_vobject::value::DateValue;
use kontor_vobject::{Limits, Patch};

use super::respond::with_instance;
use super::{Addresses, NEEDS_ACTION, Read, answer, guests, organizer_of, partstat, set_params};
use crate::domain::time;

/// Bytes of a message at most.
const BYTES: usize = 1024 * 1024;
/// Components of a message at most.
const COMPONENTS: usize = 100;

/// Reads a message.
///
/// # Errors
/// INVALID_ARGUMENT naming `icalendar`.
pub fn message(bytes: &[u8]) -> Result<Read<'_>> {
    let bad = |why: &dyn std::fmt::Display| Error::invalid("icalendar", why.to_string());
    if bytes.len() > BYTES {
        return Err(bad(&"it is larger than 1 MiB"));
    }
    let document = Document::parse(bytes, &Limits::default()).map_err(|cause| bad(&cause))?;
    let object = CalendarObject::read_message(&document).map_err(|cause| bad(&cause))?;
    if object.items.len() > COMPONENTS {
        return Err(bad(&"it has more than 100 components"));
    }
    if object.method.is_none() {
        return Err(bad(&"METHOD is missing"));
    }
    let read = Read { document, object };
    check_instances(&read).map_err(|why| bad(&why))?;
    Ok(read)
}

/// Refuses two components of one instance, for one would undo the other; and the rest of a series where only instances are understood.
fn check_instances(message: &Read<'_>) -> std::result::Result<(), String> {
    let mut seen = BTreeSet::new();
    let is_single = matches!(message.object.method.as_deref(), Some("CANCEL" | "REPLY"));
    for (instance, item) in message.by_instance() {
        let named = message.component(item).property("RECURRENCE-ID");
        let named = named.map_or("all of the meeting", |line| line.value().trim());
        if !seen.insert(instance) {
            return Err(format!("it has two components of {named}"));
        }
        if is_single && item.recurrence_id.as_ref().is_some_and(|id| id.this_and_future) {
            return Err(format!("RANGE=THISANDFUTURE of {named} is not taken: name all instances, or none"));
        }
    }
    Ok(())
}

/// When a component was made, in seconds UTC. Not later than now, or nothing newer could come.
///
/// # Errors
/// INVALID_ARGUMENT naming `icalendar`, when DTSTAMP is missing or can't be read.
pub fn stamp_of(message: &Read<'_>, item: &Item, now: i64) -> Result<i64> {
    let bad = || Error::invalid("icalendar", "DTSTAMP is missing or no time in UTC");
    let line = message.component(item).property("DTSTAMP").ok_or_else(bad)?;
    let value = DateValue::parse(line.value().trim(), None, line.param("TZID").as_deref());
    let at = time::seconds(&value.map_err(|_| bad())?, &mut message.zones());
    Ok(at.min(now.div_euclid(time::MICROS)))
}

/// The guest on whose behalf a message speaks: the ATTENDEE with the sender's address, else one whom `known` (the organizer's object) lets
/// the sender speak for by SENT-BY. What a message itself says of SENT-BY proves nothing.
pub fn guest_of(message: &Read<'_>, known: Option<&Read<'_>>, sender: &str) -> Option<String> {
    let named: Vec<&String> =
        message.object.items.iter().flat_map(|item| &item.attendees).map(|guest| &guest.address).collect();
    if named.iter().any(|address| *address == sender) {
        return Some(sender.to_owned());
    }
    let known = known?;
    let mut lines = known.object.items.iter().flat_map(|item| guests(&known.component(item), item));
    let found = lines.find(|(address, line)| speaks_for(line, sender) && named.contains(&address));
    found.map(|(address, _)| address)
}

/// Whether the sender is the organizer of an object, or the one by whom the organizer sends.
pub fn is_organizer(read: &Read<'_>, sender: &str) -> bool {
    organizer_of(&read.object) == sender
        || read.object.items.iter().any(|item| {
            read.component(item).property("ORGANIZER").is_some_and(|line| speaks_for(&line, sender))
        })
}

fn speaks_for(line: &Property<'_>, sender: &str) -> bool {
    line.param("SENT-BY").is_some_and(|by| answer::bare(&by) == sender)
}

/// The message as an object that can be stored: without METHOD, and without what an outsider has no say in (alarms, partners, files
/// of this server, parameters between a client and its server).
pub fn object_of(message: &Read<'_>) -> Vec<u8> {
    let mut patch = Patch::new(&message.document);
    patch.remove_all(&message.document.root(), "METHOD");
    for item in &message.object.items {
        let component = message.component(item);
        super::message::strip(&mut patch, &component);
        super::message::unmanage(&mut patch, &component);
    }
    patch.apply()
}

/// The copy with these components in the place of its own ones; a guest's own lines stay as `copy::merge` has it.
///
/// # Errors
/// INTERNAL for a text that can't be read.
pub fn with_components(copy: &Read<'_>, news: &Read<'_>) -> Vec<u8> {
    let mut patch = Patch::new(&copy.document);
    let root = copy.document.root();
    let present = copy.by_instance();
    for (instance, item) in news.by_instance() {
        let raw = news.component(item).raw();
        match present.iter().find(|(known, _)| *known == instance) {
            Some((_, old)) => patch.replace_component(&copy.component(old), raw),
            None => patch.insert_component(&root, raw),
        }
    }
    let zones: Vec<String> = root.children("VTIMEZONE").filter_map(|zone| tzid(&zone)).collect();
    for zone in news.document.root().children("VTIMEZONE") {
        if tzid(&zone).is_some_and(|tzid| !zones.contains(&tzid)) {
            patch.insert_component(&root, zone.raw());
        }
    }
    patch.apply()
}

fn tzid(zone: &Component<'_>) -> Option<String> {
    Some(zone.text("TZID")?.trim().to_owned())
}

/// The organizer's text with the guest's own answers where the organizer had not heard them: SEQUENCE is the same, and the text says that there
/// is none.
pub fn keep_answers(news: &Read<'_>, copy: &Read<'_>, own: &Addresses) -> Vec<u8> {
    let present = copy.by_instance();
    let mut patch = Patch::new(&news.document);
    for (instance, item) in news.by_instance() {
        let Some((_, old)) = present.iter().find(|(known, _)| *known == instance) else { continue };
        if old.sequence != item.sequence {
            continue;
        }
        for (address, line) in guests(&news.component(item), item) {
            let said = partstat(old, &address).filter(|said| said != NEEDS_ACTION);
            if let Some(said) = said
                && own.has(&address)
                && partstat(item, &address).as_deref() == Some(NEEDS_ACTION)
            {
                set_params(&mut patch, &line, &[("PARTSTAT", &said)], &[]);
            }
        }
    }
    patch.apply()
}

/// The guest's copy with instances cancelled: all of them when `instances` has a none. Those that the series does not have are passed over.
/// `sequence` is that of the message.
///
/// # Errors
/// NOT_FOUND when the series has none of them.
pub fn cancel(bytes: &[u8], instances: &[Option<i64>], sequence: u32, now: i64) -> Result<Vec<u8>> {
    let whole = instances.contains(&None);
    let mut text = bytes.to_vec();
    let (mut found, mut missing) = (whole, None);
    for original in instances.iter().flatten().filter(|_| !whole) {
        match with_instance(&text, "the meeting", *original, now) {
            Err(cause) if cause.reason() == "NOT_FOUND" => missing = Some(cause),
            outcome => (text, found) = (outcome?, true),
        }
    }
    if let Some(cause) = missing.filter(|_| !found) {
        return Err(cause);
    }
    let read = Read::of(&text)?;
    let mut patch = Patch::new(&read.document);
    for (instance, item) in read.by_instance() {
        if !whole && !instances.contains(&instance) {
            continue;
        }
        let component = read.component(item);
        patch.set(&component, ContentLine::new("STATUS", "CANCELLED"));
        patch.set(&component, ContentLine::new("SEQUENCE", sequence.max(item.sequence).to_string()));
        patch.set(&component, ContentLine::date("DTSTAMP", &DateValue::Utc(time::stamp(now))));
    }
    Ok(patch.apply())
}
