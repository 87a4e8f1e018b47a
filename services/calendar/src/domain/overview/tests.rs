//! Tests of how events look in the unified calendar, of their names and of its tokens.

use super::token::{At, Part};
use super::*;

const ID: &str = "0198c0de-0000-7000-8000-0123456789ab";

fn look(kind: Kind) -> Look {
    let about = About { id: ID, owner: "sales", email: "sales@kontor.test", color: "#FF0000FF", kind };
    Look::new(about)
}

fn event(lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:a@t\r\nDTSTAMP:20261101T080000Z\r\nDTSTART:20261123T090000Z\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn shown(look: &Look, text: &str) -> String {
    String::from_utf8(look.show("o1", text.as_bytes()).expect("it can be read")).expect("text")
}

#[test]
fn an_event_keeps_its_lines_and_gets_its_kind() {
    let text = shown(
        &look(Kind::Meeting),
        &event(
            "SUMMARY:Long title\r\n  folded\r\nCATEGORIES:Own\r\nX-KONTOR-KIND:FORGED\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n",
        ),
    );
    for line in [
        "UID:0123456789ab-a@t\r\n",
        "DTSTART:20261123T090000Z\r\nSUMMARY:Long title\r\n  folded\r\nCATEGORIES:Own\r\n",
        "CATEGORIES:Meeting\r\n",
        "X-KONTOR-KIND:MEETING\r\n",
        "X-KONTOR-EVENT:calendars/0198c0de-0000-7000-8000-0123456789ab/ev",
        "COLOR:red\r\n",
        "TRANSP:TRANSPARENT\r\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("VALARM") && !text.contains("FORGED"), "{text}");
}

#[test]
fn an_open_invitation_is_a_request_and_looks_like_none() {
    let guests =
        "ORGANIZER:mailto:boss@kontor.test\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:Sales@kontor.test\r\n";
    let open = shown(&look(Kind::Meeting), &event(guests));
    assert!(open.contains("X-KONTOR-KIND:MEETING-REQUEST\r\n"), "{open}");
    assert!(!open.contains("ATTENDEE") && !open.contains("ORGANIZER"), "{open}");
    let answered = shown(&look(Kind::Meeting), &event(&guests.replace("NEEDS-ACTION", "ACCEPTED")));
    assert!(answered.contains("X-KONTOR-KIND:MEETING\r\n"), "{answered}");
    let cancelled = shown(&look(Kind::Meeting), &event(&format!("{guests}STATUS:CANCELLED\r\n")));
    assert!(cancelled.contains("X-KONTOR-KIND:MEETING\r\n"), "{cancelled}");
    let deadline = shown(&look(Kind::Deadline), &event(""));
    assert!(deadline.contains("CATEGORIES:Deadline\r\n"), "{deadline}");
    let call_back = shown(&look(Kind::CallBack), &event(guests));
    assert!(call_back.contains("X-KONTOR-KIND:CALL-BACK\r\n"), "{call_back}");
}

#[test]
fn the_etag_follows_all_that_the_text_is_made_of() {
    let about = About { id: ID, owner: "sales", email: "", color: "#FF0000FF", kind: Kind::Meeting };
    let etag = |about: About<'_>| Look::new(about).etag("o1", "e1");
    assert_eq!(etag(about), etag(about));
    assert_ne!(etag(about), etag(About { color: "#0000FFFF", ..about }));
    assert_ne!(etag(about), etag(About { email: "sales@kontor.test", ..about }));
    assert_ne!(Look::new(about).etag("o1", "e1"), Look::new(about).etag("o1", "e2"));
    assert_ne!(Look::new(about).etag("o1", "e1"), Look::new(about).etag("o2", "e1"));
}

#[test]
fn names_lead_back_to_their_objects() {
    let look = look(Kind::Meeting);
    assert_eq!(look.name("a-b=c.ics"), "0123456789ab-a-b=c.ics");
    assert_eq!(split("0123456789ab-a-b=c.ics"), Some(("0123456789ab", Name::Plain("a-b=c.ics"))));
    let long = look.name(&"n".repeat(250));
    assert!(long.len() < 64, "{long}");
    assert_eq!(split(&long), Some(("0123456789ab", Name::Hashed)));
    assert_eq!(split("none.ics"), None);
}

#[test]
fn a_token_comes_back_only_to_its_own_overview() {
    let part = |id: &str| Part { id: id.into(), color: String::new(), update_time: 1, seq: 5 };
    let digest = token::digest("o", &[part("a"), part("b")]);
    let all = [At { seq: 71, first_until: 0 }, At { seq: -1, first_until: 0 }, At { seq: 3, first_until: 9 }];
    let (text, sequence) = token::write(&digest, &all);
    assert_eq!((&text[32..], sequence), (".1z.~.3_9", 74));
    assert_eq!(token::read(&text, 74, &digest, 3).as_deref(), Some(&all[..]));
    assert_eq!(token::read(&text, 75, &digest, 3), None);
    assert_eq!(token::read(&text, 74, &digest, 2), None);
    assert_eq!(token::read(&text, 74, &token::digest("o", &[part("a")]), 3), None);
    for wrong in ["", ".", ".1z.~.-3", ".1z.~.3_", ".1z.~.3_9.1", "1z"] {
        assert_eq!(token::read(&format!("{digest}{wrong}"), 74, &digest, 3), None, "{wrong}");
    }
    let (empty, none) = token::write(&digest, &[]);
    assert_eq!(token::read(&empty, none, &digest, 0), Some(Vec::new()));
}
