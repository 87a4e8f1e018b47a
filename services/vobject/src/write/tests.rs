//! Tests of writing: what is written is read back as it was meant.
//! Run by cargo.

use std::collections::BTreeSet;

use jiff::civil::{date, datetime};

use super::*;
use crate::card::{Address, Email, Name, Phone};
use crate::ical::{CalendarObject, ItemKind, Person, RawDates, RecurrenceId};
use crate::limits::Limits;
use crate::tree::Document;

const ZONE: &str = "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19701025T030000\n\
    TZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n";

fn now() -> DateTime {
    datetime(2026, 1, 2, 3, 4, 5, 0)
}

fn read(text: &str) -> CalendarObject {
    assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')), "{text}");
    CalendarObject::read(&Document::parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap()
}

/// An item as it was before it was read: without the places in the text.
fn bare(mut item: Item) -> Item {
    (item.component, item.line) = (0, 0);
    for raw in item.rules.iter_mut().chain(&mut item.except_dates).chain(&mut item.dates) {
        raw.line = 0;
    }
    item
}

#[test]
fn a_series_in_a_zone_is_read_back_as_it_was() {
    let zoned = |day, hour| {
        let tzid = "Europe/Berlin".to_owned();
        Some(DateValue::Zoned { at: datetime(2026, 3, day, hour, 0, 0, 0), tzid })
    };
    let raw = |value: &str, tzid: Option<&str>| RawDates {
        value: value.to_owned(),
        tzid: tzid.map(str::to_owned),
        ..RawDates::default()
    };
    let guest = Person {
        address: "ann@example.com".to_owned(),
        name: Some("Ann \"A\"; B".to_owned()),
        partstat: Some("NEEDS-ACTION".to_owned()),
        role: Some("REQ-PARTICIPANT".to_owned()),
        rsvp: true,
        ..Person::default()
    };
    let master = Item {
        summary: Some("a, b; c\\ ".repeat(12) + "ü"),
        description: Some("one\ntwo".to_owned()),
        start: zoned(2, 9),
        end: zoned(2, 10),
        status: Some("CONFIRMED".to_owned()),
        sequence: 2,
        organizer: Some(Person { address: "boss@example.com".to_owned(), ..Person::default() }),
        attendees: vec![guest],
        categories: vec!["x,y".to_owned(), "z".to_owned()],
        rules: vec![raw("FREQ=WEEKLY;BYDAY=MO", None)],
        except_dates: vec![raw("20260309T090000", Some("Europe/Berlin"))],
        ..Item::default()
    };
    let id = RecurrenceId { at: zoned(16, 9).unwrap(), this_and_future: false };
    let moved = Item { recurrence_id: Some(id), start: zoned(16, 11), end: zoned(16, 12), ..Item::default() };
    let text = calendar("u,1", &[master.clone(), moved.clone()], now(), [ZONE]);
    let object = read(&text);
    assert_eq!((object.uid.as_str(), object.master, object.time_zones.len()), ("u,1", Some(0), 1));
    assert_eq!(object.items.into_iter().map(bare).collect::<Vec<_>>(), [master, moved]);
    assert!(text.contains("DTSTAMP:20260102T030405Z\r\n") && text.contains("PRODID:-//Kontor//EN\r\n"));
}

#[test]
fn an_all_day_event_and_a_task_are_read_back_as_they_were() {
    let event = Item {
        start: Some(DateValue::Date(date(2026, 1, 1))),
        end: Some(DateValue::Date(date(2026, 1, 4))),
        transparent: true,
        ..Item::default()
    };
    assert_eq!(bare(read(&calendar("1", std::slice::from_ref(&event), now(), [])).items.remove(0)), event);
    let task = Item {
        kind: ItemKind::Todo,
        due: Some(DateValue::Utc(now())),
        completed: Some(DateValue::Utc(now())),
        percent: Some(100),
        priority: Some(1),
        ..Item::default()
    };
    assert_eq!(bare(read(&calendar("1", std::slice::from_ref(&task), now(), [])).items.remove(0)), task);
}

#[test]
fn a_card_is_read_back_as_it_was() {
    for version in [Version::V3, Version::V4] {
        let types = BTreeSet::from(["cell".to_owned(), "voice".to_owned()]);
        let made = Card {
            version,
            uid: "u-1".to_owned(),
            kind: "individual".to_owned(),
            formatted_name: "Jane, Doe".to_owned(),
            name: Some(Name { family: "Doe; x".to_owned(), given: "Jane".to_owned(), ..Name::default() }),
            organization: vec!["Acme, Inc".to_owned(), "R;D".to_owned()],
            title: Some("Head".to_owned()),
            phones: vec![Phone { number: "+49 30 1".to_owned(), types, preferred: true, ..Phone::default() }],
            emails: vec![Email { address: "j@x.de".to_owned(), ..Email::default() }],
            addresses: vec![Address { street: "Way 1, left".to_owned(), ..Address::default() }],
            note: Some("long ä ".repeat(40) + "\nend"),
            categories: vec!["a,b".to_owned()],
            urls: vec!["https://a.b/c".to_owned()],
            birthday: Some("1980-01-02".to_owned()),
            ..Card::default()
        };
        let text = card(&made, now());
        assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')), "{text}");
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let mut read = Card::read(&document).unwrap();
        (read.phones[0].place, read.emails[0].place, read.addresses[0].place) = (None, None, None);
        assert_eq!(read, made);
        assert!(text.contains("REV:20260102T030405Z\r\n") && text.contains("PRODID:-//Kontor//EN\r\n"));
    }
}

#[test]
fn a_group_lists_its_members() {
    let made = Card {
        uid: "g".to_owned(),
        kind: "group".to_owned(),
        formatted_name: "Team".to_owned(),
        members: vec!["urn:uuid:1".to_owned()],
        ..Card::default()
    };
    let text = card(&made, now());
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let read = Card::read(&document).unwrap();
    assert!(read.is_group() && read.members == made.members);
    assert!(text.contains("N:Team;;;;\r\n"));
}
