//! Properties that clients keep on objects, the language of texts, what the server computes, and reports on single objects.
//! Rows D2, D4, D5, D7, D8.

use kontor_proto::calendar::v1::{
    Calendar, CreateCalendarRequest, DeleteCalendarRequest, ListCalendarsRequest, ShareCalendarRequest,
};
use kontor_tests::{Answer, Http, both};

use crate::support::texts;

const SPACES: &str = "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\" xmlns:N=\"urn:note\"";
const XML: (&str, &str) = ("content-type", "application/xml");
const WORK: &str = "/dav/calendars/sales/work/";
const BOOK: &str = "/dav/addressbooks/sales/contacts/";
const NOTE: &str =
    "<x:note xmlns:x=\"urn:note\" xml:lang=\"fr\">caf&amp;<i xmlns=\"urn:i\" k=\"1\"></i></x:note>";

fn event(uid: &str, day: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:{day}T090000Z\r\nDTEND:{day}T100000Z\r\nSUMMARY:{uid}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn card(uid: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{uid}\r\nN:{uid};;;;\r\nEND:VCARD\r\n")
}

/// Sets properties, with French in force around them.
async fn set(http: &Http, path: &str, properties: &str, headers: &[(&str, &str)]) -> Answer {
    let body = format!(
        "<D:propertyupdate {SPACES} xml:lang=\"fr\"><D:set><D:prop>{properties}</D:prop></D:set></D:propertyupdate>"
    );
    let headers: Vec<_> = headers.iter().copied().chain([XML]).collect();
    http.send("PROPPATCH", path, &headers, body).await
}

async fn remove(http: &Http, path: &str, properties: &str) -> Answer {
    let body = format!(
        "<D:propertyupdate {SPACES}><D:remove><D:prop>{properties}</D:prop></D:remove></D:propertyupdate>"
    );
    http.send("PROPPATCH", path, &[XML], body).await
}

/// PROPFIND with this inside.
async fn find(http: &Http, path: &str, depth: &str, inside: &str) -> String {
    let body = format!("<D:propfind {SPACES}>{inside}</D:propfind>");
    http.send("PROPFIND", path, &[XML, ("depth", depth)], body).await.expect(207).text()
}

async fn sync(http: &Http, path: &str, token: &str, level: &str, properties: &str) -> String {
    let body = format!(
        "<D:sync-collection {SPACES}><D:sync-token>{token}</D:sync-token><D:sync-level>{level}</D:sync-level>\
         <D:prop>{properties}</D:prop></D:sync-collection>"
    );
    http.report(path, "0", body).await.expect(207).text()
}

/// The response of one href in a multistatus.
#[track_caller]
fn response<'a>(answer: &'a str, href: &str) -> &'a str {
    let found = answer.split("<D:response>").find(|part| part.contains(&format!("<D:href>{href}</D:href>")));
    found.unwrap_or_else(|| panic!("no {href} in {answer}"))
}

fn query(time_range: &str) -> String {
    format!(
        "<C:calendar-query {SPACES}><D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
         <C:comp-filter name=\"VEVENT\">{time_range}</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
    )
}

fn multiget(hrefs: &[&str]) -> String {
    let hrefs: String = hrefs.iter().map(|href| format!("<D:href>{href}</D:href>")).collect();
    format!(
        "<C:calendar-multiget {SPACES}><D:prop><C:calendar-data/><N:note/></D:prop>{hrefs}</C:calendar-multiget>"
    )
}

