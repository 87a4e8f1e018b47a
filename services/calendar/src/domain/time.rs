//! Times of events and tasks: what a written value means, and how callers of the API see it.
//! Called by the rules beside it.

use jiff::civil::DateTime;
use kontor_kit::{Error, Result};
use kontor_vobject::recur::day;
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::Zones;

/// Microseconds in a second: instants are microseconds in the database and seconds in iCalendar.
pub const MICROS: i64 = 1_000_000;

/// The value with its zone's IANA name where there is one: programs write zones in many spellings.
pub fn shown(value: &DateValue, zones: &mut Zones<'_>) -> DateValue {
    let DateValue::Zoned { at, tzid } = value else { return value.clone() };
    let zone = zones.resolve(tzid).zone;
    DateValue::Zoned { at: *at, tzid: zone.iana_name().unwrap_or(tzid).to_owned() }
}

/// The instant, in seconds UTC. A day is its midnight in the calendar's zone.
pub fn seconds(value: &DateValue, zones: &mut Zones<'_>) -> i64 {
    zones.zone_of(value).to_utc(day::seconds(value.civil()))
}

/// Whether two values are the same time on the same wall, however the zone is spelt.
pub fn same(one: &DateValue, other: &DateValue, zones: &mut Zones<'_>) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
        && one.civil() == other.civil()
        && zones.zone_of(one).same_as(&zones.zone_of(other))
}

/// Another time of the same kind in the same zone.
pub fn at_instant(like: &DateValue, utc: i64, zones: &mut Zones<'_>) -> DateValue {
    let at = day::date_time(zones.zone_of(like).to_wall(utc));
    with_civil(like, at)
}

/// The same kind and zone with another time on the wall.
pub fn with_civil(like: &DateValue, at: DateTime) -> DateValue {
    match like {
        DateValue::Date(_) => DateValue::Date(at.date()),
        DateValue::Floating(_) => DateValue::Floating(at),
        DateValue::Utc(_) => DateValue::Utc(at),
        DateValue::Zoned { tzid, .. } => DateValue::Zoned { at, tzid: tzid.clone() },
    }
}

/// Checks that the zone of a value is one that everybody knows or that the object describes.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn check_zone(value: &DateValue, zones: &mut Zones<'_>, field: &str) -> Result<()> {
    match value.tzid() {
        Some(tzid) if zones.resolve(tzid).unknown => Err(Error::invalid(
            format!("{field}.time_zone"),
            format!("{tzid:?} is no zone of the IANA database, like \"Europe/Brussels\""),
        )),
        _ => Ok(()),
    }
}

/// The instant of a stamp, as iCalendar writes it.
pub fn stamp(now: i64) -> DateTime {
    day::date_time(now.div_euclid(MICROS))
}
