//! Tests of reading, checking and changing calendar objects.
//! Run by cargo.

use jiff::civil::{date, datetime};

use super::*;
use crate::limits::Limits;
use crate::patch::Patch;
use crate::value::DateValue;

fn read(body: &str) -> Result<CalendarObject, Violation> {
    read_whole(&format!("BEGIN:VCALENDAR\nVERSION:2.0\n{body}END:VCALENDAR\n"))
}

fn read_whole(text: &str) -> Result<CalendarObject, Violation> {
    CalendarObject::read(&Document::parse(text.as_bytes(), &Limits::default())?)
}

const SERIES: &str = "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:a@b\n\
    DTSTART;TZID=\"Europe/Berlin \":20260105T090000\nDTEND;TZID=Europe/Berlin:20260105T100000\n\
    RRULE:FREQ=WEEKLY;COUNT=9\nEXDATE;TZID=Europe/Berlin:20260112T090000,20260119T090000\n\
    RDATE;VALUE=period:20260106T090000Z/PT1H\nSUMMARY:Talk\\, weekly\nDESCRIPTION:one\\ntwo\nLOCATION:here\n\
    status:confirmed\nTRANSP:TRANSPARENT\nCLASS:private\nSEQUENCE:3\nCATEGORIES:a,b\\,c\nCATEGORIES:d\n\
    ORGANIZER;CN=\"Boss, The\":MAILTO:Boss@Example.com\n\
    ATTENDEE;PARTSTAT=accepted;ROLE=REQ-PARTICIPANT;RSVP=TRUE;X-K=1:mailto:Ann@Example.com\n\
    ATTENDEE;EMAIL=Bob@example.com;CN=Bob:urn:uuid:1\nURL:https://e.x/?a=1;b,c\n\
    BEGIN:VALARM\nACTION:DISPLAY\nSUMMARY:x\nEND:VALARM\nEND:VEVENT\n\
    BEGIN:VEVENT\nUID:a@b\nRECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260126T090000\n\
    DTSTART;TZID=Europe/Berlin:20260126T110000\nDURATION:PT30M\nEND:VEVENT\n";

#[test]
fn a_series_is_read_with_its_override() {
    let object = read(SERIES).unwrap();
    assert_eq!((object.kind, object.uid.as_str(), object.items.len()), (ItemKind::Event, "a@b", 2));
    assert_eq!((object.master, object.overrides.as_slice(), object.time_zones.len()), (Some(0), &[1][..], 1));
    let master = object.master().unwrap();
    let at = datetime(2026, 1, 5, 9, 0, 0, 0);
    assert_eq!(master.start, Some(DateValue::Zoned { at, tzid: "Europe/Berlin".to_owned() }));
    assert_eq!(master.summary.as_deref(), Some("Talk, weekly"));
    assert_eq!(master.description.as_deref(), Some("one\ntwo"));
    assert_eq!(master.url.as_deref(), Some("https://e.x/?a=1;b,c"));
    assert_eq!((master.status.as_deref(), master.class.as_deref()), (Some("CONFIRMED"), Some("PRIVATE")));
    assert_eq!((master.sequence, master.alarms, master.transparent), (3, 1, true));
    assert_eq!(master.categories, ["a", "b,c", "d"]);
    assert_eq!(master.rules[0].value, "FREQ=WEEKLY;COUNT=9");
    assert_eq!(master.except_dates[0].tzid.as_deref(), Some("Europe/Berlin"));
    assert_eq!(master.dates[0].value_type.as_deref(), Some("PERIOD"));
    let moved = object.overrides().next().unwrap();
    assert!(moved.recurrence_id.as_ref().unwrap().this_and_future);
    assert_eq!(moved.duration.unwrap().seconds, 1800);
}

#[test]
fn people_are_known_by_their_address() {
    let object = read(SERIES).unwrap();
    let master = object.first();
    let boss = master.organizer.as_ref().unwrap();
    assert_eq!((boss.address.as_str(), boss.name.as_deref()), ("boss@example.com", Some("Boss, The")));
    let [ann, bob] = &master.attendees[..] else { panic!("two guests: {:?}", master.attendees) };
    assert_eq!(
        (ann.address.as_str(), ann.partstat.as_deref(), ann.rsvp),
        ("ann@example.com", Some("ACCEPTED"), true)
    );
    assert_eq!((bob.address.as_str(), bob.rsvp), ("bob@example.com", false));
}

