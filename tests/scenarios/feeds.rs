//! Secret addresses under which Outlook, Google Calendar and phones read a calendar without sign-in.
//! Row D12.

use std::io::Read;

use kontor_proto::calendar::v1::{
    CalendarSubscription, CreateCalendarSubscriptionRequest, CreateCalendarSubscriptionResponse,
    CreateEventRequest, DeleteCalendarSubscriptionRequest, DeleteEventRequest, Event, EventTime,
    GetCalendarRequest, ListCalendarSubscriptionsRequest, ShareCalendarRequest, UnshareCalendarRequest,
    event_time,
};
use kontor_proto::directory::v1::{UpdateUserRequest, User};
use kontor_tests::{Grpc, Http, Sandbox, both};
use tonic::{Code, Status};

use crate::support::refused;

async fn subscribe(
    grpc: &Grpc,
    calendar: &str,
    busy_only: bool,
) -> Result<CreateCalendarSubscriptionResponse, Status> {
    let subscription =
        CalendarSubscription { display_name: "Outlook at home".into(), busy_only, ..Default::default() };
    let request = CreateCalendarSubscriptionRequest {
        parent: calendar.into(),
        subscription: Some(subscription),
        ..Default::default()
    };
    grpc.subscriptions().create_calendar_subscription(request).await.map(tonic::Response::into_inner)
}

async fn list(grpc: &Grpc, calendar: &str) -> Vec<CalendarSubscription> {
    let request = ListCalendarSubscriptionsRequest { parent: calendar.into() };
    let answer = grpc.subscriptions().list_calendar_subscriptions(request).await;
    answer.expect("a list").into_inner().subscriptions
}

async fn revoke(grpc: &Grpc, name: &str) -> Result<(), Status> {
    let request = DeleteCalendarSubscriptionRequest { name: name.into(), ..Default::default() };
    grpc.subscriptions().delete_calendar_subscription(request).await.map(|_| ())
}

/// Name of the user's own calendar.
async fn own(grpc: &Grpc) -> String {
    let request = GetCalendarRequest { name: "calendars/default".into() };
    grpc.calendars().get_calendar(request).await.expect("a calendar").into_inner().name
}

fn stranger(sandbox: &Sandbox) -> Http {
    Http::new(&sandbox.address())
}

fn event(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VTIMEZONE\r\nTZID:Romance Standard Time\r\nBEGIN:STANDARD\r\n\
         DTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20261101T080000Z\r\nDTSTART;TZID=Romance Standard Time:20261130T090000\r\nDURATION:PT1H\r\nSUMMARY:Café {uid}\r\n\
         X-MICROSOFT-CDO-BUSYSTATUS:BUSY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn unpack(body: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(body).read_to_string(&mut text).expect("it is gzip");
    text
}

async fn disable(sandbox: &Sandbox, user: &str, disabled: bool) {
    let user = User { name: format!("users/{user}"), disabled, ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["disabled".into()] });
    let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
    sandbox.grpc("admin").users().update_user(request).await.expect("a changed user");
}

