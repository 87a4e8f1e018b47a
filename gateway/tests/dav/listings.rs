//! Responses: propstats of collections and the template of objects.

use kontor_gateway::dav::path::{Kind, Location};
use kontor_gateway::dav::properties::collection::{self, SyncToken};
use kontor_gateway::dav::properties::object::{Setting, Template};
use kontor_gateway::dav::properties::propstat::{self, Ask};
use kontor_gateway::dav::properties::{Live, Wanted, on};
use kontor_gateway::dav::xml::report::{self, Subset};
use kontor_gateway::dav::xml::{Reader, Writer, request};
use kontor_proto::collection::v1::{Access, Collection, DeadProperty, Object};

use crate::text;

const NAMESPACES: &str = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' \
    xmlns:CR='urn:ietf:params:xml:ns:carddav' xmlns:CS='http://calendarserver.org/ns/' xmlns:ICAL='http://apple.com/ns/ical/' xmlns:P='https://bitfire.at/webdav-push'";

fn ask(names: &str, minimal: bool) -> Ask {
    let body = format!("<D:propfind {NAMESPACES}><D:prop>{names}</D:prop></D:propfind>");
    Ask { wanted: request::propfind(body.as_bytes()).unwrap(), minimal }
}

fn work() -> Collection {
    Collection {
        id: "0197".to_owned(),
        owner: "sales".to_owned(),
        slug: "work".to_owned(),
        display_name: "Work & <play>".to_owned(),
        components: vec!["VEVENT".to_owned()],
        sequence: 42,
        access: Access::Write.into(),
        dead_properties: vec![DeadProperty {
            namespace: "urn:x".to_owned(),
            name: "note".to_owned(),
            value: "<y xmlns=\"urn:y\"></y>".to_owned(),
            language: String::new(),
        }],
        ..Collection::default()
    }
}

fn collection_response(ask: &Ask) -> String {
    let mut out = Writer::new();
    let it = work();
    propstat::response(&mut out, "/c/", ask, on::CALENDAR, &it.dead_properties, |live, out| {
        collection::write(live, Kind::Calendar, &it, "sales", out)
    });
    well_formed(&out);
    text(&out)
}

/// Reads what was written to its end.
fn well_formed(out: &Writer) {
    let document = format!("<r {NAMESPACES}>{}</r>", text(out));
    let mut reader = Reader::new(document.as_bytes()).unwrap();
    reader.root().unwrap();
    reader.skip().unwrap();
    reader.finish().unwrap();
}

fn template(ask: &Ask, subset: Option<Subset>) -> Template {
    let location = Location::new(Kind::Calendar, "sales", "sales", "a&b");
    Template::new(
        ask,
        Setting {
            location: &location,
            access: Access::Read,
            shares: &[],
            caller: "sales",
            subset,
            version: None,
        },
    )
}

fn event() -> Object {
    Object {
        name: "ü 1.ics".to_owned(),
        etag: "abcd".to_owned(),
        size: 12,
        data: "SUMMARY:a < b & \"c\"\u{1}\u{FFFF}".into(),
        update_time: Some(prost_types::Timestamp { seconds: 784_111_777, nanos: 0 }),
        ..Object::default()
    }
}

#[test]
fn what_is_there_and_what_is_not_come_in_two_propstats() {
    let answer = collection_response(&ask(
        "<D:displayname/><CS:getctag/><D:sync-token/><ICAL:calendar-color/><D:getetag/><x:note xmlns:x='urn:x'/><x:nix xmlns:x='urn:x'/>",
        false,
    ));
    assert_eq!(
        answer,
        "<D:response><D:href>/c/</D:href><D:propstat><D:prop>\
         <D:displayname>Work &amp; &lt;play&gt;</D:displayname><CS:getctag>0197-42</CS:getctag>\
         <D:sync-token>http://kontor/ns/sync/0197/42</D:sync-token>\
         <x:note xmlns:x=\"urn:x\"><y xmlns=\"urn:y\"></y></x:note>\
         </D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>\
         <D:propstat><D:prop><ICAL:calendar-color/><D:getetag/><x:nix xmlns:x=\"urn:x\"/></D:prop>\
         <D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>\n"
    );
}

