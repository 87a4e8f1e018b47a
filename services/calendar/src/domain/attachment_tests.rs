//! Tests of attachment.rs.

use super::*;

fn series(lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:one\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART;TZID=Europe/Brussels:20261130T090000\r\nDTEND;TZID=Europe/Brussels:20261130T100000\r\nRRULE:FREQ=DAILY;COUNT=3\r\n\
         SUMMARY:Plan\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn file(id: &str) -> Attachment {
    Attachment {
        id: id.into(),
        filename: "plan; \"final\", 2.pdf".into(),
        media_type: "text/plain; charset=utf-8".into(),
        size: 4,
        uri: uri("https://kontor.test", id, "plan; \"final\", 2.pdf"),
        ..Attachment::default()
    }
}

fn edit(text: &str, edit: &Edit) -> Result<String> {
    edited(text.as_bytes(), edit, &Zone::UTC, 0).map(|bytes| String::from_utf8(bytes).expect("text"))
}

fn ids(text: &str) -> Vec<String> {
    let (document, object) = text::stored(text.as_bytes()).expect("an object");
    managed(&document, &object)
}

#[test]
fn a_line_keeps_what_it_was_given_and_is_read_back() {
    let text = edit(&series(""), &Edit::Add(file("f1"), Vec::new())).expect("attached");
    let (document, object) = text::stored(text.as_bytes()).expect("an object");
    let (id, line) = lines(&document.component(object.first().component)).next().expect("a line");
    assert_eq!(id, "f1");
    assert_eq!(line.param("FILENAME").as_deref(), Some("plan; \"final\", 2.pdf"));
    assert_eq!(line.param("FMTTYPE").as_deref(), Some("text/plain"));
    assert_eq!(line.value(), "https://kontor.test/dav/attachments/f1/plan%3B%20%22final%22%2C%202.pdf");
    assert!(file("f1").is_told_by(&line));
    assert_eq!(restored(text.as_bytes(), &[file("f1")]).expect("read"), None);
}

#[test]
fn an_instance_gets_a_component_of_its_own() {
    // 09:00 in Brussels is 08:00 UTC; the wall of the series is taken too.
    for at in ["20261201T080000Z", "20261201T090000"] {
        let text = edit(&series(""), &Edit::Add(file("f1"), vec![at.into()])).expect("attached");
        assert_eq!(text.matches("BEGIN:VEVENT").count(), 2, "{text}");
        assert_eq!(text.matches("MANAGED-ID=f1").count(), 1, "{text}");
        assert!(text.contains("RECURRENCE-ID;TZID=Europe/Brussels:20261201T090000\r\n"), "{text}");
        assert!(text.split("BEGIN:VEVENT").nth(1).is_some_and(|master| !master.contains("ATTACH")), "{text}");
        // From there on it is changed, not made again.
        let both = vec!["M".to_owned(), "20261201T080000Z".to_owned()];
        let text = edit(&text, &Edit::Add(file("f2"), both)).expect("attached");
        assert_eq!(text.matches("BEGIN:VEVENT").count(), 2, "{text}");
        assert_eq!(text.matches("MANAGED-ID=f2").count(), 2, "{text}");
        let text = edit(&text, &Edit::Replace("f2".into(), file("f3"))).expect("replaced");
        assert_eq!(ids(&text), ["f1", "f3"]);
    }
}

#[test]
fn an_instance_loses_what_the_series_has() {
    let text = edit(&series(""), &Edit::Add(file("f1"), Vec::new())).expect("attached");
    let one = edit(&text, &Edit::Remove("f1".into(), vec!["20261202T080000Z".into()])).expect("removed");
    assert_eq!((one.matches("BEGIN:VEVENT").count(), one.matches("MANAGED-ID=f1").count()), (2, 1), "{one}");
    let none = edit(&one, &Edit::Remove("f1".into(), Vec::new())).expect("removed");
    assert!(ids(&none).is_empty());
}

#[test]
fn what_is_not_there_is_refused() {
    let refused = |instances: &[&str]| {
        let instances = instances.iter().map(|text| (*text).to_owned()).collect();
        edit(&series(""), &Edit::Add(file("f1"), instances)).expect_err("refused").reason()
    };
    for rid in ["20261203T080000Z", "20261201", "20261201T081500Z", "m", "", "x", "20269901T000000Z"] {
        assert_eq!(refused(&[rid]), "VALID_RID", "{rid}");
    }
    assert_eq!(refused(&["M"; MAX_INSTANCES + 1]), "VALID_RID");
    for gone in [Edit::Remove("f9".into(), Vec::new()), Edit::Replace("f9".into(), file("f1"))] {
        assert_eq!(edit(&series(""), &gone).expect_err("refused").reason(), "VALID_MANAGED_ID");
    }
}

#[test]
fn a_line_that_a_client_changed_is_put_right() {
    let right = edit(&series(""), &Edit::Add(file("f1"), Vec::new())).expect("attached");
    let unfolded = right.replace("\r\n ", "");
    for (from, to) in [
        ("SIZE=4", "SIZE=5"),
        ("kontor.test/dav/attachments/f1", "evil.test/f1"),
        ("https://kontor.test", "javascript://kontor.test"),
        ("FMTTYPE=text/plain", "FMTTYPE=text/html"),
        (";SIZE=4", ";SIZE=4;ENCODING=BASE64;VALUE=BINARY"),
    ] {
        let wrong = unfolded.replace(from, to);
        assert_ne!(wrong, unfolded, "{from}");
        let back = restored(wrong.as_bytes(), &[file("f1")]).expect("read").expect("changed");
        assert_eq!(String::from_utf8_lossy(&back), right, "{from}");
    }
    let other_host = unfolded.replace("https://kontor.test", "http://10.0.0.1:8420");
    assert_eq!(restored(other_host.as_bytes(), &[file("f1")]).expect("read"), None);
    // A file that is not known is not touched: somebody else decides about it.
    assert_eq!(restored(right.as_bytes(), &[]).expect("read"), None);
}

#[test]
fn names_types_and_hosts_are_checked() {
    assert_eq!(filename(" plan.pdf ").expect("a name"), "plan.pdf");
    assert_eq!(filename("..").expect("a name"), "attachment");
    for bad in ["a\r\nX-Y: 1", "a/b", "a\\b", &"a".repeat(256)] {
        assert!(filename(bad).is_err(), "{bad}");
    }
    assert_eq!(media_type("Text/HTML; charset=\"UTF-8\"; x=1").expect("a type"), "text/html; charset=utf-8");
    assert_eq!(media_type("").expect("a type"), "application/octet-stream");
    for bad in ["text", "text/", "a/b\r\nX: 1", "a/b:c", "a/\"b\"", "/x"] {
        assert!(media_type(bad).is_err(), "{bad}");
    }
    assert_eq!(base("https://kontor.test:8420/").expect("a base"), "https://kontor.test:8420");
    for bad in ["", "kontor.test", "https://", "https://a/b", "javascript:x", "https://a@b", "https://a b"] {
        assert!(base(bad).is_err(), "{bad}");
    }
}