#[test]
fn a_task_is_read() {
    let task = "BEGIN:VTODO\nUID:1\nDUE;VALUE=DATE:20260301\nPERCENT-COMPLETE:40\nPRIORITY:1\nRRULE:FREQ=DAILY\n\
                COMPLETED:20260228T120000Z\nEND:VTODO\n";
    let object = read(task).unwrap();
    let item = object.first();
    assert_eq!((object.kind, item.percent, item.priority), (ItemKind::Todo, Some(40), Some(1)));
    assert_eq!(item.due, Some(DateValue::Date(date(2026, 3, 1))));
    assert_eq!(item.completed, Some(DateValue::Utc(datetime(2026, 2, 28, 12, 0, 0, 0))));
}

#[test]
fn what_programs_write_is_tolerated() {
    let event = |lines: &str| read(&format!("BEGIN:VEVENT\nUID:1\n{lines}END:VEVENT\n"));
    // Lightning
    assert!(event("DTSTART:20260101T100000\nDTEND:20260101T100000\nDURATION:PT0S\n").is_ok());
    // Outlook
    let outlook = event("DTSTART;TZID=\"W. Europe Standard Time\":20260101T100000\nSEQUENCE:x\n").unwrap();
    assert_eq!(outlook.first().start.as_ref().unwrap().tzid(), Some("W. Europe Standard Time"));
    assert_eq!(outlook.first().sequence, 0);
    assert!(event("DTSTART:20260101\nDTEND:20260102\n").is_ok(), "a date without VALUE=DATE");
    assert!(read("BEGIN:X-OTHER\nEND:X-OTHER\nBEGIN:VEVENT\nUID:1\nDTSTART:20260101\nEND:VEVENT\n").is_ok());
    let only_override = "BEGIN:VEVENT\nUID:1\nDTSTART:20260101\nRECURRENCE-ID:20260101\nEND:VEVENT\n";
    assert_eq!(read(only_override).unwrap().master, None);
}