#[test]
fn minimal_leaves_out_what_is_not_there() {
    let answer = collection_response(&ask("<D:getetag/>", true));
    assert!(answer.contains("<D:prop></D:prop><D:status>HTTP/1.1 200 OK"), "{answer}");
    assert!(!answer.contains("404"));
    let only_missing = collection_response(&ask("<D:getetag/>", false));
    assert!(!only_missing.contains("200 OK"), "{only_missing}");
}

#[test]
fn allprop_and_propname_say_what_the_table_says() {
    let all = collection_response(&Ask { wanted: Wanted::All(Vec::new()), minimal: false });
    for name in ["D:resourcetype", "D:displayname", "x:note"] {
        assert!(all.contains(&format!("<{name}")), "{all}");
    }
    assert!(!all.contains("supported-calendar-component-set"), "RFC 4791 section 5.2.3: not in allprop");
    let names = collection_response(&Ask { wanted: Wanted::Names, minimal: false });
    assert!(names.contains("<C:calendar-timezone/>") && names.contains("<x:note xmlns:x=\"urn:x\"/>"));
    assert!(!names.contains("getetag") && !names.contains("<C:calendar-data"));
}

#[test]
fn write_access_is_shown_without_promising_properties() {
    let answer = collection_response(&ask("<D:current-user-privilege-set/>", false));
    for privilege in ["read", "write-content", "bind", "unbind"] {
        assert!(answer.contains(&format!("<D:privilege><D:{privilege}/></D:privilege>")), "{answer}");
    }
    assert!(!answer.contains("<D:write/>") && !answer.contains("write-properties"));
}

#[test]
fn every_property_of_the_table_is_found_by_its_own_name_and_written_well_formed() {
    for live in Live::all_on(on::ALL) {
        let mut names = Writer::new();
        propstat::empty_element(&mut names, &kontor_gateway::dav::properties::Property::Live(live));
        let ask = ask(&text(&names), false);
        assert!(ask.wanted.names(live), "{live:?}");
        let answer = collection_response(&ask);
        assert!(answer.contains(live.tag().1), "{live:?}: {answer}");
    }
}

#[test]
fn an_object_is_copied_into_the_template() {
    let ask = ask(
        "<D:getetag/><D:getcontentlength/><D:getlastmodified/><D:getcontenttype/><D:displayname/>",
        false,
    );
    let mut out = Writer::new();
    template(&ask, None).write(&event(), &mut out);
    well_formed(&out);
    assert_eq!(
        text(&out),
        "<D:response><D:href>/dav/calendars/sales/a%26b/%C3%BC%201.ics</D:href><D:propstat><D:prop>\
         <D:getetag>\"abcd\"</D:getetag><D:getcontentlength>12</D:getcontentlength>\
         <D:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</D:getlastmodified>\
         <D:getcontenttype>text/calendar; charset=utf-8</D:getcontenttype></D:prop>\
         <D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><D:displayname/></D:prop>\
         <D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>\n"
    );
}

#[test]
fn data_is_escaped_and_characters_that_xml_lacks_are_replaced() {
    let ask = ask("<C:calendar-data/>", false);
    let template = template(&ask, None);
    assert!(template.with_data());
    let mut out = Writer::new();
    template.write(&event(), &mut out);
    well_formed(&out);
    assert!(
        text(&out).contains(">SUMMARY:a &lt; b &amp; &quot;c&quot;\u{FFFD}\u{FFFD}</C:calendar-data>"),
        "{}",
        text(&out)
    );
}

