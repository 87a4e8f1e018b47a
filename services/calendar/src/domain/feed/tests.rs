//! Tests of the writer: one valid text, lines as they were, zones once, busy times that say nothing else.

use super::*;

const ZONE: &str = "BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";

fn object(zone: &str, uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\n{zone}BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn own_zone(offset: &str) -> String {
    ZONE.replace("W. Europe Standard Time", "Customized Time Zone").replace("TZOFFSETTO:+0100", offset)
}

fn write(only: Option<BusyOnly>, objects: &[String]) -> String {
    let mut feed = Feed::new(only);
    let about = About {
        name: "Work, and \"more\"; ü".into(),
        description: "Said\nhere".into(),
        color: "#FF0000FF".into(),
        zone: "Europe/Brussels".into(),
    };
    let mut text = feed.begin(&about).into_bytes();
    for object in objects {
        feed.object(object.as_bytes(), &mut text);
    }
    text.extend_from_slice(feed.end().as_bytes());
    let text = String::from_utf8(text).expect("it is text");
    let document = Document::parse(text.as_bytes(), &Limits::default()).expect("it can be read");
    assert_eq!(document.roots().len(), 1);
    assert!(document.root().is("VCALENDAR"));
    assert!(text.split("\r\n").all(|line| !line.contains('\n') && !line.contains('\r')), "{text}");
    text
}

#[test]
fn the_head_says_what_programs_look_for() {
    let text = write(None, &[]);
    for line in [
        "X-WR-CALNAME:Work\\, and \"more\"\\; ü\r\n",
        "NAME:Work\\, and \"more\"\\; ü\r\n",
        "COLOR:red\r\n",
        "X-APPLE-CALENDAR-COLOR:#FF0000\r\n",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n",
        "X-PUBLISHED-TTL:PT1H\r\n",
        "X-WR-TIMEZONE:Europe/Brussels\r\n",
        "X-WR-CALDESC:Said\\nhere\r\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn a_zone_stands_once_and_the_lines_of_objects_stay() {
    let line = "DTSTART;TZID=\"W. Europe Standard Time\":20261123T090000\r\nX-MICROSOFT-CDO-BUSYSTATUS:OOF\r\nSUMMARY:A long title that is folded by its program in a place\r\n  of its own\r\n";
    let text = write(None, &[object(ZONE, "a", line), object(ZONE, "b", line)]);
    assert_eq!(text.matches("BEGIN:VTIMEZONE").count(), 1);
    assert_eq!(text.matches(line).count(), 2);
    assert!(text.find("BEGIN:VTIMEZONE") < text.find("BEGIN:VEVENT"));
}

#[test]
fn bare_line_feeds_and_empty_lines_become_valid_text() {
    let text = write(
        None,
        &[object(ZONE, "a", "DTSTART:20261123T090000Z\r\n\r\nSUMMARY:x\r\n").replace("\r\n", "\n")],
    );
    assert!(text.contains("DTSTART:20261123T090000Z\r\nSUMMARY:x\r\n"));
}

#[test]
fn a_zone_that_an_object_only_names_is_described() {
    let text = write(
        None,
        &[
            object("", "a", "DTSTART;TZID=Europe/Brussels:20261123T090000\r\n"),
            object("", "b", "DTSTART;TZID=Romance Standard Time:20261123T090000\r\n"),
        ],
    );
    assert_eq!(text.matches("\r\nTZID:Europe/Brussels\r\n").count(), 1);
    assert_eq!(text.matches("\r\nTZID:Romance Standard Time\r\n").count(), 1);
}

#[test]
fn two_zones_of_one_name_are_told_apart() {
    let line = "DTSTART;TZID=Customized Time Zone;X-A=b:20261123T090000\r\n";
    let objects: Vec<String> = ["TZOFFSETTO:+0100", "TZOFFSETTO:+0500", "TZOFFSETTO:+0100"]
        .iter()
        .enumerate()
        .map(|(number, offset)| object(&own_zone(offset), &number.to_string(), line))
        .collect();
    let text = write(None, &objects);
    assert_eq!(text.matches("BEGIN:VTIMEZONE").count(), 2);
    assert!(text.contains("\r\nTZID:Customized Time Zone (1)\r\n"), "{text}");
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let starts: Vec<String> = document
        .root()
        .children("VEVENT")
        .map(|event| event.property("DTSTART").unwrap())
        .map(|start| format!("{} {}", start.param("TZID").unwrap(), start.param("X-A").unwrap()))
        .collect();
    assert_eq!(starts, ["Customized Time Zone b", "Customized Time Zone (1) b", "Customized Time Zone b"]);
}

#[test]
fn memory_for_zones_is_bounded() {
    let mut feed = Feed::new(None);
    for number in 0..2 * ZONES {
        let zone = own_zone("TZOFFSETTO:+0100").replace("Customized", &format!("Own {number}"));
        let line = format!("DTSTART;TZID=Own {number} Time Zone:20261123T090000\r\n");
        feed.object(object(&zone, "a", &line).as_bytes(), &mut Vec::new());
    }
    assert_eq!(feed.zones.len(), ZONES);
}

#[test]
fn busy_times_say_nothing_else() {
    let only = || Some(BusyOnly { key: "k".into(), owner: "sales@kontor.test".into() });
    let secret = "SUMMARY:Secret\r\nLOCATION:Secret\r\nATTACH;MANAGED-ID=secret;FILENAME=secret.pdf:https://kontor.test/dav/attachments/secret/secret.pdf\r\nDESCRIPTION:Secret\r\nATTENDEE;CN=Secret:mailto:secret@kontor.test\r\nX-SECRET;X=Secret:Secret\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:Secret\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n";
    let times = "DTSTART;TZID=W. Europe Standard Time;X-SECRET=Secret:20261123T090000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=3\r\n";
    let declined = "ATTENDEE;PARTSTAT=DECLINED:mailto:Sales@kontor.test\r\n";
    let objects = [
        object(ZONE, "Secret@secret.test", &format!("{times}{secret}")),
        object(ZONE, "b", &format!("{times}{secret}TRANSP:TRANSPARENT\r\n")),
        object(ZONE, "c", &format!("{times}{secret}STATUS:CANCELLED\r\n")),
        object(ZONE, "d", &format!("{times}{secret}{declined}")),
        object(ZONE, "e", "DUE:20261123T090000Z\r\nSUMMARY:Secret\r\n").replace("VEVENT", "VTODO"),
    ];
    let text = write(only(), &objects);
    assert!(!text.to_lowercase().contains("secret"), "{text}");
    assert_eq!(text.matches("BEGIN:VEVENT").count(), 1);
    assert!(!text.contains("VTODO") && !text.contains("CALDESC"));
    assert!(text.contains("DTSTART;TZID=W. Europe Standard Time:20261123T090000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=3\r\nSUMMARY:Busy\r\n"), "{text}");
    assert_eq!(text, write(only(), &objects), "the same UIDs each time");
}
