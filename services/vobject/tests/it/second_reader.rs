//! The `ical` crate as an independent second reader: on simple texts both must read the same.
//! Run by cargo.

use kontor_vobject::{Document, Limits};
use proptest::prelude::*;

/// A property as name, parameters and value.
type Read = (String, Vec<(String, String)>, String);

/// All properties in their order, in our reading.
fn ours(text: &str) -> Vec<Read> {
    let document = Document::parse(text.as_bytes(), &Limits::default()).expect("it is well formed");
    let mut waiting = vec![document.root()];
    let mut all = Vec::new();
    while let Some(component) = waiting.pop() {
        all.extend(component.properties().map(|property| {
            let params =
                property.params().map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
            (property.raw_range().start, (property.name().to_owned(), params, property.value().to_owned()))
        }));
        waiting.extend(component.components());
    }
    all.sort_by_key(|(start, _)| *start);
    all.into_iter().map(|(_, property)| property).collect()
}

/// The same in the reading of the `ical` crate.
fn theirs(text: &str) -> Vec<Read> {
    let properties =
        ical::PropertyParser::from_reader(text.as_bytes()).map(|p| p.expect("it is well formed"));
    let is_content = |property: &ical::property::Property| property.name != "BEGIN" && property.name != "END";
    let params = |params: Option<Vec<(String, Vec<String>)>>| -> Vec<(String, String)> {
        let each = |(name, values): (String, Vec<String>)| values.into_iter().map(move |v| (name.clone(), v));
        params.unwrap_or_default().into_iter().flat_map(each).collect()
    };
    properties.filter(is_content).map(|p| (p.name, params(p.params), p.value.unwrap_or_default())).collect()
}

#[test]
fn both_read_an_event_alike() {
    let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1@x\r\n\
                DTSTART;TZID=Europe/Berlin:20260105T090000\r\nATTENDEE;CN=\"Doe, J\";ROLE=CHAIR:mailto:j@x\r\n\
                CATEGORIES;X-A=1,2,3:a\\,b,c\r\nDESCRIPTION:a long line that is fol\r\n ded in two\r\n\
                BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    assert_eq!(ours(text).len(), 7);
    assert_eq!(ours(text), theirs(text));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Values neither begin nor end with a space, for the other reader trims.
    #[test]
    fn both_read_simple_texts_alike(
        lines in prop::collection::vec(
            ("X-[A-Z]{1,8}", prop::option::of("[a-zA-Z0-9/ ;:,]{1,12}"), "[a-z]([a-zA-Zäöü0-9 ;:,]{0,40}[a-z])?"), 0..12,
        ),
    ) {
        let mut text = "BEGIN:VCALENDAR\r\n".to_owned();
        for (name, param, value) in &lines {
            let param = param.as_ref().map(|param| format!(";X-P=\"{param}\"")).unwrap_or_default();
            text.push_str(&format!("{name}{param}:{value}\r\n"));
        }
        text.push_str("END:VCALENDAR\r\n");
        prop_assert_eq!(ours(&text), theirs(&text));
    }
}
