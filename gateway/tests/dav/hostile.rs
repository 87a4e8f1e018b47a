//! Bodies that are broken or made to hurt get an error, fast.

use std::time::{Duration, Instant};

use kontor_gateway::dav::limits;
use kontor_gateway::dav::xml::report;
use kontor_gateway::dav::xml::request::{propfind, proppatch};
use kontor_gateway::dav::xml::{Error, Reader};

/// Runs every body parser on a body; none may take long.
fn refused(body: &[u8]) -> Error {
    let start = Instant::now();
    let _ = proppatch(body);
    let _ = report::report(body);
    let error = propfind(body).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(10), "took {:?}", start.elapsed());
    error
}

fn in_prop(inner: &str) -> String {
    format!(r#"<D:propfind xmlns:D="DAV:"><D:prop>{inner}</D:prop></D:propfind>"#)
}

#[test]
fn a_bomb_of_entities_is_refused_at_its_doctype() {
    let body = br#"<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
        <D:propfind xmlns:D="DAV:"><D:prop><D:x>&b;</D:x></D:prop></D:propfind>"#;
    assert_eq!(refused(body), Error::Doctype);
    let outside = br#"<!DOCTYPE propfind SYSTEM "http://example.com/x.dtd"><propfind xmlns="DAV:"><allprop/></propfind>"#;
    assert_eq!(refused(outside), Error::Outside);
    let entity = br#"<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><propfind xmlns="DAV:"><allprop/></propfind>"#;
    assert_eq!(refused(entity), Error::Outside);
}

#[test]
fn deep_nesting_stops_at_the_cap() {
    let deep = "<D:a>".repeat(100_000);
    assert_eq!(refused(in_prop(&deep).as_bytes()), Error::Limit("depth"));
    let just_below = limits::XML_DEPTH - 2;
    let good = "<D:a>".repeat(just_below) + &"</D:a>".repeat(just_below);
    assert!(propfind(in_prop(&good).as_bytes()).is_ok());
}

#[test]
fn many_attributes_stop_at_the_cap() {
    let many: String = (0..100_000).map(|n| format!(" a{n}='1'")).collect();
    let element = format!("<D:a{many}/>");
    assert_eq!(refused(in_prop(&element).as_bytes()), Error::Limit("attributes of an element"));
}

#[test]
fn many_namespaces_stop_at_the_cap() {
    let many: String = (0..100_000).map(|n| format!(" xmlns:a{n}='urn:{n}'")).collect();
    let element = format!("<D:a{many}/>");
    assert!(matches!(refused(in_prop(&element).as_bytes()), Error::Malformed(_)));
}

#[test]
fn many_properties_stop_at_the_cap() {
    let many: String = (0..10_000).map(|n| format!("<D:p{n}/>")).collect();
    assert_eq!(refused(in_prop(&many).as_bytes()), Error::Limit("names of properties"));
    // Few, but so long that an answer of many resources would swell.
    let long: String = (0..40).map(|n| format!("<D:p{n}{}/>", "x".repeat(1000))).collect();
    assert_eq!(refused(in_prop(&long).as_bytes()), Error::Limit("names of properties"));
}

#[test]
fn a_long_value_of_a_dead_property_stops_at_the_cap() {
    let body = format!(
        r#"<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="urn:x">{}</x></D:prop></D:set></D:propertyupdate>"#,
        "a".repeat(limits::DEAD_VALUE_BYTES + 1)
    );
    assert!(matches!(proppatch(body.as_bytes()), Err(Error::Limit(_))));
}

#[test]
fn ten_megabytes_of_elements_end_in_bounded_time() {
    let many = "<D:href>/a</D:href>".repeat(550_000);
    let body = format!(
        r#"<C:calendar-multiget xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:D="DAV:">{many}</C:calendar-multiget>"#
    );
    assert_eq!(report::report(body.as_bytes()).unwrap_err(), Error::Limit("hrefs"));
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for body in [
        "<D:propfind xmlns:D='DAV:'><D:allprop/>",
        "<D:propfind xmlns:D='DAV:'><D:allprop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:allprop/></D:propfind><D:propfind xmlns:D='DAV:'/>",
        "<D:propfind xmlns:D='DAV:'><D:allprop/></D:propfind>tail",
        "text<D:propfind xmlns:D='DAV:'><D:allprop/></D:propfind>",
        "<D:propfind><D:allprop/></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop><E:x/></D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop><D:x E:a='1'/></D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop><bar:foo xmlns:bar=''/></D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop><D:x a='1' a='2'/></D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop><D:x a='<'/></D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop><D:x a='&nix;'/></D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop><D:a\"b/></D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop><D:a<b/></D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop><D:1a/></D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop>&nix;</D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop>\u{1}</D:prop></D:propfind>",
        "<D:propfind xmlns:D='DAV:'/>",
        "<html/>",
        "not xml",
        "<",
        "<?xml",
    ] {
        assert!(matches!(refused(body.as_bytes()), Error::Malformed(_)), "{body}");
    }
    assert!(matches!(refused(b"\xFF\xFE<\0a\0/\0>\0"), Error::Malformed(_)), "UTF-16");
    assert!(matches!(refused(b"<a>\xC3\x28</a>"), Error::Malformed(_)), "broken UTF-8");
}

#[test]
fn a_reference_to_a_forbidden_character_is_refused() {
    for reference in ["&#0;", "&#1;", "&#xFFFE;", "&#x110000;", "&#xD800;", "&#;", "&#x;"] {
        let body = format!(
            r#"<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:displayname>{reference}</D:displayname></D:prop></D:set></D:propertyupdate>"#
        );
        assert!(proppatch(body.as_bytes()).is_err(), "{reference}");
    }
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let body = b"\xEF\xBB\xBF<propfind xmlns='DAV:'><propname/></propfind>";
    assert!(propfind(body).is_ok());
    assert!(Reader::new(b"\xEF\xBB\xBF").unwrap().root().is_err());
}
