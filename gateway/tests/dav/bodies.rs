//! XML bodies of every method become the right types.

use kontor_gateway::dav::properties::{Live, Property, Wanted};
use kontor_gateway::dav::xml::report::{self, Kind};
use kontor_gateway::dav::xml::request::{self, Value};
use kontor_gateway::dav::xml::{Name, Space};
use kontor_vobject::expand::Span;

#[test]
fn an_empty_propfind_asks_for_everything() {
    assert_eq!(request::propfind(b"").unwrap(), Wanted::All(Vec::new()));
    assert_eq!(request::propfind(b" \r\n").unwrap(), Wanted::All(Vec::new()));
}

#[test]
fn names_are_found_by_namespace_whatever_the_prefix() {
    let body = br#"<?xml version="1.0"?>
        <D:propfind xmlns:D="urn:ietf:params:xml:ns:caldav" xmlns="DAV:" xmlns:x="http://calendarserver.org/ns/"/>"#;
    assert!(request::propfind(body).is_err(), "the root is CALDAV:propfind here");
    let body = br#"<propfind xmlns="DAV:"><prop xmlns:D="urn:ietf:params:xml:ns:caldav"><getetag/>
        <D:calendar-home-set/><x:getctag xmlns:x="http://calendarserver.org/ns/"/><a xmlns="urn:other"/><b xmlns=""/>
        </prop></propfind>"#;
    let other = |space, local: &str| Property::Other(Name { space, local: local.to_owned() });
    assert_eq!(
        request::propfind(body).unwrap(),
        Wanted::These(vec![
            Property::Live(Live::GetEtag),
            Property::Live(Live::CalendarHomeSet),
            Property::Live(Live::CollectionTag),
            other(Space::Other("urn:other".to_owned()), "a"),
            other(Space::None, "b"),
        ])
    );
}

#[test]
fn a_namespace_may_be_written_with_references() {
    let body = br#"<x:propfind xmlns:x="DAV&#58;"><x:allprop/></x:propfind>"#;
    assert_eq!(request::propfind(body).unwrap(), Wanted::All(Vec::new()));
}

#[test]
fn allprop_takes_include_and_a_name_counts_once() {
    let body = br#"<propfind xmlns="DAV:"><include><owner/><owner/></include><allprop/></propfind>"#;
    assert_eq!(request::propfind(body).unwrap(), Wanted::All(vec![Property::Live(Live::Owner)]));
    let both = br#"<propfind xmlns="DAV:"><allprop/><propname/></propfind>"#;
    assert!(request::propfind(both).is_err());
}

#[test]
fn proppatch_keeps_the_order_of_its_steps() {
    let body = br#"<D:propertyupdate xmlns:D="DAV:" xmlns:A="http://apple.com/ns/ical/">
        <D:remove><D:prop><A:calendar-color/></D:prop></D:remove>
        <D:set><D:prop><D:displayname>A &amp; B <![CDATA[<C>]]></D:displayname></D:prop></D:set></D:propertyupdate>"#;
    let changes = request::proppatch(body).unwrap();
    assert_eq!(changes[0].property, Property::Live(Live::CalendarColor));
    assert_eq!(changes[0].value, None);
    assert_eq!(changes[1].value, Some(Value::Text("A & B <C>".to_owned())));
}

#[test]
fn a_dead_property_keeps_its_inner_xml_with_its_namespaces() {
    let body = br#"<D:propertyupdate xmlns:D="DAV:" xmlns:o="urn:o" xmlns='urn:"default"'><D:set><D:prop>
        <o:note o:x="1">a&lt;b<o:i k='"'/><plain o:a="&amp;"><o:deep xmlns:o="urn:inner"/></plain><!-- no --><![CDATA[<&]]></o:note>
        </D:prop></D:set></D:propertyupdate>"#;
    let changes = request::proppatch(body).unwrap();
    let Some(Value::Xml(xml)) = &changes[0].value else { panic!("{:?}", changes[0]) };
    assert_eq!(
        xml,
        r#"a&lt;b<o:i xmlns:o="urn:o" k='"'></o:i><plain xmlns="urn:&quot;default&quot;" xmlns:o="urn:o" o:a="&amp;"><o:deep xmlns:o="urn:inner"></o:deep></plain>&lt;&amp;"#
    );
    // Taken once more from the answer, it stays the same.
    let again = format!(
        r#"<Q:propertyupdate xmlns:Q="DAV:"><Q:set><Q:prop><x:note xmlns:x="urn:o">{xml}</x:note></Q:prop></Q:set></Q:propertyupdate>"#
    );
    assert_eq!(request::proppatch(again.as_bytes()).unwrap()[0].value, changes[0].value);
}

