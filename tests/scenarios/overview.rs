//! The unified calendar: meetings, invitations, deadlines and what others share, in one calendar that is only read.
//! Row C5.

use kontor_proto::calendar::v1::{
    CreateCalendarRequest, DeleteEventRequest, EventKind, GetEventRequest, ListCalendarsRequest,
    ListOccurrencesRequest, Occurrence, ShareCalendarRequest, UpdateEventRequest,
};
use kontor_proto::pipeline::v1::{
    CreateOpportunityRequest, DeleteOpportunityRequest, LoseOpportunityRequest, Opportunity,
    UpdateOpportunityRequest, WinOpportunityRequest,
};
use kontor_tests::{Grpc, Http, Sandbox, both};
use tonic::Code;

use crate::scheduling::{hrefs, meeting, with_addresses};
use crate::support::{eventually, refused, texts};

const SALES: &str = "/dav/calendars/sales/overview/";
const NEIGHBOUR: &str = "/dav/calendars/neighbour/overview/";

fn event(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261130T090000Z\r\nDTEND:20261130T100000Z\r\nSUMMARY:{uid}\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\n\
         TRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// An opportunity that is expected to close on a day.
async fn deal(grpc: &Grpc, title: &str, (assignee, team): (&str, &str), day: &str) -> Opportunity {
    let opportunity = Opportunity {
        title: title.into(),
        assignee: assignee.into(),
        team: team.into(),
        expected_close_date: day.into(),
        ..Default::default()
    };
    let request = CreateOpportunityRequest { opportunity: Some(opportunity), ..Default::default() };
    grpc.opportunities().create_opportunity(request).await.expect("an opportunity").into_inner()
}

async fn change(grpc: &Grpc, deal: &Opportunity, fields: &[&str]) {
    let request = UpdateOpportunityRequest {
        opportunity: Some(Opportunity { etag: String::new(), ..deal.clone() }),
        update_mask: Some(prost_types::FieldMask {
            paths: fields.iter().map(|field| (*field).to_owned()).collect(),
        }),
        ..Default::default()
    };
    grpc.opportunities().update_opportunity(request).await.expect("a change");
}

/// Title and kind of all that an overview shows, sorted, by a query with its data.
async fn shown(http: &Http, path: &str) -> Vec<(String, String)> {
    let body = query("<C:comp-filter name=\"VEVENT\"/>");
    let answer = http.report(path, "1", body).await.expect(207).text().replace("&#13;", "");
    titles(&answer)
}

fn titles(answer: &str) -> Vec<(String, String)> {
    let line = |text: &str, name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().trim().to_owned()
    };
    let mut all: Vec<_> = texts(answer, "calendar-data")
        .iter()
        .map(|text| (line(text, "SUMMARY:"), line(text, "X-KONTOR-KIND:")))
        .collect();
    all.sort();
    all
}

fn query(filter: &str) -> String {
    format!(
        "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/><C:calendar-data/></D:prop>\
         <C:filter><C:comp-filter name=\"VCALENDAR\">{filter}</C:comp-filter></C:filter></C:calendar-query>"
    )
}

/// Waits until an overview shows these titles, and no others.
async fn comes_to(http: &Http, path: &str, titles: &[&str]) {
    eventually(&format!("{path} shows {titles:?}"), async || {
        let all = shown(http, path).await;
        all.iter().map(|(title, _)| title.as_str()).eq(titles.iter().copied()).then_some(())
    })
    .await;
}

const EVERYTHING: &str = r#"<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/></D:prop>
    <C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>"#;

/// One sync: the token, then what changed and what is gone, by href.
async fn sync(http: &Http, path: &str, token: &str, limit: u32) -> (String, Vec<String>, Vec<String>, bool) {
    let limit = if limit > 0 {
        format!("<D:limit><D:nresults>{limit}</D:nresults></D:limit>")
    } else {
        String::new()
    };
    let body = format!(
        "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>{limit}\
         <D:prop><D:getetag/></D:prop></D:sync-collection>"
    );
    let answer = http.report(path, "1", body).await.expect(207).text();
    let (mut changed, mut gone, mut more) = (Vec::new(), Vec::new(), false);
    for part in answer.split("<D:response>").skip(1) {
        let href = texts(part, "href").remove(0);
        match texts(part, "status").first() {
            Some(status) if status.contains("507") => more = true,
            Some(status) if status.contains("404") => gone.push(href),
            _ => changed.push(href),
        }
    }
    (texts(&answer, "sync-token").pop().expect("a token"), changed, gone, more)
}

