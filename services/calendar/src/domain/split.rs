//! "This and following": a series is cut in two before one of its instances (row C4).
//! Called by rpc/series.rs.

use jiff::Timestamp;
use kontor_kit::mask::Mask;
use kontor_kit::{Error, Result};
use kontor_vobject::Patch;
use kontor_vobject::content::ContentLine;
use kontor_vobject::expand::Series;
use kontor_vobject::ical::{self, CalendarObject, Item, RawDates};
use kontor_vobject::recur::{Budget, End, Frequency, Iter, Plan, Rule, day};
use kontor_vobject::tree::Document;
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};

use super::change::{self, OCCURRENCE_FIELDS};
use super::event::Event;
use super::{text, time};

/// A series in two parts.
#[derive(Debug)]
pub enum Parts {
    /// The instance is the first one, so that all of the series follows it.
    Whole,
    /// What comes before the instance, and the instance with what follows as an object of its own.
    Two {
        /// The old object.
        before: Vec<u8>,
        /// The new one.
        after: Vec<u8>,
    },
}

/// What a caller changes.
pub struct Change<'a> {
    /// New values.
    pub event: &'a Event,
    /// Which of them.
    pub mask: &'a Mask,
    /// Partners that the event has by addresses.
    pub found: &'a [String],
}

/// Cuts a series before the instance that it has at `original` (microseconds UTC). `uid` is that of the new part.
///
/// # Errors
/// NOT_FOUND when the series has no such instance; FAILED_PRECONDITION when it has no master or an item that holds for the
/// future too.
pub fn split(bytes: &[u8], name: &str, original: i64, uid: &str, zone: &Zone, now: i64) -> Result<Parts> {
    let (document, object) = text::stored(bytes)?;
    let master = object.master().ok_or_else(change::no_master)?;
    let utc = original.div_euclid(time::MICROS);
    change::find(&document, &object, zone, utc)
        .ok_or_else(|| Error::not_found(format!("the instance of {name} at {}", change::shown(original))))?;
    if !has_any_before(&document, zone, utc)? {
        return Ok(Parts::Whole);
    }
    let mut zones = Zones::of(&document, zone.clone());
    let start = master.start.clone().ok_or_else(change::no_master)?;
    let cut = Cut { utc, at: time::at_instant(&start, utc, &mut zones) };
    if object.overrides().any(|item| {
        let id = item.recurrence_id.as_ref().filter(|id| id.this_and_future);
        id.is_some_and(|id| !cut.is_behind(&id.at, &mut zones))
    }) {
        let message = "an earlier change of this series holds for all later instances: change it as a whole";
        return Err(Error::precondition("RANGED_SERIES", message));
    }
    let (rules_before, rules_after) = cut.rules(master, &start)?;
    Ok(Parts::Two {
        before: before(&document, &object, master, &cut, rules_before, &mut zones, now),
        after: after(&document, &object, master, &cut, rules_after, uid, &mut zones, now)?,
    })
}

/// The new part with the caller's changes. The instance itself may have been changed apart before: it changes along.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn changed(
    bytes: &[u8],
    name: &str,
    original: i64,
    change: &Change<'_>,
    zone: &Zone,
    now: i64,
) -> Result<Vec<u8>> {
    let Change { event, mask, found } = change;
    let mut data = bytes.to_vec();
    if has_override_at(bytes, original, zone)? {
        let fields: Vec<&str> = OCCURRENCE_FIELDS.into_iter().filter(|field| mask.has(field)).collect();
        let own = Mask::read(None, &OCCURRENCE_FIELDS, &fields)?;
        data = change::update_occurrence(bytes, name, original, event, &own, zone, now)?;
    }
    if mask.has("start") && !mask.has("recurrence_rule") {
        data = follow_weekday(&data, event, zone)?;
    }
    change::update(&data, event, mask, found, zone, now)
}

/// Where the series is cut.
struct Cut {
    /// Seconds UTC.
    utc: i64,
    /// As the series' start is written.
    at: DateValue,
}

impl Cut {
    /// Whether a value names the instance or a later one.
    fn is_behind(&self, value: &DateValue, zones: &mut Zones<'_>) -> bool {
        match value {
            // A day stands for the instance of that day.
            DateValue::Date(date) => *date >= self.at.civil().date(),
            DateValue::Floating(at) => *at >= self.at.civil(),
            _ => time::seconds(value, zones) >= self.utc,
        }
    }

