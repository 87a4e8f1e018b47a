//! Tests of reading, checking and changing cards.
//! Run by cargo.

use jiff::civil::datetime;

use super::*;
use crate::limits::Limits;

const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u-1\r\nFN:Jane Doe\r\nN:Doe;Jane;Q.,R.;Dr.;\r\n\
    ORG:Acme\\, Inc;Sales\r\nTITLE:Head\r\nitem1.TEL;type=CELL;type=pref;X-A=\"b;c\":+49 30 1\r\n\
    item1.X-ABLabel:_$!<Mobile>!$_\r\nTEL;TYPE=\"home,voice\":030 2\r\nEMAIL;TYPE=INTERNET,WORK:J@x.de\r\n\
    ADR;TYPE=WORK:;;Street 1;Town;;12345;DE\r\nURL:https://a.b/c;d\r\nNOTE:one\\,\\ntwo\r\nBDAY:--0203\r\n\
    CATEGORIES:a,b\r\nPHOTO;ENCODING=b;TYPE=JPEG:AAAA\r\n BBBB\r\nX-UNKNOWN;x=y:keep  me\r\nREV:20200101T000000Z\r\n\
    END:VCARD\r\n";

fn read(text: &str) -> Result<Card, Violation> {
    Card::read(&Document::parse(text.as_bytes(), &Limits::default())?)
}

#[test]
fn a_card_is_read() {
    let card = read(CARD).unwrap();
    assert_eq!(
        (card.version, card.uid.as_str(), card.formatted_name.as_str()),
        (Version::V3, "u-1", "Jane Doe")
    );
    let name = card.name.as_ref().unwrap();
    assert_eq!(name.parts(), ["Doe", "Jane", "Q. R.", "Dr.", ""]);
    assert_eq!(card.organization, ["Acme, Inc", "Sales"]);
    let [cell, home] = &card.phones[..] else { panic!("two phones: {:?}", card.phones) };
    assert_eq!(
        (cell.number.as_str(), cell.preferred, cell.label.as_deref()),
        ("+49 30 1", true, Some("Mobile"))
    );
    assert_eq!(cell.types, BTreeSet::from(["cell".to_owned()]));
    assert_eq!(home.types, BTreeSet::from(["home".to_owned(), "voice".to_owned()]));
    assert_eq!((card.emails[0].address.as_str(), card.emails[0].types.contains("work")), ("J@x.de", true));
    assert_eq!(card.addresses[0].parts(), ["", "", "Street 1", "Town", "", "12345", "DE"]);
    assert_eq!((card.note.as_deref(), card.birthday.as_deref()), (Some("one,\ntwo"), Some("--0203")));
    assert_eq!((card.urls[0].as_str(), card.categories.len(), card.has_photo), ("https://a.b/c;d", 2, true));
    assert!(!card.is_group());
}

#[test]
fn version_4_and_groups_are_read() {
    let text = "BEGIN:VCARD\nVERSION:4.0\nUID:urn:uuid:1\nFN:x\nKIND:Group\nTEL;VALUE=uri;PREF=1;TYPE=cell:tel:+49-30-1\n\
                MEMBER:urn:uuid:2\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:3\nEND:VCARD\n";
    let card = read(text).unwrap();
    assert!(card.is_group());
    assert_eq!(card.members, ["urn:uuid:2", "urn:uuid:3"]);
    assert_eq!((card.phones[0].number.as_str(), card.phones[0].preferred), ("+49-30-1", true));
    let apple = text.replace("4.0", "3.0").replace("KIND", "X-ADDRESSBOOKSERVER-KIND");
    assert!(read(&apple).unwrap().is_group());
}

#[test]
fn version_2_1_is_tolerated() {
    let text = "BEGIN:VCARD\r\nVERSION:2.1\r\nUID:1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;Eva\r\n\
                TEL;CELL;PREF:1\r\nPHOTO;JPEG;ENCODING=BASE64:\r\n AAAA\r\n\r\nEND:VCARD\r\n";
    let card = read(text).unwrap();
    assert_eq!(card.formatted_name, "Eva Müller");
    assert_eq!((card.phones[0].types.len(), card.phones[0].preferred, card.has_photo), (1, true, true));
}

