//! Whole requests that are answered before any service is called, over links that lead to no service.

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kontor_gateway::dav::{Dav, limits};
use kontor_kit::auth::{Account, Caller};
use kontor_kit::link::Link;
use kontor_kit::routes::Routes;

fn dav() -> Dav {
    let nothing = || Link::local(Routes::default());
    Dav::new(nothing(), nothing())
}

fn caller() -> Caller {
    Caller::from(Account { user: "sales".to_owned(), admin: false, system: false, ..Caller::system().into() })
}

async fn send(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (Response<()>, String) {
    send_bytes(method, path, headers, body.as_bytes().to_vec()).await
}

async fn send_bytes(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> (Response<()>, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = dav().handle(caller(), request.body(Body::from(body)).unwrap()).await;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn the_tree_takes_its_own_paths_and_no_others() {
    let propfind = Method::from_bytes(b"PROPFIND").unwrap();
    for (method, path, taken) in [
        (&propfind, "/", true),
        (&Method::OPTIONS, "/", true),
        (&Method::GET, "/", false),
        (&Method::GET, "/.well-known/caldav", true),
        (&propfind, "/.well-known/carddav/", true),
        (&Method::OPTIONS, "/remote.php/dav", true),
        (&Method::GET, "/remote.php/dav", false),
        (&Method::GET, "/dav", true),
        (&Method::PUT, "/dav/calendars/a/b/c.ics", true),
        (&Method::GET, "/davos", false),
        (&Method::POST, "/kontor.calendar.v1.EventService/ListEvents", false),
    ] {
        assert_eq!(Dav::takes(method, path), taken, "{method} {path}");
    }
}

#[tokio::test]
async fn options_succeed_everywhere_without_sign_in() {
    for path in
        ["/", "/dav/", "/remote.php/dav", "/dav/calendars/sales/", "/dav/calendars/x/y/z.ics", "/dav/nix/%FF"]
    {
        let request = Request::builder().method("OPTIONS").uri(path).body(()).unwrap();
        let answer = dav().anonymous(&request.into_parts().0).unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let classes = answer.headers()["dav"].to_str().unwrap();
        let announced =
            ["1", "3", "access-control", "calendar-access", "calendar-auto-schedule", "addressbook"];
        for class in announced.into_iter().chain(["extended-mkcol"]) {
            assert!(classes.split(", ").any(|word| word == class), "{classes}");
        }
        assert!(!classes.split(", ").any(|word| word == "2"));
        assert!(answer.headers()["allow"].to_str().unwrap().contains("PROPFIND"));
    }
}

#[tokio::test]
async fn the_well_known_addresses_lead_to_the_tree_whatever_the_method() {
    for method in ["GET", "PROPFIND"] {
        for path in ["/.well-known/caldav", "/.well-known/carddav"] {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            let answer = dav().anonymous(&request.into_parts().0).unwrap();
            assert_eq!(answer.status(), StatusCode::MOVED_PERMANENTLY);
            assert_eq!(answer.headers()["location"], "/dav/");
        }
    }
    let request = Request::builder().method("PROPFIND").uri("/dav/").body(()).unwrap();
    assert!(dav().anonymous(&request.into_parts().0).is_none(), "the rest needs a sign-in");
}

#[tokio::test]
async fn a_client_finds_its_way_from_the_root_to_its_homes() {
    let who = "<propfind xmlns='DAV:'><prop><current-user-principal/><resourcetype/></prop></propfind>";
    for path in ["/", "/dav/", "/dav"] {
        let (answer, body) = send("PROPFIND", path, &[("depth", "0")], who).await;
        assert_eq!(answer.status(), StatusCode::MULTI_STATUS);
        assert!(
            body.contains("<D:href>/dav/principals/users/sales/</D:href></D:current-user-principal>"),
            "{body}"
        );
        let own = if path == "/" { "<D:href>/</D:href>" } else { "<D:href>/dav/</D:href>" };
        assert!(body.contains(own), "{body}");
    }
    let homes = "<propfind xmlns='DAV:' xmlns:c='urn:ietf:params:xml:ns:caldav' xmlns:r='urn:ietf:params:xml:ns:carddav'>\
        <prop><c:calendar-home-set/><r:addressbook-home-set/><principal-URL/></prop></propfind>";
    let (_, body) = send("PROPFIND", "/dav/principals/users/sales/", &[("depth", "0")], homes).await;
    assert!(body.contains("<C:calendar-home-set><D:href>/dav/calendars/sales/</D:href>"), "{body}");
    assert!(body.contains("<CR:addressbook-home-set><D:href>/dav/addressbooks/sales/</D:href>"), "{body}");
    let (answer, body) = send("PROPFIND", "/dav/calendars/sales/", &[("depth", "0")], who).await;
    assert_eq!(answer.status(), StatusCode::MULTI_STATUS, "{body}");
}

#[tokio::test]
async fn infinite_depth_is_refused_by_name() {
    for headers in [&[("depth", "infinity")][..], &[]] {
        let (answer, body) = send("PROPFIND", "/dav/calendars/sales/", headers, "").await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(body.contains("<D:propfind-finite-depth/>"), "{body}");
    }
    let (answer, _) = send("PROPFIND", "/dav/", &[("depth", "2")], "").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn preferences_are_honoured_and_acknowledged() {
    let body = "<propfind xmlns='DAV:'><prop><getetag/><resourcetype/></prop></propfind>";
    let (answer, text) =
        send("PROPFIND", "/dav/", &[("depth", "1"), ("prefer", "return=minimal, depth-noroot")], body).await;
    assert_eq!(answer.headers()["preference-applied"], "return=minimal, depth-noroot");
    assert!(!text.contains("404") && !text.contains("<D:href>/dav/</D:href>"), "{text}");
    assert!(text.contains("<D:href>/dav/calendars/</D:href>"));
    assert_eq!(answer.headers()["vary"], "Prefer, Brief");
    let (plain, _) = send("PROPFIND", "/dav/", &[("depth", "1")], body).await;
    assert_eq!(plain.headers()["vary"], "Prefer, Brief", "a preference would have changed it");
    assert!(!plain.headers().contains_key("preference-applied"));
    let (_, text) = send("PROPFIND", "/dav/", &[("depth", "0"), ("brief", "t")], body).await;
    assert!(!text.contains("404"), "{text}");
}

#[tokio::test]
async fn broken_xml_is_400_and_a_large_body_413() {
    let (answer, _) = send("PROPFIND", "/dav/", &[("depth", "0")], "<propfind").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let large = " ".repeat(limits::XML_BODY_BYTES + 1);
    let (answer, _) = send("PROPFIND", "/dav/", &[("depth", "0")], &large).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn xml_in_utf_16_is_read() {
    let text = "<?xml version='1.0' encoding='utf-16'?><propfind xmlns='DAV:'><prop><displayname/><é xmlns='urn:ü'/></prop></propfind>";
    let marked = format!("\u{FEFF}{text}");
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for body in [big(text), little(text), big(&marked), little(&marked)] {
        let (answer, said) = send_bytes("PROPFIND", "/dav/", &[("depth", "0")], body).await;
        assert_eq!(answer.status(), StatusCode::MULTI_STATUS, "{said}");
        assert!(
            said.contains("<D:displayname>Kontor</D:displayname>")
                && said.contains("<x:é xmlns:x=\"urn:ü\"/>"),
            "{said}"
        );
    }
    for broken in [&big(text)[..33], &[0xFE, 0xFF, 0xD8, 0x00], &[0xFF, 0xFE, b'<', 0]] {
        let (answer, _) = send_bytes("PROPFIND", "/dav/", &[("depth", "0")], broken.to_vec()).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn an_entity_outside_is_no_external_entities() {
    let body = "<!DOCTYPE a SYSTEM 'http://example.com/a.dtd'><propfind xmlns='DAV:'><allprop/></propfind>";
    let (answer, said) = send("PROPFIND", "/dav/", &[("depth", "0")], body).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(said.contains("<D:no-external-entities/>"), "{said}");
}

#[tokio::test]
async fn a_body_where_none_is_expected_is_415() {
    for method in ["DELETE", "COPY", "MOVE"] {
        let headers = [("content-length", "3"), ("destination", "/dav/calendars/sales/work/b.ics")];
        let (answer, _) = send(method, "/dav/calendars/sales/work/a.ics", &headers, "abc").await;
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{method}");
    }
}

#[tokio::test]
async fn a_collection_asked_for_without_its_slash_says_where_it_is() {
    let body = "<propfind xmlns='DAV:'><prop><resourcetype/></prop></propfind>";
    let (answer, said) = send("PROPFIND", "/dav/calendars", &[("depth", "0")], body).await;
    assert_eq!(answer.headers()["content-location"], "/dav/calendars/");
    assert!(said.contains("<D:href>/dav/calendars/</D:href>"), "{said}");
    for path in ["/dav/calendars/", "/"] {
        let (answer, _) = send("PROPFIND", path, &[("depth", "0")], body).await;
        assert!(!answer.headers().contains_key("content-location"), "{path}");
    }
}

#[tokio::test]
async fn put_refuses_what_is_too_large_or_surely_something_else() {
    let event = "/dav/calendars/sales/work/a.ics";
    let announced = (limits::OBJECT_BYTES + 1).to_string();
    let (answer, body) = send("PUT", event, &[("content-length", &announced)], "").await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(body.contains("<C:max-resource-size/>"), "{body}");
    let card = "/dav/addressbooks/sales/people/a.vcf";
    let (answer, body) = send("PUT", card, &[], &"x".repeat(limits::OBJECT_BYTES + 1)).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(body.contains("<CR:max-resource-size/>"), "{body}");
    let (answer, body) = send("PUT", card, &[("content-type", "text/calendar")], "x").await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(body.contains("<CR:supported-address-data/>"), "{body}");
    let (answer, _) = send("PUT", event, &[("content-encoding", "gzip")], "x").await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (answer, _) = send("PUT", event, &[("content-range", "bytes 0-1/2")], "x").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn methods_that_a_place_lacks_are_405_with_allow() {
    for (method, path) in [
        ("PUT", "/dav/calendars/sales/work/"),
        ("LOCK", "/dav/"),
        ("POST", "/dav/addressbooks/sales/work/a.vcf"),
        ("PUT", "/dav/attachments/0a/plan.pdf"),
        ("DELETE", "/dav/attachments/0a/plan.pdf"),
    ] {
        let (answer, _) = send(method, path, &[], "").await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert!(answer.headers()["allow"].to_str().unwrap().starts_with("OPTIONS, GET, HEAD"));
    }
    let (answer, body) = send("MKCALENDAR", "/dav/calendars/sales/", &[], "").await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(body.contains("<D:resource-must-be-null/>"), "{body}");
    let (answer, body) = send("MKCOL", "/dav/calendars/sales/work/inner/", &[], "").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(body.contains("<C:calendar-collection-location-ok/>"), "{body}");
    let (answer, _) = send("MKCALENDAR", "/dav/addressbooks/sales/work/", &[], "").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn reports_are_refused_by_name_where_they_make_no_sense() {
    let sync = |token: &str| {
        format!(
            "<sync-collection xmlns='DAV:'><sync-token>{token}</sync-token><prop><getetag/></prop></sync-collection>"
        )
    };
    for token in ["nonsense", "http://kontor/ns/sync/a/b"] {
        let (answer, body) = send("REPORT", "/dav/calendars/sales/work/", &[], &sync(token)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(body.contains("<D:valid-sync-token/>"), "{body}");
    }
    let free_busy = |start: &str, end: &str| {
        format!(
            "<C:free-busy-query xmlns:C='urn:ietf:params:xml:ns:caldav'><C:time-range start='{start}' end='{end}'/></C:free-busy-query>"
        )
    };
    let ages = free_busy("20260101T000000Z", "20280101T000000Z");
    let (answer, body) = send("REPORT", "/dav/calendars/sales/", &[], &ages).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(body.contains("<D:number-of-matches-within-limits/>"), "{body}");
    for (path, body) in [
        ("/dav/calendars/sales/", sync("")),
        ("/dav/calendars/sales/work/", "<D:version-tree xmlns:D='DAV:'/>".to_owned()),
        (
            "/dav/calendars/sales/work/",
            "<C:addressbook-query xmlns:C='urn:ietf:params:xml:ns:carddav'/>".to_owned(),
        ),
        ("/dav/addressbooks/sales/contacts/", free_busy("20260101T000000Z", "20260102T000000Z")),
    ] {
        let (answer, text) = send("REPORT", path, &[], &body).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(text.contains("<D:supported-report/>"), "{text}");
    }
    let query = |prop: &str, filter: &str| {
        format!(
            "<C:calendar-query xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:D='DAV:'><D:prop>{prop}</D:prop>{filter}</C:calendar-query>"
        )
    };
    let all = "<C:filter><C:comp-filter name='VCALENDAR'/></C:filter>";
    for (prop, filter, element) in [
        ("<D:getetag/>", "", "<C:valid-filter/>"),
        ("<C:calendar-data content-type='application/calendar+json'/>", all, "<C:supported-calendar-data/>"),
    ] {
        let (answer, text) = send("REPORT", "/dav/calendars/sales/work/", &[], &query(prop, filter)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(text.contains(element), "{text}");
    }
}

#[tokio::test]
async fn proppatch_outside_collections_changes_nothing() {
    let body = "<propertyupdate xmlns='DAV:'><set><prop><displayname>x</displayname><a xmlns='urn:a'/></prop></set></propertyupdate>";
    let (answer, text) = send("PROPPATCH", "/dav/principals/users/sales/", &[], body).await;
    assert_eq!(answer.status(), StatusCode::MULTI_STATUS);
    assert!(
        text.contains(
            "<D:displayname/><x:a xmlns:x=\"urn:a\"/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status>"
        ),
        "{text}"
    );
    assert!(text.contains("<D:cannot-modify-protected-property/>"));
}

#[tokio::test]
async fn one_bad_property_fails_the_others_with_424() {
    let body = "<propertyupdate xmlns='DAV:'><set><prop><displayname>x</displayname><getetag>1</getetag></prop></set></propertyupdate>";
    let (answer, text) = send("PROPPATCH", "/dav/calendars/sales/work/", &[], body).await;
    assert_eq!(answer.status(), StatusCode::MULTI_STATUS);
    assert!(text.contains("<D:getetag/></D:prop><D:status>HTTP/1.1 403 Forbidden"), "{text}");
    assert!(text.contains("<D:displayname/></D:prop><D:status>HTTP/1.1 424 Failed Dependency"), "{text}");
}

#[tokio::test]
async fn mkcol_names_the_property_that_it_cannot_set() {
    let body = "<D:mkcol xmlns:D='DAV:' xmlns:R='urn:ietf:params:xml:ns:carddav'><D:set><D:prop><D:resourcetype><D:collection/>\
        <R:addressbook/></D:resourcetype><D:displayname>x</D:displayname></D:prop></D:set></D:mkcol>";
    let (answer, text) = send("MKCOL", "/dav/calendars/sales/new/", &[], body).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(text.contains("<D:mkcol-response") && text.contains("424 Failed Dependency"), "{text}");
    assert!(text.contains("<D:resourcetype/></D:prop><D:status>HTTP/1.1 403"), "{text}");
}

#[tokio::test]
async fn a_type_that_cannot_be_made_is_valid_resourcetype() {
    for kinds in ["<D:collection/>", "<D:collection/><C:calendar/>", "<D:principal/>"] {
        let body = format!(
            "<D:mkcol xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:set><D:prop><D:resourcetype>{kinds}</D:resourcetype>\
             </D:prop></D:set></D:mkcol>"
        );
        let (answer, text) = send("MKCOL", "/dav/addressbooks/sales/new/", &[], &body).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{kinds}");
        assert!(text.contains("<D:error><D:valid-resourcetype/></D:error>"), "{kinds}: {text}");
    }
}

#[tokio::test]
async fn head_has_the_length_of_get_and_no_body() {
    let (get, body) = send("GET", "/dav/", &[], "").await;
    let (head, nothing) = send("HEAD", "/dav/", &[], "").await;
    assert_eq!((get.status(), head.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), body.len().to_string());
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn a_path_that_leads_nowhere_is_404_and_a_broken_one_400() {
    assert_eq!(send("PROPFIND", "/dav/nix/", &[], "").await.0.status(), StatusCode::NOT_FOUND);
    assert_eq!(send("GET", "/dav/calendars/a/b/%FF", &[], "").await.0.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_destination_is_checked_before_anything_is_moved() {
    let event = "/dav/calendars/sales/work/a.ics";
    for (destination, status) in [
        ("http://elsewhere.example/dav/calendars/sales/work/b.ics", 502),
        ("ftp://crm.example.com/dav/calendars/sales/work/b.ics", 502),
        ("http://crm.example.com:8080/dav/calendars/sales/work/b.ics", 502),
        ("b.ics", 400),
        ("/dav/calendars/sales/work/%00.ics", 400),
        ("http://crm.example.com:80/dav/nix/b.ics", 409),
        ("https://CRM.example.com/dav/calendars/sales/work/", 403),
        ("/dav/principals/users/sales/", 403),
        ("https://public.example.com/dav/addressbooks/sales/contacts/b.vcf", 403),
    ] {
        let headers = [
            ("host", "crm.example.com"),
            ("x-forwarded-host", "public.example.com"),
            ("destination", destination),
        ];
        let (answer, body) = send("MOVE", event, &headers, "").await;
        assert_eq!(answer.status().as_u16(), status, "{destination}: {body}");
    }
    let (answer, _) = send("COPY", event, &[("destination", "/x"), ("depth", "1")], "").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let (answer, _) = send("MOVE", "/dav/calendars/sales/", &[("destination", "/x")], "").await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    let (answer, body) = send("COPY", "/dav/calendars/sales/work/", &[("destination", "/x")], "").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(body.contains("a whole calendar"), "{body}");
}
