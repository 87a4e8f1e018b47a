//! Changes of a stored event that come from callers of the API: of the whole, and of one instance (row C4).
//! Called by rpc/events.rs.

use jiff::Timestamp;
use kontor_kit::mask::Mask;
use kontor_kit::{Error, Result};
use kontor_vobject::expand::{Occurrence, Series};
use kontor_vobject::ical::{CalendarObject, Item, ItemKind, RecurrenceId};
use kontor_vobject::recur::{Budget, day};
use kontor_vobject::tree::Document;
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};
use kontor_vobject::{Limits, Patch, ical};

use super::event::{Event, FIELDS, partners_of};
use super::{series, text, time};

/// Fields that UpdateOccurrence can take over.
pub const OCCURRENCE_FIELDS: [&str; 6] = ["summary", "description", "location", "start", "end", "status"];

/// The text of a new event.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn create(event: &Event, uid: &str, zone: &Zone, now: i64) -> Result<Vec<u8>> {
    event.check()?;
    let mut zones = Zones::known(zone.clone());
    let item = Item { kind: ItemKind::Event, ..Item::default() };
    let item = event.put_on(&item, &Mask::read(None, &FIELDS, &FIELDS)?, &mut zones)?;
    let mut partners = event.partners.clone();
    partners.sort();
    partners.dedup();
    text::create(uid, &item, &partners, now)
}

/// The text with the masked fields taken over. `found` are the partners found by addresses, which need no line.
/// The same bytes when nothing differs.
///
/// # Errors
/// INVALID_ARGUMENT naming the field; FAILED_PRECONDITION for an object without a master.
pub fn update(
    bytes: &[u8],
    event: &Event,
    mask: &Mask,
    found: &[String],
    zone: &Zone,
    now: i64,
) -> Result<Vec<u8>> {
    event.check()?;
    let (document, object) = text::stored(bytes)?;
    let mut zones = Zones::of(&document, zone.clone());
    let old = object.master().ok_or_else(no_master)?;
    let new = event.put_on(old, mask, &mut zones)?;
    let partners = mask.has("partners").then(|| {
        let present = partners_of(&document.component(old.component));
        let mut lines: Vec<String> = event.partners.clone();
        lines.retain(|partner| present.contains(partner) || !found.contains(partner));
        lines.sort();
        lines.dedup();
        lines
    });
    let mut patch = Patch::new(&document);
    let mut moved = new.clone();
    series::follow(&mut patch, &document, &object, old, &mut moved, &mut zones);
    text::change(&mut patch, &document, old, &moved, partners.as_deref(), now);
    Ok(patch.apply())
}

/// The text with one instance changed: a new override, or a change of the one that is there. Nothing else moves.
///
/// # Errors
/// NOT_FOUND when the series has no such instance; INVALID_ARGUMENT naming the field.
pub fn update_occurrence(
    bytes: &[u8],
    name: &str,
    original: i64,
    event: &Event,
    mask: &Mask,
    zone: &Zone,
    now: i64,
) -> Result<Vec<u8>> {
    event.check()?;
    let (document, object) = text::stored(bytes)?;
    let mut zones = Zones::of(&document, zone.clone());
    let instance = find(&document, &object, zone, original.div_euclid(time::MICROS))
        .ok_or_else(|| Error::not_found(format!("the instance of {name} at {}", shown(original))))?;
    let mut patch = Patch::new(&document);
    let described = object.items.iter().find(|item| item.component == instance.component);
    let described = described.ok_or_else(|| Error::internal("an instance without its component"))?;
    let is_own = described.recurrence_id.as_ref().is_some_and(|id| {
        !id.this_and_future || time::seconds(&id.at, &mut zones) == original.div_euclid(time::MICROS)
    });
    if is_own {
        let new = event.put_on(described, mask, &mut zones)?;
        text::change(&mut patch, &document, described, &new, None, now);
        return Ok(patch.apply());
    }
    let at = object
        .master()
        .and_then(|master| master.start.as_ref())
        .unwrap_or(&DateValue::Floating(instance_wall(&instance)))
        .clone();
    let id = recurrence_id(&at, &instance, original, &mut zones);
    let placed = placed(described, &instance, id, &mut zones);
    let new = event.put_on(&placed, mask, &mut zones)?;
    if new == placed {
        return Ok(bytes.to_vec());
    }
    let component = write_override(&document, described, &new, true, now)?;
    patch.insert_component(&document.root(), &component);
    text::describe_zones(&mut patch, &document, &new);
    Ok(patch.apply())
}

/// The component of one instance as the series has it, to be put into the object: for an answer that holds for this instance only.
/// `original` is in seconds UTC. None when the series has no such instance.
///
/// # Errors
/// INTERNAL.
pub fn instance_text(
    document: &Document<'_>,
    object: &CalendarObject,
    zone: &Zone,
    original: i64,
    now: i64,
) -> Result<Option<Vec<u8>>> {
    let Some(instance) = find(document, object, zone, original) else { return Ok(None) };
    let described = object.items.iter().find(|item| item.component == instance.component);
    let described = described.ok_or_else(|| Error::internal("an instance without its component"))?;
    let mut zones = Zones::of(document, zone.clone());
    let at = object
        .master()
        .and_then(|master| master.start.as_ref())
        .unwrap_or(&DateValue::Floating(instance_wall(&instance)))
        .clone();
    let id = recurrence_id(&at, &instance, original.saturating_mul(time::MICROS), &mut zones);
    let placed = placed(described, &instance, id, &mut zones);
    write_override(document, described, &placed, false, now).map(Some)
}

