//! Calling hours: one span a weekday, by the clock of each zone that a number may be in. Days of 23 and 25 hours are right.
//! Called by the dispatch, which leases nothing outside of them, and by the rules of entries for retries and call-backs.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Days that are looked ahead. Spans repeat every week; the second one is for zones whose days hardly meet.
const AHEAD_DAYS: i64 = 15;
/// Microseconds of a day.
const DAY: i64 = 24 * 3_600 * 1_000_000;
/// Minutes of a day.
const MINUTES: u16 = 24 * 60;

/// From the first minute of a day to the one behind the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// From "08:00" to "20:00".
    ///
    /// # Errors
    /// In words, what is wrong.
    pub fn parse(start: &str, end: &str) -> Result<Span, String> {
        let (start, end) = (minute(start)?, minute(end)?);
        if start >= end {
            return Err("the end must be behind the start".to_owned());
        }
        Ok(Span { start, end })
    }

    /// Both ends, as they are read.
    pub fn texts(self) -> (String, String) {
        let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        (text(self.start), text(self.end))
    }
}

fn minute(text: &str) -> Result<u16, String> {
    let number = |part: &str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u16>().ok())?
    };
    text.split_once(':')
        .and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)))
        .filter(|(hour, minute)| *minute < 60 && hour * 60 + minute <= MINUTES)
        .map(|(hour, minute)| hour * 60 + minute)
        .ok_or_else(|| format!("{text:?} is no time of day like \"08:00\", at most \"24:00\""))
}

/// When numbers may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Monday first; a day without a span is no calling day.
    days: [Option<Span>; 7],
    /// At any hour, whatever the days say.
    pub any: bool,
}

impl Default for Hours {
    /// Every day from 08:00 to 20:00.
    fn default() -> Self {
        Hours { days: [Some(Span { start: 8 * 60, end: 20 * 60 }); 7], any: false }
    }
}

impl Hours {
    /// No day at all, to be filled.
    pub fn none() -> Self {
        Hours { days: [None; 7], any: false }
    }

    /// The same, at any hour or not.
    #[must_use]
    pub fn with_any(self, any: bool) -> Self {
        Hours { any, ..self }
    }

    /// Sets a weekday, 1 for Monday to 7 for Sunday.
    ///
    /// # Errors
    /// In words, for another number and for a second span of a day.
    pub fn set(&mut self, weekday: i32, span: Span) -> Result<(), String> {
        let day = usize::try_from(weekday - 1).ok().and_then(|day| self.days.get_mut(day));
        match day {
            None => Err(format!("{weekday} is no weekday: 1 is Monday, 7 is Sunday")),
            Some(Some(_)) => Err(format!("weekday {weekday} stands there twice")),
            Some(day) => {
                *day = Some(span);
                Ok(())
            }
        }
    }

    /// The days that have a span, 1 for Monday.
    pub fn days(&self) -> impl Iterator<Item = (i32, Span)> {
        (1..).zip(self.days).filter_map(|(weekday, span)| Some((weekday, span?)))
    }

    /// Whether it is calling hours in all zones.
    pub fn is_open(&self, zones: &[TimeZone], now: i64) -> bool {
        self.any || zones.iter().all(|zone| self.next_in(zone, now) == Some(now))
    }

    /// The first instant from `from` on at which it is calling hours in all zones; none when there is none within two weeks.
    pub fn next(&self, zones: &[TimeZone], from: i64) -> Option<i64> {
        if self.any {
            return Some(from);
        }
        let mut at = from;
        loop {
            let next = zones.iter().try_fold(at, |at, zone| Some(at.max(self.next_in(zone, at)?)))?;
            if next == at {
                return Some(at);
            }
            if next - from > AHEAD_DAYS * DAY {
                return None;
            }
            at = next;
        }
    }

    fn next_in(&self, zone: &TimeZone, from: i64) -> Option<i64> {
        let today = zone.to_datetime(Timestamp::from_microsecond(from).ok()?).date();
        (0..=7_i64).find_map(|days| {
            let day = today.checked_add(days.days()).ok()?;
            let span = self.days[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())]?;
            let (start, end) = (instant(zone, day, span.start)?, instant(zone, day, span.end)?);
            (from < end).then_some(from.max(start))
        })
    }
}