/// What an address shows that opens nothing: always the same.
async fn is_nothing(sandbox: &Sandbox, path: &str) {
    let wrong = format!("/ics/{}.ics", "0".repeat(32));
    let (answer, other) =
        (stranger(sandbox).get(path).await.expect(404), stranger(sandbox).get(&wrong).await.expect(404));
    assert_eq!(answer.body, other.body);
    let names = |answer: &kontor_tests::Answer| {
        let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(names(&answer), names(&other));
}

both! {
    async fn d12_a_secret_address_shows_the_calendar_until_it_is_revoked(sandbox: Sandbox) {
        let (sales, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        for uid in ["one", "two"] {
            http.put(&format!("/dav/calendars/sales/work/{uid}.ics"), &[], event(uid)).await.expect(201);
        }
        let made = subscribe(&sales, "calendars/default", false).await.expect("an address");
        let name = made.subscription.as_ref().expect("it").name.clone();
        assert!(made.path.starts_with("/ics/") && made.path.ends_with(".ics") && made.path.len() == 41, "{}", made.path);
        let answer = stranger(&sandbox).get(&made.path).await.expect(200);
        let text = answer.text();
        assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("END:VCALENDAR\r\n"), "{text}");
        assert_eq!((text.matches("BEGIN:VEVENT").count(), text.matches("BEGIN:VTIMEZONE").count()), (2, 1), "{text}");
        for line in ["X-WR-CALNAME:", "NAME:", "COLOR:", "REFRESH-INTERVAL;VALUE=DURATION:PT1H", "X-PUBLISHED-TTL:PT1H", "SUMMARY:Café one", "X-MICROSOFT-CDO-BUSYSTATUS:BUSY"] {
            assert!(text.contains(&format!("\r\n{line}")), "{line} in {text}");
        }
        assert_eq!(answer.header("content-type"), "text/calendar; charset=utf-8");
        assert!(answer.header("cache-control").contains("private"));
        assert_eq!(answer.header("content-encoding"), "");
        let etag = answer.header("etag").to_owned();
        // gzip, HEAD and 304.
        let packed = stranger(&sandbox).send("GET", &made.path, &[("accept-encoding", "gzip, deflate")], "").await.expect(200);
        assert_eq!((packed.header("content-encoding"), unpack(&packed.body)), ("gzip", text));
        let head = stranger(&sandbox).send("HEAD", &made.path, &[], "").await.expect(200);
        assert!(head.body.is_empty() && head.header("etag") == etag);
        let same = stranger(&sandbox).send("GET", &made.path, &[("if-none-match", &etag)], "").await.expect(304);
        assert!(same.body.is_empty() && same.header("etag") == etag);
        stranger(&sandbox).send("POST", &made.path, &[], "x").await.expect(405);
        // A change over gRPC is another text.
        let at = |text: &str| EventTime { kind: Some(event_time::Kind::Local(text.into())), time_zone: "Europe/Brussels".into() };
        let third = Event { summary: "Third".into(), start: Some(at("2026-12-01T09:00:00")), end: Some(at("2026-12-01T10:00:00")), ..Default::default() };
        let request = CreateEventRequest { parent: "calendars/default".into(), event: Some(third), ..Default::default() };
        let third = sales.events().create_event(request).await.expect("an event").into_inner();
        let changed = stranger(&sandbox).send("GET", &made.path, &[("if-none-match", &etag)], "").await.expect(200);
        assert!(changed.text().contains("SUMMARY:Third") && changed.header("etag") != etag);
        sales.events().delete_event(DeleteEventRequest { name: third.name, ..Default::default() }).await.expect("gone");
        assert!(!stranger(&sandbox).get(&made.path).await.expect(200).text().contains("SUMMARY:Third"));
        // The secret stands nowhere: not in a list, not in the metrics, not in the data.
        let secret = made.path.trim_start_matches("/ics/").trim_end_matches(".ics");
        let listed = list(&sales, "calendars/default").await;
        assert_eq!(listed.len(), 1);
        assert!(!format!("{listed:?}").contains(secret));
        assert!(!stranger(&sandbox).get("/metrics").await.text().contains(secret));
        for entry in std::fs::read_dir(sandbox.folder()).expect("a folder").flatten().filter(|entry| entry.path().is_file()) {
            let bytes = std::fs::read(entry.path()).expect("a file");
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{entry:?}");
        }
        revoke(&sales, &name).await.expect("revoked");
        is_nothing(&sandbox, &made.path).await;
        refused(revoke(&sales, &name).await, Code::NotFound, "");
        assert!(list(&sales, "calendars/default").await.is_empty());
    }

    async fn d12_an_address_ends_with_the_access_of_its_maker(sandbox: Sandbox) {
        let (sales, neighbour) = (sandbox.grpc("sales"), sandbox.grpc("neighbour"));
        let calendar = own(&sales).await;
        refused(subscribe(&neighbour, &calendar, false).await, Code::NotFound, "");
        let share = ShareCalendarRequest { name: calendar.clone(), grantee: "teams/support".into(), ..Default::default() };
        sales.calendars().share_calendar(share.clone()).await.expect("a share");
        let made = subscribe(&neighbour, &calendar, false).await.expect("an address");
        let own_one = subscribe(&sales, &calendar, false).await.expect("an address");
        stranger(&sandbox).get(&made.path).await.expect(200);
        // The owner sees both and may revoke both; who it is shared with sees the own one.
        let name = |made: &CreateCalendarSubscriptionResponse| made.subscription.as_ref().expect("it").name.clone();
        assert_eq!(list(&sales, &calendar).await.len(), 2);
        assert_eq!(list(&neighbour, &calendar).await.iter().map(|it| it.creator.as_str()).collect::<Vec<_>>(), ["users/neighbour"]);
        refused(revoke(&neighbour, &name(&own_one)).await, Code::NotFound, "");
        refused(revoke(&sandbox.grpc("colleague"), &name(&own_one)).await, Code::NotFound, "");
        let unshare = UnshareCalendarRequest { name: calendar.clone(), grantee: "teams/support".into(), ..Default::default() };
        sales.calendars().unshare_calendar(unshare).await.expect("no share");
        is_nothing(&sandbox, &made.path).await;
        refused(sandbox.grpc("neighbour").subscriptions().list_calendar_subscriptions(ListCalendarSubscriptionsRequest { parent: calendar.clone() }).await, Code::NotFound, "");
        sales.calendars().share_calendar(share).await.expect("a share");
        stranger(&sandbox).get(&made.path).await.expect(200);
        disable(&sandbox, "neighbour", true).await;
        is_nothing(&sandbox, &made.path).await;
        disable(&sandbox, "neighbour", false).await;
        stranger(&sandbox).get(&made.path).await.expect(200);
        revoke(&sales, &name(&made)).await.expect("revoked by the owner");
        is_nothing(&sandbox, &made.path).await;
        stranger(&sandbox).get(&own_one.path).await.expect(200);
        // A repeat of the request makes no second address, and shows no secret again.
        let request = CreateCalendarSubscriptionRequest { parent: calendar.clone(), request_id: "once".into(), ..Default::default() };
        let first = sales.subscriptions().create_calendar_subscription(request.clone()).await.expect("an address").into_inner();
        let again = sales.subscriptions().create_calendar_subscription(request).await.expect("the same").into_inner();
        assert_eq!((first.subscription, again.path.as_str()), (again.subscription, ""));
        // A deleted calendar ends its addresses.
        sandbox.http("sales").send("MKCALENDAR", "/dav/calendars/sales/side/", &[], "").await.expect(201);
        let all = sales.calendars().list_calendars(kontor_proto::calendar::v1::ListCalendarsRequest::default()).await.expect("calendars").into_inner().calendars;
        let side = all.into_iter().find(|calendar| calendar.slug == "side").expect("it").name;
        let made = subscribe(&sales, &side, false).await.expect("an address");
        stranger(&sandbox).get(&made.path).await.expect(200);
        sandbox.http("sales").send("DELETE", "/dav/calendars/sales/side/", &[], "").await.expect(204);
        is_nothing(&sandbox, &made.path).await;
    }

    async fn d12_people_outside_may_see_busy_times_only(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        http.put("/dav/calendars/sales/work/one.ics", &[], event("one")).await.expect(201);
        http.put("/dav/calendars/sales/work/two.ics", &[], event("two").replace("X-MICROSOFT-CDO-BUSYSTATUS:BUSY", "TRANSP:TRANSPARENT")).await.expect(201);
        let made = subscribe(&sandbox.grpc("sales"), "calendars/default", true).await.expect("an address");
        let text = stranger(&sandbox).get(&made.path).await.expect(200).text();
        assert_eq!(text.matches("BEGIN:VEVENT").count(), 1, "{text}");
        assert!(text.contains("DTSTART;TZID=Romance Standard Time:20261130T090000\r\nDURATION:PT1H\r\nSUMMARY:Busy\r\n"), "{text}");
        assert!(!text.contains("Café") && !text.contains("UID:one"), "{text}");
    }

    async fn d12_wrong_addresses_are_limited_and_right_ones_go_on(sandbox: Sandbox) {
        let made = subscribe(&sandbox.grpc("sales"), "calendars/default", false).await.expect("an address");
        let http = stranger(&sandbox);
        let (mut nothing, mut limited) = (0, 0);
        for number in 0..130 {
            let answer = http.get(&format!("/ics/{number:0>32}.ics")).await;
            match answer.status.as_u16() {
                404 => nothing += 1,
                429 => {
                    assert!(!answer.header("retry-after").is_empty());
                    limited += 1;
                }
                other => panic!("{other}"),
            }
        }
        assert_eq!((nothing, limited), (100, 30));
        http.get(&made.path).await.expect(200);
        http.get("/ics/").await.expect(404);
        // The way behind it is the gateway's alone.
        let headers = [("content-type", "application/grpc"), ("te", "trailers")];
        let hidden = sandbox.http("admin").send("POST", "/kontor.calendar.v1.FeedService/ReadFeed", &headers, "").await.expect(200);
        assert_eq!(hidden.header("grpc-status"), "12");
        http.get("/ics/a/b.ics").await.expect(404);
    }

    async fn d12_a_large_calendar_comes_whole_and_in_pieces(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let count = 700;
        let puts = (0..count).map(|number| {
            let http = http.clone();
            async move { http.put(&format!("/dav/calendars/sales/work/{number:04}.ics"), &[], event(&format!("many-{number}"))).await.expect(201) }
        });
        futures_util::future::join_all(puts).await;
        let made = subscribe(&sandbox.grpc("sales"), "calendars/default", false).await.expect("an address");
        let plain = stranger(&sandbox).get(&made.path).await.expect(200);
        assert_eq!(plain.header("content-length"), "", "it is streamed");
        let packed = stranger(&sandbox).send("GET", &made.path, &[("accept-encoding", "gzip")], "").await.expect(200);
        assert!(packed.body.len() * 5 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
        let text = plain.text();
        assert_eq!(unpack(&packed.body), text);
        assert_eq!(text.matches("BEGIN:VTIMEZONE").count(), 1);
        let uids: std::collections::HashSet<&str> = text.lines().filter_map(|line| line.strip_prefix("UID:many-")).collect();
        assert_eq!(uids.len(), count);
    }
}
