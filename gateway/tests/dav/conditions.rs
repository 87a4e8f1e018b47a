//! Condition headers as clients send them.

use http::{HeaderMap, HeaderName, HeaderValue};
use kontor_gateway::dav::preconditions::{self, Tags, conditions, not_modified, parse, refused};

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
}

fn these(tags: &[&str]) -> Tags {
    Tags::These(tags.iter().map(|tag| (*tag).to_owned()).collect())
}

#[test]
fn lists_of_tags_are_read_strong_weak_and_bare() {
    assert_eq!(parse("*").unwrap(), Tags::Any);
    assert_eq!(parse(r#""a""#).unwrap(), these(&["a"]));
    assert_eq!(parse(r#"W/"a", "b,c" ,"d""#).unwrap(), these(&["a", "b,c", "d"]));
    assert_eq!(parse("abc").unwrap(), these(&["abc"]));
    assert_eq!(parse("abc, def").unwrap(), these(&["abc", "def"]));
    assert_eq!(parse("").unwrap(), these(&[]));
    assert_eq!(parse(r#""""#).unwrap(), these(&[""]), "matches nothing, but is a condition");
    assert!(parse(r#""open"#).is_err());
    assert!(parse(&r#""a","#.repeat(1000)).is_err());
}

#[test]
fn every_condition_reaches_the_service() {
    let read = conditions(&headers(&[
        ("if-match", r#""a", "b""#),
        ("if-match", r#""c""#),
        ("if-none-match", "*"),
        ("if-schedule-tag-match", r#""s""#),
    ]))
    .unwrap();
    assert_eq!(read.if_match, ["a", "b", "c"]);
    assert!(read.if_absent && !read.if_exists);
    assert_eq!(read.if_schedule_tag, "s");
    assert!(conditions(&headers(&[("if-match", "*")])).unwrap().if_exists);
}

#[test]
fn an_if_header_counts_when_it_names_one_tag_and_fails_when_it_names_a_lock() {
    assert_eq!(conditions(&headers(&[("if", r#"(["a"])"#)])).unwrap().if_match, ["a"]);
    assert_eq!(conditions(&headers(&[("if", r#"</dav/x> (["a"])"#)])).unwrap().if_match, ["a"]);
    for lock in ["(<urn:uuid:1>)", r#"(<urn:uuid:1> ["a"])"#, r#"(["a"]) (["b"])"#, "nonsense"] {
        assert_eq!(conditions(&headers(&[("if", lock)])).unwrap_err().status(), 412, "{lock}");
    }
}

#[test]
fn reads_are_decided_here() {
    let none = conditions(&headers(&[("if-none-match", r#"W/"a""#)])).unwrap();
    assert!(not_modified(&none, "a") && !not_modified(&none, "b"));
    let matching = conditions(&headers(&[("if-match", r#""a""#)])).unwrap();
    assert!(!refused(&matching, "a", "") && refused(&matching, "b", ""));
    assert!(preconditions::conditions(&HeaderMap::new()).is_ok_and(|c| !refused(&c, "a", "")));
}
