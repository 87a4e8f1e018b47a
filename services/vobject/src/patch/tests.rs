//! Tests of patching: what is touched changes, and nothing else.
//! Run by cargo.

use jiff::civil::datetime;

use super::*;
use crate::limits::Limits;

const EVENT: &str = "BEGIN:VCALENDAR\nVERSION:2.0\nX-KEEP;a=\"b\":fol\n ded \n\nBEGIN:VEVENT\nUID:1\n\
                     item1.SUMMARY;LANGUAGE=de;X-A=1,2;ALTREP=\"cid:x\":old\nSEQUENCE:4\nBEGIN:VALARM\nSUMMARY:alarm\n\
                     END:VALARM\nEND:VEVENT\nEND:VCALENDAR\n";

fn patched(text: &str, change: impl FnOnce(&mut Patch<'_>, &Component<'_>)) -> String {
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let mut patch = Patch::new(&document);
    let event = document.root().children("VEVENT").next().unwrap_or(document.root());
    change(&mut patch, &event);
    String::from_utf8(patch.apply()).unwrap()
}

#[test]
fn an_empty_patch_changes_nothing() {
    assert_eq!(patched(EVENT, |_, _| {}), EVENT);
}

#[test]
fn set_replaces_one_line_and_keeps_what_it_does_not_know() {
    let old = "item1.SUMMARY;LANGUAGE=de;X-A=1,2;ALTREP=\"cid:x\":old\n";
    let new = patched(EVENT, |patch, event| patch.set(event, ContentLine::text("summary", "new, better")));
    assert_eq!(new, EVENT.replace(old, "item1.summary;LANGUAGE=de;X-A=1,2:new\\, better\n"));
}

#[test]
fn set_adds_what_is_not_there_before_the_inner_components() {
    let new = patched(EVENT, |patch, event| {
        patch.set(event, ContentLine::text("LOCATION", "first"));
        patch.set(event, ContentLine::text("LOCATION", "here"));
    });
    assert_eq!(new, EVENT.replace("SEQUENCE:4\n", "SEQUENCE:4\nLOCATION:here\n"));
}

#[test]
fn properties_are_removed_and_added_again() {
    let without = EVENT.replace("SEQUENCE:4\n", "");
    assert_eq!(patched(EVENT, |patch, event| patch.remove_all(event, "sequence")), without);
    let undone = patched(EVENT, |patch, event| {
        patch.set(event, ContentLine::text("LOCATION", "x"));
        patch.remove_all(event, "LOCATION");
    });
    assert_eq!(undone, EVENT);
    let again = patched(EVENT, |patch, event| {
        patch.remove_all(event, "SEQUENCE");
        patch.set(event, ContentLine::new("SEQUENCE", "9"));
    });
    assert_eq!(again, EVENT.replace("SEQUENCE:4", "SEQUENCE:9"));
}

#[test]
fn a_component_without_properties_takes_one() {
    assert_eq!(
        patched("BEGIN:A\r\nBEGIN:B\r\nEND:B\r\nEND:A", |patch, root| patch
            .add(root, ContentLine::new("X", "1"))),
        "BEGIN:A\r\nX:1\r\nBEGIN:B\r\nEND:B\r\nEND:A"
    );
}

#[test]
fn only_the_value_changes_when_only_the_value_is_set() {
    let text = "BEGIN:VCARD\r\nitem1.TEL;type=CELL;type=\"pref\":1\r\nEND:VCARD\r\n";
    let new =
        patched(text, |patch, card| patch.replace_value(&card.property("TEL").unwrap(), "+49 30\r\n 1"));
    assert_eq!(new, text.replace(":1\r", ":+49 30 1\r"));
}

#[test]
fn a_value_that_was_quoted_printable_is_no_longer() {
    let text = "BEGIN:VCARD\r\nTEL;HOME;ENCODING=QUOTED-PRINTABLE:=2B=\r\n1\r\nEND:VCARD\r\n";
    let new = patched(text, |patch, card| patch.replace_value(&card.property("TEL").unwrap(), "2"));
    assert_eq!(new, "BEGIN:VCARD\r\nTEL;TYPE=HOME:2\r\nEND:VCARD\r\n");
}

