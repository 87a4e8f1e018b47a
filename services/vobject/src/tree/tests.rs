//! Tests of reading, first of the hard inputs.
//! Run by cargo.

use std::time::{Duration, Instant};

use super::*;

fn parse(text: &str) -> Result<Document<'_>> {
    Document::parse(text.as_bytes(), &Limits::default())
}

fn kind(bytes: &[u8]) -> (usize, Kind) {
    let error = Document::parse(bytes, &Limits::default()).expect_err("it must be refused");
    (error.line, error.kind)
}

#[test]
fn the_tree_holds_components_and_properties_in_their_order() {
    let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\n\
                END:VALARM\r\nSUMMARY:a\r\nEND:VEVENT\r\nbegin:vtodo\r\nEND:VTODO\r\nEND:VCALENDAR\r\n";
    let document = parse(text).unwrap();
    let root = document.root();
    assert_eq!((root.name(), root.line(), root.raw_range()), ("VCALENDAR", 1, 0..text.len()));
    assert_eq!(root.properties().map(|p| p.name()).collect::<Vec<_>>(), ["VERSION"]);
    assert_eq!(root.components().map(|c| c.name()).collect::<Vec<_>>(), ["VEVENT", "vtodo"]);
    let event = root.children("vevent").next().unwrap();
    assert_eq!(event.properties().map(|p| p.value()).collect::<Vec<_>>(), ["1", "a"]);
    let alarm = event.children("VALARM").next().unwrap();
    assert_eq!(alarm.raw(), b"BEGIN:VALARM\r\nACTION:DISPLAY\r\nEND:VALARM\r\n");
    assert_eq!(alarm.parent().unwrap().index(), event.index());
    assert_eq!(event.property("summary").unwrap().line(), 8);
}

#[test]
fn a_fold_inside_a_character_is_joined_before_decoding() {
    let mut bytes =
        b"BEGIN:VCARD\r\nFN:J\xc3\r\n \xbcrgen \r\n\t M\xe2\r\n \x82\r\n \xac\r\nEND:VCARD\r\n".to_vec();
    let document = Document::parse(&bytes, &Limits::default()).unwrap();
    let name = document.root().property("FN").unwrap();
    assert_eq!(name.value(), "Jürgen  M€");
    assert_eq!(name.raw(), &bytes[13..bytes.len() - 11]);
    bytes[21] = b'x';
    assert_eq!(kind(&bytes), (2, Kind::NotUtf8));
}

#[test]
fn every_line_end_and_a_byte_order_mark_are_read() {
    for end in ["\n", "\r\n", "\r\n\n", "\r\r\n"] {
        let text = "\u{feff}BEGIN:VCARD|FN:a|  b|END:VCARD".replace('|', end);
        let document = parse(&text).unwrap_or_else(|e| panic!("{end:?}: {e}"));
        assert_eq!(document.root().property("FN").unwrap().value(), "a b", "{end:?}");
        assert_eq!(document.root().begin_range().start, 3);
    }
    assert_eq!(parse("BEGIN:A\nEND:A").unwrap().line_end(), "\n");
    assert_eq!(parse("BEGIN:A\r\nEND:A\n").unwrap().line_end(), "\r\n");
}

#[test]
fn empty_lines_belong_to_no_property() {
    let document = parse("\n\nBEGIN:A\n\nX:1\n\n\nEND:A\n\n").unwrap();
    assert_eq!(document.root().property("X").unwrap().raw(), b"X:1\n");
    assert_eq!(document.root().property("X").unwrap().line(), 5);
}

#[test]
fn parameters_are_read_with_quotes_lists_and_carets() {
    let text = "BEGIN:A\nitem1.ATTENDEE;CN=\"Doe; Jane: ^'JD^'\";MEMBER=\"mailto:a\",\"mailto:b,c\",d;x=^^^n^z;\
                CN=2 \"q\":mailto:j@x;y:z\nEND:A\n";
    let document = parse(text).unwrap();
    let property = document.root().property("attendee").unwrap();
    assert_eq!((property.group(), property.value()), (Some("item1"), "mailto:j@x;y:z"));
    assert_eq!(property.param("cn").unwrap(), "Doe; Jane: \"JD\"");
    assert_eq!(property.param_values("CN").last().unwrap(), "2 \"q\"");
    assert_eq!(property.param_values("MEMBER").collect::<Vec<_>>(), ["mailto:a", "mailto:b,c", "d"]);
    assert_eq!(property.param("X").unwrap(), "^\n^z");
    assert_eq!(property.params().count(), 6);
}