pub(super) fn no_master() -> Error {
    Error::precondition("NO_MASTER", "only single instances of this series are known: change them one by one")
}

pub(super) fn shown(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |at| at.to_string())
}

fn instance_wall(instance: &Occurrence) -> jiff::civil::DateTime {
    day::date_time(instance.start.as_second())
}

/// Days that a THISANDFUTURE override may have moved an instance by and we still find it.
const REACH_DAYS: i64 = 62;

/// The instance that the series has at `original` (seconds UTC).
pub(super) fn find(
    document: &Document<'_>,
    object: &CalendarObject,
    zone: &Zone,
    original: i64,
) -> Option<Occurrence> {
    let series = Series::of(document, zone.clone()).ok()?;
    if !series.is_recurring() {
        return None;
    }
    let within = |from: i64, to: i64| {
        let (from, to) = (Timestamp::from_second(from).ok()?, Timestamp::from_second(to).ok()?);
        let found = series.occurrences(from, to, &mut Budget::default()).ok()?;
        found.into_iter().find(|found| found.recurrence_id.is_some_and(|id| id.as_second() == original))
    };
    if let Some(found) = within(original, original.saturating_add(1)) {
        return Some(found);
    }
    if object.overrides.is_empty() {
        return None;
    }
    // An override may have put it anywhere: look where its own component stands.
    let mut zones = Zones::of(document, zone.clone());
    let moved = object.overrides().filter_map(|item| {
        let id = time::seconds(&item.recurrence_id.as_ref()?.at, &mut zones);
        (id == original).then(|| item.start.as_ref().map(|start| time::seconds(start, &mut zones)))?
    });
    let places: Vec<i64> = moved.collect();
    places.into_iter().find_map(|place| within(place, place.saturating_add(1))).or_else(|| {
        let reach = REACH_DAYS * day::DAY;
        within(original.saturating_sub(reach), original.saturating_add(reach))
    })
}

/// RECURRENCE-ID: of the kind and in the zone of the series' start (RFC 5545 3.8.4.4).
fn recurrence_id(
    start: &DateValue,
    instance: &Occurrence,
    original: i64,
    zones: &mut Zones<'_>,
) -> RecurrenceId {
    let utc = instance.recurrence_id.map_or(original.div_euclid(time::MICROS), |id| id.as_second());
    RecurrenceId { at: time::at_instant(start, utc, zones), this_and_future: false }
}

/// The instance as an item of its own, before the change.
fn placed(described: &Item, instance: &Occurrence, id: RecurrenceId, zones: &mut Zones<'_>) -> Item {
    let start = described.start.clone().map(|start| match instance.days {
        Some((first, _)) => DateValue::Date(first),
        None => time::at_instant(&start, instance.start.as_second(), zones),
    });
    let end = described.end.clone().map(|end| match instance.days {
        Some((_, behind)) => DateValue::Date(behind),
        None => time::at_instant(&end, instance.end.as_second(), zones),
    });
    Item {
        recurrence_id: Some(id),
        start,
        end,
        rules: Vec::new(),
        except_rules: Vec::new(),
        dates: Vec::new(),
        except_dates: Vec::new(),
        ..described.clone()
    }
}

/// The override's text: the component that described the instance so far, alarms and unknown lines included, with the
/// lines of `new`.
fn write_override(
    document: &Document<'_>,
    described: &Item,
    new: &Item,
    is_change: bool,
    now: i64,
) -> Result<Vec<u8>> {
    let end = document.line_end();
    let raw = document.component(described.component).raw();
    let mut alone = format!("BEGIN:VCALENDAR{end}VERSION:2.0{end}").into_bytes();
    alone.extend_from_slice(raw);
    if !raw.ends_with(b"\n") {
        alone.extend_from_slice(end.as_bytes());
    }
    alone.extend_from_slice(format!("END:VCALENDAR{end}").as_bytes());
    let alone = Document::parse(&alone, &Limits::default()).map_err(Error::internal)?;
    let root = alone.root();
    let component =
        root.components().next().ok_or_else(|| Error::internal("an override without its component"))?;
    let mut patch = Patch::new(&alone);
    ical::update(&mut patch, &component, described, new);
    if is_change {
        patch.bump_sequence(&component);
    }
    patch.stamp(&component, time::stamp(now));
    let changed = patch.apply();
    let changed = Document::parse(&changed, &Limits::default()).map_err(Error::internal)?;
    let root = changed.root();
    let component =
        root.components().next().ok_or_else(|| Error::internal("an override without its component"))?;
    Ok(component.raw().to_vec())
}
