//! What PROPPATCH and MKCALENDAR may set.

use kontor_gateway::dav::path::Kind;
use kontor_gateway::dav::properties::settable::{Refusal, Update};
use kontor_gateway::dav::properties::{Live, Property};
use kontor_gateway::dav::xml::request::{Change, Value};
use kontor_gateway::dav::xml::{Name, Space};

fn set(live: Live, text: &str) -> Change {
    Change {
        property: Property::Live(live),
        value: Some(Value::Text(text.to_owned())),
        language: String::new(),
    }
}

fn dead(local: &str, value: Option<&str>) -> Change {
    let name = Name { space: Space::Other("urn:x".to_owned()), local: local.to_owned() };
    Change {
        property: Property::Other(name),
        value: value.map(|xml| Value::Xml(xml.to_owned())),
        language: String::new(),
    }
}

const TOKYO: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:Asia/Tokyo\r\nBEGIN:STANDARD\r\n\
    DTSTART:19700101T000000\r\nTZOFFSETFROM:+0900\r\nTZOFFSETTO:+0900\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nEND:VCALENDAR\r\n";

#[test]
fn a_time_zone_is_one_that_can_be_read() {
    let take = |text: &str| Update::default().take(&set(Live::CalendarTimeZone, text), Kind::Calendar, false);
    assert_eq!(take(TOKYO), Ok(()));
    assert_eq!(take("  "), Ok(()), "it is taken away");
    let two =
        TOKYO.replace("BEGIN:VTIMEZONE", "BEGIN:VTIMEZONE\r\nTZID:x\r\nEND:VTIMEZONE\r\nBEGIN:VTIMEZONE");
    for bad in
        ["Asia/Tokyo", "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\n", "BEGIN:VCARD\r\nEND:VCARD\r\n", two.as_str()]
    {
        assert_eq!(take(bad), Err(Refusal::TimeZone), "{bad}");
    }
}

#[test]
fn settable_properties_become_fields() {
    let mut update = Update::default();
    for change in [
        set(Live::DisplayName, " Work "),
        set(Live::CalendarColor, "#12ab34FF"),
        set(Live::CalendarOrder, " 7 "),
        set(Live::CalendarDescription, "what\nwe do"),
        set(Live::CalendarTimeZone, TOKYO),
        Change {
            property: Property::Live(Live::Transparency),
            value: Some(Value::Elements(vec![Name {
                space: Space::CalDav,
                local: "transparent".to_owned(),
            }])),
            language: String::new(),
        },
    ] {
        update.take(&change, Kind::Calendar, false).unwrap();
    }
    assert_eq!(update.fields, ["display_name", "color", "order", "description", "time_zone", "transparent"]);
    assert_eq!(update.collection.display_name, "Work");
    assert_eq!(update.collection.order, 7);
    assert!(update.collection.transparent);
    let remove =
        Change { property: Property::Live(Live::CalendarColor), value: None, language: String::new() };
    update.take(&remove, Kind::Calendar, false).unwrap();
    assert_eq!(update.collection.color, "");
}

#[test]
fn protected_and_senseless_ones_are_refused() {
    let take = |change: &Change, kind, creating| Update::default().take(change, kind, creating);
    for live in [Live::GetEtag, Live::SyncToken, Live::ResourceType, Live::CollectionTag, Live::Owner] {
        assert_eq!(take(&set(live, "x"), Kind::Calendar, false), Err(Refusal::Protected));
    }
    let components = |names: &[&str]| Change {
        property: Property::Live(Live::SupportedComponents),
        value: Some(Value::Components(names.iter().map(|name| (*name).to_owned()).collect())),
        language: String::new(),
    };
    assert_eq!(take(&components(&["VEVENT"]), Kind::Calendar, false), Err(Refusal::Protected));
    assert_eq!(take(&components(&["VEVENT", "VALARM"]), Kind::Calendar, true), Ok(()));
    assert_eq!(take(&components(&["VNIX"]), Kind::Calendar, true), Err(Refusal::Component));
    assert_eq!(take(&components(&[]), Kind::Calendar, true), Err(Refusal::Component));
    assert_eq!(take(&set(Live::CalendarColor, "red"), Kind::Book, false), Err(Refusal::Protected));
    assert_eq!(take(&set(Live::CalendarColor, "#12"), Kind::Calendar, false), Err(Refusal::Value));
    assert_eq!(take(&set(Live::CalendarOrder, "first"), Kind::Calendar, false), Err(Refusal::Value));
    assert_eq!(take(&set(Live::CalendarTimeZone, "Europe"), Kind::Calendar, false), Err(Refusal::TimeZone));
    assert_eq!(take(&set(Live::DisplayName, &"x".repeat(1001)), Kind::Book, false), Err(Refusal::Value));
}

#[test]
fn the_last_word_on_a_dead_property_counts() {
    let mut update = Update::default();
    for change in [dead("a", Some("1")), dead("b", Some("1")), dead("a", None), dead("b", Some("2"))] {
        update.take(&change, Kind::Book, false).unwrap();
    }
    assert_eq!(update.set_dead.len(), 1);
    assert_eq!((update.set_dead[0].name.as_str(), update.set_dead[0].value.as_str()), ("b", "2"));
    assert_eq!(update.remove_dead[0].name, "a");
}
