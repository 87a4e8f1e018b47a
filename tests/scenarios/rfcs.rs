//! Small things that the RFCs ask for and no client's way of working shows: what docs/rfc names no other test for.
//! Rows D2, D5, D6, D7, D9.

use kontor_tests::{Answer, Http, both};

use crate::scheduling::{hrefs, meeting, only, with_addresses};
use crate::support::texts;

const SPACES: &str =
    "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\"";
const XML: (&str, &str) = ("content-type", "application/xml");
const WORK: &str = "/dav/calendars/sales/work/";
const BOOK: &str = "/dav/addressbooks/sales/contacts/";
const INBOX: &str = "/dav/calendars/manager/inbox/";
const THEIRS: &str = "/dav/calendars/manager/work/";

const TOKYO: &str = "BEGIN:VCALENDAR&#13;\nVERSION:2.0&#13;\nPRODID:x&#13;\nBEGIN:VTIMEZONE&#13;\nTZID:Asia/Tokyo&#13;\nBEGIN:STANDARD&#13;\n\
    DTSTART:19700101T000000&#13;\nTZOFFSETFROM:+0900&#13;\nTZOFFSETTO:+0900&#13;\nEND:STANDARD&#13;\nEND:VTIMEZONE&#13;\nEND:VCALENDAR&#13;\n";

fn object(kind: &str, uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:{kind}\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         {lines}END:{kind}\r\nEND:VCALENDAR\r\n"
    )
}

fn card(uid: &str, lines: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{uid}\r\nN:{uid};;;;\r\n{lines}END:VCARD\r\n")
}

async fn set(http: &Http, path: &str, properties: &str) -> Answer {
    let body =
        format!("<D:propertyupdate {SPACES}><D:set><D:prop>{properties}</D:prop></D:set></D:propertyupdate>");
    http.send("PROPPATCH", path, &[XML], body).await
}

/// The unfolded line of a text that holds this.
#[track_caller]
fn line_of(text: &str, part: &str) -> String {
    let found = text.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no {part} in {text}")).to_owned()
}

