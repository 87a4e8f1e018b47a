//! What the fuzz targets run, with the properties that must hold for any bytes.
//! Called by the targets beside this folder and by the ordinary test over the corpus.

use http::{HeaderMap, HeaderName, HeaderValue};
use kontor_gateway::dav::attachment_query::Wish;
use kontor_gateway::dav::path::Place;
use kontor_gateway::dav::xml::request::Value;
use kontor_gateway::dav::xml::{Writer, push, report, request, share};
use kontor_gateway::dav::{disposition, if_header, preconditions};
use kontor_gateway::one_click::is_one_click;

/// A body of any method. What was taken of a dead property must be well-formed inside another document, and stay the same.
pub fn xml(body: &[u8]) {
    let _ = request::propfind(body);
    let _ = report::report(body);
    assert!(push::register(body).is_err() || !share::is_share(body));
    if let Ok(steps) = share::share(body) {
        assert!(share::is_share(body));
        assert!(!steps.is_empty());
    }
    let _ = request::make_collection(body, true);
    let _ = request::make_collection(body, false);
    let Ok(changes) = request::proppatch(body) else { return };
    for change in changes {
        let Some(Value::Xml(inner)) = &change.value else { continue };
        let name = change.property.name();
        let mut out = Writer::document("D:propertyupdate");
        out.raw("<D:set><D:prop>");
        out.open(&name);
        out.ready(inner.as_bytes());
        out.close(&name);
        out.raw("</D:prop></D:set></D:propertyupdate>");
        let again = request::proppatch(out.as_bytes()).expect("what was written is well-formed");
        assert_eq!(again.len(), 1);
        assert_eq!(again[0], change);
    }
}

/// A path or an href. The href of a place leads to the same place.
pub fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Place::parse(text);
    if let Ok(place) = Place::of_href(text) {
        assert_eq!(Place::parse(&place.href()), Ok(place));
    }
}

/// A body of REPORT alone: calendar-query and addressbook-query with their filters, multigets, sync, expand. What is read once is
/// read the same again, and white space between elements means nothing.
pub fn query(body: &[u8]) {
    let Ok(read) = report::report(body) else { return };
    let again = report::report(body).expect("it was read before");
    assert_eq!(format!("{read:?}"), format!("{again:?}"));
}

/// The `If` header. What was read, written in the plainest form, is read as the same.
pub fn if_header(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(lists) = if_header::parse(text) else { return };
    let mut plain = String::new();
    for list in &lists {
        if let Some(tag) = &list.tag {
            plain.push_str(&format!("<{tag}>"));
        }
        plain.push('(');
        for test in &list.tests {
            plain.push_str(if test.negate { "Not " } else { "" });
            match &test.state {
                if_header::State::Token(token) => plain.push_str(&format!("<{token}>")),
                // A quote inside a tag can't be written in quotes.
                if_header::State::Etag(etag) if etag.contains('"') => return,
                if_header::State::Etag(etag) => plain.push_str(&format!("[\"{etag}\"]")),
            }
        }
        plain.push(')');
    }
    let Ok(again) = if_header::parse(&plain) else { panic!("{plain} is not read") };
    assert_eq!(again, lists, "{plain}");
}

/// Condition headers: the first line is If-Match, the second If-None-Match, the third If-Schedule-Tag-Match, the fourth If.
pub fn headers(bytes: &[u8]) {
    let mut map = HeaderMap::new();
    let names = ["if-match", "if-none-match", "if-schedule-tag-match", "if"];
    for (name, line) in names.into_iter().zip(bytes.split(|byte| *byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            map.append(HeaderName::from_static(name), value);
        }
    }
    if let Some(Ok(header)) = map.get("if").map(HeaderValue::to_str)
        && let Ok(lists) = if_header::parse(header)
    {
        assert!(lists.iter().all(|list| !list.tests.is_empty()));
    }
    if let Ok(conditions) = preconditions::conditions(&map) {
        let none_in_quotes = |tag: &String| !tag.is_empty() && !tag.starts_with('"');
        assert!(conditions.if_match.iter().chain(&conditions.if_none_match).all(none_in_quotes));
    }
}

/// An upload: the first line is the query of the POST, the rest is Content-Disposition. What is read of a file name can be written and is read as the
/// same.
pub fn upload(bytes: &[u8]) {
    let (query, header) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    if let Ok(query) = std::str::from_utf8(query) {
        let _ = Wish::parse(query);
    }
    let name = disposition::filename(header);
    assert!(name.len() <= 255 && !name.contains('/') && !name.chars().any(char::is_control));
    let written = disposition::attachment(&name);
    HeaderValue::from_str(&written).expect("a header");
    assert_eq!(disposition::filename(written.as_bytes()), name, "{written}");
}

/// A one-click unsubscribe: the first line is the content type, the rest is the body. What has not the words never unsubscribes.
pub fn unsubscribe(bytes: &[u8]) {
    let (kind, body) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    let Ok(kind) = std::str::from_utf8(kind) else { return };
    let body = body.get(1..).unwrap_or_default();
    if is_one_click(kind, body) {
        let plain: Vec<u8> = percent_encoding::percent_decode(body).collect();
        let has = |words: &[u8]| plain.windows(words.len()).any(|window| window == words);
        assert!(has(b"List-Unsubscribe") && has(b"One-Click"));
    }
}
