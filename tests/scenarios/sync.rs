//! Sync with mail clients and phones, as they send it: discovery, sync tokens, conflicts, collections.
//! Rows D1, D2, D4, D7.

use kontor_tests::{Http, both};

use crate::support::texts;

fn event(uid: &str, summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261123T090000Z\r\nDTEND:20261123T100000Z\r\nSUMMARY:{summary}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// The first calendar of a user's home.
async fn calendar(http: &Http, user: &str) -> String {
    let home = format!("/dav/calendars/{user}/");
    let answer = http.propfind(&home, "1", "<D:resourcetype/>").await.expect(207).text();
    texts(&answer, "href").into_iter().find(|href| *href != home).expect("a calendar")
}

async fn sync(http: &Http, path: &str, token: &str, limit: &str) -> kontor_tests::Answer {
    let body = format!(
        "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>{limit}\
         <D:prop><D:getetag/></D:prop></D:sync-collection>"
    );
    http.report(path, "0", body).await
}

fn token_of(xml: &str) -> String {
    texts(xml, "sync-token").into_iter().next().expect("a sync token")
}

both! {
    async fn d1_calendars_and_books_are_found_from_the_address_alone(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let stranger = Http::new(&sandbox.address());
        for (known, kind, home) in [("caldav", "C:calendar-home-set", "calendars"), ("carddav", "R:addressbook-home-set", "addressbooks")] {
            let moved = stranger.send("PROPFIND", &format!("/.well-known/{known}"), &[("depth", "0")], "").await.expect(301);
            assert_eq!(moved.header("location"), "/dav/");
            let refused = stranger.propfind("/dav/", "0", "<D:current-user-principal/>").await.expect(401);
            assert_eq!(refused.header("www-authenticate"), "Basic realm=\"Kontor\", charset=\"UTF-8\"");
            let root = http.propfind("/dav/", "0", "<D:current-user-principal/>").await.expect(207).text();
            let principal = texts(&root, "href").into_iter().find(|href| href.contains("principals")).expect("a principal");
            assert_eq!(principal, "/dav/principals/users/sales/");
            let homes = http.propfind(&principal, "0", &format!("<{kind}/>")).await.expect(207).text();
            let found = texts(&homes, "href").into_iter().find(|href| href.contains(home)).expect("a home");
            assert_eq!(found, format!("/dav/{home}/sales/"));
            let list = http.propfind(&found, "1", "<D:resourcetype/><D:displayname/>").await.expect(207).text();
            assert!(texts(&list, "href").len() > 1, "{list}");
        }
        let options = stranger.send("OPTIONS", "/dav/calendars/sales/", &[], "").await.expect(200);
        assert!(options.header("dav").contains("calendar-access"), "{:?}", options.headers);
        assert!(options.header("dav").contains("addressbook"));
    }

    async fn d2_a_conflict_is_412_and_never_a_lost_update(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let path = format!("{}one.ics", calendar(&http, "sales").await);
        let first = http.put(&path, &[("if-none-match", "*")], event("one", "First")).await.expect(201);
        http.put(&path, &[("if-none-match", "*")], event("one", "Again")).await.expect(412);
        let second = http.put(&path, &[("if-match", first.header("etag"))], event("one", "Second")).await.expect(204);
        http.put(&path, &[("if-match", first.header("etag"))], event("one", "Lost")).await.expect(412);
        http.send("DELETE", &path, &[("if-match", first.header("etag"))], "").await.expect(412);
        let read = http.get(&path).await.expect(200);
        assert_eq!(read.text(), event("one", "Second"));
        assert_eq!(read.header("etag"), second.header("etag"));
        http.send("GET", &path, &[("if-none-match", second.header("etag"))], "").await.expect(304);
        http.send("DELETE", &path, &[("if-match", second.header("etag"))], "").await.expect(204);
        http.get(&path).await.expect(404);
    }

    async fn d2_of_many_writers_with_one_etag_exactly_one_wins(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let path = format!("{}race.ics", calendar(&http, "sales").await);
        let first = http.put(&path, &[], event("race", "start")).await.expect(201);
        let tasks: Vec<_> = (0..16)
            .map(|number| {
                let (http, path, etag) = (http.clone(), path.clone(), first.header("etag").to_owned());
                tokio::spawn(async move { http.put(&path, &[("if-match", &etag)], event("race", &format!("writer {number}"))).await.status })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            match task.await.expect("the task ends").as_u16() {
                204 => won += 1,
                status => assert_eq!(status, 412),
            }
        }
        assert_eq!(won, 1);
    }

    async fn d4_three_changes_of_a_thousand_are_three_in_the_sync(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let calendar = calendar(&http, "sales").await;
        let puts = (0..1_000).map(|number| {
            let (http, path) = (http.clone(), format!("{calendar}e{number}.ics"));
            async move { http.put(&path, &[], event(&format!("e{number}"), "x")).await.expect(201) }
        });
        futures_util::StreamExt::collect::<Vec<_>>(futures_util::StreamExt::buffer_unordered(futures_util::stream::iter(puts), 16)).await;
        let first = sync(&http, &calendar, "", "").await.expect(207).text();
        assert_eq!(texts(&first, "href").len(), 1_000);
        let token = token_of(&first);
        let none = sync(&http, &calendar, &token, "").await.expect(207).text();
        assert!(texts(&none, "href").is_empty(), "{none}");

        http.put(&format!("{calendar}e7.ics"), &[], event("e7", "changed")).await.expect(204);
        http.put(&format!("{calendar}new.ics"), &[], event("new", "new")).await.expect(201);
        http.send("DELETE", &format!("{calendar}e9.ics"), &[], "").await.expect(204);
        let three = sync(&http, &calendar, &token, "").await.expect(207).text();
        let mut hrefs = texts(&three, "href");
        hrefs.sort();
        assert_eq!(hrefs, [format!("{calendar}e7.ics"), format!("{calendar}e9.ics"), format!("{calendar}new.ics")]);
        assert_eq!(three.matches("404 Not Found").count(), 1, "{three}");

        // In parts of one: each part says where to go on, and together they are the three.
        let (mut at, mut parts) = (token.clone(), Vec::new());
        for _ in 0..10 {
            let part = sync(&http, &calendar, &at, "<D:limit><D:nresults>1</D:nresults></D:limit>").await.expect(207).text();
            at = token_of(&part);
            parts.extend(texts(&part, "href").into_iter().filter(|href| *href != calendar));
            if !part.contains("507") {
                break;
            }
        }
        parts.sort();
        assert_eq!(parts, hrefs);

        let unknown = sync(&http, &calendar, "http://example.com/not-ours", "").await.expect(403);
        assert!(unknown.text().contains("valid-sync-token"), "{}", unknown.text());
    }

    async fn d7_a_calendar_is_made_with_its_properties_changed_and_removed(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let path = "/dav/calendars/sales/private-%C3%A9/";
        let make = "<C:mkcalendar xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:A=\"http://apple.com/ns/ical/\"><D:set><D:prop>\
            <D:displayname>Privé &amp; more</D:displayname><A:calendar-color>#FF8800FF</A:calendar-color><A:calendar-order>7</A:calendar-order>\
            <C:calendar-description>Mine</C:calendar-description>\
            <C:supported-calendar-component-set><C:comp name=\"VEVENT\"/><C:comp name=\"VTODO\"/></C:supported-calendar-component-set>\
            </D:prop></D:set></C:mkcalendar>";
        http.send("MKCALENDAR", path, &[("content-type", "application/xml")], make).await.expect(201);
        http.send("MKCALENDAR", path, &[("content-type", "application/xml")], make).await.expect(405);
        let properties = "<D:displayname/><A:calendar-color/><A:calendar-order/><C:calendar-description/><D:getlastunheardof/>";
        let read = http.propfind(path, "0", properties).await.expect(207).text();
        for part in ["Privé &amp; more", "#FF8800FF", ">7<", ">Mine<", "404 Not Found"] {
            assert!(read.contains(part), "{part} is not in {read}");
        }
        let change = "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:A=\"http://apple.com/ns/ical/\" xmlns:Z=\"http://example.com/z\"><D:set><D:prop>\
            <D:displayname>Renamed</D:displayname><A:calendar-color>#00FF00FF</A:calendar-color><Z:odd>kept <b>so</b></Z:odd></D:prop></D:set></D:propertyupdate>";
        http.send("PROPPATCH", path, &[("content-type", "application/xml")], change).await.expect(207);
        let read = http.send("PROPFIND", path, &[("depth", "0")],
            "<D:propfind xmlns:D=\"DAV:\" xmlns:A=\"http://apple.com/ns/ical/\" xmlns:Z=\"http://example.com/z\"><D:prop><D:displayname/><A:calendar-color/><Z:odd/></D:prop></D:propfind>").await.expect(207).text();
        for part in ["Renamed", "#00FF00FF", "kept "] {
            assert!(read.contains(part), "{part} is not in {read}");
        }
        http.put("/dav/calendars/sales/private-%C3%A9/a.ics", &[], event("a", "In it")).await.expect(201);
        http.send("DELETE", path, &[], "").await.expect(204);
        http.propfind(path, "0", "<D:displayname/>").await.expect(404);

        let book = "/dav/addressbooks/sales/friends/";
        let make = "<D:mkcol xmlns:D=\"DAV:\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\"><D:set><D:prop><D:resourcetype><D:collection/><R:addressbook/></D:resourcetype>\
            <D:displayname>Friends</D:displayname></D:prop></D:set></D:mkcol>";
        http.send("MKCOL", book, &[("content-type", "application/xml")], make).await.expect(201);
        assert!(http.propfind(book, "0", "<D:displayname/>").await.expect(207).text().contains("Friends"));
    }

    async fn x4_a_neighbour_and_a_stranger_see_nothing_of_a_users_calendar(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let calendar = calendar(&http, "sales").await;
        let path = format!("{calendar}secret.ics");
        http.put(&path, &[], event("secret", "Secret")).await.expect(201);
        let neighbour = sandbox.http("neighbour");
        for (method, body) in [("GET", ""), ("DELETE", ""), ("PROPFIND", "")] {
            let answer = neighbour.send(method, &path, &[("depth", "0")], body).await;
            assert!([403, 404].contains(&answer.status.as_u16()), "{method}: {}", answer.status);
            assert!(!answer.text().contains("Secret"));
        }
        let answer = neighbour.put(&path, &[], event("secret", "Overwritten")).await;
        // 409: for the neighbour there is no such collection to put it into.
        assert!([403, 404, 409].contains(&answer.status.as_u16()), "{}", answer.status);
        Http::new(&sandbox.address()).get(&path).await.expect(401);
        sandbox.http("sales").sign_in("sales", "wrong").get(&path).await.expect(401);
        assert_eq!(http.get(&path).await.expect(200).text(), event("secret", "Secret"));
    }
}
