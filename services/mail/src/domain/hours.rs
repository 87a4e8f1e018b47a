//! Hours of a day in which is sent, by the company's clock. Days of 23 and 25 hours are right.
//! Called by the sender.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use kontor_kit::{Error, Result};

/// Minutes of a day.
const DAY: i64 = 24 * 60;

/// From a minute of the day to another one; an end at or before the begin is on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes after midnight.
    pub from: i64,
    /// Minutes after midnight, not in it any more.
    pub until: i64,
    /// Not on Saturdays and Sundays.
    pub weekdays_only: bool,
}

impl Hours {
    /// Checks the minutes.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(self) -> Result<()> {
        if !(0..DAY).contains(&self.from) {
            return Err(Error::invalid("mailing.daily_hours.from_minute", "use 0 to 1439"));
        }
        if !(1..=DAY).contains(&self.until) {
            return Err(Error::invalid("mailing.daily_hours.until_minute", "use 1 to 1440"));
        }
        Ok(())
    }

    /// Whether is sent at an instant (microseconds UTC). A night that goes into the next day belongs to the day that the clock shows.
    pub fn is_open(self, zone: &TimeZone, now: i64) -> bool {
        let Ok(time) = Timestamp::from_microsecond(now) else { return false };
        let local = zone.to_datetime(time);
        if self.weekdays_only && matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday) {
            return false;
        }
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }

    /// The next instant at which is sent, looked for minute by minute for nine days.
    pub fn next_opening(self, zone: &TimeZone, now: i64) -> Option<i64> {
        let start = Timestamp::from_microsecond(now - now.rem_euclid(60_000_000)).ok()?;
        (1..=9 * DAY).find_map(|minutes| {
            let at = start.checked_add(minutes.minutes()).ok()?.as_microsecond();
            self.is_open(zone, at).then_some(at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn hours_go_by_the_clock_on_the_wall() {
        let zone = TimeZone::get("Europe/Brussels").unwrap();
        let office = Hours { from: 8 * 60, until: 18 * 60, weekdays_only: true };
        assert!(office.is_open(&zone, at("2026-11-23T07:00:00Z")), "Monday, 8:00");
        assert!(!office.is_open(&zone, at("2026-11-23T06:59:59Z")));
        assert!(!office.is_open(&zone, at("2026-11-23T17:00:00Z")), "18:00");
        assert!(office.is_open(&zone, at("2026-07-06T06:00:00Z")), "in summer");
        assert!(!office.is_open(&zone, at("2026-11-22T10:00:00Z")), "Sunday");
        assert_eq!(office.next_opening(&zone, at("2026-11-20T17:30:10Z")), Some(at("2026-11-23T07:00:00Z")));
        let night = Hours { from: 22 * 60, until: 6 * 60, weekdays_only: false };
        assert!(night.is_open(&zone, at("2026-11-23T23:00:00Z")));
        assert!(!night.is_open(&zone, at("2026-11-23T05:00:00Z")));
        assert!(
            Hours { from: 0, until: 1_440, weekdays_only: false }.is_open(&zone, at("2026-11-22T23:59:59Z"))
        );
        assert!(Hours { from: 1_440, ..office }.check().is_err());
        assert!(Hours { until: 0, ..office }.check().is_err());
    }
}