#[test]
fn mkcalendar_reads_all_that_ios_sends() {
    let body = br##"<?xml version="1.0" encoding="UTF-8"?>
        <B:mkcalendar xmlns:B="urn:ietf:params:xml:ns:caldav"><A:set xmlns:A="DAV:"><A:prop>
        <B:supported-calendar-component-set><B:comp name="VTODO"/></B:supported-calendar-component-set>
        <D:calendar-color xmlns:D="http://apple.com/ns/ical/" symbolic-color="custom">#882F00FF</D:calendar-color>
        <D:calendar-order xmlns:D="http://apple.com/ns/ical/">4</D:calendar-order>
        <B:schedule-calendar-transp><B:transparent/></B:schedule-calendar-transp>
        <A:displayname>Tasks</A:displayname></A:prop></A:set></B:mkcalendar>"##;
    let changes = request::make_collection(body, true).unwrap();
    let values: Vec<_> = changes.iter().map(|change| change.value.clone().unwrap()).collect();
    assert_eq!(values[0], Value::Components(vec!["VTODO".to_owned()]));
    assert_eq!(values[1], Value::Text("#882F00FF".to_owned()));
    assert_eq!(
        values[3],
        Value::Elements(vec![Name { space: Space::CalDav, local: "transparent".to_owned() }])
    );
    assert!(request::make_collection(body, false).is_err(), "MKCOL has another root");
    assert!(request::make_collection(b"", false).unwrap().is_empty());
}

#[test]
fn multiget_keeps_every_href_in_its_order() {
    let body = br#"<C:calendar-multiget xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:D="DAV:">
        <D:prop><D:getetag/><C:calendar-data/></D:prop><D:href>/dav/b%20c.ics</D:href>
        <D:href> https://host/dav/a&amp;b.ics </D:href><D:href/></C:calendar-multiget>"#;
    let parsed = report::report(body).unwrap();
    let Kind::CalendarMultiget(hrefs) = parsed.kind else { panic!() };
    assert_eq!(hrefs, ["/dav/b%20c.ics", "https://host/dav/a&b.ics", ""]);
    assert!(parsed.data.is_some_and(|data| data.subset.is_none() && data.forms.is_plain()));
}

#[test]
fn sync_collection_reads_token_level_and_limit() {
    let body = |level: &str, limit: &str| {
        format!(
            r#"<D:sync-collection xmlns:D="DAV:"><D:sync-token>http://kontor/ns/sync/a/7</D:sync-token>
            <D:sync-level>{level}</D:sync-level><D:limit><D:nresults>{limit}</D:nresults></D:limit>
            <D:prop><D:getetag/></D:prop></D:sync-collection>"#
        )
    };
    let Kind::SyncCollection { token, limit } = report::report(body("1", "25").as_bytes()).unwrap().kind
    else {
        panic!()
    };
    assert_eq!((token.as_str(), limit), ("http://kontor/ns/sync/a/7", 25));
    assert!(report::report(body("1", "0").as_bytes()).is_err());
    assert!(report::report(body("1", "-3").as_bytes()).is_err());
    assert!(report::report(body("2", "3").as_bytes()).is_err());
    let infinite = report::report(body("infinite", "3").as_bytes()).unwrap().kind;
    assert!(matches!(infinite, Kind::SyncCollection { limit: 3, .. }));
}

