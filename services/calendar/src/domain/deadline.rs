//! The day on which an opportunity is expected to close, as an event of a whole day.
//! Called by deadlines.rs.

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};
use kontor_vobject::ContentLine;
use kontor_vobject::value::DateValue;

const END: &str = "\r\n";

/// The event of an opportunity ("opportunities/{id}"). `stamped` is when the pipeline said so, in microseconds UTC: the same news make the
/// same text. None when the day can't be one.
pub fn event(opportunity: &str, title: &str, day: &str, stamped: i64) -> Option<String> {
    let day: Date = day.parse().ok()?;
    let next = day.checked_add(1.day()).ok()?;
    let stamped = Timestamp::from_microsecond(stamped).ok()?;
    let stamped: DateTime = Offset::UTC.to_datetime(stamped);
    let mut text = String::new();
    for line in [
        ContentLine::new("BEGIN", "VCALENDAR"),
        ContentLine::new("VERSION", "2.0"),
        ContentLine::new("PRODID", kontor_vobject::write::PRODUCT),
        ContentLine::new("BEGIN", "VEVENT"),
        ContentLine::text("UID", opportunity.rsplit('/').next().unwrap_or(opportunity)),
        ContentLine::date("DTSTAMP", &DateValue::Utc(stamped)),
        ContentLine::date("DTSTART", &DateValue::Date(day)),
        ContentLine::date("DTEND", &DateValue::Date(next)),
        ContentLine::text("SUMMARY", title),
        ContentLine::new("TRANSP", "TRANSPARENT"),
        ContentLine::new("X-KONTOR-OPPORTUNITY", opportunity),
        ContentLine::new("END", "VEVENT"),
        ContentLine::new("END", "VCALENDAR"),
    ] {
        text.push_str(&line.write(END));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_takes_one_whole_day() {
        let text = event("opportunities/7", "Doors, and \"windows\"; ü", "2026-12-31", 1_700_000_000_000_000);
        let text = text.expect("an event");
        for line in [
            "UID:7\r\n",
            "DTSTAMP:20231114T221320Z\r\n",
            "DTSTART;VALUE=DATE:20261231\r\n",
            "DTEND;VALUE=DATE:20270101\r\n",
            "SUMMARY:Doors\\, and \"windows\"\\; ü\r\n",
            "X-KONTOR-OPPORTUNITY:opportunities/7\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert_eq!(event("opportunities/7", "x", "2026-02-30", 0), None);
        assert_eq!(event("opportunities/7", "x", "9999-12-31", 0), None);
    }
}
