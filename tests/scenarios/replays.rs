//! What phones and Macs send, in their order, written from what the clients document and show (no phone runs here).
//! Rows D1, D2, D3, D7.

use kontor_tests::{Answer, Http, both};

use crate::support::{add_partner, texts};

const XML: (&str, &str) = ("content-type", "text/xml");

/// The part of an answer about one href.
#[track_caller]
fn about<'a>(xml: &'a str, href: &str) -> &'a str {
    let start = xml.find(&format!("<D:href>{href}</D:href>"));
    let rest = &xml[start.unwrap_or_else(|| panic!("{href} is not in {xml}"))..];
    &rest[..rest.find("</D:response>").expect("its end")]
}

#[track_caller]
fn one(xml: &str, element: &str) -> String {
    let found = texts(xml, element);
    let first = found.first().unwrap_or_else(|| panic!("no {element} in {xml}"));
    first.replace("<D:href>", "").trim().to_owned()
}

fn event(uid: &str, summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Apple Inc.//iOS 18.0//EN\r\nCALSCALE:GREGORIAN\r\nBEGIN:VEVENT\r\nCREATED:20261101T080000Z\r\n\
         DTEND;TZID=Europe/Brussels:20261124T110000\r\nDTSTAMP:20261101T080000Z\r\nDTSTART;TZID=Europe/Brussels:20261124T100000\r\nSEQUENCE:0\r\n\
         SUMMARY:{summary}\r\nTRANSP:OPAQUE\r\nUID:{uid}\r\nX-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// From the host name to the home, as accountsd does it: first without credentials, then at the address that the redirect names.
async fn apple_finds_home(address: &str, user: &str, kind: &str) -> (Http, String) {
    let (space, home) = match kind {
        "caldav" => ("urn:ietf:params:xml:ns:caldav", "calendar-home-set"),
        _ => ("urn:ietf:params:xml:ns:carddav", "addressbook-home-set"),
    };
    let ask = "<A:propfind xmlns:A=\"DAV:\"><A:prop><A:current-user-principal/><A:principal-URL/><A:resourcetype/></A:prop></A:propfind>";
    let headers = [("depth", "0"), XML];
    let stranger = Http::new(address);
    let moved = stranger.send("PROPFIND", &format!("/.well-known/{kind}"), &headers, ask).await.expect(301);
    let root = moved.header("location").to_owned();
    let root = root.find("/dav").map_or(root.as_str(), |at| &root[at..]).to_owned();
    let refused = stranger.send("PROPFIND", &root, &headers, ask).await.expect(401);
    assert!(refused.header("www-authenticate").starts_with("Basic realm="));
    let http = Http::new(address).sign_in(user, kontor_tests::sandbox::PASSWORD);
    let found = http.send("PROPFIND", &root, &headers, ask).await.expect(207).text();
    let principal = one(&found, "current-user-principal");
    let options = http.send("OPTIONS", &principal, &[], "").await.expect(200);
    assert!(options.header("dav").contains("calendar-access"), "{options:?}");
    let ask = format!(
        "<A:propfind xmlns:A=\"DAV:\"><A:prop><B:{home} xmlns:B=\"{space}\"/><B:calendar-user-address-set xmlns:B=\"urn:ietf:params:xml:ns:caldav\"/>\
         <A:current-user-principal/><A:displayname/><C:dropbox-home-URL xmlns:C=\"http://calendarserver.org/ns/\"/><C:email-address-set \
         xmlns:C=\"http://calendarserver.org/ns/\"/><C:notification-URL xmlns:C=\"http://calendarserver.org/ns/\"/><A:principal-collection-set/>\
         <A:principal-URL/><A:resource-id/><A:supported-report-set/></A:prop></A:propfind>"
    );
    let found = http.send("PROPFIND", &principal, &headers, ask).await.expect(207).text();
    assert!(found.contains("HTTP/1.1 404"), "what is not there is told so: {found}");
    (http, one(&found, home))
}

const HOME_PROPERTIES: &str = "<A:propfind xmlns:A=\"DAV:\"><A:prop><A:add-member/><C:allowed-sharing-modes xmlns:C=\"http://calendarserver.org/ns/\"/>\
    <D:autoprovisioned xmlns:D=\"http://apple.com/ns/ical/\"/><E:bulk-requests xmlns:E=\"http://me.com/_namespace/\"/><D:calendar-color xmlns:D=\"http://apple.com/ns/ical/\"/>\
    <B:calendar-description xmlns:B=\"urn:ietf:params:xml:ns:caldav\"/><B:calendar-free-busy-set xmlns:B=\"urn:ietf:params:xml:ns:caldav\"/>\
    <D:calendar-order xmlns:D=\"http://apple.com/ns/ical/\"/><B:calendar-timezone xmlns:B=\"urn:ietf:params:xml:ns:caldav\"/><A:current-user-privilege-set/>\
    <B:default-alarm-vevent-date xmlns:B=\"urn:ietf:params:xml:ns:caldav\"/><A:displayname/><C:getctag xmlns:C=\"http://calendarserver.org/ns/\"/><A:owner/>\
    <C:pre-publish-url xmlns:C=\"http://calendarserver.org/ns/\"/><C:publish-url xmlns:C=\"http://calendarserver.org/ns/\"/><C:push-transports xmlns:C=\"http://calendarserver.org/ns/\"/>\
    <C:pushkey xmlns:C=\"http://calendarserver.org/ns/\"/><A:quota-available-bytes/><A:quota-used-bytes/><D:refreshrate xmlns:D=\"http://apple.com/ns/ical/\"/><A:resource-id/>\
    <A:resourcetype/><B:schedule-calendar-transp xmlns:B=\"urn:ietf:params:xml:ns:caldav\"/><B:schedule-default-calendar-URL xmlns:B=\"urn:ietf:params:xml:ns:caldav\"/>\
    <C:source xmlns:C=\"http://calendarserver.org/ns/\"/><C:subscribed-strip-alarms xmlns:C=\"http://calendarserver.org/ns/\"/>\
    <B:supported-calendar-component-set xmlns:B=\"urn:ietf:params:xml:ns:caldav\"/><A:supported-report-set/><A:sync-token/></A:prop></A:propfind>";

/// sync-collection as Apple sends it; returns the hrefs with their status and the next token.
async fn sync(http: &Http, collection: &str, token: &str) -> (String, String) {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><A:sync-collection xmlns:A=\"DAV:\"><A:sync-token>{token}</A:sync-token><A:sync-level>1</A:sync-level>\
         <A:prop><A:getcontenttype/><A:getetag/></A:prop></A:sync-collection>"
    );
    let answer = http.send("REPORT", collection, &[("depth", "1"), XML], body).await.expect(207).text();
    let token = texts(&answer, "sync-token").pop().expect("a token");
    (answer, token)
}