both! {
    async fn d7_an_object_keeps_properties_of_its_own(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let (a, b) = (format!("{WORK}a.ics"), format!("{WORK}b.ics"));
        let etag = http.put(&a, &[], event("a", "20261123")).await.expect(201).header("etag").to_owned();
        http.put(&b, &[], event("b", "20261123")).await.expect(201);
        let token = texts(&sync(&http, WORK, "", "1", "<D:getetag/>").await, "sync-token").remove(0);
        let done = set(&http, &a, "<N:note>caf&amp;<i xmlns=\"urn:i\" k=\"1\"/></N:note><more xmlns=\"\" xml:lang=\"\">1</more>", &[]).await.expect(207).text();
        assert!(done.contains("<x:note xmlns:x=\"urn:note\"/>") && done.contains("200 OK") && !done.contains("403"), "{done}");

        let by_name = find(&http, &a, "0", "<D:prop><D:getetag/><N:note/><N:none/><more xmlns=\"\"/></D:prop>").await;
        assert!(by_name.contains(NOTE) && by_name.contains("<more>1</more>"), "{by_name}");
        assert!(by_name.contains("<x:none xmlns:x=\"urn:note\"/></D:prop><D:status>HTTP/1.1 404"), "{by_name}");
        assert_eq!(texts(&by_name, "getetag"), std::slice::from_ref(&etag), "its bytes are the same");
        let all = find(&http, &a, "0", "<D:allprop/>").await;
        assert!(all.contains(NOTE) && all.contains("<D:getcontentlength>"), "{all}");
        let many: String = (0..10).map(|number| format!("<s xmlns=\"urn:{number}\">of {number}</s>")).collect();
        set(&http, &a, &many, &[]).await.expect(207);
        let asked: String = (0..10).map(|number| format!("<s xmlns=\"urn:{number}\"/>")).collect();
        let found = find(&http, &a, "0", &format!("<D:prop>{asked}</D:prop>")).await;
        assert!((0..10).all(|number| found.contains(&format!("\"urn:{number}\" xml:lang=\"fr\">of {number}<"))), "{found}");
        remove(&http, &a, &asked).await.expect(207);
        let names = find(&http, &a, "0", "<D:propname/>").await;
        assert!(names.contains("<x:note xmlns:x=\"urn:note\"/>") && names.contains("<more/>"), "{names}");
        let list = find(&http, WORK, "1", "<D:prop><D:getetag/><N:note/></D:prop>").await;
        assert!(response(&list, &a).contains(NOTE) && !response(&list, &b).contains("xml:lang"), "{list}");
        assert!(response(&list, &b).contains("404 Not Found"), "{list}");
        let expand = format!("<D:expand-property {SPACES}><D:property name=\"note\" namespace=\"urn:note\"/></D:expand-property>");
        assert!(http.report(&a, "0", expand).await.expect(207).text().contains(NOTE));

        // Whoever syncs hears of it, with the ETag that is known.
        let changes = sync(&http, WORK, &token, "1", "<D:getetag/>").await;
        assert_eq!(texts(&changes, "href"), std::slice::from_ref(&a));
        assert!(changes.contains(&etag) && !changes.contains(NOTE), "{changes}");
        for token in ["", &token] {
            assert!(sync(&http, WORK, token, "1", "<D:getetag/><N:note/>").await.contains(NOTE));
        }
        let both = http.report(WORK, "1", multiget(&[&a, &b])).await.expect(207).text();
        assert!(response(&both, &a).contains(NOTE) && response(&both, &a).contains("SUMMARY:a"), "{both}");
        assert!(response(&both, &b).contains("SUMMARY:b") && response(&both, &b).contains("404 Not Found"), "{both}");

        // With the object: changed, moved, copied, gone.
        http.put(&a, &[("if-match", &etag)], event("a", "20261124")).await.expect(204);
        http.send("MKCALENDAR", "/dav/calendars/sales/private/", &[], "").await.expect(201);
        let there = "/dav/calendars/sales/private/a.ics";
        http.send("COPY", &a, &[("destination", there)], "").await.expect(201);
        assert!(find(&http, there, "0", "<D:allprop/>").await.contains(NOTE));
        http.send("DELETE", there, &[], "").await.expect(204);
        http.send("MOVE", &a, &[("destination", there)], "").await.expect(201);
        assert!(find(&http, there, "0", "<D:allprop/>").await.contains(NOTE));
        remove(&http, there, "<N:note/><N:never/>").await.expect(207);
        let left = find(&http, there, "0", "<D:allprop/>").await;
        assert!(!left.contains("note") && left.contains("<more>1</more>"), "{left}");
        http.send("DELETE", there, &[], "").await.expect(204);
        http.put(there, &[], event("a", "20261124")).await.expect(201);
        assert!(!find(&http, there, "0", "<D:allprop/>").await.contains("<more"));

        let c = format!("{BOOK}c.vcf");
        http.put(&c, &[], card("c")).await.expect(201);
        set(&http, &c, "<N:note>caf&amp;<i xmlns=\"urn:i\" k=\"1\"/></N:note>", &[("prefer", "return=minimal")]).await.expect(200);
        assert!(find(&http, BOOK, "1", "<D:allprop/>").await.contains(NOTE));
    }

    async fn d7_what_an_object_does_not_take_changes_nothing(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let a = format!("{WORK}a.ics");
        http.put(&a, &[], event("a", "20261123")).await.expect(201);
        let token = texts(&sync(&http, WORK, "", "1", "<D:getetag/>").await, "sync-token").remove(0);
        for live in ["<D:getetag>x</D:getetag>", "<D:displayname>x</D:displayname>", "<C:calendar-data>x</C:calendar-data>", "<D:creationdate>x</D:creationdate>"] {
            let refused = set(&http, &a, &format!("<N:note>1</N:note>{live}"), &[]).await.expect(207).text();
            assert!(refused.contains("403 Forbidden") && refused.contains("cannot-modify-protected-property"), "{refused}");
            assert!(refused.contains("<x:note xmlns:x=\"urn:note\"/></D:prop><D:status>HTTP/1.1 424"), "{refused}");
        }
        set(&http, &a, "<N:note>1</N:note>", &[("if-match", "\"other\"")]).await.expect(412);
        set(&http, &format!("{WORK}none.ics"), "<N:note>1</N:note>", &[]).await.expect(404);
        set(&http, &format!("{WORK}none.ics"), "<D:getetag>1</D:getetag>", &[]).await.expect(404);
        assert!(texts(&sync(&http, WORK, &token, "1", "<D:getetag/><N:note/>").await, "href").is_empty());
    }

    async fn x4_who_may_only_read_an_object_sets_none_of_its_properties(sandbox: Sandbox) {
        let (http, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        http.put(&format!("{WORK}a.ics"), &[], event("a", "20261123")).await.expect(201);
        let theirs = "/dav/calendars/neighbour/sales~work/a.ics";
        set(&neighbour, &format!("{WORK}a.ics"), "<N:note>1</N:note>", &[]).await.expect(404);
        set(&neighbour, theirs, "<N:note>1</N:note>", &[]).await.expect(404);
        let calendars = sandbox.grpc("sales").calendars().list_calendars(ListCalendarsRequest::default()).await.expect("calendars").into_inner();
        let own = calendars.calendars.into_iter().find(|calendar| calendar.owner == "users/sales").expect("one");
        let share = |writable| ShareCalendarRequest { name: own.name.clone(), grantee: "users/neighbour".into(), writable, ..Default::default() };
        sandbox.grpc("sales").calendars().share_calendar(share(false)).await.expect("a share");
        let refused = set(&neighbour, theirs, "<N:note>1</N:note>", &[]).await.expect(403).text();
        assert!(refused.contains("<D:need-privileges>") && refused.contains("<D:write-properties/>"), "{refused}");
        assert!(!find(&neighbour, theirs, "0", "<D:prop><D:current-user-privilege-set/></D:prop>").await.contains("write-properties"));
        sandbox.grpc("sales").calendars().share_calendar(share(true)).await.expect("a share");
        assert!(find(&neighbour, theirs, "0", "<D:prop><D:current-user-privilege-set/></D:prop>").await.contains("write-properties"));
        set(&neighbour, theirs, "<N:note>1</N:note>", &[]).await.expect(207);
        // They are the object's, and so everyone's.
        assert!(find(&http, WORK, "1", "<D:allprop/>").await.contains("<x:note xmlns:x=\"urn:note\" xml:lang=\"fr\">1</x:note>"));
    }

    async fn d7_texts_keep_their_language(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        set(&http, WORK, "<C:calendar-description>Réunions</C:calendar-description><N:note xml:lang=\"de-AT\">Jänner</N:note><N:odd xml:lang=\"a b\">1</N:odd>", &[]).await.expect(207);
        let ask = "<D:prop><C:calendar-description/><R:addressbook-description/><N:note/><N:odd/></D:prop>";
        let found = find(&http, "/dav/calendars/sales/", "1", ask).await;
        assert!(found.contains("<C:calendar-description xml:lang=\"fr\">Réunions</C:calendar-description>"), "{found}");
        assert!(found.contains("<x:note xmlns:x=\"urn:note\" xml:lang=\"de-AT\">Jänner</x:note>"), "{found}");
        assert!(found.contains("<x:odd xmlns:x=\"urn:note\">1</x:odd>"), "what is no language says nothing: {found}");
        set(&http, BOOK, "<R:addressbook-description>Amis</R:addressbook-description>", &[]).await.expect(207);
        assert!(find(&http, BOOK, "0", ask).await.contains("<CR:addressbook-description xml:lang=\"fr\">Amis</CR:addressbook-description>"));
        set(&http, WORK, "<C:calendar-description xml:lang=\"\">Meetings</C:calendar-description>", &[]).await.expect(207);
        assert!(find(&http, WORK, "0", ask).await.contains("<C:calendar-description>Meetings</C:calendar-description>"));
        let make = format!(
            "<C:mkcalendar {SPACES}><D:set xml:lang=\"nl\"><D:prop><C:calendar-description>Plannen</C:calendar-description><N:note>x</N:note></D:prop></D:set></C:mkcalendar>"
        );
        http.send("MKCALENDAR", "/dav/calendars/sales/plan/", &[XML], make).await.expect(201);
        let made = find(&http, "/dav/calendars/sales/plan/", "0", ask).await;
        assert!(made.contains("<C:calendar-description xml:lang=\"nl\">Plannen<") && made.contains("xml:lang=\"nl\">x<"), "{made}");
    }

    async fn d7_creation_zone_and_live_properties_are_told(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let (a, c) = (format!("{WORK}a.ics"), format!("{BOOK}c.vcf"));
        http.put(&a, &[], event("a", "20261123")).await.expect(201);
        http.put(&c, &[], card("c")).await.expect(201);
        for path in [&a, &c, WORK, BOOK, "/dav/calendars/sales/inbox/"] {
            let all = find(&http, path, "0", "<D:allprop/>").await;
            let made = texts(&all, "creationdate").remove(0);
            let shape: String = made.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            assert_eq!(shape, "0000-00-00T00:00:00Z", "{path}: {made}");
        }
        let made = texts(&find(&http, &a, "0", "<D:prop><D:creationdate/></D:prop>").await, "creationdate");
        http.put(&a, &[], event("a", "20261124")).await.expect(204);
        let listed = find(&http, WORK, "1", "<D:prop><D:creationdate/></D:prop>").await;
        assert_eq!(texts(response(&listed, &a), "creationdate"), made);

        for (path, has, lacks) in [
            (WORK, "<C:calendar-description/>", "D:getetag"),
            (BOOK, "<CR:addressbook-description/>", "C:"),
            (&a, "<C:schedule-tag/>", "D:sync-token"),
            ("/dav/principals/users/sales/", "<C:calendar-home-set/>", "D:getetag"),
        ] {
            let set = find(&http, path, "0", "<D:prop><D:supported-live-property-set/></D:prop>").await;
            assert!(set.contains(&format!("<D:supported-live-property><D:prop>{has}</D:prop></D:supported-live-property>")), "{set}");
            assert!(set.contains("<D:prop><D:resourcetype/></D:prop>") && !set.contains(&format!("<{lacks}")), "{set}");
        }
        assert!(find(&http, WORK, "0", "<D:prop><D:supported-live-property-set/></D:prop>").await.contains("<D:prop><D:add-member/></D:prop>"));
        let many = find(&http, WORK, "0", "<D:prop><C:max-attendees-per-instance/></D:prop>").await;
        assert_eq!(texts(&many, "max-attendees-per-instance"), ["1000"]);

        // Without one of its own a calendar is in its owner's zone, and says so to whom asks.
        let ask = "<D:prop><C:calendar-timezone/></D:prop>";
        for (path, depth) in [(WORK, "0"), ("/dav/calendars/sales/", "1")] {
            let zone = find(&http, path, depth, ask).await;
            let zone = texts(response(&zone, WORK), "calendar-timezone").remove(0);
            assert!(zone.starts_with("BEGIN:VCALENDAR") && zone.contains("BEGIN:VTIMEZONE") && zone.contains("TZID:"), "{zone}");
            // It can be set as it was read.
            set(&http, WORK, &format!("<C:calendar-timezone>{zone}</C:calendar-timezone>"), &[]).await.expect(207);
            remove(&http, WORK, "<C:calendar-timezone/>").await.expect(207);
        }
    }

    async fn d5_reports_are_answered_on_single_objects(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let (a, b) = (format!("{WORK}a.ics"), format!("{WORK}b.ics"));
        http.put(&a, &[], event("a", "20261123")).await.expect(201);
        http.put(&b, &[], event("b", "20261123")).await.expect(201);
        let on = |day: &str| query(&format!("<C:time-range start=\"{day}T000000Z\" end=\"{day}T235959Z\"/>"));
        let hit = http.report(&a, "0", on("20261123")).await.expect(207).text();
        assert_eq!(texts(&hit, "href"), std::slice::from_ref(&a));
        assert!(hit.contains("SUMMARY:a"), "{hit}");
        assert!(texts(&http.report(&a, "0", on("20261124")).await.expect(207).text(), "href").is_empty());
        http.report(&format!("{WORK}none.ics"), "0", on("20261123")).await.expect(404);
        let got = http.report(&a, "0", multiget(&[&a])).await.expect(207).text();
        assert!(response(&got, &a).contains("SUMMARY:a"), "{got}");
        let other = http.report(&a, "0", multiget(&[&b])).await.expect(207).text();
        assert!(response(&other, &b).contains("<D:status>HTTP/1.1 404 Not Found</D:status>") && !other.contains("SUMMARY"), "{other}");
        sandbox.http("neighbour").report(&a, "0", on("20261123")).await.expect(404);
        sandbox.http("neighbour").report(&a, "0", multiget(&[&a])).await.expect(404);
        let sync = format!("<D:sync-collection {SPACES}><D:sync-token/><D:prop><D:getetag/></D:prop></D:sync-collection>");
        assert!(http.report(&a, "0", sync).await.expect(403).text().contains("<D:supported-report/>"));
        let announced = find(&http, &a, "0", "<D:prop><D:supported-report-set/></D:prop>").await;
        assert!(announced.contains("<C:calendar-query/>") && announced.contains("<C:calendar-multiget/>") && !announced.contains("sync-collection"), "{announced}");

        let c = format!("{BOOK}c.vcf");
        http.put(&c, &[], card("carla")).await.expect(201);
        let cards = |name: &str| format!(
            "<R:addressbook-query {SPACES}><D:prop><R:address-data/></D:prop><R:filter><R:prop-filter name=\"FN\"><R:text-match>{name}</R:text-match></R:prop-filter></R:filter></R:addressbook-query>"
        );
        assert!(http.report(&c, "0", cards("carl")).await.expect(207).text().contains("FN:carla"));
        assert!(!http.report(&c, "0", cards("bert")).await.expect(207).text().contains("FN:carla"));
        let get = format!("<R:addressbook-multiget {SPACES}><D:prop><R:address-data version=\"4.0\"/></D:prop><D:href>{c}</D:href></R:addressbook-multiget>");
        assert!(http.report(&c, "0", get).await.expect(207).text().contains("VERSION:4.0"));
        assert!(http.report(&c, "0", query("")).await.expect(403).text().contains("<D:supported-report/>"));
        let announced = find(&http, &c, "0", "<D:prop><D:supported-report-set/></D:prop>").await;
        assert!(announced.contains("<CR:addressbook-query/>") && announced.contains("<CR:addressbook-multiget/>"), "{announced}");
    }

    async fn d5_a_query_that_cannot_be_answered_says_why(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let range = "<C:time-range start=\"20261123T000000Z\" end=\"20261124T000000Z\"/>";
        for (body, element) in [
            (query(&format!("<C:comp-filter name=\"X-OWN\">{range}</C:comp-filter>")), "<C:supported-filter><C:comp-filter name=\"X-OWN\"/></C:supported-filter>"),
            (query("<C:comp-filter name=\"VTODO\"/>"), "<C:valid-filter/>"),
            (query(&format!("<C:prop-filter name=\"SUMMARY\">{range}</C:prop-filter>")), "<C:valid-filter/>"),
            (query(range).replace("</C:filter>", "</C:filter><C:timezone>BEGIN:VCALENDAR</C:timezone>"), "<C:valid-calendar-data/>"),
        ] {
            let refused = http.report(WORK, "1", body).await.expect(403).text();
            assert!(refused.contains(element), "{refused}");
        }
    }

    async fn d4_a_sync_of_every_level_tells_the_same(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        http.put(&format!("{WORK}a.ics"), &[], event("a", "20261123")).await.expect(201);
        let one = sync(&http, WORK, "", "1", "<D:getetag/>").await;
        assert_eq!(texts(&one, "href"), [format!("{WORK}a.ics")]);
        assert_eq!(sync(&http, WORK, "", "infinite", "<D:getetag/>").await, one);
    }

    async fn d3_copy_and_move_answer_with_the_object_when_the_client_prefers_it(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let (a, b) = (format!("{WORK}a.ics"), format!("{WORK}b.ics"));
        let etag = http.put(&a, &[], event("a", "20261123")).await.expect(201).header("etag").to_owned();
        let moved = http.send("MOVE", &a, &[("destination", &b), ("prefer", "return=representation")], "").await.expect(201);
        assert_eq!((moved.text(), moved.header("etag"), moved.header("content-location")), (event("a", "20261123"), etag.as_str(), b.as_str()));
        assert_eq!(moved.header("preference-applied"), "return=representation");
        http.send("MKCALENDAR", "/dav/calendars/sales/private/", &[], "").await.expect(201);
        let there = "/dav/calendars/sales/private/a.ics";
        http.send("COPY", &b, &[("destination", there)], "").await.expect(201);
        let again = http.send("COPY", &b, &[("destination", there), ("prefer", "return=representation")], "").await.expect(200);
        assert_eq!((again.text(), again.header("content-location")), (event("a", "20261123"), there));
    }

    async fn c1_the_default_calendar_is_deleted_by_that_name(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let calendar = Calendar { display_name: "Second".into(), ..Default::default() };
        let create = CreateCalendarRequest { calendar: Some(calendar), calendar_id: "second".into(), ..Default::default() };
        grpc.calendars().create_calendar(create).await.expect("a calendar");
        let delete = DeleteCalendarRequest { name: "calendars/default".into(), ..Default::default() };
        grpc.calendars().delete_calendar(delete).await.expect("it is gone");
        let left = grpc.calendars().list_calendars(ListCalendarsRequest::default()).await.expect("calendars").into_inner();
        let own: Vec<_> = left.calendars.iter().filter(|it| it.owner == "users/sales").map(|it| it.slug.as_str()).collect();
        assert_eq!(own, ["second"]);
    }
}
