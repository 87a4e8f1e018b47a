//! A call-back of a call list as an event (VEVENT): the text that the server makes, its move to another time, and what a user did to it.
//! Called by call_backs.rs.

use kontor_kit::{Error, Result};
use kontor_vobject::ical::{Item, ItemKind};
use kontor_vobject::recur::day;
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};
use kontor_vobject::{ContentLine, Patch};

use super::{text, time};

const END: &str = "\r\n";
/// How long a call-back takes in the calendar.
const LENGTH_SECONDS: i64 = 15 * 60;
/// How long before it the alarm goes off, in minutes.
const ALARM_MINUTES: i64 = 5;

/// What telephony says of a call-back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallBack {
    /// "callLists/{list}/entries/{entry}".
    pub entry: String,
    /// Whom to call; may be empty.
    pub display_name: String,
    /// In E.164.
    pub number: String,
    /// When: seconds UTC.
    pub start: i64,
}

/// The text of a new event. `stamped` is when telephony said so, in microseconds UTC.
pub fn create(uid: &str, call_back: &CallBack, stamped: i64) -> String {
    let CallBack { entry, display_name, number, start } = call_back;
    let whom = if display_name.is_empty() { number } else { display_name };
    let (title, link) = (format!("Call back {whom}"), format!("tel:{number}"));
    let stamp = DateValue::Utc(time::stamp(stamped));
    let at = |seconds: i64| DateValue::Utc(day::date_time(seconds));
    let lines = [
        ContentLine::new("BEGIN", "VCALENDAR"),
        ContentLine::new("VERSION", "2.0"),
        ContentLine::new("PRODID", kontor_vobject::write::PRODUCT),
        ContentLine::new("BEGIN", "VEVENT"),
        ContentLine::text("UID", uid),
        ContentLine::date("DTSTAMP", &stamp),
        ContentLine::date("CREATED", &stamp),
        ContentLine::date("DTSTART", &at(*start)),
        ContentLine::date("DTEND", &at(start.saturating_add(LENGTH_SECONDS))),
        ContentLine::text("SUMMARY", title.trim()),
        ContentLine::text("DESCRIPTION", &link),
        ContentLine::new("URL", &link),
        ContentLine::new("X-KONTOR-ENTRY", entry),
        ContentLine::new("BEGIN", "VALARM"),
        ContentLine::new("ACTION", "DISPLAY"),
        ContentLine::text("DESCRIPTION", title.trim()),
        ContentLine::new("TRIGGER", format!("-PT{ALARM_MINUTES}M")),
        ContentLine::new("END", "VALARM"),
        ContentLine::new("END", "VEVENT"),
        ContentLine::new("END", "VCALENDAR"),
    ];
    lines.iter().map(|line| line.write(END)).collect()
}

/// The text with its start at another instant (seconds UTC), in the zone that it is written in, and as long as it was. All else is the user's;
/// the same bytes when it starts there already.
///
/// # Errors
/// INTERNAL: what is stored was checked when it came.
pub fn move_to(bytes: &[u8], start: i64, zone: &Zone, now: i64) -> Result<Vec<u8>> {
    let (document, object) = text::stored(bytes)?;
    let mut zones = Zones::of(&document, zone.clone());
    let old = object.first();
    let utc = DateValue::Utc(day::date_time(start));
    let like = old.start.as_ref().unwrap_or(&utc);
    let shift = start - time::seconds(like, &mut zones);
    if shift == 0 && old.start.is_some() {
        return Ok(bytes.to_vec());
    }
    let moved = |value: &DateValue, zones: &mut Zones<'_>| {
        let at = time::seconds(value, zones).saturating_add(shift);
        time::at_instant(value, at, zones)
    };
    let new = Item {
        start: Some(moved(like, &mut zones)),
        end: old.end.as_ref().map(|end| moved(end, &mut zones)),
        ..old.clone()
    };
    let mut patch = Patch::new(&document);
    text::change(&mut patch, &document, old, &new, None, now);
    Ok(patch.apply())
}

