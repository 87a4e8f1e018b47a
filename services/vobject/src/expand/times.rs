//! When one component is: its start on the wall of its zone, and how long it lasts.
//! Filled by `read`, asked by `expand`.

use super::overlap::Shape;
use crate::recur::day::DAY;
use crate::zone::Zone;

/// The times of one component.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its number in the document.
    pub component: usize,
    /// Its start in seconds on the wall of `zone`, and as an instant.
    pub wall: i64,
    pub utc: i64,
    pub zone: Zone,
    pub all_day: bool,
    pub length: Length,
    pub shape: Shape,
    /// SEQUENCE and DTSTAMP: which of two for the same instance is the newer one (RFC 5546 2.1.5).
    pub rank: (i64, i64),
}

impl Item {
    /// The start on the wall and as an instant.
    pub(super) fn start(&self) -> (i64, i64) {
        (self.wall, self.utc)
    }
}

/// How long an instance lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// So many seconds. "If the duration of the recurring component is specified with the "DTEND" or "DUE" property,
    /// then the same exact duration will apply to all the members of the generated recurrence set" (RFC 5545 3.8.5.3).
    Exact(i64),
    /// So many days on the wall and then seconds: a DURATION, or the days between two DATE values. "Then the same nominal
    /// duration will apply."
    Nominal { days: i64, seconds: i64 },
}

impl Length {
    /// The instant of the end of what begins at this wall time and instant; never before it.
    pub(super) fn end(self, wall: i64, utc: i64, zone: &Zone) -> i64 {
        let end = match self {
            Length::Exact(seconds) | Length::Nominal { days: 0, seconds } => utc.saturating_add(seconds),
            Length::Nominal { days, seconds } => zone.to_utc(wall + days * DAY).saturating_add(seconds),
        };
        end.max(utc)
    }

    /// The end on the wall, for whole days.
    pub(super) fn end_on_wall(self, wall: i64) -> i64 {
        match self {
            Length::Exact(seconds) => wall + seconds.max(0),
            Length::Nominal { days, seconds } => wall + (days * DAY + seconds).max(0),
        }
    }

    /// Seconds that no instance lasts longer than. A day more, where the days are nominal.
    pub(super) fn at_most(self) -> i64 {
        match self {
            Length::Exact(seconds) | Length::Nominal { days: 0, seconds } => seconds.max(0),
            Length::Nominal { days, seconds } => (days * DAY + seconds).max(0) + DAY,
        }
    }
}
