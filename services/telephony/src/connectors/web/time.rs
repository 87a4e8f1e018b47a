//! Instants as cloud telephone systems write them.
//! Called by their rooms.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kontor_kit::{Error, Result};

use crate::domain::fact::Micros;

/// Longest text of an instant or a length, in bytes.
const TEXT_BYTES: usize = 64;
/// Longest call, in seconds: a week.
const LONGEST_SECONDS: i64 = 7 * 86_400;
/// How far ahead of our clock an instant may be, in microseconds: a day, for clocks set to a wrong zone.
const AHEAD_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// Reads an instant: RFC 3339, RFC 2822, "2026-11-23 09:00:10" (UTC) or "11/23/2026 9:00:10 AM" (UTC). None when it is empty.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn instant(field: &str, text: &str, now: i64) -> Result<Option<Micros>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let shown: String = text.chars().take(60).collect();
    let wrong = || Error::invalid(field, format!("{shown:?} is not an instant like 2026-11-23T09:00:00Z"));
    if text.len() > TEXT_BYTES {
        return Err(wrong());
    }
    let time = read(text).ok_or_else(wrong)?;
    if time < 0 || time > now.saturating_add(AHEAD_MICROS) {
        return Err(Error::invalid(
            field,
            "it is before 1970 or more than a day ahead of the server's clock",
        ));
    }
    Ok(Some(Micros(time)))
}

fn read(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_microsecond());
    }
    if let Ok(time) = jiff::fmt::rfc2822::parse(text) {
        return Some(time.timestamp().as_microsecond());
    }
    let formats = ["%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S"];
    let civil = text.parse::<DateTime>().ok();
    let civil = civil.or_else(|| formats.iter().find_map(|format| DateTime::strptime(format, text).ok()))?;
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_microsecond())
}

/// Reads a length: seconds, or "0:01:30". None when it is empty.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn seconds(field: &str, text: &str) -> Result<Option<i64>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Error::invalid(field, "it is not a number of seconds from 0 to a week");
    if text.len() > TEXT_BYTES {
        return Err(wrong());
    }
    let mut total = 0_i64;
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 {
        return Err(wrong());
    }
    for part in parts {
        // tenths and less are let go
        let whole = part.split('.').next().unwrap_or_default();
        let number: i64 = whole.parse().map_err(|_| wrong())?;
        total = total.checked_mul(60).and_then(|total| total.checked_add(number)).ok_or_else(wrong)?;
        if !(0..=LONGEST_SECONDS).contains(&number) {
            return Err(wrong());
        }
    }
    if (0..=LONGEST_SECONDS).contains(&total) { Ok(Some(total)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_424_400_000_000;

    #[test]
    fn instants_of_all_providers_are_the_same_one() {
        let texts = [
            "2026-11-23T09:00:10Z",
            "2026-11-23T10:00:10.000+01:00",
            "Mon, 23 Nov 2026 09:00:10 +0000",
            "2026-11-23 09:00:10",
            "2026-11-23 09:00:10.000000",
            "2026-11-23 09:00:10+00:00",
            "2026-11-23T09:00:10",
            "11/23/2026 9:00:10 AM",
            "11/23/2026 09:00:10",
        ];
        for text in texts {
            let time = instant("Timestamp", text, NOW).unwrap_or_else(|cause| panic!("{cause}"));
            assert_eq!(time, Some(Micros(NOW + 10_000_000)), "{text}");
        }
        assert_eq!(instant("Timestamp", " ", NOW).ok(), Some(None));
        for bad in ["yesterday", "2036-11-23T09:00:10Z", "1969-12-31T23:59:59Z", &"1".repeat(100)] {
            let refused = instant("Timestamp", bad, NOW).expect_err(bad);
            assert!(refused.message().starts_with("Timestamp: "), "{refused}");
        }
    }

    #[test]
    fn lengths_are_seconds_or_hours_minutes_and_seconds() {
        let read = |text: &str| seconds("Duration", text).ok().flatten();
        assert_eq!(
            (read("90"), read("0:01:30"), read("00:01:30.5"), read("1:30")),
            (Some(90), Some(90), Some(90), Some(90))
        );
        for bad in ["-1", "x", "1:2:3:4", "99999999999999999999", "604801", "1:-5"] {
            assert!(seconds("Duration", bad).is_err(), "{bad}");
        }
    }
}