#[test]
fn vcard_2_1_words_and_soft_line_breaks_are_read() {
    let text = "BEGIN:VCARD\r\nVERSION:2.1\r\nNOTE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=BC=\r\nrgen=0Ab=\r\n\
                =2C c\r\nTEL;HOME;VOICE:1=\r\nPHOTO;BASE64:AA=\r\nN;QUOTED-PRINTABLE;CHARSET=ISO-8859-1:=E4\r\nEND:VCARD\r\n";
    let document = parse(text).unwrap();
    let card = document.root();
    assert_eq!(card.text("NOTE").unwrap(), "Jürgen\nb, c");
    assert_eq!(card.property("TEL").unwrap().param_values("TYPE").collect::<Vec<_>>(), ["HOME", "VOICE"]);
    assert_eq!(card.property("TEL").unwrap().value(), "1=");
    assert_eq!(card.property("PHOTO").unwrap().param("ENCODING").unwrap(), "BASE64");
    assert_eq!(card.text("N").unwrap(), "ä");
    assert_eq!(card.properties().len(), 5);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let on = |line: &str| kind(format!("BEGIN:A\nX:1\n{line}\nEND:A\n").as_bytes());
    assert_eq!(on("X:a\0b"), (3, Kind::ControlByte(0)));
    assert_eq!(on("X:a\n b\x07"), (4, Kind::ControlByte(7)));
    assert_eq!(on("X:a\rb"), (3, Kind::ControlByte(b'\r')));
    assert_eq!(on("just words"), (3, Kind::NoColon("just words".to_owned())));
    assert_eq!(on("X;A=b"), (3, Kind::NoColon("X;A=b".to_owned())));
    assert_eq!(on("X;A=\"b:c"), (3, Kind::UnterminatedQuote("X".to_owned())));
    assert_eq!(on(":a"), (3, Kind::BadName(String::new())));
    assert_eq!(on("two words:a"), (3, Kind::BadName("two words".to_owned())));
    assert_eq!(on("X;=a:b"), (3, Kind::BadName(String::new())));
    assert_eq!(on("END:B"), (3, Kind::UnexpectedEnd { found: "B".to_owned(), open: "A".to_owned() }));
    assert_eq!(on("BEGIN:"), (3, Kind::Missing("name of a component")));
    assert_eq!(on("BEGIN:B").1, Kind::UnexpectedEnd { found: "A".to_owned(), open: "B".to_owned() });
    assert_eq!(kind(b""), (0, Kind::NoComponent));
    assert_eq!(kind(b"BEGIN:A\nBEGIN:B\nEND:B\n"), (1, Kind::NotClosed("A".to_owned())));
    assert_eq!(kind(b"END:A\n"), (1, Kind::UnexpectedEnd { found: "A".to_owned(), open: String::new() }));
    assert_eq!(kind(b"X:1\nBEGIN:A\nEND:A\n"), (1, Kind::OutsideComponent("X".to_owned())));
    assert_eq!(kind(b" X:1\n"), (1, Kind::ContinuesNothing));
    assert_eq!(kind(b"BEGIN:A\nX:\xff\nEND:A\n"), (2, Kind::NotUtf8));
}

#[test]
fn deep_nesting_is_refused_at_once() {
    let text = "BEGIN:A\n".repeat(100_000);
    let start = Instant::now();
    assert_eq!(kind(text.as_bytes()), (17, Kind::TooDeep { limit: 16 }));
    assert!(start.elapsed() < Duration::from_millis(5), "{:?}", start.elapsed());
}

#[test]
fn deep_nesting_that_is_allowed_needs_no_stack() {
    let text = "BEGIN:A\n".repeat(40_000) + &"END:A\n".repeat(40_000);
    let document =
        Document::parse(text.as_bytes(), &Limits { depth: usize::MAX, ..Limits::default() }).unwrap();
    assert_eq!(document.root().raw_range(), 0..text.len());
    drop(document);
}

#[test]
fn every_limit_is_kept() {
    let limited = |text: &str, limits: Limits| Document::parse(text.as_bytes(), &limits).unwrap_err().kind;
    let limits = Limits::default;
    let text = "BEGIN:A\nX;P=1;P=2:\nX:\nEND:A\nBEGIN:A\nEND:A\n";
    assert!(parse(text).is_ok());
    assert_eq!(limited(text, Limits { bytes: 9, ..limits() }), Kind::TooLarge { bytes: 42, limit: 9 });
    assert_eq!(limited(text, Limits { lines: 4, ..limits() }), Kind::TooMany { what: "lines", limit: 4 });
    let what = "components";
    assert_eq!(limited(text, Limits { components: 1, ..limits() }), Kind::TooMany { what, limit: 1 });
    let what = "properties of one component";
    assert_eq!(
        limited(text, Limits { properties_per_component: 1, ..limits() }),
        Kind::TooMany { what, limit: 1 }
    );
    let what = "parameters";
    assert_eq!(
        limited(text, Limits { parameters_per_property: 1, ..limits() }),
        Kind::TooMany { what, limit: 1 }
    );
}

#[test]
fn a_huge_value_is_read_without_a_copy_and_in_linear_time() {
    let value = "A".repeat(5_000_000);
    let text = format!("BEGIN:VCARD\r\nPHOTO;ENCODING=b:{value}\r\nEND:VCARD\r\n");
    let start = Instant::now();
    let document = parse(&text).unwrap();
    let photo = document.root().property("PHOTO").unwrap();
    assert_eq!(photo.value().len(), value.len());
    assert!(
        text.as_bytes().as_ptr_range().contains(&photo.value().as_ptr()),
        "the value must lie in the input"
    );
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn many_lines_and_many_folds_take_linear_time() {
    let start = Instant::now();
    let folds = format!("BEGIN:VCARD\nPHOTO:{}\nEND:VCARD\n", "A\n ".repeat(190_000));
    assert_eq!(parse(&folds).unwrap().root().property("PHOTO").unwrap().value().len(), 190_000);
    let soft = format!("BEGIN:VCARD\nNOTE;QUOTED-PRINTABLE:{}\nEND:VCARD\n", "A=\n".repeat(190_000));
    assert_eq!(parse(&soft).unwrap().root().text("NOTE").unwrap().len(), 190_000);
    let equals = format!("BEGIN:VCARD\nNOTE:{}\nEND:VCARD\n", "=\n ".repeat(190_000));
    assert_eq!(parse(&equals).unwrap().root().text("NOTE").unwrap().len(), 190_000);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let million = "X:1\n".repeat(1_000_000);
    let error = parse(&format!("BEGIN:A\n{million}END:A\n")).unwrap_err();
    assert_eq!(error.to_string(), "line 20002: more than 20000 properties of one component");
    let error = parse(&format!("BEGIN:A\nX:\n{}END:A\n", " \n".repeat(1_000_000))).unwrap_err();
    assert_eq!(error.to_string(), "line 200001: more than 200000 lines");
}