#[test]
fn what_is_no_card_violates_valid_address_data() {
    let why = |text: &str| match read(text) {
        Err(Violation::ValidAddressData(why, line)) => (why, line),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(why("x").1, 1);
    assert_eq!(why("BEGIN:VEVENT\nEND:VEVENT\n"), ("VEVENT is not a VCARD".to_owned(), 1));
    assert_eq!(why(&CARD.repeat(2)).0, "more than one component at the top");
    assert_eq!(why(&CARD.replace("UID:u-1\r\n", "")), ("UID is missing".to_owned(), 1));
    assert_eq!(why(&CARD.replace("UID:u-1", "UID: ")), ("UID is empty".to_owned(), 1));
    assert_eq!(why(&CARD.replace("UID:u-1", "UID:1\r\nUID:2")), ("a second UID".to_owned(), 4));
    assert_eq!(why(&CARD.replace("FN:Jane Doe\r\n", "")), ("FN is missing".to_owned(), 1));
    assert_eq!(why(&CARD.replace("VERSION:3.0\r\n", "")), ("VERSION is missing".to_owned(), 1));
    let five = read(&CARD.replace("VERSION:3.0", "VERSION:5.0"));
    assert_eq!(five, Err(Violation::SupportedAddressData("5.0".to_owned())));
}

fn updated(text: &str, change: impl FnOnce(&mut Card)) -> String {
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let mut card = Card::read(&document).unwrap();
    change(&mut card);
    let bytes = update(&document, &card, datetime(2026, 1, 2, 3, 4, 5, 0)).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The card with one text replaced, and REV as every change sets it.
fn with(old: &str, new: &str) -> String {
    assert!(CARD.contains(old), "{old}");
    CARD.replace(old, new).replace("REV:20200101T000000Z", "REV:20260102T030405Z")
}

#[test]
fn without_a_change_the_bytes_are_the_same() {
    assert_eq!(updated(CARD, |_| {}), CARD);
    assert_eq!(updated(CARD, |card| card.phones.iter_mut().for_each(|phone| phone.place = None)), CARD);
}

#[test]
fn a_changed_number_keeps_group_types_and_unknown_parameters() {
    let new = updated(CARD, |card| card.phones[0].number = "+49 30 999".to_owned());
    assert_eq!(new, with(":+49 30 1\r", ":+49 30 999\r"));
    let by_types = updated(CARD, |card| {
        card.phones[1].number = "030 3".to_owned();
        card.phones[1].place = None;
    });
    assert_eq!(by_types, with(":030 2\r", ":030 3\r"));
}

#[test]
fn phones_are_added_and_removed_with_their_label() {
    let removed = updated(CARD, |card| drop(card.phones.remove(0)));
    let lines = "item1.TEL;type=CELL;type=pref;X-A=\"b;c\":+49 30 1\r\nitem1.X-ABLabel:_$!<Mobile>!$_\r\n";
    assert_eq!(removed, with(lines, ""));
    let types = BTreeSet::from(["fax".to_owned()]);
    let phone = Phone { number: "5".to_owned(), types, preferred: true, ..Phone::default() };
    let added = updated(CARD, |card| card.phones.push(phone));
    let expected = CARD.replace("20200101T000000Z\r\n", "20260102T030405Z\r\nTEL;TYPE=FAX,PREF:5\r\n");
    assert_eq!(added, expected);
}

#[test]
fn changed_types_keep_the_value_and_other_parameters() {
    let new = updated(CARD, |card| {
        card.phones[0].preferred = false;
        card.phones[0].types = BTreeSet::from(["work".to_owned()]);
    });
    assert_eq!(new, with("item1.TEL;type=CELL;type=pref;X-A=\"b;c\":", "item1.TEL;X-A=\"b;c\";TYPE=WORK:"));
}

#[test]
fn parts_that_did_not_change_keep_their_form() {
    let new = updated(CARD, |card| card.name.as_mut().unwrap().family = "Roe; x".to_owned());
    assert_eq!(new, with("N:Doe;Jane;Q.,R.;", "N:Roe\\; x;Jane;Q.,R.;"));
    let moved = updated(CARD, |card| card.addresses[0].street = "Way 2".to_owned());
    assert_eq!(moved, with("Street 1", "Way 2"));
    assert_eq!(updated(CARD, |card| card.organization[1] = "R&D".to_owned()), with(";Sales", ";R&D"));
    assert_eq!(updated(CARD, |card| card.organization.truncate(1)), with(";Sales", ""));
}

#[test]
fn a_backslash_at_the_end_does_not_escape_what_is_added() {
    let text = "BEGIN:VCARD\nVERSION:3.0\nUID:1\nFN:x\nREV:20260102T030405Z\nN:Doe\\\nEND:VCARD\n";
    let new = updated(text, |card| card.name.as_mut().unwrap().given = "Eva".to_owned());
    assert_eq!(new, text.replace("N:Doe\\", "N:Doe\\\\;Eva;;;"));
}

#[test]
fn plain_fields_are_set_and_removed() {
    assert_eq!(
        updated(CARD, |card| card.formatted_name = "A, B".to_owned()),
        with("FN:Jane Doe", "FN:A\\, B")
    );
    assert_eq!(updated(CARD, |card| card.note = None), with("NOTE:one\\,\\ntwo\r\n", ""));
    assert_eq!(updated(CARD, |card| card.title = Some("Boss".to_owned())), with("TITLE:Head", "TITLE:Boss"));
    assert_eq!(updated(CARD, |card| card.organization.clear()), with("ORG:Acme\\, Inc;Sales\r\n", ""));
    let mail = updated(CARD, |card| card.emails[0].address = "k@x.de".to_owned());
    assert_eq!(mail, with("WORK:J@x.de", "WORK:k@x.de"));
}

#[test]
fn a_number_that_is_a_uri_stays_one() {
    let text = "BEGIN:VCARD\nVERSION:4.0\nUID:1\nFN:x\nREV:20260102T030405Z\nTEL;VALUE=uri:tel:+49-30-1\nEND:VCARD\n";
    let new = updated(text, |card| card.phones[0].number = "+49 30 2".to_owned());
    assert_eq!(new, text.replace("tel:+49-30-1", "tel:+49-30-2"));
    let preferred = updated(text, |card| card.phones[0].preferred = true);
    assert_eq!(preferred, text.replace("TEL;VALUE=uri:", "TEL;PREF=1;VALUE=uri:"));
}