/// To when a user moved the event (seconds UTC); none when it starts as before.
///
/// # Errors
/// PERMISSION_DENIED for what a call-back can't be.
pub fn moved(before: &[u8], after: &[u8], zone: &Zone) -> Result<Option<i64>> {
    let (document, object) = text::stored(after)?;
    let item = object.first();
    if !item.rules.is_empty() || !item.dates.is_empty() || item.recurrence_id.is_some() {
        return Err(Error::denied("a call-back happens once: take the repetition away"));
    }
    if item.status.as_deref() == Some("CANCELLED") {
        return Err(Error::denied("delete the event to leave the call-back to everybody who may call"));
    }
    if item.organizer.is_some() || !item.attendees.is_empty() {
        return Err(Error::denied("a call-back has no guests: put a meeting into your calendar"));
    }
    let near = |value: &&DateValue| !value.is_date() && (1971..=9998).contains(&value.civil().year());
    let Some(new) = item.start.as_ref().filter(near).filter(|_| item.kind == ItemKind::Event) else {
        return Err(Error::denied("a call-back starts at a time of day, between 1971 and 9998"));
    };
    let new = time::seconds(new, &mut Zones::of(&document, zone.clone()));
    let (document, object) = text::stored(before)?;
    let mut zones = Zones::of(&document, zone.clone());
    let old = object.first().start.as_ref().map(|start| time::seconds(start, &mut zones));
    Ok((old != Some(new)).then_some(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24T14:30:00Z
    const AT: i64 = 1_795_530_600;

    fn made() -> String {
        let call_back = CallBack {
            entry: "callLists/fair/entries/9".to_owned(),
            display_name: "Jo, Maes".to_owned(),
            number: "+32471123456".to_owned(),
            start: AT,
        };
        create("9", &call_back, 1_700_000_000_000_000)
    }

    fn moved_to(before: &str, after: &str) -> Option<i64> {
        moved(before.as_bytes(), after.as_bytes(), &Zone::UTC).expect("a good event")
    }

    #[test]
    fn a_made_event_says_whom_to_call_and_when() {
        let text = made();
        for line in [
            "UID:9\r\n",
            "DTSTART:20261124T143000Z\r\nDTEND:20261124T144500Z\r\n",
            "SUMMARY:Call back Jo\\, Maes\r\n",
            "DESCRIPTION:tel:+32471123456\r\nURL:tel:+32471123456\r\n",
            "X-KONTOR-ENTRY:callLists/fair/entries/9\r\n",
            "TRIGGER:-PT5M\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert_eq!(moved_to(&text, &text), None);
    }

    #[test]
    fn a_move_keeps_zone_length_and_the_users_lines() {
        let own = made()
            .replace("DTSTART:20261124T143000Z", "DTSTART;TZID=Europe/Brussels:20261124T153000")
            .replace("DTEND:20261124T144500Z", "DURATION:PT1H")
            .replace("SUMMARY:Call back Jo\\, Maes", "SUMMARY:Jo\r\nX-OWN:kept");
        assert_eq!(moved_to(&made(), &own), None, "the same instant in another zone");
        let later = move_to(own.as_bytes(), AT + 86_400, &Zone::UTC, 0).expect("a text");
        let later = String::from_utf8(later).expect("a text");
        for line in [
            "DTSTART;TZID=Europe/Brussels:20261125T153000\r\n",
            "DURATION:PT1H\r\n",
            "SUMMARY:Jo\r\nX-OWN:kept\r\n",
        ] {
            assert!(later.contains(line), "{line} in {later}");
        }
        assert_eq!(moved_to(&own, &later), Some(AT + 86_400));
        let again = move_to(later.as_bytes(), AT + 86_400, &Zone::UTC, 0).expect("a text");
        assert_eq!(again, later.as_bytes(), "nothing is written twice");
        let longer = made().replace("T144500Z", "T150000Z");
        let later = move_to(longer.as_bytes(), AT + 60, &Zone::UTC, 0).expect("a text");
        assert!(String::from_utf8(later).expect("a text").contains("DTEND:20261124T150100Z\r\n"));
    }

    #[test]
    fn what_a_call_back_cannot_be_is_refused() {
        let text = made();
        let with = |line: &str| text.replace("BEGIN:VALARM", &format!("{line}\r\nBEGIN:VALARM"));
        for after in [
            with("RRULE:FREQ=DAILY"),
            with("STATUS:CANCELLED"),
            with("ORGANIZER:mailto:a@x.test\r\nATTENDEE:mailto:b@x.test"),
            text.replace("DTSTART:20261124T143000Z\r\nDTEND:20261124T144500Z", "DTSTART;VALUE=DATE:20261124"),
            text.replace(":20261124T", ":00261124T"),
        ] {
            let refused = moved(text.as_bytes(), after.as_bytes(), &Zone::UTC).expect_err("refused");
            assert_eq!(refused.reason(), "PERMISSION_DENIED", "{after}");
        }
    }
}