/// That minute of a day, by the clocks there.
fn instant(zone: &TimeZone, day: Date, minute: u16) -> Option<i64> {
    let (day, minute) = if minute == MINUTES { (day.tomorrow().ok()?, 0) } else { (day, minute) };
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    Some(zone.to_timestamp(day.at(hour, minute, 0, 0)).ok()?.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::zones;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("an instant").as_microsecond()
    }

    fn text(micros: Option<i64>) -> String {
        micros
            .map_or("none".to_owned(), |at| Timestamp::from_microsecond(at).expect("an instant").to_string())
    }

    #[test]
    fn a_number_is_called_by_its_own_clock() {
        let hours = Hours::default();
        let (brussels, new_york) = (zones::read("Europe/Brussels"), zones::read("America/New_York"));
        let nine = at("2026-11-23T09:00:00Z");
        assert!(hours.is_open(&brussels, nine));
        assert!(!hours.is_open(&new_york, nine));
        assert_eq!(text(hours.next(&new_york, nine)), "2026-11-23T13:00:00Z");
        assert_eq!(text(hours.next(&brussels, nine)), "2026-11-23T09:00:00Z");
        assert!(hours.is_open(&brussels, at("2026-11-23T18:59:59.999999Z")));
        assert!(!hours.is_open(&brussels, at("2026-11-23T19:00:00Z")));
        assert_eq!(text(hours.next(&brussels, at("2026-11-23T19:00:00Z"))), "2026-11-24T07:00:00Z");
    }

    #[test]
    fn summer_time_moves_the_hours() {
        let (hours, brussels) = (Hours::default(), zones::read("Europe/Brussels"));
        assert_eq!(text(hours.next(&brussels, at("2026-03-28T22:00:00Z"))), "2026-03-29T06:00:00Z");
        assert_eq!(text(hours.next(&brussels, at("2026-10-24T22:00:00Z"))), "2026-10-25T07:00:00Z");
        let mut night = Hours::none();
        night.set(7, Span::parse("02:15", "04:00").unwrap()).unwrap();
        // 02:15 does not exist on that day, and is there twice on the other
        assert_eq!(text(night.next(&brussels, at("2026-03-28T22:00:00Z"))), "2026-03-29T01:15:00Z");
        assert_eq!(text(night.next(&brussels, at("2026-10-24T22:00:00Z"))), "2026-10-25T00:15:00Z");
    }

    #[test]
    fn all_zones_must_be_inside() {
        let hours = Hours::default();
        let both = zones::read("America/New_York,America/Los_Angeles");
        assert!(!hours.is_open(&both, at("2026-11-23T14:00:00Z")));
        assert_eq!(text(hours.next(&both, at("2026-11-23T14:00:00Z"))), "2026-11-23T16:00:00Z");
        assert!(!hours.is_open(&both, at("2026-11-24T01:00:00Z")));
        assert_eq!(text(hours.next(&both, at("2026-11-24T01:00:00Z"))), "2026-11-24T16:00:00Z");
    }

    #[test]
    fn a_day_without_hours_is_passed_over_and_none_at_all_is_never() {
        let mut week = Hours::none();
        for day in 1..=5 {
            week.set(day, Span::parse("09:00", "24:00").unwrap()).unwrap();
        }
        let utc = zones::read("UTC");
        assert_eq!(text(week.next(&utc, at("2026-11-28T10:00:00Z"))), "2026-11-30T09:00:00Z");
        assert!(week.is_open(&utc, at("2026-11-27T23:59:00Z")));
        assert_eq!(Hours::none().next(&utc, 0), None);
        assert!(week.set(1, Span::parse("09:00", "10:00").unwrap()).is_err());
        assert!(week.set(8, Span::parse("09:00", "10:00").unwrap()).is_err());
        let mut minutes = Hours::none();
        minutes.set(1, Span::parse("08:00", "08:30").unwrap()).unwrap();
        assert_eq!(minutes.next(&zones::read("America/New_York,Asia/Tokyo"), 0), None);
    }

    #[test]
    fn times_of_day_are_checked() {
        for (start, end) in
            [("8:00", "20:00"), ("08:00", "24:01"), ("20:00", "08:00"), ("", ""), ("08:60", "09:00")]
        {
            assert!(Span::parse(start, end).is_err(), "{start} {end}");
        }
        assert_eq!(Span::parse("08:05", "24:00").unwrap().texts(), ("08:05".to_owned(), "24:00".to_owned()));
    }
}