#[test]
fn text_that_is_not_a_calendar_violates_valid_calendar_data() {
    let line = |text: &str| match read_whole(text) {
        Err(Violation::ValidCalendarData(why, line)) => (why, line),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(line("garbage").1, 1);
    assert_eq!(line("BEGIN:VCARD\nEND:VCARD\n"), ("VCARD is not a VCALENDAR".to_owned(), 1));
    assert_eq!(line("BEGIN:VCALENDAR\nEND:VCALENDAR\n"), ("VERSION is missing".to_owned(), 1));
    assert_eq!(line("BEGIN:VCALENDAR\nVERSION:1.0\nEND:VCALENDAR\n").1, 2);
    assert_eq!(line("BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR\n").1, 3);
    let event = |lines: &str| {
        line(&format!(
            "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nUID:1\n{lines}END:VEVENT\nEND:VCALENDAR\n"
        ))
    };
    assert_eq!(event(""), ("DTSTART is missing".to_owned(), 3));
    assert_eq!(event("DTSTART:20260230\n"), ("\"20260230\" is not a date".to_owned(), 5));
    assert_eq!(event("DTSTART:20260101T100000Z\nDTEND:20260101T095959Z\n").0, "DTEND is before DTSTART");
    assert_eq!(event("DTSTART:20260101\nDTEND:20260101T095959Z\n").1, 6);
    assert_eq!(event("DTSTART:20260101\nDURATION:-P1D\n").1, 6);
    assert_eq!(event("DTSTART:20260101\nDURATION:1D\n").1, 6);
    assert_eq!(
        event("DTSTART:20260101\nDTSTART:20260102\n"),
        ("a second DTSTART in one component".to_owned(), 6)
    );
    assert_eq!(event("DTSTART:20260101\nRECURRENCE-ID:x\n").1, 6);
}

#[test]
fn more_than_one_object_violates_valid_calendar_object_resource() {
    let why = |body: &str| match read(body) {
        Err(Violation::ValidCalendarObjectResource(why)) => why,
        other => panic!("{body}: {other:?}"),
    };
    let event = "BEGIN:VEVENT\nUID:1\nDTSTART:20260101\nEND:VEVENT\n";
    assert_eq!(why(""), "no event, task or journal");
    assert_eq!(why(&format!("METHOD:REQUEST\n{event}")), "a stored object has no METHOD");
    assert_eq!(why(&event.repeat(2)), "more than one component without RECURRENCE-ID");
    assert!(why(&(event.to_owned() + &event.replace("UID:1", "UID:2"))).contains("beside uid"));
    assert_eq!(
        why(&(event.to_owned() + &event.replace("VEVENT", "VTODO"))),
        "VEVENT and VTODO in one object"
    );
    assert_eq!(why(&event.replace("UID:1\n", "")), "VEVENT on line 3 has no UID");
    assert_eq!(why(&event.replace("UID:1\n", "UID: \n")), "VEVENT on line 3 has no UID");
    assert_eq!(why(&event.replace("UID:1\n", "UID:1\nUID:1\n")), "VEVENT has a second UID on line 5");
}

#[test]
fn an_unknown_kind_violates_supported_component() {
    let found = read("BEGIN:VPOLL\nUID:1\nEND:VPOLL\n");
    assert_eq!(found, Err(Violation::SupportedComponent("VPOLL".to_owned())));
}

#[test]
fn a_scheduling_message_has_a_method_and_may_lack_a_start() {
    let text = "BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:reply\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nEND:VCALENDAR\n";
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(CalendarObject::read_message(&document).unwrap().method.as_deref(), Some("REPLY"));
}

fn updated(change: impl FnOnce(&mut Item)) -> String {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{SERIES}END:VCALENDAR\n");
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let object = CalendarObject::read(&document).unwrap();
    let old = object.first();
    let mut new = old.clone();
    change(&mut new);
    let mut patch = Patch::new(&document);
    let changed = update(&mut patch, &document.component(old.component), old, &new);
    let after = String::from_utf8(patch.apply()).unwrap();
    assert_eq!(changed, *old != new);
    assert_eq!(changed, after != text);
    let read_again = Document::parse(after.as_bytes(), &Limits::default()).unwrap();
    let again = CalendarObject::read(&read_again).unwrap();
    assert_eq!(format!("{:?}", again.first().attendees), format!("{:?}", new.attendees));
    after.strip_prefix("BEGIN:VCALENDAR\nVERSION:2.0\n").unwrap().replace("END:VCALENDAR\n", "")
}

#[test]
fn an_update_touches_only_the_lines_that_differ() {
    assert_eq!(updated(|_| {}), SERIES);
    let summary = updated(|item| item.summary = Some("Talk; new".to_owned()));
    assert_eq!(summary, SERIES.replace("Talk\\, weekly", "Talk\\; new"));
    assert_eq!(updated(|item| item.location = None), SERIES.replace("LOCATION:here\n", ""));
    let to_utc = updated(|item| item.start = Some(DateValue::Utc(datetime(2026, 1, 5, 8, 0, 0, 0))));
    let start = "DTSTART;TZID=\"Europe/Berlin \":20260105T090000\n";
    assert_eq!(to_utc, SERIES.replace(start, "DTSTART:20260105T080000Z\n"));
}

#[test]
fn an_update_of_guests_keeps_their_other_parameters() {
    let declined = updated(|item| item.attendees[0].partstat = Some("DECLINED".to_owned()));
    let before = "ATTENDEE;PARTSTAT=accepted;ROLE=REQ-PARTICIPANT;RSVP=TRUE;X-K=1:mailto:Ann@Example.com\n";
    assert!(!declined.contains(before));
    let line = declined.replace("\n ", "").lines().find(|line| line.contains("Ann")).unwrap().to_owned();
    assert_eq!(
        line,
        "ATTENDEE;X-K=1;PARTSTAT=DECLINED;ROLE=REQ-PARTICIPANT;RSVP=TRUE:mailto:Ann@Example.com"
    );
    assert_eq!(declined.lines().filter(|line| SERIES.contains(line)).count(), SERIES.lines().count() - 1);
    let one_less = updated(|item| drop(item.attendees.remove(0)));
    assert_eq!(one_less, SERIES.replace(before, ""));
    let one_more = updated(|item| {
        item.attendees.push(Person { address: "c@d".to_owned(), ..Person::default() });
    });
    assert!(one_more.contains("ATTENDEE:mailto:c@d\nBEGIN:VALARM"));
}

#[test]
fn an_update_of_the_recurrence_keeps_the_lines_that_stay() {
    let one_more = updated(|item| {
        let value = "20260126T090000".to_owned();
        item.except_dates.push(RawDates { value, ..item.except_dates[0].clone() });
    });
    let new = "EXDATE;TZID=Europe/Berlin:20260126T090000\nBEGIN:VALARM";
    assert_eq!(one_more, SERIES.replace("BEGIN:VALARM", new));
    let rule = updated(|item| item.rules[0].value = "FREQ=DAILY".to_owned());
    assert!(rule.contains("RRULE:FREQ=DAILY\n") && !rule.contains("WEEKLY"));
}
