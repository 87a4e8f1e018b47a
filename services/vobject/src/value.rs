//! Values of iCalendar and vCard properties: dates and times, durations, periods, offsets (RFC 5545 3.3).
//! Called by typed reading, by recurrence and zones, and by whoever writes a property.

mod text;

pub use text::{escape_text, split_unescaped, structured, text_list, unescape_text};

use std::fmt;

use jiff::civil::{Date, DateTime, Time};

use crate::error::{Error, Result};

/// A DATE or DATE-TIME as it is written (RFC 5545 3.3.4, 3.3.5). Nothing is resolved against a time zone here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DateValue {
    /// A day, without a time.
    Date(Date),
    /// A time on the wall of whoever looks.
    Floating(DateTime),
    /// A time in UTC, written with `Z`.
    Utc(DateTime),
    /// A time on the wall of a zone; the zone's name is as written, without spaces at its ends.
    Zoned {
        /// The time on the wall.
        at: DateTime,
        /// The zone's name.
        tzid: String,
    },
}

impl DateValue {
    /// Reads one value with the parameters VALUE and TZID of its property.
    ///
    /// A plain date without `VALUE=DATE` is read as a date, for many programs forget the parameter. A time that
    /// ends in `Z` is UTC, whatever TZID says. Second 60 becomes 59. Fails on anything that is not a day or
    /// time of the calendar, hour 24 included.
    pub fn parse(value: &str, value_param: Option<&str>, tzid: Option<&str>) -> Result<DateValue> {
        let text = value.trim();
        let what = if value_param.is_some_and(|v| v.trim().eq_ignore_ascii_case("DATE")) || text.len() == 8 {
            "date"
        } else {
            "date-time"
        };
        let bad = || Error::value(what, value);
        if what == "date" {
            return date(text.as_bytes()).map(DateValue::Date).ok_or_else(bad);
        }
        let (text, utc) = match text.strip_suffix(['Z', 'z']) {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let at = date_time(text.as_bytes()).ok_or_else(bad)?;
        Ok(match tzid.map(str::trim).filter(|t| !t.is_empty()) {
            _ if utc => DateValue::Utc(at),
            Some(tzid) => DateValue::Zoned { at, tzid: tzid.to_owned() },
            None => DateValue::Floating(at),
        })
    }

    /// Reads a list split by commas, as in EXDATE and RDATE. Empty places are skipped.
    pub fn parse_list(value: &str, value_param: Option<&str>, tzid: Option<&str>) -> Result<Vec<DateValue>> {
        let places = value.split(',').filter(|place| !place.trim().is_empty());
        places.map(|place| DateValue::parse(place, value_param, tzid)).collect()
    }

    /// The value as text, and the parameters that its property needs for it: VALUE=DATE or TZID.
    pub fn format(&self) -> (String, Vec<(&'static str, String)>) {
        match self {
            DateValue::Date(day) => (date_text(*day), vec![("VALUE", "DATE".to_owned())]),
            DateValue::Floating(at) => (date_time_text(*at), Vec::new()),
            DateValue::Utc(at) => (date_time_text(*at) + "Z", Vec::new()),
            DateValue::Zoned { at, tzid } => (date_time_text(*at), vec![("TZID", tzid.clone())]),
        }
    }

    /// The day and time as written, whatever the zone; midnight for a DATE.
    pub fn civil(&self) -> DateTime {
        match self {
            DateValue::Date(day) => day.at(0, 0, 0, 0),
            DateValue::Floating(at) | DateValue::Utc(at) | DateValue::Zoned { at, .. } => *at,
        }
    }

    /// The zone's name as written, if the value has one.
    pub fn tzid(&self) -> Option<&str> {
        match self {
            DateValue::Zoned { tzid, .. } => Some(tzid),
            _ => None,
        }
    }

    /// Whether this is a day without a time.
    pub fn is_date(&self) -> bool {
        matches!(self, DateValue::Date(_))
    }

    /// The order of two values when the text alone tells it: both dates, both UTC, both floating or both of one zone.
    pub fn compare_as_written(&self, other: &DateValue) -> Option<std::cmp::Ordering> {
        let same_kind = std::mem::discriminant(self) == std::mem::discriminant(other);
        (same_kind && self.tzid() == other.tzid()).then(|| self.civil().cmp(&other.civil()))
    }
}

fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0i16, |sum, byte| {
        byte.is_ascii_digit().then(|| sum * 10 + i16::from(byte - b'0')) // four digits at most, so no overflow
    })
}

fn date(text: &[u8]) -> Option<Date> {
    if text.len() != 8 {
        return None;
    }
    Date::new(number(&text[..4])?, number(&text[4..6])? as i8, number(&text[6..])? as i8).ok()
}

fn date_time(text: &[u8]) -> Option<DateTime> {
    if text.len() != 15 || !text[8].eq_ignore_ascii_case(&b'T') {
        return None;
    }
    let (hour, minute) = (number(&text[9..11])?, number(&text[11..13])?);
    // A leap second has no place in civil time; the second before it is the nearest that exists.
    let second = match number(&text[13..])? {
        60 => 59,
        second => second,
    };
    let time = Time::new(hour as i8, minute as i8, second as i8, 0).ok()?;
    Some(date(&text[..8])?.to_datetime(time))
}

fn date_text(day: Date) -> String {
    format!("{:04}{:02}{:02}", day.year(), day.month(), day.day())
}

fn date_time_text(at: DateTime) -> String {
    format!("{}T{:02}{:02}{:02}", date_text(at.date()), at.hour(), at.minute(), at.second())
}