    /// UNTIL of what comes before.
    fn until(&self) -> String {
        match &self.at {
            DateValue::Date(date) => DateValue::Date(date.yesterday().unwrap_or(*date)).format().0,
            DateValue::Floating(at) => DateValue::Floating(day::date_time(day::seconds(*at) - 1)).format().0,
            _ => DateValue::Utc(day::date_time(self.utc - 1)).format().0,
        }
    }

    /// The rules of both parts.
    fn rules(&self, master: &Item, start: &DateValue) -> Result<(Vec<RawDates>, Vec<RawDates>)> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for raw in &master.rules {
            let rule = Rule::parse(&raw.value).map_err(Error::internal)?;
            let value = match rule.end {
                End::Count(count) => {
                    let spent = self.instances_before(&rule, start)?;
                    if spent >= u64::from(count) {
                        before.push(raw.clone());
                        continue;
                    }
                    with_end(&raw.value, &format!("COUNT={}", u64::from(count) - spent))
                }
                _ => raw.value.clone(),
            };
            before.push(RawDates {
                value: with_end(&raw.value, &format!("UNTIL={}", self.until())),
                ..raw.clone()
            });
            after.push(RawDates { value, ..raw.clone() });
        }
        Ok((before, after))
    }

    /// Instances that COUNT has counted before the cut, the start among them whether or not the rule generates it.
    fn instances_before(&self, rule: &Rule, start: &DateValue) -> Result<u64> {
        let plan = Plan::new(rule, start.civil(), start.is_date()).map_err(Error::internal)?;
        let mut budget = Budget::default();
        let until = day::seconds(self.at.civil()) - 1;
        let mut instances = Iter::new(&plan, Some(until), &budget);
        let first = day::seconds(start.civil());
        let (mut count, mut has_first) = (0, false);
        while let Some(wall) = instances.next(&mut budget).map_err(|_| too_long())? {
            has_first |= wall == first;
            count += 1;
        }
        Ok(count + u64::from(!has_first))
    }

    /// The dates of one side.
    fn dates(&self, all: &[RawDates], behind: bool, zones: &mut Zones<'_>) -> Vec<RawDates> {
        let mut kept = Vec::new();
        for raw in all {
            let kind = raw.value_type.as_deref().filter(|kind| *kind != "PERIOD");
            let places = raw.value.split(',').filter(|place| {
                let start = place.split('/').next().unwrap_or_default();
                // What can't be read stays where it was.
                DateValue::parse(start, kind, raw.tzid.as_deref())
                    .map_or(!behind, |value| self.is_behind(&value, zones) == behind)
            });
            let value = places.collect::<Vec<_>>().join(",");
            if !value.is_empty() {
                kept.push(RawDates { value, ..raw.clone() });
            }
        }
        kept
    }

    fn has_behind(&self, item: &Item, zones: &mut Zones<'_>) -> bool {
        item.recurrence_id.as_ref().is_some_and(|id| self.is_behind(&id.at, zones))
    }
}

fn before(
    document: &Document<'_>,
    object: &CalendarObject,
    master: &Item,
    cut: &Cut,
    rules: Vec<RawDates>,
    zones: &mut Zones<'_>,
    now: i64,
) -> Vec<u8> {
    let mut patch = Patch::new(document);
    let new = Item {
        rules,
        dates: cut.dates(&master.dates, false, zones),
        except_dates: cut.dates(&master.except_dates, false, zones),
        ..master.clone()
    };
    text::change(&mut patch, document, master, &new, None, now);
    for item in object.overrides().filter(|item| cut.has_behind(item, zones)) {
        patch.remove_component(&document.component(item.component));
    }
    patch.apply()
}

#[expect(clippy::too_many_arguments, reason = "the parts of a cut, each used once")]
fn after(
    document: &Document<'_>,
    object: &CalendarObject,
    master: &Item,
    cut: &Cut,
    rules: Vec<RawDates>,
    uid: &str,
    zones: &mut Zones<'_>,
    now: i64,
) -> Result<Vec<u8>> {
    let start = master.start.clone().ok_or_else(change::no_master)?;
    let end = master.end.as_ref().map(|end| {
        // The end stays on its wall as far from the start as it was, and exact where it has another zone (RFC 5545 3.8.5.3).
        if start.is_date() || end.tzid() == start.tzid() && start.tzid().is_none() {
            let length = day::seconds(end.civil()) - day::seconds(start.civil());
            time::with_civil(end, day::date_time(day::seconds(cut.at.civil()) + length))
        } else {
            let length = time::seconds(end, zones) - time::seconds(&start, zones);
            time::at_instant(end, cut.utc + length, zones)
        }
    });
    let new = Item {
        start: Some(cut.at.clone()),
        end,
        rules,
        // An RDATE for the instance itself is now the start.
        dates: cut.dates(&master.dates, true, zones),
        except_dates: cut.dates(&master.except_dates, true, zones),
        ..master.clone()
    };
    let mut patch = Patch::new(document);
    let component = document.component(master.component);
    ical::update(&mut patch, &component, master, &new);
    for item in &object.items {
        let own = document.component(item.component);
        if item.recurrence_id.is_some() && !cut.has_behind(item, zones) {
            patch.remove_component(&own);
            continue;
        }
        patch.set(&own, ContentLine::text("UID", uid));
        patch.remove_all(&own, "SEQUENCE");
        patch.stamp(&own, time::stamp(now));
    }
    patch.add(&component, ContentLine::text("RELATED-TO", &object.uid).param("RELTYPE", "SIBLING"));
    text::describe_zones(&mut patch, document, &new);
    Ok(patch.apply())
}

