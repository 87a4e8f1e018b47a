//! COPY and MOVE, members named by the server, preferences and the `If` header, as clients and litmus send them.
//! Rows D2, D3, D7.

use kontor_proto::directory::v1::{GetPartnerRequest, ListPartnersRequest};
use kontor_tests::{Answer, Http, both};

use crate::support::texts;

const WORK: &str = "/dav/calendars/sales/work/";

fn event(uid: &str, summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261123T090000Z\r\nDTEND:20261123T100000Z\r\nSUMMARY:{summary}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn card(uid: &str, name: &str) -> String {
    format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nN:{name};;;;\r\nX-ODD;p=1:as it was\r\nEND:VCARD\r\n"
    )
}

async fn transfer(http: &Http, method: &str, from: &str, to: &str, more: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = more.iter().copied().chain([("destination", to)]).collect();
    http.send(method, from, &headers, "").await
}

async fn make_calendar(http: &Http, path: &str, component: &str) {
    let body = format!(
        "<C:mkcalendar xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:set><D:prop><C:supported-calendar-component-set>\
         <C:comp name=\"{component}\"/></C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>"
    );
    http.send("MKCALENDAR", path, &[], body).await.expect(201);
}

async fn sync_token(http: &Http, path: &str) -> String {
    let answer = http.propfind(path, "0", "<D:sync-token/>").await.expect(207).text();
    texts(&answer, "sync-token").remove(0)
}

async fn sync(http: &Http, path: &str, token: &str) -> String {
    let body = format!(
        "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>\
         <D:prop><D:getetag/></D:prop></D:sync-collection>"
    );
    http.report(path, "0", body).await.expect(207).text()
}

