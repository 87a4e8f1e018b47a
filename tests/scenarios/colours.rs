//! The colours of users and calendars, over gRPC and in clients, and what users choose for themselves.
//! Row C3.

use kontor_proto::calendar::v1::{
    Calendar, ListCalendarsRequest, ListOccurrencesRequest, ShareCalendarRequest, UnshareCalendarRequest,
    UpdateCalendarRequest,
};
use kontor_proto::directory::v1::GetUserRequest;
use kontor_tests::{Answer, Grpc, Http, Sandbox, both};
use tonic::Code;

use crate::support::{refused, texts};

const WORK: &str = "/dav/calendars/sales/work/";
const SHARED: &str = "/dav/calendars/neighbour/sales~work/";

async fn calendars(grpc: &Grpc) -> Vec<Calendar> {
    let found = grpc.calendars().list_calendars(ListCalendarsRequest::default()).await;
    found.expect("calendars").into_inner().calendars
}

async fn share(sandbox: &Sandbox, grantee: &str, writable: bool) -> String {
    let grpc = sandbox.grpc("sales");
    let own =
        calendars(&grpc).await.into_iter().find(|calendar| calendar.slug == "work").expect("a calendar");
    let request = ShareCalendarRequest {
        name: own.name.clone(),
        grantee: grantee.into(),
        writable,
        ..Default::default()
    };
    grpc.calendars().share_calendar(request).await.expect("a share");
    own.name
}

async fn color_of(sandbox: &Sandbox, user: &str) -> String {
    let request = GetUserRequest { name: format!("users/{user}") };
    sandbox.grpc(user).users().get_user(request).await.expect("a user").into_inner().color
}

/// One property of a collection; empty when it is not there.
async fn property(http: &Http, path: &str, property: &str) -> String {
    let text = http.propfind(path, "0", property).await.expect(207).text();
    let local = property.trim_matches(['<', '>', '/']).split(':').next_back().expect("a name");
    texts(&text, local).into_iter().next().unwrap_or_default()
}

const COLOR: &str = "<A:calendar-color/>";

async fn patch(http: &Http, path: &str, set: &str) -> Answer {
    let body = format!(
        "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:A=\"http://apple.com/ns/ical/\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\">{set}</D:propertyupdate>"
    );
    http.send("PROPPATCH", path, &[("content-type", "application/xml")], body).await
}

fn set(inside: &str) -> String {
    format!("<D:set><D:prop>{inside}</D:prop></D:set>")
}

