//! A recurrence rule as it is written, read and checked, not yet bound to a start (RFC 5545 3.3.10, RFC 7529).
//! Made by `Rule::parse` (parse.rs); bound to a DTSTART by `Plan::new`; written back with `Display`.

use std::fmt;

use jiff::civil::{Date, DateTime};

use super::day;

/// FREQ: what one period is. The order goes from the longest to the shortest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Frequency {
    Yearly,
    Monthly,
    Weekly,
    Daily,
    Hourly,
    Minutely,
    Secondly,
}

/// SKIP of RFC 7529: what becomes of a day that its month or year does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Skip {
    /// It is left out.
    #[default]
    Omit,
    /// It becomes the last day before.
    Backward,
    /// It becomes the first day after.
    Forward,
}

/// How the rule ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum End {
    /// It does not.
    #[default]
    Never,
    /// After so many instances, DTSTART being the first; at least 1.
    Count(u32),
    /// At this moment; an instance exactly there still counts.
    Until(Until),
}

/// UNTIL as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Until {
    /// The whole day counts, in the zone of DTSTART.
    Date(Date),
    /// Compared with the time on the wall.
    Floating(DateTime),
    /// Compared as an instant.
    Utc(DateTime),
}

/// One value of BYDAY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NthWeekday {
    /// 0 for every one, else which one in the month or year; negative from the end; -53 to 53.
    pub nth: i8,
    /// 0 is Monday, 6 is Sunday.
    pub weekday: u8,
}

/// A recurrence rule. Empty lists and empty masks mean that the part is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// FREQ.
    pub frequency: Frequency,
    /// INTERVAL, at least 1.
    pub interval: u32,
    /// COUNT or UNTIL.
    pub end: End,
    /// BYSECOND; bit n is second n. Second 60 has become 59 (RFC 5545 3.3.12).
    pub seconds: u64,
    /// BYMINUTE; bit n is minute n.
    pub minutes: u64,
    /// BYHOUR; bit n is hour n.
    pub hours: u64,
    /// BYDAY.
    pub weekdays: Vec<NthWeekday>,
    /// BYMONTHDAY: 1 to 31 or -31 to -1.
    pub month_days: Vec<i8>,
    /// BYYEARDAY: 1 to 366 or -366 to -1.
    pub year_days: Vec<i16>,
    /// BYWEEKNO: 1 to 53 or -53 to -1.
    pub week_numbers: Vec<i8>,
    /// BYMONTH; bit n is month n, 1 to 12.
    pub months: u16,
    /// BYSETPOS: 1 to 366 or -366 to -1, and more for rules with many times a day.
    pub positions: Vec<i32>,
    /// WKST; 0 is Monday.
    pub week_start: u8,
    /// SKIP, which needs RSCALE=GREGORIAN beside it.
    pub skip: Skip,
}

impl Until {
    /// The last second on the wall that the text names, whatever the zone.
    pub(crate) fn wall_seconds(self) -> i64 {
        match self {
            Until::Date(date) => day::midnight(date) + day::DAY - 1,
            Until::Floating(at) | Until::Utc(at) => day::seconds(at),
        }
    }
}

pub(super) const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

pub(super) const FREQUENCIES: [(&str, Frequency); 7] = [
    ("YEARLY", Frequency::Yearly),
    ("MONTHLY", Frequency::Monthly),
    ("WEEKLY", Frequency::Weekly),
    ("DAILY", Frequency::Daily),
    ("HOURLY", Frequency::Hourly),
    ("MINUTELY", Frequency::Minutely),
    ("SECONDLY", Frequency::Secondly),
];

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.skip {
            Skip::Omit => {}
            Skip::Backward => f.write_str("RSCALE=GREGORIAN;SKIP=BACKWARD;")?,
            Skip::Forward => f.write_str("RSCALE=GREGORIAN;SKIP=FORWARD;")?,
        }
        write!(f, "FREQ={}", FREQUENCIES[self.frequency as usize].0)?;
        match self.end {
            End::Never => {}
            End::Count(count) => write!(f, ";COUNT={count}")?,
            End::Until(Until::Date(date)) => write!(f, ";UNTIL={}", date.strftime("%Y%m%d"))?,
            End::Until(Until::Floating(at)) => write!(f, ";UNTIL={}", at.strftime("%Y%m%dT%H%M%S"))?,
            End::Until(Until::Utc(at)) => write!(f, ";UNTIL={}", at.strftime("%Y%m%dT%H%M%SZ"))?,
        }
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        list(f, "BYSECOND", bits(self.seconds))?;
        list(f, "BYMINUTE", bits(self.minutes))?;
        list(f, "BYHOUR", bits(self.hours))?;
        list(f, "BYDAY", self.weekdays.iter())?;
        list(f, "BYMONTHDAY", self.month_days.iter())?;
        list(f, "BYYEARDAY", self.year_days.iter())?;
        list(f, "BYWEEKNO", self.week_numbers.iter())?;
        list(f, "BYMONTH", bits(self.months.into()))?;
        list(f, "BYSETPOS", self.positions.iter())?;
        if self.week_start != 0 {
            write!(f, ";WKST={}", WEEKDAYS[usize::from(self.week_start % 7)])?;
        }
        Ok(())
    }
}

impl fmt::Display for NthWeekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nth != 0 {
            write!(f, "{}", self.nth)?;
        }
        f.write_str(WEEKDAYS[usize::from(self.weekday % 7)])
    }
}

/// The numbers whose bits are set, in order.
pub(super) fn bits(mask: u64) -> impl Iterator<Item = u8> {
    (0..64u8).filter(move |bit| mask >> bit & 1 == 1)
}

fn list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    values: impl Iterator<Item = T>,
) -> fmt::Result {
    for (index, value) in values.enumerate() {
        match index {
            0 => write!(f, ";{name}={value}")?,
            _ => write!(f, ",{value}")?,
        }
    }
    Ok(())
}
