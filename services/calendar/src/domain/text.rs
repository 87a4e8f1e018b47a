//! The text of an object: read once with its zones, written new, or changed only in the lines concerned.
//! Called by change.rs, task.rs and the rpc files.

use kontor_kit::{Error, Result};
use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::{self, CalendarObject, Item};
use kontor_vobject::tree::{Component, Document};
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, vtimezone_for};
use kontor_vobject::{Limits, Patch, write};

use super::event::{PARTNER, partners_of};
use super::time;

/// Reads a stored object.
///
/// # Errors
/// INTERNAL: what is stored was checked when it came.
pub fn stored(bytes: &[u8]) -> Result<(Document<'_>, CalendarObject)> {
    let document = Document::parse(bytes, &Limits::default()).map_err(Error::internal)?;
    let object = CalendarObject::read(&document).map_err(Error::internal)?;
    Ok((document, object))
}

/// A new object with one item.
pub fn create(uid: &str, item: &Item, partners: &[String], now: i64) -> Result<Vec<u8>> {
    let zones: Vec<String> =
        tzids(item).into_iter().filter_map(|tzid| vtimezone_for(&tzid, year_of(item))).collect();
    let text =
        write::calendar(uid, std::slice::from_ref(item), time::stamp(now), zones.iter().map(String::as_str));
    if partners.is_empty() {
        return Ok(text.into_bytes());
    }
    let (document, object) = stored(text.as_bytes())?;
    let mut patch = Patch::new(&document);
    set_partners(&mut patch, &document.component(object.first().component), partners);
    Ok(patch.apply())
}

/// Puts the lines of `new` that differ from `old` into the patch, with SEQUENCE and the stamps. False when nothing differs.
pub fn change(
    patch: &mut Patch<'_>,
    document: &Document<'_>,
    old: &Item,
    new: &Item,
    partners: Option<&[String]>,
    now: i64,
) -> bool {
    let component = document.component(old.component);
    let mut changed = ical::update(patch, &component, old, new);
    if let Some(partners) = partners
        && partners != partners_of(&component)
    {
        set_partners(patch, &component, partners);
        changed = true;
    }
    if !changed {
        return false;
    }
    // RFC 5546 2.1.4: guests must be asked again when time or place or the set of instances change.
    if is_rescheduled(old, new) {
        patch.bump_sequence(&component);
    }
    patch.stamp(&component, time::stamp(now));
    describe_zones(patch, document, new);
    true
}

/// Adds the VTIMEZONEs that the item needs and the object does not have.
pub fn describe_zones(patch: &mut Patch<'_>, document: &Document<'_>, item: &Item) {
    let root = document.root();
    let known: Vec<String> =
        root.children("VTIMEZONE").filter_map(|zone| Some(zone.text("TZID")?.trim().to_owned())).collect();
    for tzid in tzids(item).into_iter().filter(|tzid| !known.contains(tzid)) {
        if let Some(text) = vtimezone_for(&tzid, year_of(item)) {
            patch.insert_component(&root, text.as_bytes());
        }
    }
}

/// The name of the zone that a calendar's `time_zone` property holds.
pub fn tzid_of(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if !text.contains("BEGIN:") {
        return Some(text.to_owned());
    }
    let document = Document::parse(text.as_bytes(), &Limits::default()).ok()?;
    let root = document.root();
    let zone = if root.is("VTIMEZONE") { Some(root) } else { root.children("VTIMEZONE").next() }?;
    let tzid = zone.text("TZID")?.trim().to_owned();
    Some(Zone::named(&tzid).and_then(|zone| zone.iana_name().map(str::to_owned)).unwrap_or(tzid))
}

fn set_partners(patch: &mut Patch<'_>, component: &Component<'_>, partners: &[String]) {
    let present = partners_of(component);
    for property in component.properties_named(PARTNER) {
        if !partners.iter().any(|partner| partner == property.value().trim()) {
            patch.remove(&property);
        }
    }
    for partner in partners.iter().filter(|partner| !present.contains(partner)) {
        patch.add(component, ContentLine::new(PARTNER, partner.as_str()));
    }
}

fn is_rescheduled(old: &Item, new: &Item) -> bool {
    (&old.start, &old.end, &old.due, &old.duration, &old.location, &old.status)
        != (&new.start, &new.end, &new.due, &new.duration, &new.location, &new.status)
        || (&old.rules, &old.dates, &old.except_dates, &old.except_rules)
            != (&new.rules, &new.dates, &new.except_dates, &new.except_rules)
}

fn tzids(item: &Item) -> Vec<String> {
    let recurrence_id = item.recurrence_id.as_ref().map(|id| &id.at);
    let values = [item.start.as_ref(), item.end.as_ref(), item.due.as_ref(), recurrence_id];
    let mut tzids: Vec<String> =
        values.into_iter().flatten().filter_map(DateValue::tzid).map(str::to_owned).collect();
    tzids.sort();
    tzids.dedup();
    tzids
}

fn year_of(item: &Item) -> i16 {
    item.start.as_ref().or(item.due.as_ref()).map_or(2000, |value| value.civil().year())
}