/// A rule's text with another end; all else stays as it was spelt.
fn with_end(rule: &str, end: &str) -> String {
    let is_end = |part: &&str| {
        let name = part.split('=').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("COUNT") || name.eq_ignore_ascii_case("UNTIL")
    };
    let mut parts: Vec<&str> =
        rule.split(';').filter(|part| !part.trim().is_empty() && !is_end(part)).collect();
    parts.push(end);
    parts.join(";")
}

/// Whether the series has an instance that begins before, exceptions left out.
fn has_any_before(document: &Document<'_>, zone: &Zone, utc: i64) -> Result<bool> {
    let series = Series::of(document, zone.clone()).map_err(Error::internal)?;
    let mut budget = Budget::default();
    let first = series.bounds(&mut budget.clone()).first.as_second() - 1;
    // Most series have one in their first year; the rest is only looked at when they have not.
    let mut from = first;
    while from < utc {
        let to = from.saturating_add(366 * day::DAY).min(utc);
        let at = |seconds: i64| Timestamp::from_second(seconds).map_err(Error::internal);
        let found = series.occurrences(at(from)?, at(to)?, &mut budget).map_err(|_| too_long())?;
        if found.iter().any(|one| one.recurrence_id.is_some_and(|id| id.as_second() < utc)) {
            return Ok(true);
        }
        from = to;
    }
    Ok(false)
}

fn has_override_at(bytes: &[u8], original: i64, zone: &Zone) -> Result<bool> {
    let (document, object) = text::stored(bytes)?;
    let mut zones = Zones::of(&document, zone.clone());
    let utc = original.div_euclid(time::MICROS);
    Ok(object
        .overrides()
        .any(|item| item.recurrence_id.as_ref().is_some_and(|id| time::seconds(&id.at, &mut zones) == utc)))
}

/// A weekly series that is moved to another day of the week comes on that day, though its rule names the old one.
fn follow_weekday(bytes: &[u8], event: &Event, zone: &Zone) -> Result<Vec<u8>> {
    let (document, object) = text::stored(bytes)?;
    let (Some(master), Some(new)) = (object.master(), &event.start) else { return Ok(bytes.to_vec()) };
    let Some(old) = &master.start else { return Ok(bytes.to_vec()) };
    let weekday = |value: &DateValue| day::weekday(day::seconds(value.civil()).div_euclid(day::DAY));
    let mut zones = Zones::of(&document, zone.clone());
    let old = match old {
        DateValue::Date(_) | DateValue::Floating(_) => old.clone(),
        // On the wall of the new start.
        _ if new.is_date() => old.clone(),
        _ => time::at_instant(new, time::seconds(old, &mut zones), &mut zones),
    };
    let (from, to) = (weekday(&old), weekday(new));
    if from == to {
        return Ok(bytes.to_vec());
    }
    let mut rules = master.rules.clone();
    for raw in &mut rules {
        let Ok(mut rule) = Rule::parse(&raw.value) else { continue };
        let plain = rule.weekdays.iter().all(|day| day.nth == 0);
        if rule.frequency != Frequency::Weekly
            || !plain
            || !rule.weekdays.iter().any(|day| day.weekday == from)
        {
            continue;
        }
        rule.weekdays.retain(|day| day.weekday != to);
        rule.weekdays.iter_mut().filter(|day| day.weekday == from).for_each(|day| day.weekday = to);
        raw.value = rule.to_string();
    }
    let item = Item { rules, ..master.clone() };
    let mut patch = Patch::new(&document);
    ical::update(&mut patch, &document.component(master.component), master, &item);
    Ok(patch.apply())
}

fn too_long() -> Error {
    Error::precondition("TOO_MUCH_WORK", "the series has too many instances before this one")
}