#[test]
fn a_schedule_tag_is_there_or_in_the_404() {
    let template = template(&ask("<C:schedule-tag/><D:getetag/>", false), None);
    let mut out = Writer::new();
    template.write(&event(), &mut out);
    assert!(text(&out).contains("<D:prop><C:schedule-tag/></D:prop><D:status>HTTP/1.1 404"));
    let mut out = Writer::new();
    template.write(&Object { schedule_tag: "s1".to_owned(), ..event() }, &mut out);
    assert!(text(&out).contains("<C:schedule-tag>\"s1\"</C:schedule-tag>"));
}

#[test]
fn an_object_that_is_gone_is_a_404_directly_under_its_response() {
    let mut out = Writer::new();
    template(&ask("<D:getetag/>", false), None)
        .write(&Object { name: "a.ics".to_owned(), missing: true, ..Object::default() }, &mut out);
    assert_eq!(
        text(&out),
        "<D:response><D:href>/dav/calendars/sales/a%26b/a.ics</D:href>\
         <D:status>HTTP/1.1 404 Not Found</D:status></D:response>\n"
    );
}

#[test]
fn a_part_of_the_data_keeps_its_lines_as_they_were() {
    let body = format!(
        r#"<C:calendar-multiget {NAMESPACES}><D:prop><C:calendar-data><C:comp name="VCALENDAR"><C:prop name="VERSION"/>
        <C:comp name="VEVENT"><C:prop name="UID"/><C:prop name="SUMMARY"/><C:prop name="DTSTART" novalue="yes"/></C:comp>
        <C:comp name="VTIMEZONE"/></C:comp></C:calendar-data></D:prop></C:calendar-multiget>"#
    );
    let parsed = report::report(body.as_bytes()).unwrap();
    let ask = Ask { wanted: parsed.wanted, minimal: false };
    let data = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n  y\r\nBEGIN:VTIMEZONE\r\nTZID:a\r\nBEGIN:STANDARD\r\n\
        DTSTART:1\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=\"a:\r\n b\";\r\n X=c:2\r\n 0\r\nsummary;X=1:lo\r\n ng\r\nDESCRIPTION:no\r\n no\r\n\
        BEGIN:VALARM\r\nUID:2\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let mut out = Writer::new();
    template(&ask, parsed.data.unwrap().subset).write(&Object { data: data.into(), ..event() }, &mut out);
    let expected = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:a\r\nBEGIN:STANDARD\r\nDTSTART:1\r\nEND:STANDARD\r\n\
        END:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=&quot;a:\r\n b&quot;;\r\n X=c:\r\nsummary;X=1:lo\r\n ng\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    assert!(text(&out).contains(&format!(">{expected}</C:calendar-data>")), "{}", text(&out));
}

#[test]
fn a_sync_token_is_taken_apart_or_refused() {
    let mut out = Writer::new();
    collection::sync_token("0197-ab", 9, 0, &mut out);
    assert_eq!(text(&out), "http://kontor/ns/sync/0197-ab/9");
    let plain = SyncToken { id: "0197-ab", sequence: 9, first_until: 0 };
    assert_eq!(SyncToken::parse(&text(&out)), Some(plain));
    let mut out = Writer::new();
    collection::sync_token("0197-ab", 9, 12, &mut out);
    assert_eq!(SyncToken::parse(&text(&out)), Some(SyncToken { first_until: 12, ..plain }));
    for bad in [
        "",
        "9",
        "http://kontor/ns/sync/",
        "http://kontor/ns/sync/a",
        "http://kontor/ns/sync//9",
        "http://kontor/ns/sync/a/-9",
        "http://kontor/ns/sync/a/9-",
        "http://kontor/ns/sync/a/9-1-2",
        "http://kontor/ns/sync/a/9/9",
        "http://kontor/ns/sync/a/99999999999999999999",
        "http://kontor/ns/sync/a/+9",
        "http://example.com/ns/sync/a/9",
    ] {
        assert_eq!(SyncToken::parse(bad), None, "{bad}");
    }
}