both! {
    async fn d7_allprop_leaves_out_what_is_computed_or_long(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        set(&http, WORK, &format!("<C:calendar-description>Plans</C:calendar-description><C:calendar-timezone>{TOKYO}</C:calendar-timezone>")).await.expect(207);
        set(&http, BOOK, "<R:addressbook-description>Friends</R:addressbook-description>").await.expect(207);
        let there = http.propfind(BOOK, "0", "<R:addressbook-description/>").await.expect(207).text();
        assert!(there.contains("Friends"), "{there}");
        for path in [WORK, BOOK, "/dav/calendars/sales/inbox/", "/dav/calendars/sales/", "/dav/principals/users/sales/"] {
            let all = http.send("PROPFIND", path, &[("depth", "0"), XML], "<D:propfind xmlns:D=\"DAV:\"><D:allprop/></D:propfind>").await.expect(207);
            assert!(all.header("content-type").starts_with("application/xml"));
            let all = all.text();
            assert!(all.contains("<D:resourcetype>"), "{all}");
            for name in [
                "calendar-description", "calendar-timezone", "calendar-availability", "supported-calendar-component-set", "supported-calendar-data",
                "supported-collation-set", "max-resource-size", "addressbook-description", "supported-address-data", "calendar-home-set",
                "addressbook-home-set", "calendar-user-address-set", "schedule-inbox-URL", "schedule-outbox-URL", "sync-token", "add-member",
                "current-user-privilege-set", "supported-privilege-set", "acl", "owner",
            ] {
                assert!(!all.contains(&format!(":{name}")), "{name} of {path} is in {all}");
            }
        }
    }

    async fn d7_what_the_server_computes_is_there_and_cannot_be_set(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        for (path, name, value) in [
            (WORK, "D:sync-token", "http://kontor/ns/sync/"),
            (WORK, "D:current-user-principal", "/dav/principals/users/sales/"),
            (WORK, "D:add-member", "/dav/calendars/sales/work/?add-member"),
            (WORK, "C:supported-collation-set", "<C:supported-collation>i;ascii-casemap</C:supported-collation><C:supported-collation>i;octet</C:supported-collation>"),
            (WORK, "C:supported-calendar-data", "content-type=\"text/calendar\" version=\"2.0\""),
            (WORK, "C:max-resource-size", "10485760"),
            (BOOK, "R:supported-address-data", "content-type=\"text/vcard\" version=\"3.0\""),
            (BOOK, "R:supported-collation-set", "<CR:supported-collation>i;unicode-casemap</CR:supported-collation>"),
            (BOOK, "R:max-resource-size", "10485760"),
        ] {
            let shown = http.propfind(path, "0", &format!("<{name}/>")).await.expect(207).text();
            assert!(shown.contains(value), "{name}: {shown}");
            let refused = set(&http, path, &format!("<{name}>x</{name}>")).await.expect(207).text();
            assert!(refused.contains("403 Forbidden") && refused.contains("<D:cannot-modify-protected-property/>"), "{name}: {refused}");
        }
        let own = http.propfind("/dav/principals/users/sales/", "0", "<D:principal-URL/><D:current-user-principal/>").await.expect(207).text();
        for name in ["principal-URL", "current-user-principal"] {
            assert!(own.contains(&format!("<D:{name}><D:href>/dav/principals/users/sales/</D:href></D:{name}>")), "{own}");
        }
        let transparency = http.propfind(WORK, "0", "<C:schedule-calendar-transp/>").await.expect(207).text();
        assert!(transparency.contains("<C:opaque/>"), "{transparency}");
        for (path, reports) in [
            (WORK, &["C:calendar-query", "C:calendar-multiget", "C:free-busy-query", "D:sync-collection", "D:expand-property"][..]),
            (BOOK, &["CR:addressbook-query", "CR:addressbook-multiget", "D:sync-collection", "D:expand-property"][..]),
        ] {
            let announced = http.propfind(path, "0", "<D:supported-report-set/>").await.expect(207).text();
            for report in reports {
                assert!(announced.contains(&format!("<D:report><{report}/></D:report>")), "{report} of {path} is not in {announced}");
            }
        }
        let privileges = http.propfind(WORK, "0", "<D:supported-privilege-set/>").await.expect(207).text();
        let (all, rest) = privileges.split_once("<D:privilege><D:write/></D:privilege>").expect("write");
        let (write, rest) = rest.split_once("<D:privilege><C:schedule-deliver/></D:privilege>").expect("schedule-deliver");
        let (deliver, send) = rest.split_once("<D:privilege><C:schedule-send/></D:privilege>").expect("schedule-send");
        assert!(all.contains("<D:supported-privilege-set><D:supported-privilege><D:privilege><D:all/></D:privilege>"), "{all}");
        assert!(write.starts_with("<D:description xml:lang=\"en\">write</D:description>"), "{write}");
        for (inside, names) in [
            (write, &["<D:bind/>", "<D:unbind/>", "<D:write-content/>", "<D:write-properties/>"][..]),
            (deliver, &["<C:schedule-deliver-invite/>", "<C:schedule-deliver-reply/>", "<C:schedule-query-freebusy/>"][..]),
            (send, &["<C:schedule-send-invite/>", "<C:schedule-send-reply/>", "<C:schedule-send-freebusy/>"][..]),
        ] {
            for name in names {
                assert!(inside.contains(name), "{name} is not in {inside}");
            }
        }
    }

    async fn d7_collections_are_made_by_every_method_that_can(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let made = http.send("MKCALENDAR", "/dav/calendars/sales/a/", &[], "").await.expect(201);
        assert_eq!(made.header("cache-control"), "no-cache");
        let typed = format!("<D:mkcol {SPACES}><D:set><D:prop><D:resourcetype><D:collection/><C:calendar/></D:resourcetype></D:prop></D:set></D:mkcol>");
        http.send("MKCOL", "/dav/calendars/sales/b/", &[XML], typed).await.expect(201);
        http.send("MKCOL", "/dav/addressbooks/sales/c/", &[], "").await.expect(201);
        for (path, kind) in [("/dav/calendars/sales/b/", "<C:calendar/>"), ("/dav/addressbooks/sales/c/", "<CR:addressbook/>")] {
            let shown = http.propfind(path, "0", "<D:resourcetype/>").await.expect(207).text();
            assert!(shown.contains(kind), "{shown}");
        }
        let inside = http.send("MKCOL", "/dav/addressbooks/sales/c/d/", &[], "").await.expect(403);
        assert!(inside.text().contains("<CR:addressbook-collection-location-ok/>"), "{}", inside.text());
        let remove = "<D:propertyupdate xmlns:D=\"DAV:\"><D:remove><D:prop><x:none xmlns:x=\"urn:x\"/></D:prop></D:remove></D:propertyupdate>";
        let removed = http.send("PROPPATCH", WORK, &[XML], remove).await.expect(207).text();
        assert!(removed.contains("200 OK"), "{removed}");
        let quiet = http.send("PROPPATCH", WORK, &[XML, ("prefer", "return=minimal")], remove).await.expect(200);
        assert!(quiet.body.is_empty());
        assert_eq!(quiet.header("preference-applied"), "return=minimal");
        // What is unknown is passed over, and several lines are one list.
        let prefer = [("depth", "0"), ("prefer", "respond-async, wait=10"), ("prefer", "return=minimal"), ("prefer", "handling=lenient")];
        let answer = http.send("PROPFIND", WORK, &prefer, format!("<D:propfind {SPACES}><D:prop><D:getetag/></D:prop></D:propfind>")).await.expect(207);
        assert_eq!(answer.header("preference-applied"), "return=minimal");
        assert!(!answer.text().contains("404 Not Found"), "{}", answer.text());
    }

    async fn x4_rights_are_looked_at_before_conditions_and_stay_where_they_are(sandbox: Sandbox) {
        let (http, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        let (path, company) = (format!("{BOOK}x.vcf"), "/dav/addressbooks/sales/company/x.vcf");
        http.put(&path, &[], card("x", "")).await.expect(201);
        neighbour.send("DELETE", &path, &[("if-match", "\"other\"")], "").await.expect(404);
        http.send("DELETE", &path, &[("if-match", "\"other\"")], "").await.expect(412);
        // What is moved is open to those to whom its new place is.
        http.send("MOVE", &path, &[("destination", company)], "").await.expect(201);
        neighbour.get("/dav/addressbooks/neighbour/company/x.vcf").await.expect(200);
        neighbour.get(&path).await.expect(404);
    }

    async fn d5_books_are_asked_with_limits_groups_and_parameters(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        for (name, lines) in [
            ("a", "item1.TEL;TYPE=CELL:+32 471\r\nTEL;TYPE=HOME:+32 2\r\nX-ODD;p=1:kept\r\n"),
            ("b", "TEL;TYPE=WORK:+32 3\r\n"),
            ("c", "TEL:+32 4\r\n"),
        ] {
            http.put(&format!("{BOOK}{name}.vcf"), &[], card(name, lines)).await.expect(201);
        }
        let ask = async |data: &str, filter: &str| {
            let body = format!("<R:addressbook-query {SPACES}><D:prop><D:getetag/>{data}</D:prop>{filter}</R:addressbook-query>");
            http.report(BOOK, "1", body).await
        };
        let cut = ask("", "<R:filter/><R:limit><R:nresults>1</R:nresults></R:limit>").await.expect(207).text();
        let found = texts(&cut, "href");
        assert_eq!((found.len(), found[1].as_str()), (2, BOOK), "one card, and the 507 of the book: {cut}");
        assert!(cut.contains("507 Insufficient Storage") && cut.contains("<D:number-of-matches-within-limits/>"), "{cut}");
        let by = |inside: &str| format!("<R:filter><R:prop-filter name=\"TEL\">{inside}</R:prop-filter></R:filter>");
        for (filter, found) in [
            (by("<R:param-filter name=\"TYPE\"><R:text-match>cell</R:text-match></R:param-filter>"), "a.vcf"),
            (by("<R:param-filter name=\"TYPE\"><R:text-match match-type=\"equals\">WORK</R:text-match></R:param-filter>"), "b.vcf"),
            (by("<R:param-filter name=\"TYPE\"><R:is-not-defined/></R:param-filter>"), "c.vcf"),
            ("<R:filter><R:prop-filter name=\"X-ODD\"/></R:filter>".to_owned(), "a.vcf"),
        ] {
            assert_eq!(texts(&ask("", &filter).await.expect(207).text(), "href"), [format!("{BOOK}{found}")], "{filter}");
        }
        let refused = ask("", &by("<R:text-match collation=\"i;klingon\">x</R:text-match>")).await.expect(403);
        assert!(refused.text().contains("<CR:supported-collation/>"), "{}", refused.text());

        let only_a = "<R:filter><R:prop-filter name=\"X-ODD\"/></R:filter>";
        let any = ask("<R:address-data><R:prop name=\"TEL\"/><R:prop name=\"X-ODD\"/></R:address-data>", only_a).await.expect(207).text();
        for part in ["item1.TEL;TYPE=CELL:+32 471", "TEL;TYPE=HOME:+32 2", "X-ODD;p=1:kept"] {
            assert!(any.contains(part), "{any}");
        }
        assert!(!any.contains("FN:"), "{any}");
        let one = ask("<R:address-data><R:prop name=\"item1.TEL\"/></R:address-data>", only_a).await.expect(207).text();
        assert!(one.contains("item1.TEL;TYPE=CELL") && !one.contains("TYPE=HOME") && !one.contains("X-ODD"), "{one}");
        let never = http.propfind(&format!("{BOOK}a.vcf"), "0", "<R:address-data/>").await.expect(207).text();
        assert!(never.contains("404 Not Found") && !never.contains("BEGIN"), "{never}");

        let sync = format!("<D:sync-collection {SPACES}><D:sync-token/><D:sync-level>1</D:sync-level><D:limit><D:nresults>1</D:nresults></D:limit><D:prop><D:getetag/></D:prop></D:sync-collection>");
        let cut = http.report(BOOK, "0", sync).await.expect(207).text();
        assert!(cut.contains("507 Insufficient Storage") && cut.contains("<D:number-of-matches-within-limits/>"), "{cut}");
    }

    async fn d5_calendars_are_asked_for_journals_busy_times_and_little(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let event = format!("{WORK}f.ics");
        http.put(&event, &[], object("VEVENT", "f", "DTSTART:20261123T090000\r\nDTEND:20261123T100000\r\n")).await.expect(201);
        let busy = format!("<C:free-busy-query {SPACES}><C:time-range start=\"20261122T000000Z\" end=\"20261124T000000Z\"/></C:free-busy-query>");
        // 09:00 in Tokyo is 00:00 UTC.
        set(&http, WORK, &format!("<C:calendar-timezone>{TOKYO}</C:calendar-timezone>")).await.expect(207);
        let text = http.report(WORK, "1", busy.clone()).await.expect(200).text();
        assert!(text.contains("20261123T000000Z/20261123T010000Z"), "{text}");
        let refused = http.report(&event, "0", busy).await.expect(403).text();
        assert!(refused.contains("<D:supported-report/>") && refused.contains("<K:message xmlns:K=\"http://kontor/ns/\">"), "{refused}");
        let never = http.propfind(&event, "0", "<C:calendar-data/>").await.expect(207).text();
        assert!(never.contains("404 Not Found") && !never.contains("BEGIN"), "{never}");

        let journals = "/dav/calendars/sales/notes/";
        let make = format!("<C:mkcalendar {SPACES}><D:set><D:prop><C:supported-calendar-component-set><C:comp name=\"VJOURNAL\"/></C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>");
        http.send("MKCALENDAR", journals, &[XML], make).await.expect(201);
        http.put(&format!("{journals}j.ics"), &[], object("VJOURNAL", "j", "DTSTART:20261123T090000Z\r\n")).await.expect(201);
        for (start, end, hits) in [
            ("20261123T090000Z", "20261123T090001Z", 1),
            ("20261123T080000Z", "20261123T090000Z", 0),
            ("20261123T090001Z", "20261124T000000Z", 0),
        ] {
            let body = format!(
                "<C:calendar-query {SPACES}><D:prop><D:getetag/><D:nothing/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VJOURNAL\">\
                 <C:time-range start=\"{start}\" end=\"{end}\"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
            );
            let found = http.send("REPORT", journals, &[("depth", "1"), ("prefer", "return=minimal"), XML], body).await.expect(207);
            assert_eq!(found.header("preference-applied"), "return=minimal");
            assert_eq!(texts(&found.text(), "href").len(), hits, "{start} to {end}");
            assert!(!found.text().contains("404 Not Found"), "{}", found.text());
        }
    }

    async fn d7_conditions_count_where_no_object_stands(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let trip = "/dav/calendars/sales/trip/";
        let unheld = ("if", "</dav/calendars/sales/work/> (<http://kontor/ns/sync/other/1>)");
        let held = ("if", "(Not <DAV:no-lock>)");
        for method in ["MKCOL", "MKCALENDAR"] {
            http.send(method, trip, &[unheld], "").await.expect(412);
        }
        http.propfind(trip, "0", "<D:displayname/>").await.expect(404);
        http.send("MKCALENDAR", trip, &[held], "").await.expect(201);
        let named = format!("<D:propertyupdate {SPACES}><D:set><D:prop><D:displayname>Trip</D:displayname></D:prop></D:set></D:propertyupdate>");
        // A collection has no ETag, so that none is its own.
        for condition in [unheld, ("if-match", "\"a\""), ("if-none-match", "*")] {
            http.send("PROPPATCH", trip, &[condition, XML], named.clone()).await.expect(412);
            http.send("PROPPATCH", "/dav/calendars/sales/", &[condition, XML], named.clone()).await.expect(412);
            http.send("DELETE", trip, &[condition], "").await.expect(412);
        }
        http.send("PROPPATCH", trip, &[held, ("if-match", "*"), XML], named).await.expect(207);
        http.send("DELETE", trip, &[held, ("if-match", "*")], "").await.expect(204);
        http.put(&format!("{WORK}a.ics"), &[("if-match", "")], object("VEVENT", "a", "DTSTART:20261123T090000Z\r\n")).await.expect(400);
        let inbox = http.propfind("/dav/calendars/sales/inbox/", "0", "<D:supported-report-set/>").await.expect(207).text();
        assert!(inbox.contains("<C:calendar-query/>") && !inbox.contains("free-busy-query"), "{inbox}");
    }

    async fn d9_who_is_told_by_somebody_else_and_who_loses_the_calendar_is_cancelled(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.http("sales"), sandbox.http("manager"));
        let path = format!("{WORK}m.ics");
        let first = sales.put(&path, &[], meeting("m", "manager", "")).await.expect(201);
        let (href, text) = only(&manager, THEIRS).await;
        assert!(!text.contains("DTSTAMP:20261101T080000Z"), "the stamp is the message's: {text}");
        let stale = ("if-schedule-tag-match", "\"other\"");
        for method in ["DELETE", "MOVE", "COPY"] {
            sales.send(method, &path, &[stale, ("destination", "/dav/calendars/sales/work/n.ics")], "").await.expect(412);
        }
        let second = sales.put(&path, &[], meeting("m", "manager", "LOCATION:Here\r\n")).await.expect(204);
        assert_ne!(first.header("schedule-tag"), second.header("schedule-tag"));
        let other = meeting("m", "manager", "").replace("ATTENDEE;PARTSTAT=NEEDS-ACTION", "ATTENDEE;SCHEDULE-AGENT=CLIENT;PARTSTAT=NEEDS-ACTION");
        sales.put(&path, &[], other).await.expect(204);
        assert!(only(&manager, THEIRS).await.1.contains("STATUS:CANCELLED"));
        manager.send("DELETE", &href, &[], "").await.expect(204);

        sales.send("MKCALENDAR", "/dav/calendars/sales/trip/", &[], "").await.expect(201);
        sales.put("/dav/calendars/sales/trip/t.ics", &[], meeting("t", "manager", "")).await.expect(201);
        assert!(!only(&manager, THEIRS).await.1.contains("STATUS:CANCELLED"));
        let twice = sales.put(&format!("{WORK}t.ics"), &[], meeting("t", "manager", "")).await.expect(403).text();
        assert!(twice.contains("<C:unique-scheduling-object-resource><D:href>/dav/calendars/sales/trip/t.ics</D:href>"), "{twice}");
        sales.send("DELETE", "/dav/calendars/sales/trip/", &[], "").await.expect(204);
        assert!(only(&manager, THEIRS).await.1.contains("STATUS:CANCELLED"));
    }

    async fn d9_more_instances_have_to_be_answered_again_and_fewer_not(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.http("sales"), sandbox.http("manager"));
        let path = format!("{WORK}s.ics");
        let series = |count: u8| meeting("s", "manager", &format!("RRULE:FREQ=WEEKLY;COUNT={count}\r\n"));
        let answer = async || line_of(&sales.get(&path).await.expect(200).text().replace("\r\n ", ""), "mailto:manager@");
        sales.put(&path, &[], series(3)).await.expect(201);
        let (href, text) = only(&manager, THEIRS).await;
        manager.put(&href, &[], text.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED")).await.expect(204);
        assert!(answer().await.contains("PARTSTAT=ACCEPTED"));
        sales.put(&path, &[], series(2)).await.expect(204);
        assert!(answer().await.contains("PARTSTAT=ACCEPTED"));
        sales.put(&path, &[], series(4)).await.expect(204);
        assert!(answer().await.contains("PARTSTAT=NEEDS-ACTION"));
    }

    async fn d9_the_client_may_answer_itself_and_answers_without_a_meeting_do_nothing(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.http("sales"), sandbox.http("manager"));
        let accepted = |uid: &str| meeting(uid, "manager", "").replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
        let own = accepted("own").replace("ORGANIZER:", "ORGANIZER;SCHEDULE-AGENT=CLIENT:");
        let put = manager.put(&format!("{THEIRS}own.ics"), &[], own.clone()).await.expect(201);
        assert!(!put.header("etag").is_empty(), "nothing was altered");
        assert_eq!(manager.get(&format!("{THEIRS}own.ics")).await.expect(200).text(), own);
        manager.put(&format!("{THEIRS}lost.ics"), &[], accepted("lost")).await.expect(201);
        let lost = manager.get(&format!("{THEIRS}lost.ics")).await.expect(200).text().replace("\r\n ", "");
        assert!(line_of(&lost, "ORGANIZER").contains("SCHEDULE-STATUS=5.1"), "{lost}");
        assert!(hrefs(&sales, WORK).await.is_empty() && hrefs(&sales, "/dav/calendars/sales/inbox/").await.is_empty());
        let guests: String = (0..1_001).map(|number| format!("ATTENDEE:mailto:g{number}@example.com\r\n")).collect();
        let many = sales.put(&format!("{WORK}many.ics"), &[], meeting("many", "manager", &guests)).await.expect(403);
        assert!(many.text().contains("<C:max-attendees-per-instance/>"), "{}", many.text());
    }

    async fn d9_the_inbox_is_read_by_reports_and_the_outbox_takes_questions_only(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.http("sales"), sandbox.http("manager"));
        sales.put(&format!("{WORK}m.ics"), &[], meeting("m", "manager", "")).await.expect(201);
        let (message, _) = only(&manager, INBOX).await;
        let data = "<D:prop><D:getetag/><C:calendar-data/></D:prop>";
        for body in [
            format!("<C:calendar-multiget {SPACES}>{data}<D:href>{message}</D:href></C:calendar-multiget>"),
            format!("<C:calendar-query {SPACES}>{data}<C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\"/></C:comp-filter></C:filter></C:calendar-query>"),
        ] {
            let found = manager.report(INBOX, "1", body).await.expect(207).text();
            assert_eq!(texts(&found, "href"), [message.as_str()]);
            assert!(found.contains("METHOD:REQUEST"), "{found}");
        }
        let outbox = "/dav/calendars/manager/outbox/";
        let kind = [("content-type", "text/calendar")];
        let broken = manager.send("POST", outbox, &kind, "x").await.expect(403);
        assert!(broken.text().contains("<C:valid-calendar-data/>"), "{}", broken.text());
        // An absence of who is asked about counts.
        let absence = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\nBEGIN:VAVAILABILITY\nUID:a\nDTSTAMP:20260101T000000Z\n\
            DTSTART:20261130T100000Z\nDTEND:20261130T110000Z\nEND:VAVAILABILITY\nEND:VCALENDAR\n";
        let done = set(&sales, "/dav/calendars/sales/", &format!("<C:calendar-availability>{absence}</C:calendar-availability>")).await.expect(207).text();
        assert!(done.contains("200 OK"), "{done}");
        let question = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nMETHOD:REQUEST\r\nBEGIN:VFREEBUSY\r\nUID:q\r\nDTSTAMP:20261101T080000Z\r\n\
            DTSTART:20261130T080000Z\r\nDTEND:20261130T120000Z\r\nORGANIZER:mailto:manager@kontor.test\r\nATTENDEE:mailto:sales@kontor.test\r\n\
            END:VFREEBUSY\r\nEND:VCALENDAR\r\n";
        let answer = manager.send("POST", outbox, &kind, question).await.expect(200).text();
        assert!(answer.contains("FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20261130T100000Z/20261130T110000Z"), "{answer}");
    }
}