async fn property(http: &Http, path: &str, name: &str) -> String {
    let answer = http.propfind(path, "0", &format!("<{name}/>")).await.expect(207).text();
    texts(&answer, name.rsplit(':').next().unwrap_or_default()).pop().unwrap_or_default()
}

async fn occurrences(grpc: &Grpc) -> Vec<Occurrence> {
    let instant = |text: &str| {
        kontor_kit::clock::to_proto(text.parse::<jiff::Timestamp>().expect("an instant").as_microsecond())
    };
    let request = ListOccurrencesRequest {
        parent: "calendars/-".into(),
        start_time: Some(instant("2026-11-29T00:00:00Z")),
        end_time: Some(instant("2026-12-03T00:00:00Z")),
        ..Default::default()
    };
    grpc.events().list_occurrences(request).await.expect("occurrences").into_inner().occurrences
}

async fn share_work(sandbox: &Sandbox, owner: &str, grantee: &str) {
    let grpc = sandbox.grpc(owner);
    let found = grpc
        .calendars()
        .list_calendars(ListCalendarsRequest::default())
        .await
        .expect("calendars")
        .into_inner();
    let own = found
        .calendars
        .into_iter()
        .find(|calendar| calendar.owner == format!("users/{owner}"))
        .expect("work");
    let request = ShareCalendarRequest { name: own.name, grantee: grantee.into(), ..Default::default() };
    grpc.calendars().share_calendar(request).await.expect("a share");
}

