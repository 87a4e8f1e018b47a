//! Random texts: what is put in comes out, and patching touches nothing else.
//! Run by cargo.

use kontor_vobject::value::{
    DurationValue, escape_text, format_utc_offset, parse_duration, parse_utc_offset, text_list, unescape_text,
};
use kontor_vobject::{Component, ContentLine, Document, Limits};
use proptest::prelude::*;

use crate::invariants::{check_document, check_patch};

/// A component as it is meant.
#[derive(Debug, Clone)]
struct Meant {
    name: String,
    properties: Vec<(String, String, String)>,
    inner: Vec<Meant>,
}

fn meant() -> impl Strategy<Value = Meant> {
    let text = || "[^\\x00-\\x1f\\x7f\"]{0,40}";
    let property = move || {
        ("(SUMMARY|X-[A-Z]{1,4}|[A-Z]{1,8})", text(), text())
            .prop_filter("no BEGIN", |(name, ..)| name != "BEGIN" && name != "END")
    };
    let leaf = ("V[A-Z]{1,6}", prop::collection::vec(property(), 0..6));
    let leaf = leaf.prop_map(|(name, properties)| Meant { name, properties, inner: Vec::new() });
    leaf.prop_recursive(4, 24, 4, move |inner| {
        ("V[A-Z]{1,6}", prop::collection::vec(property(), 0..6), prop::collection::vec(inner, 0..4))
            .prop_map(|(name, properties, inner)| Meant { name, properties, inner })
    })
}

/// Writes a component, with a fold after every `fold` bytes, wherever they fall.
fn write(meant: &Meant, fold: usize, end: &str, out: &mut Vec<u8>) {
    let mut line = |text: String| {
        for (at, byte) in text.bytes().enumerate() {
            if at > 0 && at % fold == 0 {
                out.extend_from_slice(end.as_bytes());
                out.push(if at % 2 == 0 { b' ' } else { b'\t' });
            }
            out.push(byte);
        }
        out.extend_from_slice(end.as_bytes());
    };
    line(format!("BEGIN:{}", meant.name));
    for (name, param, value) in &meant.properties {
        line(format!("{name};X-P=\"{}\":{value}", param.replace('^', "^^")));
    }
    for inner in &meant.inner {
        write(inner, fold, end, out);
    }
    let mut line = |text: String| out.extend_from_slice((text + end).as_bytes());
    line(format!("END:{}", meant.name));
}

fn same(meant: &Meant, component: &Component<'_>) {
    assert_eq!(component.name(), meant.name);
    assert_eq!(component.properties().len(), meant.properties.len());
    for ((name, param, value), found) in meant.properties.iter().zip(component.properties()) {
        assert_eq!((found.name(), found.value()), (name.as_str(), value.as_str()));
        assert_eq!(found.param("x-p").as_deref(), Some(param.as_str()));
    }
    assert_eq!(component.components().len(), meant.inner.len());
    meant.inner.iter().zip(component.components()).for_each(|(meant, found)| same(meant, &found));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_whatever_the_folds(
        meant in meant(), fold in 1usize..80, end in prop::sample::select(vec!["\n", "\r\n", "\r\n\n"]),
        value in "[^\\x00-\\x08]{0,120}",
    ) {
        let mut bytes = Vec::new();
        write(&meant, fold, end, &mut bytes);
        let document = Document::parse(&bytes, &Limits::default()).expect("it is well formed");
        same(&meant, &document.root());
        prop_assert!(check_document(&bytes));
        check_patch(&bytes, "SUMMARY", &value);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check_document(&bytes);
    }

    #[test]
    fn a_line_comes_back_from_any_text(value in any::<String>(), param in any::<String>()) {
        let line = ContentLine::text("X-A", &value).param_list("CN", vec![param.clone(), "b".to_owned()]);
        let text = format!("BEGIN:A\r\n{}END:A\r\n", line.write("\r\n"));
        let document = Document::parse(text.as_bytes(), &Limits::default()).expect("it is well formed");
        let found = document.root().property("X-A").expect("it was written");
        let plain = |text: &str, keep: &[char]| -> String {
            text.chars().filter(|c| keep.contains(c) || !c.is_ascii_control()).collect()
        };
        prop_assert_eq!(found.param_values("CN").collect::<Vec<_>>(), [plain(&param, &['\n', '\t']), "b".to_owned()]);
        let meant = value.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(found.text(), plain(&meant, &['\n', '\t']));
    }

    #[test]
    fn text_survives_escaping(texts in prop::collection::vec("[^\\x00-\\x1f\\x7f]{1,20}", 1..5)) {
        for text in &texts {
            let escaped = escape_text(text);
            prop_assert_eq!(unescape_text(&escaped), text.as_str());
        }
        let list = texts.iter().map(|text| escape_text(text)).collect::<Vec<_>>().join(",");
        let meant: Vec<&str> = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
        prop_assert_eq!(text_list(&list), meant);
    }

    #[test]
    fn durations_and_offsets_survive(negative: bool, days in 0..100_000i64, seconds in 0..10_000_000i64, offset in -86_399..86_400i32) {
        let meant = DurationValue { negative: negative && days + seconds > 0, weeks: 0, days, seconds };
        prop_assert_eq!(parse_duration(&meant.to_string()), Ok(meant));
        prop_assert_eq!(parse_utc_offset(&format_utc_offset(offset)), Ok(offset));
    }

    #[test]
    fn no_text_breaks_the_readers_of_values(text in "[-+0-9PTWDHMSZ/:;,\\\\ a-zé]{0,24}") {
        use kontor_vobject::value::{DateValue, parse_period, structured};
        let _ = (parse_duration(&text), parse_utc_offset(&text), parse_period(&text, None), structured(&text));
        let _ = (DateValue::parse(&text, None, None), DateValue::parse_list(&text, Some("DATE"), Some("X")));
    }
}
