//! Time zones of calendar objects: from a TZID to offsets, whatever program wrote it (RFC 5545 3.2.19, 3.6.5).
//! Called by `expand`, and by the calendar service for users' zones and the zones it writes.

mod names;
mod own;
mod read;
mod windows;
mod write;

pub use own::{Observance, OwnZone};
pub use read::{Resolved, Zones};
pub use write::vtimezone_for;

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::limits::Limits;
use crate::recur::day;
use crate::tree::Document;

/// A time zone. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Zone {
    /// Always so many seconds east of UTC; 0 is UTC.
    Fixed(i32),
    /// A zone of the IANA database that is built into the program.
    Iana(TimeZone),
    /// A zone that only the calendar object itself describes.
    Own(Arc<OwnZone>),
}

impl Zone {
    /// UTC.
    pub const UTC: Zone = Zone::Fixed(0);

    /// The zone of an exact IANA name, in any case.
    pub fn iana(name: &str) -> Option<Zone> {
        if name.eq_ignore_ascii_case("UTC") || name.eq_ignore_ascii_case("Etc/UTC") {
            return Some(Zone::UTC);
        }
        database().get(name).ok().map(Zone::Iana)
    }

    /// The zone that a TZID names: an IANA name, bare or behind a program's prefix, a Windows name, the text that
    /// Outlook shows for a zone, or an offset such as `UTC+01:00`. None for every other text.
    pub fn named(tzid: &str) -> Option<Zone> {
        names::known(tzid).or_else(|| names::offset(tzid))
    }

    /// A zone from a name as in `named`, or from the text of a VTIMEZONE, bare or in its VCALENDAR. None for every other
    /// text.
    pub fn of_text(text: &str) -> Option<Zone> {
        let text = text.trim();
        if !text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("BEGIN:")) {
            return Zone::named(text);
        }
        let bare = text.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("BEGIN:VTIMEZONE"));
        let whole =
            if bare { format!("BEGIN:VCALENDAR\r\n{text}\r\nEND:VCALENDAR\r\n") } else { text.to_owned() };
        let document = Document::parse(whole.as_bytes(), &Limits::default()).ok()?;
        let described = document.root().children("VTIMEZONE").next()?;
        let resolved = Zones::of(&document, Zone::UTC).resolve(described.text("TZID")?.trim());
        (!resolved.unknown).then_some(resolved.zone)
    }

    /// The zone's IANA name, if it has one.
    pub fn iana_name(&self) -> Option<&str> {
        match self {
            Zone::Fixed(0) => Some("UTC"),
            Zone::Iana(zone) => zone.iana_name(),
            _ => None,
        }
    }

    /// Seconds UTC of seconds on this zone's wall. A time in a gap takes the offset before the gap, a time that
    /// comes twice is the first one (RFC 5545 3.3.5).
    pub fn to_utc(&self, wall: i64) -> i64 {
        match self {
            Zone::Fixed(offset) => wall - i64::from(*offset),
            Zone::Own(zone) => wall - i64::from(zone.offset_on_wall(wall)),
            Zone::Iana(zone) => {
                let ambiguous = zone.to_ambiguous_timestamp(day::date_time(wall));
                ambiguous.compatible().map_or(wall, |at| at.as_second())
            }
        }
    }

    /// Seconds on this zone's wall of seconds UTC.
    pub fn to_wall(&self, utc: i64) -> i64 {
        utc + i64::from(self.offset_at(utc))
    }

    /// Seconds east of UTC at an instant.
    pub fn offset_at(&self, utc: i64) -> i32 {
        match self {
            Zone::Fixed(offset) => *offset,
            Zone::Own(zone) => zone.offset_at(utc),
            Zone::Iana(zone) => zone.to_offset(timestamp(utc)).seconds(),
        }
    }

    /// The instant of a time on this zone's wall.
    pub fn instant(&self, at: DateTime) -> Timestamp {
        timestamp(self.to_utc(day::seconds(at)))
    }

    /// Whether both are the same zone, so that a wall time means the same in both.
    pub fn same_as(&self, other: &Zone) -> bool {
        match (self, other) {
            (Zone::Fixed(a), Zone::Fixed(b)) => a == b,
            (Zone::Iana(a), Zone::Iana(b)) => a == b,
            (Zone::Own(a), Zone::Own(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// An instant of seconds UTC, held inside the years that `jiff` knows.
pub(crate) fn timestamp(utc: i64) -> Timestamp {
    let limit = if utc < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(utc).unwrap_or(limit)
}

/// The database that is built in, never the machine's: the same object means the same on every machine.
fn database() -> &'static TimeZoneDatabase {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

/// An offset in seconds that `jiff` can hold, about 25 hours to both sides.
fn fits(offset: i32) -> bool {
    Offset::from_seconds(offset).is_ok()
}

#[cfg(test)]
mod tests;
