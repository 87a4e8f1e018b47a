//! Calendars that users share with each other and with teams.
//! Row D8.

use kontor_proto::calendar::v1::{
    Calendar, CalendarShare, ListCalendarSharesRequest, ListCalendarsRequest, ListOccurrencesRequest,
    ShareCalendarRequest, UnshareCalendarRequest,
};
use kontor_tests::{Grpc, Http, Sandbox, both};
use tonic::Code;

use crate::support::{refused, texts};

/// The user's own calendar.
async fn own(grpc: &Grpc, user: &str) -> Calendar {
    let found = grpc.calendars().list_calendars(ListCalendarsRequest::default()).await.expect("calendars");
    let owner = format!("users/{user}");
    found.into_inner().calendars.into_iter().find(|calendar| calendar.owner == owner).expect("a calendar")
}

pub async fn share(sandbox: &Sandbox, grantee: &str, writable: bool) -> CalendarShare {
    let sales = sandbox.grpc("sales");
    let name = own(&sales, "sales").await.name;
    let request = ShareCalendarRequest { name, grantee: grantee.into(), writable, ..Default::default() };
    sales.calendars().share_calendar(request).await.expect("a share").into_inner()
}

pub async fn unshare(sandbox: &Sandbox, grantee: &str) {
    let sales = sandbox.grpc("sales");
    let name = own(&sales, "sales").await.name;
    let request = UnshareCalendarRequest { name, grantee: grantee.into(), ..Default::default() };
    sales.calendars().unshare_calendar(request).await.expect("no share");
}

/// The calendars in a home that are shared with its user.
async fn shared(http: &Http, user: &str) -> Vec<String> {
    let home = format!("/dav/calendars/{user}/");
    let answer = http.propfind(&home, "1", "<D:resourcetype/>").await.expect(207).text();
    let all = answer
        .split("<D:response>")
        .filter(|response| response.contains("<S:shared/>") || response.contains("<CS:shared/>"));
    all.flat_map(|response| texts(response, "href").into_iter().take(1)).collect()
}