fn etag(answer: &Answer) -> String {
    answer.header("etag").to_owned()
}

both! {
    async fn d1_d2_an_iphone_finds_the_calendars_and_syncs_both_ways(sandbox: Sandbox) {
        let (http, home) = apple_finds_home(&sandbox.address(), "sales", "caldav").await;
        let listed = http.send("PROPFIND", &home, &[("depth", "1"), XML], HOME_PROPERTIES).await.expect(207).text();
        let calendar = format!("{home}work/");
        let its = about(&listed, &calendar);
        assert!(its.contains("sync-collection") && its.contains("<D:write/>") && its.contains("VEVENT") && its.contains("sync-token"), "{its}");

        let colour = "<A:propertyupdate xmlns:A=\"DAV:\"><A:set><A:prop><D:calendar-color xmlns:D=\"http://apple.com/ns/ical/\" symbolic-color=\"custom\">#FF2968FF</D:calendar-color>\
            </A:prop></A:set><A:set><A:prop><D:calendar-order xmlns:D=\"http://apple.com/ns/ical/\">2</D:calendar-order></A:prop></A:set></A:propertyupdate>";
        let set = http.send("PROPPATCH", &calendar, &[XML], colour).await.expect(207).text();
        assert!(set.contains("200 OK") && !set.contains("403"), "{set}");

        let (first, token) = sync(&http, &calendar, "").await;
        assert!(!first.contains(".ics"), "{first}");
        let path = format!("{calendar}6E2A2C06-9A54-4F3F-8E2D-3B0B60C4C8AA.ics");
        let made = http.put(&path, &[("if-none-match", "*")], event("6E2A2C06", "From the phone")).await.expect(201);
        http.put(&path, &[("if-none-match", "*")], event("6E2A2C06", "Again")).await.expect(412);
        let elsewhere = sandbox.http("sales");
        let changed = elsewhere.put(&path, &[], event("6E2A2C06", "From the desk")).await.expect(204);
        http.put(&path, &[("if-match", &etag(&made))], event("6E2A2C06", "Too late")).await.expect(412);
        let (second, token) = sync(&http, &calendar, &token).await;
        assert!(about(&second, &path).contains(changed.header("etag").trim_matches('"')), "{second}");
        let get = format!(
            "<B:calendar-multiget xmlns:B=\"urn:ietf:params:xml:ns:caldav\"><A:prop xmlns:A=\"DAV:\"><A:getetag/><B:calendar-data/><B:schedule-tag/>\
             <C:created-by xmlns:C=\"http://calendarserver.org/ns/\"/><C:updated-by xmlns:C=\"http://calendarserver.org/ns/\"/></A:prop>\
             <A:href xmlns:A=\"DAV:\">{path}</A:href></B:calendar-multiget>"
        );
        let body = http.send("REPORT", &calendar, &[("depth", "1"), XML], get).await.expect(207).text();
        assert!(body.contains("SUMMARY:From the desk") && body.contains("X-APPLE-TRAVEL-ADVISORY-BEHAVIOR"), "{body}");
        http.send("DELETE", &path, &[("if-match", &etag(&changed))], "").await.expect(204);
        let (third, _) = sync(&http, &calendar, &token).await;
        assert!(about(&third, &path).contains("404"), "{third}");
    }

    async fn d7_an_iphone_makes_a_calendar_with_all_its_properties_at_once(sandbox: Sandbox) {
        let (http, home) = apple_finds_home(&sandbox.address(), "sales", "caldav").await;
        let path = format!("{home}3F1C1E4B-2F0B-4F3C-BB0E-7A8E6C1C6B11/");
        let make = "<B:mkcalendar xmlns:B=\"urn:ietf:params:xml:ns:caldav\"><A:set xmlns:A=\"DAV:\"><A:prop><A:displayname>Famille &amp; amis</A:displayname>\
            <D:calendar-color xmlns:D=\"http://apple.com/ns/ical/\">#63DA38FF</D:calendar-color><D:calendar-order xmlns:D=\"http://apple.com/ns/ical/\">7</D:calendar-order>\
            <B:calendar-free-busy-set><NO/></B:calendar-free-busy-set><B:supported-calendar-component-set><B:comp name=\"VTODO\"/></B:supported-calendar-component-set>\
            <B:calendar-timezone>BEGIN:VCALENDAR&#13;\nVERSION:2.0&#13;\nPRODID:-//Apple//EN&#13;\nBEGIN:VTIMEZONE&#13;\nTZID:Europe/Brussels&#13;\nBEGIN:STANDARD&#13;\nDTSTART:19961027T030000&#13;\n\
            TZOFFSETFROM:+0200&#13;\nTZOFFSETTO:+0100&#13;\nEND:STANDARD&#13;\nEND:VTIMEZONE&#13;\nEND:VCALENDAR&#13;\n</B:calendar-timezone></A:prop></A:set></B:mkcalendar>";
        http.send("MKCALENDAR", &path, &[XML], make).await.expect(201);
        let listed = http.send("PROPFIND", &home, &[("depth", "1"), XML], HOME_PROPERTIES).await.expect(207).text();
        let its = about(&listed, &path);
        assert!(its.contains("Famille &amp; amis") && its.contains("#63DA38FF") && its.contains("VTODO") && !its.contains("VEVENT"), "{its}");
        http.send("DELETE", &path, &[], "").await.expect(204);
    }

    async fn d3_a_mac_reads_and_changes_the_company_book(sandbox: Sandbox) {
        let partner = add_partner(&sandbox.grpc("sales"), "Anna Peeters", "+32 471 11 22 33", "anna@example.com").await;
        let (http, home) = apple_finds_home(&sandbox.address(), "sales", "carddav").await;
        let ask = "<A:propfind xmlns:A=\"DAV:\"><A:prop><A:add-member/><E:bulk-requests xmlns:E=\"http://me.com/_namespace/\"/><A:current-user-privilege-set/><A:displayname/>\
            <B:max-image-size xmlns:B=\"urn:ietf:params:xml:ns:carddav\"/><B:max-resource-size xmlns:B=\"urn:ietf:params:xml:ns:carddav\"/><C:me-card xmlns:C=\"http://calendarserver.org/ns/\"/>\
            <A:owner/><C:push-transports xmlns:C=\"http://calendarserver.org/ns/\"/><A:quota-available-bytes/><A:resource-id/><A:resourcetype/><A:supported-report-set/><A:sync-token/></A:prop></A:propfind>";
        let listed = http.send("PROPFIND", &home, &[("depth", "1"), XML], ask).await.expect(207).text();
        let book = format!("{home}company/");
        assert!(about(&listed, &book).contains("addressbook"), "{listed}");
        let (found, token) = sync(&http, &book, "").await;
        let card = texts(&found, "href").into_iter().find(|href| href.ends_with(".vcf")).expect("the card");
        let read = http.get(&card).await.expect(200);
        let text = read.text().replace("+32 471 11 22 33", "+32 471 99 88 77").replace("END:VCARD", "X-ABUID:6C1A:ABPerson\r\nEND:VCARD");
        http.put(&card, &[("if-match", &etag(&read))], text).await.expect(204);
        let request = kontor_proto::directory::v1::GetPartnerRequest { name: partner.name };
        let now = sandbox.grpc("sales").partners().get_partner(request).await.expect("the partner").into_inner();
        assert_eq!(now.phones[0].e164, "+32471998877");
        assert!(http.get(&card).await.expect(200).text().contains("X-ABUID:6C1A:ABPerson"));
        let (changes, _) = sync(&http, &book, &token).await;
        assert!(about(&changes, &card).contains("getetag"), "{changes}");
    }

    async fn d1_d2_davx5_finds_the_calendars_and_syncs_with_a_limit_on_past_days(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let ask = "<propfind xmlns=\"DAV:\" xmlns:CAL=\"urn:ietf:params:xml:ns:caldav\" xmlns:CARD=\"urn:ietf:params:xml:ns:carddav\"><prop><resourcetype/><displayname/>\
            <CARD:addressbook-description/><CAL:calendar-home-set/><CARD:addressbook-home-set/><current-user-principal/></prop></propfind>";
        Http::new(&sandbox.address()).send("PROPFIND", "/dav/", &[("depth", "0"), XML], ask).await.expect(401);
        let found = http.send("PROPFIND", "/dav/", &[("depth", "0"), XML], ask).await.expect(207).text();
        let found = http.send("PROPFIND", &one(&found, "current-user-principal"), &[("depth", "0"), XML], ask).await.expect(207).text();
        let home = one(&found, "calendar-home-set");
        let ask = "<propfind xmlns=\"DAV:\" xmlns:CAL=\"urn:ietf:params:xml:ns:caldav\" xmlns:CS=\"http://calendarserver.org/ns/\" xmlns:I=\"http://apple.com/ns/ical/\"><prop><resourcetype/><displayname/>\
            <current-user-privilege-set/><owner/><CAL:calendar-description/><I:calendar-color/><CAL:calendar-timezone/><CAL:supported-calendar-component-set/><CS:source/><supported-report-set/>\
            <CS:getctag/><sync-token/></prop></propfind>";
        let listed = http.send("PROPFIND", &home, &[("depth", "1"), XML], ask).await.expect(207).text();
        let calendar = format!("{home}work/");
        assert!(about(&listed, &calendar).contains("<D:write-content/>"), "{listed}");
        let path = format!("{calendar}f2b9.ics");
        let made = http.put(&path, &[("if-none-match", "*")], event("f2b9", "From Android")).await.expect(201);
        assert!(!etag(&made).is_empty());
        let query = "<CAL:calendar-query xmlns=\"DAV:\" xmlns:CAL=\"urn:ietf:params:xml:ns:caldav\"><prop><getetag/></prop><CAL:filter><CAL:comp-filter name=\"VCALENDAR\">\
            <CAL:comp-filter name=\"VEVENT\"><CAL:time-range start=\"20260825T000000Z\"/></CAL:comp-filter></CAL:comp-filter></CAL:filter></CAL:calendar-query>";
        let found = http.send("REPORT", &calendar, &[("depth", "1"), XML], query).await.expect(207).text();
        assert!(about(&found, &path).contains("getetag"), "{found}");
        let get = format!(
            "<CAL:calendar-multiget xmlns=\"DAV:\" xmlns:CAL=\"urn:ietf:params:xml:ns:caldav\"><prop><getcontenttype/><getetag/><CAL:schedule-tag/>\
             <CAL:calendar-data content-type=\"text/calendar\" version=\"2.0\"/></prop><href>{path}</href><href>{calendar}gone.ics</href></CAL:calendar-multiget>"
        );
        let found = http.send("REPORT", &calendar, &[("depth", "0"), XML], get).await.expect(207).text();
        assert!(about(&found, &path).contains("From Android") && about(&found, &format!("{calendar}gone.ics")).contains("404"), "{found}");
        let changed = http.put(&path, &[("if-match", &etag(&made))], event("f2b9", "Changed there")).await.expect(204);
        http.send("DELETE", &path, &[("if-match", &etag(&made))], "").await.expect(412);
        http.send("DELETE", &path, &[("if-match", &etag(&changed))], "").await.expect(204);
        http.send("DELETE", &path, &[("if-match", &etag(&changed))], "").await.expect(404);
    }
}
