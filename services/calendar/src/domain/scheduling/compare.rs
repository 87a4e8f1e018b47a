//! What differs between two texts of one meeting, for those who are invited to it.
//! Called by schedule/ with what a guest saw before and sees now, and by organizer.rs for times.

use std::collections::BTreeMap;

use kontor_vobject::ical::{Item, RawDates};
use kontor_vobject::tree::Property;
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::Zones;

use super::{PRIVATE, Read};
use crate::domain::event::{PARTNER, end_of};
use crate::domain::time;

/// How two texts of a meeting differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// In nothing that a guest is told.
    None,
    /// Only in the answers of guests.
    Answers,
    /// In the meeting itself.
    Meeting,
}

/// Compares two messages about one meeting.
///
/// # Errors
/// INTERNAL for a text that can't be read.
pub fn difference(before: &[u8], after: &[u8]) -> kontor_kit::Result<Difference> {
    let (before, after) = (Read::of(before)?, Read::of(after)?);
    if lines(&before, false) != lines(&after, false) {
        return Ok(Difference::Meeting);
    }
    let same = lines(&before, true) == lines(&after, true);
    Ok(if same { Difference::None } else { Difference::Answers })
}

/// Lines that say nothing about the meeting: stamps, and what programs note for themselves.
fn is_passed_over(property: &Property<'_>) -> bool {
    let name = property.name();
    ["DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE"].iter().any(|passed| name.eq_ignore_ascii_case(passed))
        || name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("X-"))
        || name.eq_ignore_ascii_case(PARTNER)
}

/// The lines of each component in an order that does not depend on the program that wrote them.
fn lines(read: &Read<'_>, with_answers: bool) -> BTreeMap<Option<i64>, Vec<String>> {
    let mut all = BTreeMap::new();
    for (instance, item) in read.by_instance() {
        let component = read.component(item);
        let properties = component.properties().filter(|property| !is_passed_over(property));
        let mut lines: Vec<String> = properties.map(|property| line(&property, with_answers)).collect();
        lines.sort();
        all.insert(instance, lines);
    }
    all
}

fn line(property: &Property<'_>, with_answers: bool) -> String {
    let name = property.name().to_ascii_uppercase();
    let is_person = name == "ATTENDEE" || name == "ORGANIZER";
    let mut params: Vec<String> = property
        .params()
        .map(|(name, value)| (name.to_ascii_uppercase(), value))
        .filter(|(name, _)| !PRIVATE.contains(&name.as_str()))
        .filter(|(name, _)| with_answers || !is_person || !["PARTSTAT", "RSVP"].contains(&name.as_str()))
        .map(|(name, value)| format!(";{name}={value}"))
        .collect();
    params.sort();
    format!("{name}{}:{}", params.concat(), property.value().trim())
}

/// Whether an item happens at another time than before, so that its guests have to answer again (RFC 6638 section 3.2.8).
pub fn is_rescheduled(
    before: &Item,
    before_zones: &mut Zones<'_>,
    after: &Item,
    after_zones: &mut Zones<'_>,
) -> bool {
    has_moved(before, before_zones, after, after_zones)
        || adds_by_rule(&before.rules, &after.rules)
        || adds(&before.dates, before_zones, &after.dates, after_zones)
        // An EXDATE that goes brings an instance back.
        || adds(&after.except_dates, after_zones, &before.except_dates, before_zones)
}

/// Whether start or end of an item differ as instants, or one is a day and the other is not.
pub fn has_moved(
    before: &Item,
    before_zones: &mut Zones<'_>,
    after: &Item,
    after_zones: &mut Zones<'_>,
) -> bool {
    span(before, before_zones) != span(after, after_zones)
}

type Point = Option<(i64, bool)>;

fn span(item: &Item, zones: &mut Zones<'_>) -> (Point, Point, Point) {
    let mut point =
        |value: Option<&DateValue>| value.map(|value| (time::seconds(value, zones), value.is_date()));
    let (start, due) = (point(item.start.as_ref()), point(item.due.as_ref()));
    let end = end_of(item, zones);
    let end = end.map(|end| (time::seconds(&end, zones), end.is_date()));
    (start, due, end)
}

/// Whether the rules may give instances that were not there. A rule that only ends earlier gives none.
fn adds_by_rule(before: &[RawDates], after: &[RawDates]) -> bool {
    if after.is_empty() {
        return false;
    }
    let (Some(old), Some(new), true) = (before.first(), after.first(), before.len() == 1 && after.len() == 1)
    else {
        return before.iter().map(|rule| &rule.value).ne(after.iter().map(|rule| &rule.value));
    };
    let ((old_base, old_end), (new_base, new_end)) = (parts(&old.value), parts(&new.value));
    if old_base != new_base {
        return true;
    }
    match (old_end, new_end) {
        (old, new) if old == new => false,
        (None, Some(_)) => false,
        (Some(End::Until(old)), Some(End::Until(new))) => new > old,
        (Some(End::Count(old)), Some(End::Count(new))) => new > old,
        _ => true,
    }
}

#[derive(PartialEq, Eq)]
enum End {
    Until(String),
    Count(u64),
}

/// A rule without its end, its parts in order, and the end.
fn parts(rule: &str) -> (Vec<String>, Option<End>) {
    let (mut base, mut end) = (Vec::new(), None);
    for part in rule.split(';').map(|part| part.trim().to_ascii_uppercase()) {
        if let Some(until) = part.strip_prefix("UNTIL=") {
            end = Some(End::Until(until.to_owned()));
        } else if let Some(count) = part.strip_prefix("COUNT=").and_then(|count| count.parse().ok()) {
            end = Some(End::Count(count));
        } else if !part.is_empty() {
            base.push(part);
        }
    }
    base.sort();
    (base, end)
}

fn adds(
    before: &[RawDates],
    before_zones: &mut Zones<'_>,
    after: &[RawDates],
    after_zones: &mut Zones<'_>,
) -> bool {
    let known = instants(before, before_zones);
    instants(after, after_zones).iter().any(|instant| !known.contains(instant))
}

/// The instants of a list of dates, in seconds UTC; what can't be read (a list of periods) stands as its text.
pub fn instants(raw: &[RawDates], zones: &mut Zones<'_>) -> std::collections::BTreeSet<Result<i64, String>> {
    let mut all = std::collections::BTreeSet::new();
    for raw in raw {
        match DateValue::parse_list(&raw.value, raw.value_type.as_deref(), raw.tzid.as_deref()) {
            Ok(values) => all.extend(values.iter().map(|value| Ok(time::seconds(value, zones)))),
            Err(_) => {
                all.insert(Err(raw.value.clone()));
            }
        }
    }
    all
}