fn event(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261130T090000Z\r\nDTEND:20261130T100000Z\r\nSUMMARY:{uid}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn sync(token: &str) -> String {
    format!(
        "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>\
         <D:prop><D:getetag/></D:prop></D:sync-collection>"
    )
}

const SHARED: &str = "/dav/calendars/neighbour/sales~work/";

both! {
    async fn d8_a_calendar_is_shared_for_reading_then_for_writing_and_taken_back(sandbox: Sandbox) {
        let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        sales.put("/dav/calendars/sales/work/one.ics", &[], event("one")).await.expect(201);
        neighbour.propfind(SHARED, "0", "<D:resourcetype/>").await.expect(404);
        assert!(shared(&neighbour, "neighbour").await.is_empty());
        assert!(!share(&sandbox, "users/neighbour", false).await.writable);
        assert_eq!(shared(&neighbour, "neighbour").await, [SHARED]);
        let asked = "<D:current-user-privilege-set/><D:owner/>";
        let seen = neighbour.propfind(SHARED, "0", asked).await.expect(207).text();
        assert!(seen.contains("<D:read/>") && !seen.contains("<D:write-content/>") && !seen.contains("<D:write/>"), "{seen}");
        assert!(seen.contains("/dav/principals/users/sales/"), "{seen}");
        assert_eq!(neighbour.get(&format!("{SHARED}one.ics")).await.expect(200).text(), event("one"));
        let put = neighbour.put(&format!("{SHARED}two.ics"), &[], event("two")).await.expect(403);
        assert!(put.text().contains("need-privileges"), "{}", put.text());
        neighbour.send("DELETE", &format!("{SHARED}one.ics"), &[], "").await.expect(403);
        let moved = [("destination", "/dav/calendars/neighbour/work/one.ics")];
        neighbour.send("MOVE", &format!("{SHARED}one.ics"), &moved, "").await.expect(403);
        // For writing: the same row, whoever writes it. The calendar itself stays the owner's.
        share(&sandbox, "users/neighbour", true).await;
        neighbour.put(&format!("{SHARED}two.ics"), &[], event("two")).await.expect(201);
        assert_eq!(sales.get("/dav/calendars/sales/work/two.ics").await.expect(200).text(), event("two"));
        let name = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><D:displayname>Mine</D:displayname></D:prop></D:set></D:propertyupdate>";
        neighbour.send("PROPPATCH", SHARED, &[], name).await.expect(207);
        let named = sales.propfind("/dav/calendars/sales/work/", "0", "<D:displayname/>").await.expect(207).text();
        assert!(named.contains("Calendar") && !named.contains("Mine"), "{named}");
        let first = neighbour.report(SHARED, "1", sync("")).await.expect(207).text();
        let token = texts(&first, "sync-token").remove(0);
        neighbour.report(SHARED, "1", sync(&token)).await.expect(207);
        // Taken back: at the next request, for who has a token too.
        unshare(&sandbox, "users/neighbour").await;
        neighbour.report(SHARED, "1", sync(&token)).await.expect(404);
        neighbour.get(&format!("{SHARED}one.ics")).await.expect(404);
        neighbour.put(&format!("{SHARED}three.ics"), &[], event("three")).await.expect(409);
        assert!(shared(&neighbour, "neighbour").await.is_empty());
    }

    async fn d8_an_administrator_who_removes_a_shared_calendar_leaves_it_to_its_owner(sandbox: Sandbox) {
        let (sales, admin) = (sandbox.http("sales"), sandbox.http("admin"));
        sales.put("/dav/calendars/sales/work/one.ics", &[], event("one")).await.expect(201);
        share(&sandbox, "users/admin", true).await;
        let home = async || admin.propfind("/dav/calendars/admin/", "1", "<D:resourcetype/>").await.expect(207).text();
        assert!(home().await.contains("/dav/calendars/admin/sales~work/"));
        admin.send("DELETE", "/dav/calendars/admin/sales~work/", &[], "").await.expect(204);
        assert!(!home().await.contains("sales~work"));
        assert_eq!(sales.get("/dav/calendars/sales/work/one.ics").await.expect(200).text(), event("one"));
    }

    async fn d8_a_team_gets_a_calendar_and_loses_it(sandbox: Sandbox) {
        let (neighbour, colleague) = (sandbox.http("neighbour"), sandbox.http("colleague"));
        sandbox.http("sales").put("/dav/calendars/sales/work/one.ics", &[], event("one")).await.expect(201);
        share(&sandbox, "teams/support", true).await;
        assert_eq!(shared(&neighbour, "neighbour").await, [SHARED]);
        assert!(shared(&colleague, "colleague").await.is_empty(), "who is not in the team sees nothing");
        colleague.get("/dav/calendars/colleague/sales~work/one.ics").await.expect(404);
        neighbour.put(&format!("{SHARED}two.ics"), &[], event("two")).await.expect(201);
        let grpc = sandbox.grpc("neighbour");
        let instant = |text: &str| kontor_kit::clock::to_proto(text.parse::<jiff::Timestamp>().expect("an instant").as_microsecond());
        let request = ListOccurrencesRequest {
            parent: "calendars/-".into(),
            start_time: Some(instant("2026-11-30T00:00:00Z")),
            end_time: Some(instant("2026-12-01T00:00:00Z")),
            ..Default::default()
        };
        let seen = grpc.events().list_occurrences(request.clone()).await.expect("occurrences").into_inner().occurrences;
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].owner, "users/sales");
        // One member alone can't leave out what the team has.
        neighbour.send("DELETE", SHARED, &[], "").await.expect(403);
        unshare(&sandbox, "teams/support").await;
        assert!(shared(&neighbour, "neighbour").await.is_empty());
        assert!(grpc.events().list_occurrences(request).await.expect("occurrences").into_inner().occurrences.is_empty());
        neighbour.get(&format!("{SHARED}one.ics")).await.expect(404);
        // A user leaves what was shared with the user; the owner keeps it.
        share(&sandbox, "users/neighbour", false).await;
        neighbour.send("DELETE", SHARED, &[], "").await.expect(204);
        assert!(shared(&neighbour, "neighbour").await.is_empty());
        sandbox.http("sales").get("/dav/calendars/sales/work/one.ics").await.expect(200);
    }

    async fn d8_only_the_owner_shares_and_only_with_whom_there_is(sandbox: Sandbox) {
        let sales = sandbox.grpc("sales");
        let name = own(&sales, "sales").await.name;
        let request = ShareCalendarRequest { name: name.clone(), grantee: "users/neighbour".into(), writable: true, ..Default::default() };
        // A stranger sees no such calendar; one with whom it is shared may not pass it on.
        refused(sandbox.grpc("neighbour").calendars().share_calendar(request.clone()).await, Code::NotFound, "");
        sales.calendars().share_calendar(request.clone()).await.expect("a share");
        let on = ShareCalendarRequest { grantee: "users/colleague".into(), ..request.clone() };
        refused(sandbox.grpc("neighbour").calendars().share_calendar(on).await, Code::PermissionDenied, "");
        let list = ListCalendarSharesRequest { name: name.clone() };
        refused(sandbox.grpc("neighbour").calendars().list_calendar_shares(list.clone()).await, Code::PermissionDenied, "");
        let shares = sales.calendars().list_calendar_shares(list).await.expect("shares").into_inner().shares;
        assert_eq!(shares, [CalendarShare { grantee: "users/neighbour".into(), writable: true }]);
        for (grantee, code) in [
            ("users/nobody", Code::NotFound),
            ("teams/nobody", Code::NotFound),
            ("users/sales", Code::FailedPrecondition),
            ("everyone", Code::InvalidArgument),
        ] {
            let wrong = ShareCalendarRequest { grantee: grantee.into(), ..request.clone() };
            refused(sales.calendars().share_calendar(wrong).await, code, "");
        }
        let gone = UnshareCalendarRequest { name, grantee: "users/colleague".into(), ..Default::default() };
        refused(sales.calendars().unshare_calendar(gone).await, Code::NotFound, "");
        // An inbox is nobody else's, shared or not.
        sandbox.http("neighbour").propfind("/dav/calendars/neighbour/sales~inbox/", "0", "<D:resourcetype/>").await.expect(404);
    }
}
