//! Condition headers as clients send them.

use http::{HeaderMap, HeaderName, HeaderValue};
use kontor_gateway::dav::if_header::{self, List, State, Test};
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
    for name in ["if-match", "if-none-match", "if-schedule-tag-match"] {
        for empty in ["", " , "] {
            assert_eq!(conditions(&headers(&[(name, empty)])).unwrap_err().status(), 400, "{name}: {empty}");
        }
    }
}

#[test]
fn an_if_header_is_read_list_by_list() {
    let etag = |negate, tag: &str| Test { negate, state: State::Etag(tag.to_owned()) };
    let token = |negate, token: &str| Test { negate, state: State::Token(token.to_owned()) };
    let list =
        |tag: Option<&str>, tests: &[Test]| List { tag: tag.map(str::to_owned), tests: tests.to_vec() };
    for (header, lists) in [
        (r#"(["a"])"#, vec![list(None, &[etag(false, "a")])]),
        (r#"( [W/"a]"] )"#, vec![list(None, &[etag(false, "a]")])]),
        (
            r#"(<urn:uuid:1> ["a"]) (Not <DAV:no-lock>)"#,
            vec![
                list(None, &[token(false, "urn:uuid:1"), etag(false, "a")]),
                list(None, &[token(true, "DAV:no-lock")]),
            ],
        ),
        (
            r#"</dav/x> (["a"] not["b"])(["c"]) <http://h/y> (<z>)"#,
            vec![
                list(Some("/dav/x"), &[etag(false, "a"), etag(true, "b")]),
                list(Some("/dav/x"), &[etag(false, "c")]),
                list(Some("http://h/y"), &[token(false, "z")]),
            ],
        ),
        (r#"([bare])"#, vec![list(None, &[etag(false, "bare")])]),
    ] {
        assert_eq!(if_header::parse(header).unwrap(), lists, "{header}");
    }
    let many = format!("({})", r#"["a"]"#.repeat(101));
    for bad in ["", "nonsense", "()", "(<a", r#"(["a]"#, "<x>", r#"(["a"]"#, "([a)", "(Not)", many.as_str()] {
        assert_eq!(if_header::parse(bad).unwrap_err().status(), 400, "{bad}");
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
