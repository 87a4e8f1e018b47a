//! Calendar objects and cards that clients send, with what the model must know of each: good ones in many shapes, and broken ones.
//! Called by the steps.

use super::random::Random;
use super::world::{Kind, Thing};

/// What a client sends, and how it has to be understood; none when it has to be refused.
pub struct Body {
    pub text: String,
    pub thing: Option<Thing>,
}

/// UIDs are few, so that they meet.
const UIDS: usize = 24;
/// Texts that XML, iCalendar and vCard could stumble over.
const WORDS: [&str; 8] =
    ["Meeting", "Déjeuner", "a & b", "x < y > z", "会議 ✓", "]]>", "\"quoted\"", "100 % sure"];

/// A UID of the pool.
pub fn uid(random: &mut Random) -> String {
    format!("uid-{}@example.com", random.below(UIDS))
}

/// A title that is not there twice.
pub fn words(random: &mut Random) -> String {
    format!("{} {}", random.pick(&WORDS), random.below(1_000_000))
}

/// A body for a collection of this kind; one of many is broken.
pub fn body(random: &mut Random, kind: Kind, uid: &str) -> Body {
    if random.chance(4) {
        return Body { text: broken(random, kind, uid), thing: None };
    }
    let summary = words(random);
    match kind {
        Kind::Calendar => calendar_object(random, uid, &summary),
        Kind::Book => card(random, uid, &summary),
    }
}

fn calendar_object(random: &mut Random, uid: &str, summary: &str) -> Body {
    let day = 1 + random.below(28);
    let mut series = 0;
    let (component, inner) = match random.below(8) {
        0 => ("VTODO", todo(uid, summary, day)),
        1 => (
            "VJOURNAL",
            format!(
                "BEGIN:VJOURNAL\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\nSUMMARY:{summary}\r\nEND:VJOURNAL\r\n"
            ),
        ),
        2 => ("VEVENT", event(uid, summary, &format!("DTSTART;VALUE=DATE:202611{day:02}\r\n"), "")),
        3 | 4 => {
            series = 2 + random.below(5);
            let with_override = random.chance(50).then(|| 1 + random.below(series - 1));
            ("VEVENT", weekly(uid, summary, series, with_override))
        }
        5 => ("VEVENT", in_brussels(uid, summary, day)),
        _ => {
            let times = format!("DTSTART:202611{day:02}T090000Z\r\nDTEND:202611{day:02}T100000Z\r\n");
            ("VEVENT", event(uid, summary, &times, ""))
        }
    };
    let mut text =
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//model//EN\r\n{inner}END:VCALENDAR\r\n");
    if random.chance(10) {
        text = text.replace("\r\n", "\n");
    }
    let thing = Thing {
        uid: uid.to_owned(),
        component,
        summary: summary.to_owned(),
        series,
        bytes: text.clone().into(),
    };
    Body { text, thing: Some(thing) }
}

fn event(uid: &str, summary: &str, times: &str, more: &str) -> String {
    format!(
        "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n{times}SUMMARY:{summary}\r\n{more}END:VEVENT\r\n"
    )
}

fn todo(uid: &str, summary: &str, day: usize) -> String {
    format!(
        "BEGIN:VTODO\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\nDUE:202611{day:02}T170000Z\r\nSUMMARY:{summary}\r\nPRIORITY:5\r\nEND:VTODO\r\n"
    )
}

/// Start of the first instance of every series, in seconds UTC: 2026-11-02T09:00:00Z.
pub const SERIES_START: i64 = 1_793_610_000;

fn weekly(uid: &str, summary: &str, count: usize, with_override: Option<usize>) -> String {
    let times = "DTSTART:20261102T090000Z\r\nDTEND:20261102T100000Z\r\n";
    let mut text = event(uid, summary, times, &format!("RRULE:FREQ=WEEKLY;COUNT={count}\r\n"));
    if let Some(week) = with_override {
        let id = SERIES_START + i64::try_from(week).expect("few weeks") * 7 * 86_400;
        let at = jiff::Timestamp::from_second(id).expect("an instant").strftime("%Y%m%dT%H%M%SZ").to_string();
        let times = format!("RECURRENCE-ID:{at}\r\nDTSTART:{at}\r\nDURATION:PT30M\r\n");
        text += &event(uid, "Changed apart", &times, "X-APART:yes\r\n");
    }
    text
}

/// As Outlook and phones write it: an own zone, an alarm, lines that nobody knows, folds.
fn in_brussels(uid: &str, summary: &str, day: usize) -> String {
    let zone = "BEGIN:VTIMEZONE\r\nTZID:Romance Standard Time\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n\
        RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n\
        RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";
    let times = format!(
        "DTSTART;TZID=Romance Standard Time:202611{day:02}T090000\r\nDTEND;TZID=Romance Standard Time:202611{day:02}T093000\r\n"
    );
    let more = "DESCRIPTION:A long text that is folded in the middle of a w\r\n ord\\, as it comes from a phone\\nand has lines\r\n\
        X-MICROSOFT-CDO-BUSYSTATUS:BUSY\r\nx-odd;p=\"1:2\":kept  as it is \r\n\
        BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:Soon\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n";
    format!("{zone}{}", event(uid, summary, &times, more))
}

fn card(random: &mut Random, uid: &str, name: &str) -> Body {
    // A quoted text or a blank at the end is no use in a name; the rest stays.
    let name = name.replace('"', "'");
    let number = random.below(10_000);
    let text = match random.below(3) {
        0 => format!(
            "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:{uid}\r\nFN:{name}\r\nTEL;VALUE=uri;PREF=1:tel:+32-2-55{number:04}\r\n\
             KIND:individual\r\nX-ODD;p=1:as it was\r\nEND:VCARD\r\n"
        ),
        1 => format!(
            "BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//model//EN\r\nUID:urn:uuid:{uid}\r\nN:{name};;;;\r\nFN:{name}\r\n\
             item1.EMAIL;type=INTERNET:a{number}@example.com\r\nitem1.X-ABLabel:_$!<Other>!$_\r\n\
             PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwME\r\n AwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQ\r\nEND:VCARD\r\n"
        ),
        _ => format!("BEGIN:VCARD\nVERSION:3.0\nUID:urn:uuid:{uid}\nN:;;;;\nFN:{name}\nEND:VCARD\n"),
    };
    let thing = Thing {
        uid: format!("urn:uuid:{uid}"),
        component: "VCARD",
        summary: name,
        series: 0,
        bytes: text.clone().into(),
    };
    Body { text, thing: Some(thing) }
}

fn broken(random: &mut Random, kind: Kind, uid: &str) -> String {
    let good = event(uid, "Broken", "DTSTART:20261123T090000Z\r\n", "");
    match (kind, random.below(4)) {
        (_, 0) => "no object at all".to_owned(),
        (Kind::Calendar, 1) => format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{good}"),
        (Kind::Calendar, 2) => {
            let other = event(&format!("{uid}-other"), "Broken", "DTSTART:20261123T090000Z\r\n", "");
            format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//model//EN\r\n{good}{other}END:VCALENDAR\r\n")
        }
        (Kind::Calendar, _) => {
            format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//model//EN\r\nMETHOD:REQUEST\r\n{good}END:VCALENDAR\r\n"
            )
        }
        (Kind::Book, 1) => format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:Open\r\n"),
        (Kind::Book, 2) => {
            format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN;X=\"open:Quote\r\nEND:VCARD\r\n")
        }
        (Kind::Book, _) => {
            format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//model//EN\r\n{good}END:VCALENDAR\r\n")
        }
    }
}