fn event(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261130T090000Z\r\nDTEND:20261130T100000Z\r\nSUMMARY:{uid}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

both! {
    async fn c3_two_users_have_two_stable_colours_in_every_client_and_a_filter(sandbox: Sandbox) {
        let mut sandbox = sandbox;
        let mut colors = Vec::new();
        for user in ["admin", "manager", "sales", "colleague", "neighbour"] {
            colors.push(color_of(&sandbox, user).await);
        }
        let distinct: std::collections::HashSet<&String> = colors.iter().collect();
        assert_eq!(distinct.len(), colors.len(), "{colors:?}");
        let [_, _, of_sales, _, of_neighbour] = <[String; 5]>::try_from(colors).expect("five");
        share(&sandbox, "users/neighbour", false).await;
        sandbox.http("sales").put(&format!("{WORK}a.ics"), &[], event("a")).await.expect(201);
        sandbox.http("neighbour").put("/dav/calendars/neighbour/work/b.ics", &[], event("b")).await.expect(201);
        let instant = |text: &str| kontor_kit::clock::to_proto(text.parse::<jiff::Timestamp>().expect("an instant").as_microsecond());
        let request = ListOccurrencesRequest {
            parent: "calendars/-".into(),
            start_time: Some(instant("2026-11-30T00:00:00Z")),
            end_time: Some(instant("2026-12-01T00:00:00Z")),
            ..Default::default()
        };
        for _ in 0..2 {
            // The same in the client of the one and of the other, whoever's calendar it is.
            let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
            assert_eq!(property(&sales, WORK, COLOR).await, format!("{of_sales}FF"));
            assert_eq!(property(&neighbour, SHARED, COLOR).await, format!("{of_sales}FF"));
            assert_eq!(property(&neighbour, "/dav/calendars/neighbour/work/", COLOR).await, format!("{of_neighbour}FF"));
            let home = neighbour.propfind("/dav/calendars/neighbour/", "1", COLOR).await.expect(207).text();
            assert!(home.contains(&of_sales) && home.contains(&of_neighbour), "{home}");
            // And over gRPC, where one asks for the meetings of one of them.
            let grpc = sandbox.grpc("neighbour");
            let list = async |owners: &[&str]| {
                let owners = owners.iter().map(|owner| (*owner).to_owned()).collect();
                let found = grpc.events().list_occurrences(ListOccurrencesRequest { owners, ..request.clone() }).await;
                let found = found.expect("occurrences").into_inner().occurrences;
                found.into_iter().map(|one| (one.owner, one.color)).collect::<Vec<_>>()
            };
            let (theirs, own) = (("users/sales".to_owned(), of_sales.clone()), ("users/neighbour".to_owned(), of_neighbour.clone()));
            let mut all = list(&[]).await;
            all.sort();
            assert_eq!(all, [own.clone(), theirs.clone()]);
            assert_eq!(list(&["users/sales"]).await, [theirs]);
            assert_eq!(list(&["users/me"]).await, [own]);
            assert!(list(&["users/colleague"]).await.is_empty());
            // Stable: also after a restart.
            sandbox.restart().await;
        }
    }

    async fn c3_a_calendar_without_a_colour_has_its_owners(sandbox: Sandbox) {
        let sales = sandbox.http("sales");
        let color = format!("{}FF", color_of(&sandbox, "sales").await);
        let extra = "/dav/calendars/sales/extra/";
        sales.send("MKCALENDAR", extra, &[], "").await.expect(201);
        assert_eq!(property(&sales, extra, COLOR).await, color);
        patch(&sales, extra, &set("<A:calendar-color>#010203FF</A:calendar-color>")).await.expect(207);
        assert_eq!(property(&sales, extra, COLOR).await, "#010203FF");
        patch(&sales, extra, "<D:remove><D:prop><A:calendar-color/></D:prop></D:remove>").await.expect(207);
        assert_eq!(property(&sales, extra, COLOR).await, color);
        let made = kontor_proto::calendar::v1::CreateCalendarRequest {
            calendar: Some(Calendar { display_name: "Third".into(), ..Default::default() }),
            ..Default::default()
        };
        let made = sandbox.grpc("sales").calendars().create_calendar(made).await.expect("a calendar").into_inner();
        assert_eq!(made.color, color);
    }

    async fn c3_a_sharee_names_and_colours_a_calendar_for_the_own_eyes_only(sandbox: Sandbox) {
        let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        let owners = property(&sales, WORK, COLOR).await;
        // A stranger can't even see it.
        patch(&neighbour, SHARED, &set("<A:calendar-color>#112233FF</A:calendar-color>")).await.expect(404);
        let name = share(&sandbox, "users/neighbour", false).await;
        share(&sandbox, "teams/sales", true).await;
        let tag = property(&sales, WORK, "<S:getctag/>").await;
        let home_tag = property(&neighbour, "/dav/calendars/neighbour/", "<S:getctag/>").await;
        let own = "<A:calendar-color symbolic-color=\"custom\">#112233FF</A:calendar-color><D:displayname>Theirs</D:displayname><A:calendar-order>9</A:calendar-order>";
        let done = patch(&neighbour, SHARED, &set(own)).await.expect(207).text();
        assert!(done.contains("200 OK") && !done.contains("403"), "{done}");
        let all = "<A:calendar-color/><D:displayname/><A:calendar-order/>";
        let seen = neighbour.propfind(SHARED, "0", all).await.expect(207).text();
        assert!(seen.contains("#112233FF") && seen.contains(">Theirs<") && seen.contains(">9<"), "{seen}");
        let home = neighbour.propfind("/dav/calendars/neighbour/", "1", all).await.expect(207).text();
        assert!(home.contains("#112233FF") && home.contains(">Theirs<"), "{home}");
        assert_ne!(property(&neighbour, "/dav/calendars/neighbour/", "<S:getctag/>").await, home_tag, "other devices hear of it");
        let theirs = calendars(&sandbox.grpc("neighbour")).await.into_iter().find(|one| one.name == name).expect("it");
        assert_eq!((theirs.color.as_str(), theirs.display_name.as_str(), theirs.order), ("#112233FF", "Theirs", 9));
        // Neither its owner nor another one with whom it is shared sees anything of that.
        let colleague = sandbox.http("colleague");
        for (http, path) in [(&sales, WORK), (&colleague, "/dav/calendars/colleague/sales~work/")] {
            let seen = http.propfind(path, "0", all).await.expect(207).text();
            assert!(seen.contains(&owners) && seen.contains(">Calendar<") && !seen.contains(">9<"), "{seen}");
        }
        assert_eq!(property(&sales, WORK, "<S:getctag/>").await, tag, "no client of the owner has to look");
        // What is not for one's own eyes stays the owner's: all or nothing.
        let both = "<A:calendar-color>#445566FF</A:calendar-color><C:schedule-calendar-transp><C:transparent/></C:schedule-calendar-transp>";
        patch(&neighbour, SHARED, &set(both)).await.expect(403);
        patch(&neighbour, SHARED, &set("<A:calendar-color>#445566FF</A:calendar-color><Z:odd xmlns:Z=\"urn:z\">1</Z:odd>")).await.expect(403);
        assert_eq!(property(&neighbour, SHARED, COLOR).await, "#112233FF");
        // The owner's new colour is seen by who has chosen none; taken away, one's own is the owner's again.
        patch(&sales, WORK, &set("<A:calendar-color>#0A0B0CFF</A:calendar-color>")).await.expect(207);
        assert_eq!(property(&neighbour, SHARED, COLOR).await, "#112233FF");
        assert_eq!(property(&colleague, "/dav/calendars/colleague/sales~work/", COLOR).await, "#0A0B0CFF");
        patch(&neighbour, SHARED, "<D:remove><D:prop><A:calendar-color/><D:displayname/></D:prop></D:remove>").await.expect(207);
        assert_eq!(property(&neighbour, SHARED, COLOR).await, "#0A0B0CFF");
        assert_eq!(property(&neighbour, SHARED, "<D:displayname/>").await, "Calendar");
        // Over gRPC it is the same.
        let grpc = sandbox.grpc("neighbour");
        let request = |paths: &[&str]| UpdateCalendarRequest {
            calendar: Some(Calendar { name: name.clone(), color: "#778899".into(), time_zone: "Europe/Brussels".into(), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
            ..Default::default()
        };
        let changed = grpc.calendars().update_calendar(request(&["color"])).await.expect("a colour").into_inner();
        assert_eq!(changed.color, "#778899");
        assert_eq!(property(&neighbour, SHARED, COLOR).await, "#778899");
        assert_eq!(property(&sales, WORK, COLOR).await, "#0A0B0CFF");
        refused(grpc.calendars().update_calendar(request(&["color", "time_zone"])).await, Code::PermissionDenied, "");
        // With the end of the share it is gone, and a new share begins anew.
        let end = UnshareCalendarRequest { name: name.clone(), grantee: "users/neighbour".into(), ..Default::default() };
        sandbox.grpc("sales").calendars().unshare_calendar(end).await.expect("no share");
        patch(&neighbour, SHARED, &set("<A:calendar-color>#112233FF</A:calendar-color>")).await.expect(404);
        share(&sandbox, "users/neighbour", true).await;
        assert_eq!(property(&neighbour, SHARED, COLOR).await, "#0A0B0CFF");
    }

    async fn c3_a_member_of_a_team_and_an_administrator_choose_for_themselves_too(sandbox: Sandbox) {
        let (sales, neighbour, admin) = (sandbox.http("sales"), sandbox.http("neighbour"), sandbox.http("admin"));
        let owners = property(&sales, WORK, COLOR).await;
        share(&sandbox, "teams/support", false).await;
        patch(&neighbour, SHARED, &set("<A:calendar-color>#112233FF</A:calendar-color>")).await.expect(207);
        assert_eq!(property(&neighbour, SHARED, COLOR).await, "#112233FF");
        assert_eq!(property(&sales, WORK, COLOR).await, owners);
        // An administrator without a share manages the calendar itself; with one, means what stands in the own home.
        patch(&admin, WORK, &set("<D:displayname>Managed</D:displayname>")).await.expect(207);
        assert_eq!(property(&sales, WORK, "<D:displayname/>").await, "Managed");
        share(&sandbox, "users/admin", false).await;
        patch(&admin, "/dav/calendars/admin/sales~work/", &set("<D:displayname>Mine</D:displayname>")).await.expect(207);
        assert_eq!(property(&admin, "/dav/calendars/admin/sales~work/", "<D:displayname/>").await, "Mine");
        assert_eq!(property(&sales, WORK, "<D:displayname/>").await, "Managed");
    }
}