/// A DURATION as written (RFC 5545 3.3.6): weeks and days are nominal (a day is the next day at the same time
/// on the wall), seconds are exact. The three numbers are never negative; `negative` turns all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DurationValue {
    /// Whether it goes back in time.
    pub negative: bool,
    /// Nominal weeks.
    pub weeks: i64,
    /// Nominal days.
    pub days: i64,
    /// Exact seconds; hours and minutes are counted in.
    pub seconds: i64,
}

impl DurationValue {
    /// Weeks and days together as days, with their sign.
    pub fn signed_days(&self) -> i64 {
        let days = self.weeks * 7 + self.days;
        if self.negative { -days } else { days }
    }

    /// The exact part in seconds, with its sign.
    pub fn signed_seconds(&self) -> i64 {
        if self.negative { -self.seconds } else { self.seconds }
    }

    /// Whether it lasts no time at all, as in `PT0S`.
    pub fn is_zero(&self) -> bool {
        self.weeks == 0 && self.days == 0 && self.seconds == 0
    }
}

impl fmt::Display for DurationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.negative && !self.is_zero() { "-P" } else { "P" })?;
        if self.weeks != 0 && self.days == 0 && self.seconds == 0 {
            return write!(f, "{}W", self.weeks);
        }
        let days = self.weeks * 7 + self.days;
        if days != 0 {
            write!(f, "{days}D")?;
        }
        if self.seconds != 0 || days == 0 {
            f.write_str("T")?;
            let (hours, minutes, seconds) = (self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60);
            if hours != 0 {
                write!(f, "{hours}H")?;
            }
            // The grammar has no hours and seconds without minutes between them.
            if minutes != 0 || (hours != 0 && seconds != 0) {
                write!(f, "{minutes}M")?;
            }
            if seconds != 0 || self.seconds == 0 {
                write!(f, "{seconds}S")?;
            }
        }
        Ok(())
    }
}

/// Reads a DURATION. Weeks beside days are tolerated. Fails on an empty one (`P`, `PT`), on units out of order
/// and on numbers of more than 9 digits.
pub fn parse_duration(value: &str) -> Result<DurationValue> {
    duration(value.trim().as_bytes()).ok_or_else(|| Error::value("duration", value))
}

fn duration(text: &[u8]) -> Option<DurationValue> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let [b'P' | b'p', rest @ ..] = text else { return None };
    let mut found = DurationValue { negative, ..DurationValue::default() };
    let (mut rest, mut in_time, mut last_rank) = (rest, false, 0);
    while !rest.is_empty() {
        if matches!(rest[0], b'T' | b't') && !in_time {
            (in_time, rest) = (true, &rest[1..]);
            if rest.is_empty() {
                return None;
            }
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return None;
        }
        let amount = rest[..digits].iter().fold(0i64, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        let rank = match (rest.get(digits)?.to_ascii_uppercase(), in_time) {
            (b'W', false) => (1, found.weeks = amount).0,
            (b'D', false) => (2, found.days = amount).0,
            (b'H', true) => (3, found.seconds += amount * 3600).0,
            (b'M', true) => (4, found.seconds += amount * 60).0,
            (b'S', true) => (5, found.seconds += amount).0,
            _ => return None,
        };
        if rank <= last_rank {
            return None;
        }
        (last_rank, rest) = (rank, &rest[digits + 1..]);
    }
    (last_rank > 0).then_some(found)
}

/// A PERIOD (RFC 5545 3.3.9): a start with an end or with a duration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Period {
    /// The time it begins; never a DATE.
    pub start: DateValue,
    /// How it ends.
    pub end: PeriodEnd,
}

/// How a period ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PeriodEnd {
    /// At a time, which is not part of it.
    At(DateValue),
    /// After a duration.
    For(DurationValue),
}

/// Reads one PERIOD. The order of start and end is not checked, for it may need the zone.
pub fn parse_period(value: &str, tzid: Option<&str>) -> Result<Period> {
    let bad = || Error::value("period", value);
    let (start, end) = value.split_once('/').ok_or_else(bad)?;
    let start = DateValue::parse(start, None, tzid)?;
    if start.is_date() {
        return Err(bad());
    }
    let end = match end.trim().as_bytes().first().ok_or_else(bad)? {
        b'P' | b'p' | b'+' => PeriodEnd::For(parse_duration(end)?),
        _ => PeriodEnd::At(DateValue::parse(end, None, tzid)?),
    };
    Ok(Period { start, end })
}

/// Reads a UTC-OFFSET (RFC 5545 3.3.14), `+hhmm` or `+hhmmss`, as seconds east of UTC. `-0000` is read as 0.
pub fn parse_utc_offset(value: &str) -> Result<i32> {
    let bad = || Error::value("utc-offset", value);
    let text = value.trim().as_bytes();
    let (&sign, digits) = text.split_first().ok_or_else(bad)?;
    if !matches!(sign, b'+' | b'-') || !matches!(digits.len(), 4 | 6) {
        return Err(bad());
    }
    let part = |at: usize, limit: i16| match digits.get(at..at + 2) {
        Some(two) => number(two).filter(|n| *n <= limit).map(i32::from).ok_or_else(bad),
        None => Ok(0),
    };
    let seconds = part(0, 23)? * 3600 + part(2, 59)? * 60 + part(4, 59)?;
    Ok(if sign == b'-' { -seconds } else { seconds })
}

/// Writes seconds east of UTC as a UTC-OFFSET; seconds are written only when there are some.
pub fn format_utc_offset(seconds: i32) -> String {
    let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let (hours, minutes, rest) = (size / 3600, size / 60 % 60, size % 60);
    if rest == 0 {
        format!("{sign}{hours:02}{minutes:02}")
    } else {
        format!("{sign}{hours:02}{minutes:02}{rest:02}")
    }
}

#[cfg(test)]
mod tests;