#[test]
fn components_come_go_and_change_as_a_whole() {
    let inserted = patched(EVENT, |patch, event| {
        patch.insert_component(&event.parent().unwrap(), b"BEGIN:VEVENT\nUID:1\nEND:VEVENT");
        patch.insert_component(&event.parent().unwrap(), b"BEGIN:VEVENT\nUID:2\nEND:VEVENT\n");
    });
    let two = "BEGIN:VEVENT\nUID:1\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\nEND:VEVENT\nEND:VCALENDAR\n";
    assert_eq!(inserted, EVENT.replace("END:VCALENDAR\n", two));
    let alarm = "BEGIN:VALARM\nSUMMARY:alarm\nEND:VALARM\n";
    let removed = patched(EVENT, |patch, event| patch.remove_component(&event.components().next().unwrap()));
    assert_eq!(removed, EVENT.replace(alarm, ""));
    let replaced = patched(EVENT, |patch, event| {
        patch.replace_component(&event.components().next().unwrap(), b"BEGIN:VALARM\nEND:VALARM")
    });
    assert_eq!(replaced, EVENT.replace("SUMMARY:alarm\n", ""));
}

#[test]
fn a_removed_component_stays_removed_whatever_happens_inside() {
    let change = |first: bool| {
        patched(EVENT, |patch, event| {
            let alarm = event.components().next().unwrap();
            if first {
                patch.remove_component(&alarm);
            }
            patch.set(&alarm, ContentLine::text("SUMMARY", "x"));
            patch.set(&alarm, ContentLine::text("ACTION", "x"));
            patch.remove_component(&alarm);
        })
    };
    assert_eq!(change(true), EVENT.replace("BEGIN:VALARM\nSUMMARY:alarm\nEND:VALARM\n", ""));
    assert_eq!(change(false), change(true));
}

#[test]
fn sequence_and_stamps_go_up() {
    let at = datetime(2026, 1, 2, 3, 4, 5, 0);
    let new = patched(EVENT, |patch, event| {
        patch.bump_sequence(event);
        patch.stamp(event, at);
    });
    let lines = "SEQUENCE:5\nDTSTAMP:20260102T030405Z\nLAST-MODIFIED:20260102T030405Z\n";
    assert_eq!(new, EVENT.replace("SEQUENCE:4\n", lines));
    let card =
        patched("BEGIN:VCARD\nREV;VALUE=DATE:20200101\nEND:VCARD\n", |patch, card| patch.revise(card, at));
    assert_eq!(card, "BEGIN:VCARD\nREV:20260102T030405Z\nEND:VCARD\n");
}

#[test]
fn new_lines_are_folded_between_characters() {
    let text = "ä€𝄞x".repeat(60);
    let new = patched(EVENT, |patch, event| patch.set(event, ContentLine::text("SUMMARY", &text)));
    assert!(new.lines().all(|line| line.len() <= 75), "{new}");
    let document = Document::parse(new.as_bytes(), &Limits::default()).unwrap();
    let event = document.root().children("VEVENT").next().unwrap();
    assert_eq!(event.text("SUMMARY").unwrap(), text);
}

#[test]
fn nothing_breaks_out_of_its_line() {
    let new = patched(EVENT, |patch, event| {
        patch.set(
            event,
            ContentLine::new("X-A", "1\r\nATTACH:evil\n")
                .param("CN", "a\"\r\nB:c^,")
                .param("bad name:", "x")
                .group("g\r\nX:"),
        );
        patch.set(event, ContentLine::new("X B\nC", "2"));
    });
    let document = Document::parse(new.as_bytes(), &Limits::default()).unwrap();
    let event = document.root().children("VEVENT").next().unwrap();
    let added = event.property("X-A").unwrap();
    assert_eq!((added.value(), added.group()), ("1ATTACH:evil", None));
    assert_eq!(added.param("CN").unwrap(), "a\"\nB:c^,");
    assert_eq!(event.property("X-UNNAMED").unwrap().value(), "2");
    assert_eq!(event.properties().len(), 5);
}