both! {
    async fn d2_an_event_is_moved_with_its_etag_and_both_calendars_tell_it(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        make_calendar(&http, "/dav/calendars/sales/private/", "VEVENT").await;
        let put = http.put(&format!("{WORK}a.ics"), &[], event("a", "Moved")).await.expect(201);
        let (from, to) = (sync_token(&http, WORK).await, sync_token(&http, "/dav/calendars/sales/private/").await);
        // An absolute address of this host, with what is not encoded left so.
        let there = format!("http://{}/dav/calendars/sales/private/b ü.ics", sandbox.address());
        let stale = transfer(&http, "MOVE", &format!("{WORK}a.ics"), &there, &[("if-match", "\"other\"")]).await;
        stale.expect(412);
        transfer(&http, "MOVE", &format!("{WORK}a.ics"), &there, &[("if-match", put.header("etag"))]).await.expect(201);
        http.get(&format!("{WORK}a.ics")).await.expect(404);
        let read = http.get("/dav/calendars/sales/private/b%20%C3%BC.ics").await.expect(200);
        assert_eq!((read.text(), read.header("etag")), (event("a", "Moved"), put.header("etag")));
        let gone = sync(&http, WORK, &from).await;
        assert_eq!(texts(&gone, "href"), [format!("{WORK}a.ics")]);
        assert!(gone.contains("404 Not Found"), "{gone}");
        let new = sync(&http, "/dav/calendars/sales/private/", &to).await;
        assert_eq!(texts(&new, "href"), ["/dav/calendars/sales/private/b%20%C3%BC.ics"]);
        assert!(new.contains(put.header("etag")), "{new}");
    }

    async fn d2_copy_and_move_refuse_as_the_rfcs_say(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        make_calendar(&http, "/dav/calendars/sales/todo/", "VTODO").await;
        make_calendar(&http, "/dav/calendars/sales/private/", "VEVENT").await;
        let a = format!("{WORK}a.ics");
        http.put(&a, &[], event("a", "A")).await.expect(201);
        http.put(&format!("{WORK}b.ics"), &[], event("b", "B")).await.expect(201);
        for (method, to, headers, status, says) in [
            ("MOVE", "/dav/calendars/sales/private/a.ics", &[("overwrite", "X")][..], 400, "Overwrite"),
            ("MOVE", "http://elsewhere.example/dav/calendars/sales/private/a.ics", &[], 502, "another server"),
            ("MOVE", "relative.ics", &[], 400, "Destination"),
            ("COPY", "/dav/calendars/sales/nowhere/a.ics", &[], 409, "nowhere"),
            ("MOVE", "/dav/calendars/sales/work/x/y.ics", &[], 409, "collection"),
            ("MOVE", "/dav/calendars/sales/private/", &[], 403, "object"),
            ("MOVE", "/dav/addressbooks/sales/contacts/a.vcf", &[], 403, "CR:supported-address-data"),
            ("MOVE", "/dav/calendars/sales/todo/a.ics", &[], 403, "C:supported-calendar-component"),
            ("COPY", "/dav/calendars/sales/work/c.ics", &[], 409, "C:no-uid-conflict"),
            ("COPY", "/dav/calendars/sales/work/b.ics", &[("overwrite", "F")], 412, "overwritten"),
            ("MOVE", "/dav/calendars/sales/work/a.ics", &[], 403, "same object"),
            ("MOVE", "/dav/calendars/neighbour/work/a.ics", &[], 409, "neighbour"),
        ] {
            let answer = transfer(&http, method, &a, to, headers).await.expect(status);
            assert!(answer.text().contains(says), "{method} to {to}: {}", answer.text());
        }
        transfer(&http, "COPY", &format!("{WORK}none.ics"), &a, &[]).await.expect(404);
        http.send("MOVE", &a, &[], "").await.expect(400);
        let whole = transfer(&http, "MOVE", WORK, "/dav/calendars/sales/other/", &[]).await.expect(403);
        assert!(whole.text().contains("can't be moved"), "{}", whole.text());
        assert_eq!(http.get(&a).await.expect(200).text(), event("a", "A"), "nothing of this changed it");

        transfer(&http, "COPY", &a, "/dav/calendars/sales/private/a.ics", &[]).await.expect(201);
        transfer(&http, "COPY", &a, "/dav/calendars/sales/private/a.ics", &[]).await.expect(204);
        transfer(&http, "MOVE", &a, &format!("{WORK}b.ics"), &[("overwrite", "T")]).await.expect(204);
        assert_eq!(http.get(&format!("{WORK}b.ics")).await.expect(200).text(), event("a", "A"));
    }

    async fn x4_nobody_moves_what_is_anothers(sandbox: Sandbox) {
        let (http, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        let a = format!("{WORK}a.ics");
        http.put(&a, &[], event("a", "A")).await.expect(201);
        for method in ["COPY", "MOVE"] {
            let answer = transfer(&neighbour, method, &a, "/dav/calendars/neighbour/work/a.ics", &[]).await;
            assert_eq!(answer.status.as_u16(), 404, "{method}: {}", answer.text());
            Http::new(&sandbox.address()).send(method, &a, &[("destination", "/x")], "").await.expect(401);
        }
        neighbour.get("/dav/calendars/neighbour/work/a.ics").await.expect(404);
        let conditional = neighbour.send("POST", &format!("{WORK}?add-member"), &[("content-type", "text/calendar")], event("n", "N")).await;
        assert_eq!(conditional.status.as_u16(), 404, "{}", conditional.text());
    }

    async fn d3_a_card_moved_inside_the_company_book_stays_its_partner_and_does_not_leave(sandbox: Sandbox) {
        let (http, grpc) = (sandbox.http("sales"), sandbox.grpc("sales"));
        let (own, company) = ("/dav/addressbooks/sales/contacts/", "/dav/addressbooks/sales/company/");
        http.put(&format!("{own}a.vcf"), &[], card("a", "Ann")).await.expect(201);
        transfer(&http, "MOVE", &format!("{own}a.vcf"), &format!("{company}a.vcf"), &[]).await.expect(201);
        let list = async || grpc.partners().list_partners(ListPartnersRequest::default()).await.expect("a list").into_inner().partners;
        let partner = list().await.remove(0);
        assert_eq!(partner.display_name, "Ann");
        transfer(&http, "MOVE", &format!("{company}a.vcf"), &format!("{company}renamed.vcf"), &[]).await.expect(201);
        let request = GetPartnerRequest { name: partner.name.clone() };
        assert_eq!(grpc.partners().get_partner(request).await.expect("the partner").into_inner().display_name, "Ann");
        let refused = transfer(&http, "MOVE", &format!("{company}renamed.vcf"), &format!("{own}a.vcf"), &[]).await.expect(403);
        assert!(refused.text().contains("partner"), "{}", refused.text());
        transfer(&http, "COPY", &format!("{company}renamed.vcf"), &format!("{own}a.vcf"), &[]).await.expect(201);
        assert_eq!(http.get(&format!("{own}a.vcf")).await.expect(200).text(), card("a", "Ann"));
        assert_eq!(list().await.len(), 1);
    }

    async fn d2_the_server_names_a_new_member_at_the_add_member_address(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        for (collection, body, kind) in [
            (WORK, event("new", "New"), "text/calendar"),
            ("/dav/addressbooks/sales/company/", card("new", "New"), "text/vcard; charset=utf-8"),
        ] {
            let found = http.propfind(collection, "0", "<D:add-member/>").await.expect(207).text();
            let address = texts(&found, "href").into_iter().find(|href| href != collection).expect("an address");
            assert_eq!(address, format!("{collection}?add-member"));
            let made = http.send("POST", &address, &[("content-type", kind)], body.clone()).await.expect(201);
            let place = made.header("location");
            assert!(place.starts_with(collection), "{place}");
            let read = http.get(place).await.expect(200);
            assert_eq!((read.text(), read.header("etag")), (body.clone(), made.header("etag")));
            let again = http.send("POST", &address, &[("content-type", kind)], body).await.expect(409);
            assert!(again.text().contains("no-uid-conflict") && again.text().contains(place), "{}", again.text());
            http.send("POST", collection, &[("content-type", kind)], "x").await.expect(405);
        }
        let broken = http.send("POST", &format!("{WORK}?add-member"), &[("content-type", "text/calendar")], "x").await.expect(403);
        assert!(broken.text().contains("valid-calendar-data"), "{}", broken.text());
    }

    async fn d2_a_write_is_answered_with_the_representation_when_that_is_preferred(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let (path, prefer) = (format!("{WORK}a.ics"), ("prefer", "return=representation"));
        let made = http.put(&path, &[prefer], event("a", "One")).await.expect(201);
        assert_eq!((made.text(), made.header("preference-applied")), (event("a", "One"), "return=representation"));
        assert_eq!(made.header("content-location"), path);
        let changed = http.put(&path, &[prefer], event("a", "Two")).await.expect(200);
        assert_eq!(changed.text(), event("a", "Two"));
        let lost = http.put(&path, &[prefer, ("if-match", made.header("etag"))], event("a", "Three")).await.expect(412);
        assert_eq!((lost.text(), lost.header("etag")), (event("a", "Two"), changed.header("etag")));
        assert_eq!(lost.header("preference-applied"), "return=representation");
        http.put(&path, &[("if-match", made.header("etag"))], event("a", "Three")).await.expect(412);
        assert!(http.put(&path, &[], event("a", "Four")).await.expect(204).body.is_empty());
        let posted = http.send("POST", &format!("{WORK}?add-member"), &[prefer, ("content-type", "text/calendar")], event("p", "P")).await.expect(201);
        assert_eq!((posted.text(), posted.header("content-location")), (event("p", "P"), posted.header("location")));
        let made = http.send("MKCALENDAR", "/dav/calendars/sales/m/", &[("prefer", "return=minimal")], "").await.expect(201);
        assert_eq!(made.header("preference-applied"), "return=minimal");
        let listed = http.send("PROPFIND", WORK, &[("depth", "1"), ("prefer", "depth-noroot")], "").await.expect(207);
        assert!(!texts(&listed.text(), "href").contains(&WORK.to_owned()) && listed.header("preference-applied") == "depth-noroot");
        let alone = http.send("PROPFIND", WORK, &[("depth", "0"), ("prefer", "depth-noroot")], "").await.expect(207);
        assert_eq!(alone.header("preference-applied"), "", "nothing was left out");
    }

    async fn d2_the_if_header_speaks_of_objects_collections_and_destinations(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let (a, b) = (format!("{WORK}a.ics"), format!("{WORK}b.ics"));
        let tag_a = http.put(&a, &[], event("a", "A")).await.expect(201).header("etag").to_owned();
        let tag_b = http.put(&b, &[], event("b", "B")).await.expect(201).header("etag").to_owned();
        let token = sync_token(&http, WORK).await;
        for (condition, status) in [
            (format!("([{tag_b}])"), 412),
            (format!("(<urn:uuid:none> [{tag_a}])"), 412),
            ("(<DAV:no-lock>)".to_owned(), 412),
            ("nonsense".to_owned(), 400),
            (format!("<{b}> ([{tag_a}])"), 412),
            (format!("<http://elsewhere.example{a}> (<{token}>)"), 412),
            (format!("<{WORK}> (<{token}0>)"), 412),
            // One good list is enough.
            (format!("([{tag_b}]) (<urn:uuid:none>) ([{tag_a}] Not <DAV:no-lock>)"), 204),
        ] {
            http.put(&a, &[("if", &condition)], event("a", "A")).await.expect(status);
        }
        let token = sync_token(&http, WORK).await;
        http.put(&a, &[("if", &format!("<{b}> ([{tag_b}]) <{a}> ([\"x\"])"))], event("a", "A")).await.expect(204);
        http.put(&a, &[("if", &format!("<{WORK}> (<{token}>)"))], event("a", "A")).await.expect(412);
        let token = sync_token(&http, WORK).await;
        http.put(&a, &[("if", &format!("<{WORK}> (<{token}>)"))], event("a", "A")).await.expect(204);
        let to_b = |condition: String| { let (http, a, b) = (http.clone(), a.clone(), b.clone()); async move {
            transfer(&http, "MOVE", &a, &b, &[("if", &condition)]).await
        }};
        to_b(format!("<{b}> ([{tag_a}])")).await.expect(412);
        to_b(format!("<{b}> ([{tag_b}])")).await.expect(204);
        http.send("GET", &b, &[("if", "([\"x\"])")], "").await.expect(412);
        http.send("DELETE", WORK, &[("if", "(<DAV:no-lock>)")], "").await.expect(412);
        http.send("DELETE", &b, &[("if", "([\"x\"]) (Not [\"x\"])")], "").await.expect(204);
    }
}
