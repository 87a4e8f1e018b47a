//! A guest answers over the API, and who invites there without naming an organizer.
//! Called by rpc/respond.rs and rpc/events.rs; what comes out is stored as if a DAV client had written it.

use kontor_kit::{Error, Result};
use kontor_vobject::Patch;
use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::Item;
use kontor_vobject::tree::{Component, Property};
use kontor_vobject::zone::Zone;

use super::{Addresses, Read, guests};
use crate::domain::{change, time};

/// What a guest says.
#[derive(Debug, Clone)]
pub struct Response {
    /// PARTSTAT in capitals.
    pub partstat: String,
    /// COMMENT; empty takes the present one away.
    pub comment: String,
    /// Seconds UTC of the one instance that is answered; none answers all of it.
    pub instance: Option<i64>,
    /// E-mail address of whom the guest hands the part over to, with PARTSTAT "DELEGATED"; else empty.
    pub delegate: String,
}

/// The guest's text with the answer. One instance of a series gets a component of its own when it has none.
///
/// # Errors
/// FAILED_PRECONDITION with reason NOT_INVITED; NOT_FOUND when the series has no such instance.
pub fn respond(bytes: &[u8], name: &str, own: &Addresses, response: &Response, now: i64) -> Result<Vec<u8>> {
    let with_instance = match response.instance {
        Some(original) => with_instance(bytes, name, original, now)?,
        None => bytes.to_vec(),
    };
    let read = Read::of(&with_instance)?;
    let mut patch = Patch::new(&read.document);
    let mut invited = false;
    for (instance, item) in read.by_instance() {
        if response.instance.is_some() && instance != response.instance {
            continue;
        }
        let component = read.component(item);
        for (_, line) in guests(&component, item).iter().filter(|(address, _)| own.has(address)) {
            invited = true;
            answer(&mut patch, &component, item, line, response)?;
        }
        if response.comment.is_empty() {
            patch.remove_all(&component, "COMMENT");
        } else {
            patch.set(&component, ContentLine::text("COMMENT", &response.comment));
        }
        patch.stamp(&component, time::stamp(now));
    }
    if invited {
        return Ok(patch.apply());
    }
    Err(Error::precondition("NOT_INVITED", format!("the owner of the calendar is no guest of {name}")))
}

/// Writes the answer into the guest's line, and the delegate beside it (RFC 5546 section 3.2.2.3).
fn answer(
    patch: &mut Patch<'_>,
    component: &Component<'_>,
    item: &Item,
    line: &Property<'_>,
    response: &Response,
) -> Result<()> {
    let old = ["RSVP", "DELEGATED-TO"];
    let new = ContentLine::new(line.name(), line.value()).param("PARTSTAT", response.partstat.as_str());
    let delegate = response.delegate.to_lowercase();
    if delegate.is_empty() {
        patch.replace_without(line, new, &old);
        return Ok(());
    }
    let organizer = item.organizer.as_ref().map_or("", |organizer| organizer.address.as_str());
    if delegate == organizer {
        return Err(Error::invalid("delegate_to", "the organizer is there already: name somebody else"));
    }
    let uri = format!("mailto:{delegate}");
    patch.replace_without(line, new.param_list("DELEGATED-TO", vec![uri.clone()]), &old);
    let from = vec![line.value().trim().to_owned()];
    match guests(component, item).iter().find(|(address, _)| *address == delegate) {
        Some((_, known)) => {
            let same = ContentLine::new(known.name(), known.value());
            patch.replace(known, same.param_list("DELEGATED-FROM", from));
        }
        None => {
            let new =
                ContentLine::new("ATTENDEE", uri).param("PARTSTAT", "NEEDS-ACTION").param("RSVP", "TRUE");
            patch.add(component, new.param_list("DELEGATED-FROM", from));
        }
    }
    Ok(())
}

/// The text with a component for one instance.
pub(super) fn with_instance(bytes: &[u8], name: &str, original: i64, now: i64) -> Result<Vec<u8>> {
    let read = Read::of(bytes)?;
    if read.by_instance().iter().any(|(instance, _)| *instance == Some(original)) {
        return Ok(bytes.to_vec());
    }
    let text = change::instance_text(&read.document, &read.object, &Zone::UTC, original, now)?;
    let text = text.ok_or_else(|| Error::not_found(format!("the instance of {name}")))?;
    let mut patch = Patch::new(&read.document);
    patch.insert_component(&read.document.root(), &text);
    Ok(patch.apply())
}

/// The text with an organizer, when it has guests and none: who invites over the API without saying so is the organizer.
///
/// # Errors
/// INTERNAL for a text that can't be read.
pub fn appoint(bytes: Vec<u8>, email: &str) -> Result<Vec<u8>> {
    let read = Read::of(&bytes)?;
    let items = &read.object.items;
    let has_organizer = items.iter().any(|item| item.organizer.is_some());
    if email.is_empty() || has_organizer || items.iter().all(|item| item.attendees.is_empty()) {
        return Ok(bytes);
    }
    let mut patch = Patch::new(&read.document);
    for item in items {
        patch.add(&read.component(item), ContentLine::new("ORGANIZER", format!("mailto:{email}")));
    }
    Ok(patch.apply())
}
