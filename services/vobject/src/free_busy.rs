//! Writes VFREEBUSY (RFC 5545 3.6.4): answers to who asks when somebody is busy.
//! Called by the gateway for free-busy-query, and for scheduling.

use crate::availability::BusyType;
use crate::content::ContentLine;
use crate::recur::day;
use crate::value::DateValue;
use crate::write::PRODUCT;

/// A busy time; seconds UTC, the end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Start.
    pub from: i64,
    /// End; after the start.
    pub to: i64,
    /// FBTYPE
    pub kind: BusyType,
}

/// A whole VCALENDAR with one VFREEBUSY. `more` are lines of its own beside UID, DTSTAMP, DTSTART and DTEND: ATTENDEE and
/// ORGANIZER of a reply. `method` is METHOD; a report has none. Times in seconds UTC; the periods in order.
pub fn write(
    method: Option<&str>,
    uid: &str,
    stamp: i64,
    (from, to): (i64, i64),
    more: &[ContentLine],
    periods: &[Period],
) -> String {
    let mut text = String::with_capacity(256 + periods.len() * 36);
    let utc = |seconds: i64| DateValue::Utc(day::date_time(seconds));
    let mut push = |line: &ContentLine| text.push_str(&line.write("\r\n"));
    push(&ContentLine::new("BEGIN", "VCALENDAR"));
    push(&ContentLine::new("VERSION", "2.0"));
    push(&ContentLine::new("PRODID", PRODUCT));
    if let Some(method) = method {
        push(&ContentLine::new("METHOD", method));
    }
    push(&ContentLine::new("BEGIN", "VFREEBUSY"));
    push(&ContentLine::text("UID", uid));
    push(&ContentLine::date("DTSTAMP", &utc(stamp)));
    push(&ContentLine::date("DTSTART", &utc(from)));
    push(&ContentLine::date("DTEND", &utc(to)));
    more.iter().for_each(&mut push);
    for (kind, name) in [
        (BusyType::Busy, "BUSY"),
        (BusyType::Unavailable, "BUSY-UNAVAILABLE"),
        (BusyType::Tentative, "BUSY-TENTATIVE"),
    ] {
        let of_kind = periods.iter().filter(|period| period.kind == kind);
        let values: Vec<String> = of_kind
            .map(|period| format!("{}/{}", utc(period.from).format().0, utc(period.to).format().0))
            .collect();
        if !values.is_empty() {
            push(&ContentLine::new("FREEBUSY", values.join(",")).param("FBTYPE", name));
        }
    }
    push(&ContentLine::new("END", "VFREEBUSY"));
    push(&ContentLine::new("END", "VCALENDAR"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_stand_by_kind() {
        let period = |from, to, kind| Period { from, to, kind };
        let periods = [
            period(0, 3_600, BusyType::Busy),
            period(3_600, 7_200, BusyType::Tentative),
            period(86_400, 90_000, BusyType::Busy),
        ];
        let text = write(None, "u", 0, (0, 172_800), &[], &periods);
        let wanted = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Kontor//EN\r\nBEGIN:VFREEBUSY\r\nUID:u\r\n\
            DTSTAMP:19700101T000000Z\r\nDTSTART:19700101T000000Z\r\nDTEND:19700103T000000Z\r\n\
            FREEBUSY;FBTYPE=BUSY:19700101T000000Z/19700101T010000Z,19700102T000000Z/197\r\n 00102T010000Z\r\n\
            FREEBUSY;FBTYPE=BUSY-TENTATIVE:19700101T010000Z/19700101T020000Z\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n";
        assert_eq!(text, wanted);
    }
}