#[test]
fn calendar_data_reads_parts_and_forms() {
    let body = |data: &str| {
        format!(
            r#"<C:calendar-multiget xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:D="DAV:"><D:prop>
            {data}</D:prop></C:calendar-multiget>"#
        )
    };
    let parts = body(
        r#"<C:calendar-data><C:comp name="vcalendar"><C:prop name="VERSION"/><C:comp name="VEVENT">
        <C:prop name="SUMMARY" novalue="yes"/></C:comp><C:comp name="VTIMEZONE"/></C:comp></C:calendar-data>"#,
    );
    let data = report::report(parts.as_bytes()).unwrap().data.unwrap();
    let subset = data.subset.unwrap();
    assert_eq!(subset.properties, [("VERSION".to_owned(), false)]);
    assert_eq!(subset.components[0].properties, [("SUMMARY".to_owned(), true)]);
    assert!(subset.components[1].all_properties && subset.components[1].all_components);
    let expand = body(
        r#"<C:calendar-data><C:expand start="20260101T000000Z" end="20260201T000000Z"/></C:calendar-data>"#,
    );
    let forms = report::report(expand.as_bytes()).unwrap().data.unwrap().forms;
    assert_eq!(forms.expand, Some(Span { from: 1_767_225_600, to: 1_769_904_000 }));
    for bad in [
        r#"<C:expand start="20260101T000000Z"/>"#,
        r#"<C:expand start="20260101T000000Z" end="20260101T000000Z"/>"#,
        r#"<C:expand start="20260101T000000" end="20260201T000000"/>"#,
        r#"<C:expand start="20260101T000000Z" end="20260201T000000Z"/><C:limit-recurrence-set start="20260101T000000Z" end="20260201T000000Z"/>"#,
    ] {
        let text = body(&format!("<C:calendar-data>{bad}</C:calendar-data>"));
        assert!(report::report(text.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn an_unknown_report_is_named() {
    let body = br#"<D:version-tree xmlns:D="DAV:"><D:prop><D:x/></D:prop></D:version-tree>"#;
    let Kind::Other(name) = report::report(body).unwrap().kind else { panic!() };
    assert_eq!(name.local, "version-tree");
}

#[test]
fn expand_property_is_read_level_by_level_and_no_deeper() {
    let body = |inside: &str| format!(r#"<D:expand-property xmlns:D="DAV:">{inside}</D:expand-property>"#);
    let nested = body(
        r#"<D:property name="owner"><D:property name="email-address-set" namespace="http://calendarserver.org/ns/"/></D:property>
        <D:property name="odd" namespace="urn:o"/><D:property name="owner"/><x xmlns="urn:x"/>"#,
    );
    let Kind::ExpandProperty(list) = report::report(nested.as_bytes()).unwrap().kind else { panic!() };
    assert_eq!(list.len(), 2, "a name counts once");
    assert_eq!(list[0].property, Property::Live(Live::Owner));
    assert_eq!(list[0].inside[0].property, Property::Live(Live::EmailAddressSet));
    assert!(matches!(&list[1].property, Property::Other(name) if name.local == "odd"));
    let deep =
        |depth: usize| body(&(r#"<D:property name="owner">"#.repeat(depth) + &"</D:property>".repeat(depth)));
    assert!(report::report(deep(4).as_bytes()).is_ok());
    assert!(report::report(deep(5).as_bytes()).is_err());
    assert!(report::report(body(&r#"<D:property name="owner"/>"#.repeat(300)).as_bytes()).is_err());
    for name in ["", "a b", "a&gt;", "1a", "a:b"] {
        assert!(
            report::report(body(&format!(r#"<D:property name="{name}"/>"#)).as_bytes()).is_err(),
            "{name}"
        );
    }
}

#[test]
fn a_search_for_principals_is_read_with_its_conditions() {
    use kontor_gateway::dav::xml::principals::How;
    let body = |attributes: &str, inside: &str| {
        format!(
            r#"<D:principal-property-search xmlns:D="DAV:" {attributes}>{inside}</D:principal-property-search>"#
        )
    };
    let test = |attributes: &str| {
        format!(
            "<D:property-search><D:prop><D:displayname/></D:prop><D:match {attributes}> ANNA </D:match></D:property-search>"
        )
    };
    let good =
        body(r#"test="anyof""#, &(test(r#"match-type="starts-with""#) + "<D:prop><D:owner/></D:prop>"));
    let parsed = report::report(good.as_bytes()).unwrap();
    assert_eq!(parsed.wanted, Wanted::These(vec![Property::Live(Live::Owner)]));
    let Kind::PrincipalPropertySearch(search) = parsed.kind else { panic!() };
    assert!(search.any_of && !search.everywhere);
    assert_eq!((search.tests[0].text.as_str(), search.tests[0].how), ("anna", How::StartsWith));
    let all = report::report(body("", "").as_bytes()).unwrap();
    let Kind::PrincipalPropertySearch(all) = all.kind else { panic!() };
    assert!(all.tests.is_empty());
    for bad in [
        body(r#"test="some""#, &test("")),
        body("", &test(r#"match-type="like""#)),
        body("", "<D:property-search><D:match>x</D:match></D:property-search>"),
        body("", "<D:property-search><D:prop><D:displayname/></D:prop></D:property-search>"),
        body("", &test("").repeat(21)),
        body("", &test("").replace("ANNA", &"x".repeat(1001))),
    ] {
        assert!(report::report(bad.as_bytes()).is_err(), "{bad}");
    }
}