both! {
    async fn c5_everything_stands_in_one_calendar_with_its_kind(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, neighbour, colleague) = (sandbox.http("sales"), sandbox.http("neighbour"), sandbox.http("colleague"));
        colleague.put("/dav/calendars/colleague/work/shared.ics", &[], event("Shared")).await.expect(201);
        share_work(&sandbox, "colleague", "users/neighbour").await;
        neighbour.put("/dav/calendars/neighbour/work/own.ics", &[], event("Own")).await.expect(201);
        sales.put("/dav/calendars/sales/work/asked.ics", &[], meeting("Asked", "neighbour", "")).await.expect(201);
        deal(&sandbox.grpc("neighbour"), "Deal", ("users/neighbour", "teams/support"), "2026-12-01").await;
        comes_to(&neighbour, NEIGHBOUR, &["Asked", "Deal", "Own", "Shared"]).await;
        let kinds = [("Asked", "MEETING-REQUEST"), ("Deal", "DEADLINE"), ("Own", "MEETING"), ("Shared", "MEETING")];
        let kinds = kinds.map(|(title, kind)| (title.to_owned(), kind.to_owned()));
        assert_eq!(shown(&neighbour, NEIGHBOUR).await, kinds);
        // The organizer's own copy waits for nobody's answer but the guest's.
        assert!(shown(&sales, SALES).await.contains(&("Asked".to_owned(), "MEETING".to_owned())));
        // Each by name, with a text that is no invitation and rings no alarm, under an ETag and a UID of its own.
        neighbour.report(&format!("{NEIGHBOUR}nothing.ics"), "0", EVERYTHING).await.expect(404);
        for href in hrefs(&neighbour, NEIGHBOUR).await {
            let got = neighbour.get(&href).await.expect(200);
            let asked = neighbour.report(&href, "0", EVERYTHING).await.expect(207).text();
            assert_eq!(texts(&asked, "href"), [href.as_str()], "a query on one object is about that one");
            let text = got.text();
            assert!(!text.contains("VALARM") && !text.contains("ATTENDEE") && !text.contains("ORGANIZER"), "{text}");
            assert!(text.contains("TRANSP:TRANSPARENT\r\n") && text.contains("X-KONTOR-EVENT:calendars/"), "{text}");
            let told = neighbour.propfind(&href, "0", "<D:getetag/><D:getcontentlength/>").await.expect(207).text();
            assert!(told.contains(got.header("etag")), "{told}");
            assert!(told.contains("<D:getcontentlength/>") && told.contains("404"), "a length is told only where it is known: {told}");
            neighbour.send("GET", &href, &[("if-none-match", got.header("etag"))], "").await.expect(304);
        }
        // Filters are asked of what the overview shows.
        let deadlines = "<C:comp-filter name=\"VEVENT\"><C:prop-filter name=\"CATEGORIES\"><C:text-match>Deadline</C:text-match></C:prop-filter></C:comp-filter>";
        let found = neighbour.report(NEIGHBOUR, "1", query(deadlines)).await.expect(207).text();
        assert_eq!(titles(&found.replace("&#13;", "")), [("Deal".to_owned(), "DEADLINE".to_owned())]);
        let day = "<C:comp-filter name=\"VEVENT\"><C:time-range start=\"20261201T000000Z\" end=\"20261202T000000Z\"/></C:comp-filter>";
        let found = neighbour.report(NEIGHBOUR, "1", query(day)).await.expect(207).text();
        assert_eq!(titles(&found.replace("&#13;", "")).len(), 1, "{found}");
        let guests = "<C:comp-filter name=\"VEVENT\"><C:prop-filter name=\"ATTENDEE\"/></C:comp-filter>";
        let found = neighbour.report(NEIGHBOUR, "1", query(guests)).await.expect(207).text();
        assert!(titles(&found).is_empty(), "{found}");
        // The same over gRPC.
        let mut all: Vec<(String, EventKind)> =
            occurrences(&sandbox.grpc("neighbour")).await.into_iter().map(|it| (it.summary.clone(), it.kind())).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = [
            ("Asked", EventKind::MeetingRequest),
            ("Deal", EventKind::Deadline),
            ("Own", EventKind::Meeting),
            ("Shared", EventKind::Meeting),
        ];
        assert_eq!(all, expected.map(|(title, kind)| (title.to_owned(), kind)));
        // Answered, it is a meeting like others.
        let copy = hrefs(&neighbour, "/dav/calendars/neighbour/work/").await.into_iter().find(|href| !href.ends_with("own.ics"));
        let copy = copy.expect("the copy");
        let text = neighbour.get(&copy).await.expect(200).text().replace("\r\n ", "");
        let answered = text.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
        assert_ne!(text, answered);
        neighbour.put(&copy, &[], answered).await.expect(204);
        assert!(shown(&neighbour, NEIGHBOUR).await.contains(&("Asked".to_owned(), "MEETING".to_owned())));
    }

    async fn c5_nothing_is_written_there(sandbox: Sandbox) {
        let sales = sandbox.http("sales");
        sales.put("/dav/calendars/sales/work/own.ics", &[], event("Own")).await.expect(201);
        let href = hrefs(&sales, SALES).await.remove(0);
        let put = sales.put(&format!("{SALES}new.ics"), &[], event("New")).await.expect(403);
        assert!(put.text().contains("need-privileges"), "{}", put.text());
        sales.put(&href, &[], event("Own")).await.expect(403);
        sales.send("DELETE", &href, &[], "").await.expect(403);
        let into = [("destination", "/dav/calendars/sales/overview/own.ics")];
        sales.send("MOVE", "/dav/calendars/sales/work/own.ics", &into, "").await.expect(403);
        sales.send("COPY", "/dav/calendars/sales/work/own.ics", &into, "").await.expect(403);
        let out = [("destination", "/dav/calendars/sales/work/copy.ics")];
        sales.send("MOVE", &href, &out, "").await.expect(403);
        sales.send("COPY", &href, &out, "").await.expect(403);
        sales.send("POST", &format!("{SALES}?add-member"), &[("content-type", "text/calendar")], event("New")).await.expect(403);
        sales.send("MKCALENDAR", &format!("{SALES}inner/"), &[], "").await.expect(403);
        let name = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><D:displayname>Mine</D:displayname></D:prop></D:set></D:propertyupdate>";
        let named = sales.send("PROPPATCH", SALES, &[], name).await;
        assert!(named.text().contains("403") || named.status == 403, "{}", named.text());
        let push = "<P:push-register xmlns:P=\"https://bitfire.at/webdav-push\"><P:subscription><P:web-push-subscription>\
            <P:push-resource>https://push.example.com/1</P:push-resource><P:content-encoding>aes128gcm</P:content-encoding>\
            <P:subscription-public-key type=\"p256ecdsa\">BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4</P:subscription-public-key>\
            <P:auth-secret>BTBZMqHH6r4Tts7J_aSIgg</P:auth-secret></P:web-push-subscription></P:subscription>\
            <P:trigger><P:content-update><D:depth xmlns:D=\"DAV:\">1</D:depth></P:content-update></P:trigger></P:push-register>";
        let refused_push = sales.send("POST", SALES, &[("content-type", "application/xml")], push).await.expect(403);
        assert!(refused_push.text().contains("push-not-available"), "{}", refused_push.text());
        // What it says of itself.
        let told = sales.propfind(SALES, "0", "<D:displayname/><D:resourcetype/><D:current-user-privilege-set/><C:schedule-calendar-transp/>\
            <C:supported-calendar-component-set/><D:add-member/><D:acl/>").await.expect(207).text();
        for part in ["Overview", "<C:calendar/>", "<C:transparent/>", "<C:comp name=\"VEVENT\"/>", "<D:read/>"] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(!told.contains("VTODO") && !told.contains("<D:write") && !told.contains("<D:all/>") && !told.contains("?add-member"), "{told}");
        // Last in the home, and nobody's default.
        let home = sales.propfind("/dav/calendars/sales/", "1", "<D:displayname/>").await.expect(207).text();
        assert_eq!(texts(&home, "href").last().map(String::as_str), Some(SALES), "{home}");
        // Its events make nobody busy twice.
        let busy = "<C:free-busy-query xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><C:time-range start=\"20261130T000000Z\" end=\"20261201T000000Z\"/></C:free-busy-query>";
        let answer = sales.report(SALES, "1", busy).await.expect(200).text();
        assert!(answer.contains("VFREEBUSY") && !answer.contains("FREEBUSY:") && !answer.contains("FREEBUSY;"), "{answer}");
        assert_eq!(hrefs(&sales, SALES).await, [href], "nothing changed");
        let request = CreateCalendarRequest { calendar_id: "overview".into(), ..Default::default() };
        let request = CreateCalendarRequest {
            calendar: Some(kontor_proto::calendar::v1::Calendar { display_name: "x".into(), ..Default::default() }),
            ..request
        };
        refused(sandbox.grpc("sales").calendars().create_calendar(request).await, Code::AlreadyExists, "overview");
    }

    async fn c5_a_sync_tells_exactly_what_changed(sandbox: Sandbox) {
        let sales = sandbox.http("sales");
        sales.send("MKCALENDAR", "/dav/calendars/sales/more/", &[], "").await.expect(201);
        let long = format!("{}.ics", "n".repeat(246));
        for path in ["work/a.ics", "work/b.ics", "more/c.ics", &format!("more/{long}")] {
            let uid = if path.len() > 50 { "long" } else { &path[5..6] };
            sales.put(&format!("/dav/calendars/sales/{path}"), &[], event(uid)).await.expect(201);
        }
        // A UID that stands in two calendars stands here twice, under two names and UIDs.
        sales.put("/dav/calendars/sales/more/a.ics", &[], event("a")).await.expect(201);
        let task = event("task").replace("VEVENT", "VTODO").replace("DTEND:", "DUE:");
        sales.put("/dav/calendars/sales/work/task.ics", &[], task).await.expect(201);
        let (token, all, gone, more) = sync(&sales, SALES, "", 0).await;
        assert_eq!((all.len(), gone.len(), more), (5, 0, false), "{all:?}");
        assert_eq!(shown(&sales, SALES).await.len(), 5);
        let ctag = property(&sales, SALES, "S:getctag").await;
        assert_eq!(property(&sales, SALES, "D:sync-token").await, token);
        let home = sales.propfind("/dav/calendars/sales/", "1", "<S:getctag/>").await.expect(207).text();
        assert!(home.contains(&ctag), "the home says the same: {home}");
        let (same, nothing, _, _) = sync(&sales, SALES, &token, 0).await;
        assert_eq!((same.as_str(), nothing.len()), (token.as_str(), 0));
        // One change, one line; the name that was too long too.
        sales.put("/dav/calendars/sales/work/b.ics", &[], event("b").replace("SUMMARY:b", "SUMMARY:B2")).await.expect(204);
        assert_ne!(property(&sales, SALES, "S:getctag").await, ctag);
        let (token, changed, gone, _) = sync(&sales, SALES, &token, 0).await;
        assert_eq!((changed.len(), gone.len()), (1, 0));
        assert!(changed[0].ends_with("-b.ics") && all.contains(&changed[0]), "{changed:?}");
        sales.send("DELETE", &format!("/dav/calendars/sales/more/{long}"), &[], "").await.expect(204);
        let (token, changed, gone, _) = sync(&sales, SALES, &token, 0).await;
        assert_eq!((changed.len(), gone.len()), (0, 1));
        assert!(all.contains(&gone[0]) && gone[0].contains("%3D"), "{gone:?}");
        // In parts, at first and later; each part goes on where the last one ended.
        let (mut at, mut told, mut parts) = (String::new(), Vec::new(), 0);
        loop {
            let (next, changed, _, more) = sync(&sales, SALES, &at, 1).await;
            assert!(changed.len() <= 1);
            told.extend(changed);
            (at, parts) = (next, parts + 1);
            if !more {
                break;
            }
        }
        told.sort();
        let mut listed = hrefs(&sales, SALES).await;
        listed.sort();
        assert_eq!((told, at.as_str(), parts), (listed, token.as_str(), 4));
        for name in ["work/a.ics", "more/c.ics"] {
            sales.send("DELETE", &format!("/dav/calendars/sales/{name}"), &[], "").await.expect(204);
        }
        let (half, _, first, more) = sync(&sales, SALES, &token, 1).await;
        assert!(more && first.len() == 1);
        let (token, _, second, more) = sync(&sales, SALES, &half, 1).await;
        assert!(!more && second.len() == 1 && first != second);
        // A part of the multiget: those that are there, and one that is not.
        let get = format!(
            "<C:calendar-multiget xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><C:calendar-data/></D:prop>{}\
             <D:href>{SALES}none.ics</D:href></C:calendar-multiget>",
            hrefs(&sales, SALES).await.iter().map(|href| format!("<D:href>{href}</D:href>")).collect::<String>()
        );
        let got = sales.report(SALES, "1", get).await.expect(207).text();
        assert_eq!((texts(&got, "calendar-data").len(), got.matches(" 404 ").count()), (2, 1), "{got}");
        // Another set of calendars is another overview, and so is another look.
        let colour = "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:A=\"http://apple.com/ns/ical/\"><D:set><D:prop><A:calendar-color>#00FF00FF</A:calendar-color></D:prop></D:set></D:propertyupdate>";
        let etag = async || sales.propfind(SALES, "1", "<D:getetag/>").await.expect(207).text();
        let before = etag().await;
        sales.send("PROPPATCH", "/dav/calendars/sales/more/", &[], colour).await.expect(207);
        assert_ne!(etag().await, before);
        let body = format!("<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>");
        let stale = sales.report(SALES, "1", body).await.expect(403).text();
        assert!(stale.contains("valid-sync-token"), "{stale}");
        let got = sales.get(&hrefs(&sales, SALES).await.into_iter().find(|href| href.ends_with("-a.ics")).expect("a")).await.text();
        assert!(got.contains("COLOR:lime\r\n"), "{got}");
    }

    async fn c5_deadlines_follow_their_opportunities_and_who_may_see_them(sandbox: Sandbox) {
        let (sales, neighbour, manager) = (sandbox.http("sales"), sandbox.http("neighbour"), sandbox.http("manager"));
        let (boss, admin) = (sandbox.grpc("manager"), sandbox.grpc("admin"));
        let of_sales = ("users/sales", "teams/sales");
        let won = deal(&boss, "Won", of_sales, "2026-12-01").await;
        let lost = deal(&boss, "Lost", of_sales, "2026-12-01").await;
        let gone = deal(&boss, "Gone", of_sales, "2026-12-01").await;
        let moved = deal(&boss, "Moved", of_sales, "2026-12-01").await;
        deal(&boss, "Without", of_sales, "").await;
        comes_to(&sales, SALES, &["Gone", "Lost", "Moved", "Won"]).await;
        // Colleagues of the team and its leader see them, others don't; administrators see them over gRPC.
        comes_to(&manager, "/dav/calendars/manager/overview/", &["Gone", "Lost", "Moved", "Won"]).await;
        assert_eq!(shown(&sandbox.http("colleague"), "/dav/calendars/colleague/overview/").await.len(), 4);
        assert!(shown(&neighbour, NEIGHBOUR).await.is_empty());
        assert!(occurrences(&sandbox.grpc("neighbour")).await.is_empty());
        let told = occurrences(&admin).await;
        assert!(told.len() == 4 && told.iter().all(|it| it.kind() == EventKind::Deadline && it.all_day && it.owner == "users/sales"), "{told:?}");
        // Read over gRPC like an event; changed only at the opportunity, whoever asks.
        let name = told[0].event.clone();
        let found = sandbox.grpc("sales").events().get_event(GetEventRequest { name: name.clone() }).await.expect("it is read").into_inner();
        assert!(String::from_utf8_lossy(&found.icalendar).contains("X-KONTOR-OPPORTUNITY:opportunities/"));
        refused(sandbox.grpc("neighbour").events().get_event(GetEventRequest { name: name.clone() }).await, Code::NotFound, "");
        for grpc in [&admin, &sandbox.grpc("sales")] {
            let request = DeleteEventRequest { name: name.clone(), ..Default::default() };
            refused(grpc.events().delete_event(request).await, Code::PermissionDenied, "opportunity");
            let request = UpdateEventRequest {
                event: Some(kontor_proto::calendar::v1::Event { name: name.clone(), summary: "x".into(), ..Default::default() }),
                update_mask: Some(prost_types::FieldMask { paths: vec!["summary".into()] }),
                ..Default::default()
            };
            refused(grpc.events().update_event(request).await, Code::PermissionDenied, "opportunity");
        }
        // Their collection stands nowhere, has no path, and is in no list.
        let home = manager.propfind("/dav/calendars/manager/", "1", "<D:resourcetype/>").await.expect(207).text();
        assert!(!home.contains("sales~~") && !home.contains("Deadlines"), "{home}");
        manager.propfind("/dav/calendars/manager/sales~~sales/", "0", "<D:resourcetype/>").await.expect(404);
        sales.propfind("/dav/calendars/sales/~sales/", "1", "<D:resourcetype/>").await.expect(404);
        let slug = "/dav/calendars/sales/~mine/";
        let refused_slug = sales.send("MKCALENDAR", slug, &[], "").await;
        assert!(!refused_slug.status.is_success(), "{}", refused_slug.text());
        let calendars = admin.calendars().list_calendars(ListCalendarsRequest::default()).await.expect("calendars").into_inner();
        assert!(calendars.calendars.iter().all(|calendar| calendar.display_name == "Calendar"), "{calendars:?}");
        // One line in a sync for one change.
        let (token, ..) = sync(&sales, SALES, "", 0).await;
        change(&boss, &Opportunity { description: "Said".into(), ..won.clone() }, &["description"]).await;
        change(&boss, &Opportunity { expected_close_date: "2026-12-02".into(), ..won.clone() }, &["expected_close_date"]).await;
        let (token, changed) = eventually("the deadline is on another day", async || {
            let (token, changed, gone, _) = sync(&sales, SALES, &token, 0).await;
            assert!(gone.is_empty());
            (!changed.is_empty()).then_some((token, changed))
        }).await;
        assert_eq!(changed.len(), 1);
        assert!(sales.get(&changed[0]).await.expect(200).text().contains("DTSTART;VALUE=DATE:20261202\r\n"));
        // Won, lost, deleted: gone.
        let request = WinOpportunityRequest { name: won.name.clone(), ..Default::default() };
        boss.opportunities().win_opportunity(request).await.expect("won");
        let request = LoseOpportunityRequest { name: lost.name.clone(), reason: "price".into(), ..Default::default() };
        boss.opportunities().lose_opportunity(request).await.expect("lost");
        let request = DeleteOpportunityRequest { name: gone.name.clone(), ..Default::default() };
        boss.opportunities().delete_opportunity(request).await.expect("deleted");
        comes_to(&sales, SALES, &["Moved"]).await;
        let (token, _, told, _) = sync(&sales, SALES, &token, 0).await;
        assert_eq!(told.len(), 3, "{told:?}");
        // A change of what is closed does not bring it back.
        change(&boss, &Opportunity { expected_close_date: "2026-12-03".into(), ..won.clone() }, &["expected_close_date"]).await;
        // To another user and team: it leaves here and comes there.
        let other = Opportunity { assignee: "users/neighbour".into(), team: "teams/support".into(), ..moved.clone() };
        change(&admin, &other, &["assignee", "team"]).await;
        comes_to(&neighbour, NEIGHBOUR, &["Moved"]).await;
        assert!(shown(&sales, SALES).await.is_empty());
        let (_, changed, told, _) = sync(&sales, SALES, &token, 0).await;
        assert_eq!((changed.len(), told.len()), (0, 1));
        refused(sandbox.grpc("sales").events().get_event(GetEventRequest { name }).await, Code::NotFound, "");
        assert!(occurrences(&sandbox.grpc("sales")).await.is_empty());
        // To nobody of the team, then to everybody, then without a day.
        change(&admin, &Opportunity { assignee: String::new(), team: "teams/sales".into(), ..moved.clone() }, &["assignee", "team"]).await;
        comes_to(&sales, SALES, &["Moved"]).await;
        assert!(shown(&neighbour, NEIGHBOUR).await.is_empty());
        assert_eq!(occurrences(&sandbox.grpc("colleague")).await.first().map(|it| it.owner.clone()), Some(String::new()));
        change(&admin, &Opportunity { assignee: String::new(), team: String::new(), ..moved.clone() }, &["assignee", "team"]).await;
        comes_to(&neighbour, NEIGHBOUR, &["Moved"]).await;
        comes_to(&sales, SALES, &["Moved"]).await;
        change(&admin, &Opportunity { expected_close_date: String::new(), ..moved }, &["expected_close_date"]).await;
        comes_to(&neighbour, NEIGHBOUR, &[]).await;
        comes_to(&sales, SALES, &[]).await;
    }

    async fn c5_an_overview_is_its_users_own_and_can_be_put_away(sandbox: Sandbox) {
        let mut sandbox = sandbox;
        let sales = sandbox.http("sales");
        sales.put("/dav/calendars/sales/work/own.ics", &[], event("Own")).await.expect(201);
        let (neighbour, admin) = (sandbox.http("neighbour"), sandbox.http("admin"));
        let href = hrefs(&sales, SALES).await.remove(0);
        for path in [SALES, "/dav/calendars/neighbour/sales~overview/"] {
            neighbour.propfind(path, "1", "<D:resourcetype/>").await.expect(404);
            neighbour.report(path, "1", query("")).await.expect(404);
            neighbour.send("DELETE", path, &[], "").await.expect(404);
        }
        neighbour.get(&href).await.expect(404);
        neighbour.put(&href, &[], event("x")).await.expect(409);
        kontor_tests::Http::new(&sandbox.address()).get(SALES).await.expect(401);
        admin.get(&href).await.expect(200);
        neighbour.send("MKCALENDAR", SALES, &[], "").await.expect(403);
        // Put away, it is gone, and stays so after a restart; its calendars are as they were.
        let home = async |http: &Http| http.propfind("/dav/calendars/sales/", "1", "<D:resourcetype/>").await.expect(207).text();
        assert!(home(&sales).await.contains(SALES));
        let again = sales.send("MKCALENDAR", SALES, &[], "").await;
        assert!(!again.status.is_success(), "{}", again.text());
        sales.send("DELETE", SALES, &[], "").await.expect(204);
        assert!(!home(&sales).await.contains(SALES));
        sales.get(&href).await.expect(404);
        sandbox.restart().await;
        let sales = sandbox.http("sales");
        assert!(!home(&sales).await.contains(SALES));
        sales.get("/dav/calendars/sales/work/own.ics").await.expect(200);
        // Brought back it is the same, but for what was asked of it.
        let named = "<C:mkcalendar xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:set><D:prop><D:displayname>Mine</D:displayname></D:prop></D:set></C:mkcalendar>";
        sales.send("MKCALENDAR", SALES, &[("content-type", "application/xml")], named).await.expect(403);
        sales.send("MKCALENDAR", SALES, &[], "").await.expect(201);
        assert!(home(&sales).await.contains(SALES));
        assert_eq!(hrefs(&sales, SALES).await, [href]);
    }
}
