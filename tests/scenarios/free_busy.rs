//! When people have time: free/busy over gRPC and CalDAV, free slots, working hours.
//! Rows C8, C12, D6.

use kontor_proto::calendar::v1 as calendar;
use kontor_proto::directory::v1::{UpdateUserRequest, User};
use kontor_tests::{Grpc, Http, both};
use tonic::Code;

use crate::support::{refused, texts};

fn event(uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n{lines}\
         SUMMARY:Secret plan\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn hours(start: u8, end: u8) -> String {
    format!("DTSTART:20261123T{start:02}0000Z\r\nDTEND:20261123T{end:02}0000Z\r\n")
}

fn at(text: &str) -> Option<prost_types::Timestamp> {
    let seconds = text.parse::<jiff::Timestamp>().expect("an instant").as_second();
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

async fn report(http: &Http, path: &str) -> kontor_tests::Answer {
    let body = "<C:free-busy-query xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><C:time-range start=\"20261123T000000Z\" end=\"20261124T000000Z\"/></C:free-busy-query>";
    http.report(path, "1", body).await
}

/// Busy hours of people on that day, each as "8-9 BUSY".
async fn busy(grpc: &Grpc, people: &[&str]) -> Vec<Vec<String>> {
    let request = calendar::QueryFreeBusyRequest {
        people: people.iter().map(|person| (*person).to_owned()).collect(),
        start_time: at("2026-11-23T00:00:00Z"),
        end_time: at("2026-11-24T00:00:00Z"),
        ..Default::default()
    };
    let found = grpc.free_busy().query_free_busy(request).await.expect("an answer").into_inner().people;
    let midnight = at("2026-11-23T00:00:00Z").expect("an instant").seconds;
    let hour = |time: &Option<prost_types::Timestamp>| {
        (time.as_ref().expect("an instant").seconds - midnight) / 3_600
    };
    let one = |busy: &calendar::BusyInterval| {
        let kind = busy.kind().as_str_name().trim_start_matches("BUSY_KIND_");
        format!("{}-{} {kind}", hour(&busy.start_time), hour(&busy.end_time))
    };
    found.iter().map(|person| person.busy.iter().map(one).collect()).collect()
}

async fn give_address(admin: &Grpc, user: &str) {
    let user =
        User { name: format!("users/{user}"), email: format!("{user}@example.com"), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["email".into()] });
    let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
    admin.users().update_user(request).await.expect("a new address");
}

both! {
    async fn d6_free_busy_query_tells_when_but_not_what(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        for (name, lines) in [
            ("a", hours(8, 9)),
            ("b", hours(9, 10)),
            ("c", hours(12, 13) + "TRANSP:TRANSPARENT\r\n"),
            ("d", hours(14, 15) + "STATUS:TENTATIVE\r\n"),
        ] {
            http.put(&format!("/dav/calendars/sales/work/{name}.ics"), &[], event(name, &lines)).await.expect(201);
        }
        for path in ["/dav/calendars/sales/work/", "/dav/calendars/sales/"] {
            let answer = report(&http, path).await.expect(200);
            assert!(answer.header("content-type").starts_with("text/calendar"));
            let text = answer.text();
            for line in [
                "BEGIN:VFREEBUSY\r\n",
                "DTSTART:20261123T000000Z\r\n",
                "DTEND:20261124T000000Z\r\n",
                "FREEBUSY;FBTYPE=BUSY:20261123T080000Z/20261123T100000Z\r\n",
                "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20261123T140000Z/20261123T150000Z\r\n",
            ] {
                assert!(text.contains(line), "{line} is not in {text}");
            }
            assert!(!text.contains("METHOD") && !text.contains("Secret"), "{text}");
        }
        // A colleague may ask at the home, and does not even learn that there is such a calendar.
        let neighbour = sandbox.http("neighbour");
        let text = report(&neighbour, "/dav/calendars/sales/").await.expect(200).text();
        assert!(text.contains("FREEBUSY;FBTYPE=BUSY:20261123T080000Z/20261123T100000Z\r\n") && !text.contains("Secret"), "{text}");
        report(&neighbour, "/dav/calendars/sales/work/").await.expect(404);
        report(&neighbour, "/dav/calendars/nobody/").await.expect(404);
        report(&Http::new(&sandbox.address()), "/dav/calendars/sales/").await.expect(401);
        for path in ["/dav/calendars/sales/", "/dav/calendars/sales/work/"] {
            let set = http.propfind(path, "0", "<D:supported-report-set/><D:current-user-privilege-set/>").await.expect(207).text();
            assert!(set.contains("C:free-busy-query") && set.contains("C:read-free-busy"), "{set}");
        }
        let none = "<C:free-busy-query xmlns:C=\"urn:ietf:params:xml:ns:caldav\"/>";
        http.report("/dav/calendars/sales/", "1", none).await.expect(400);
        let book = http.propfind("/dav/addressbooks/sales/", "0", "<D:supported-report-set/>").await.expect(207).text();
        assert!(!book.contains("free-busy-query"), "{book}");
    }

    async fn c8_people_are_found_by_address_and_who_declined_is_free(sandbox: Sandbox) {
        let (sales, manager) = (sandbox.http("sales"), sandbox.grpc("manager"));
        give_address(&sandbox.grpc("admin"), "sales").await;
        let invited = |uid: &str, start: u8, answer: &str| {
            let line = format!("{}ORGANIZER:mailto:boss@example.com\r\nATTENDEE;PARTSTAT={answer}:mailto:Sales@example.com\r\n", hours(start, start + 1));
            event(uid, &line)
        };
        for (uid, start, answer) in [("a", 8, "ACCEPTED"), ("b", 10, "DECLINED"), ("c", 12, "NEEDS-ACTION"), ("d", 14, "TENTATIVE")] {
            sales.put(&format!("/dav/calendars/sales/work/{uid}.ics"), &[], invited(uid, start, answer)).await.expect(201);
        }
        let wanted = ["8-9 BUSY", "12-13 BUSY_TENTATIVE", "14-15 BUSY_TENTATIVE"];
        let found = busy(&manager, &["SALES@example.com", "mailto:sales@example.com", "users/sales", "users/me"]).await;
        assert_eq!(found[..3], [wanted, wanted, wanted]);
        assert!(found[3].is_empty());

        // One instance declined, the others not.
        let series = event("s", &(hours(16, 17) + "RRULE:FREQ=DAILY;COUNT=3\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:sales@example.com\r\n"));
        let declined = "BEGIN:VEVENT\r\nUID:s\r\nDTSTAMP:20261101T080000Z\r\nRECURRENCE-ID:20261123T160000Z\r\nDTSTART:20261123T160000Z\r\n\
            DTEND:20261123T170000Z\r\nATTENDEE;PARTSTAT=DECLINED:mailto:sales@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        sales.put("/dav/calendars/sales/work/s.ics", &[], series.clone()).await.expect(201);
        assert_eq!(busy(&manager, &["users/sales"]).await[0].last().expect("a time"), "16-17 BUSY");
        sales.put("/dav/calendars/sales/work/s.ics", &[], series.replace("END:VCALENDAR\r\n", declined)).await.expect(204);
        assert_eq!(busy(&manager, &["users/sales"]).await[0], wanted);
    }

    async fn c8_c12_a_slot_is_found_when_all_work_and_nobody_is_busy(sandbox: Sandbox) {
        let (sales, manager) = (sandbox.grpc("sales"), sandbox.grpc("manager"));
        let set = |user: &str, start: &str, end: &str| calendar::UpdateAvailabilityRequest {
            availability: Some(calendar::Availability {
                name: format!("users/{user}/availability"),
                time_zone: "UTC".into(),
                hours: vec![calendar::WorkingHours { day: 1, start: start.into(), end: end.into() }],
                ..Default::default()
            }),
            ..Default::default()
        };
        sales.availability().update_availability(set("sales", "08:00", "12:00")).await.expect("new hours");
        manager.availability().update_availability(set("manager", "09:00", "17:00")).await.expect("new hours");
        sandbox.http("sales").put("/dav/calendars/sales/work/a.ics", &[], event("a", &hours(9, 10))).await.expect(201);
        let request = |people: &[&str]| calendar::FindSlotsRequest {
            people: people.iter().map(|person| (*person).to_owned()).collect(),
            start_time: at("2026-11-23T00:00:00Z"),
            end_time: at("2026-12-01T00:00:00Z"),
            duration: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
            count: 3,
            ..Default::default()
        };
        let found = manager.free_busy().find_slots(request(&["users/sales", "users/manager"])).await.expect("slots").into_inner().slots;
        let starts: Vec<_> = found.into_iter().map(|slot| slot.start_time).collect();
        // 23 November 2026 is a Monday, the only day on which they work; the next one is a week later.
        assert_eq!(starts, [at("2026-11-23T10:00:00Z"), at("2026-11-23T11:00:00Z"), at("2026-11-30T09:00:00Z")]);
        refused(manager.free_busy().find_slots(request(&["users/nobody"])).await, Code::InvalidArgument, "nobody");
        refused(manager.availability().update_availability(set("sales", "00:00", "24:00")).await, Code::PermissionDenied, "sales");
        let stranger = Grpc::stranger(&sandbox.address());
        refused(stranger.free_busy().find_slots(request(&["users/sales"])).await, Code::Unauthenticated, "sign in");
    }

    async fn c12_a_client_sets_working_hours_as_calendar_availability_of_the_home(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let home = "/dav/calendars/sales/";
        let none = http.propfind(home, "0", "<C:calendar-availability/>").await.expect(207).text();
        assert!(none.contains("404 Not Found"), "{none}");
        let text = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Apple//EN\nBEGIN:VAVAILABILITY\nUID:a\nDTSTAMP:20260101T000000Z\nBEGIN:AVAILABLE\nUID:b\n\
            DTSTAMP:20260101T000000Z\nDTSTART;TZID=Europe/Brussels:20260105T100000\nDTEND;TZID=Europe/Brussels:20260105T110000\n\
            RRULE:FREQ=WEEKLY;BYDAY=MO\nX-APPLE:kept &amp; whole\nEND:AVAILABLE\nEND:VAVAILABILITY\nEND:VCALENDAR\n";
        let set = |text: &str| {
            format!(
                "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:set><D:prop>\
                 <C:calendar-availability>{text}</C:calendar-availability></D:prop></D:set></D:propertyupdate>"
            )
        };
        let xml = [("content-type", "application/xml")];
        let done = http.send("PROPPATCH", home, &xml, set(text)).await.expect(207).text();
        assert!(done.contains("200 OK"), "{done}");
        let found = http.propfind(home, "0", "<C:calendar-availability/>").await.expect(207).text();
        assert_eq!(texts(&found, "calendar-availability")[0], text);
        let request = calendar::GetAvailabilityRequest { name: "users/sales/availability".into() };
        let seen = sandbox.grpc("manager").availability().get_availability(request).await.expect("hours").into_inner();
        assert_eq!(seen.hours, [calendar::WorkingHours { day: 1, start: "10:00".into(), end: "11:00".into() }]);
        let broken = http.send("PROPPATCH", home, &xml, set("BEGIN:VCARD\nEND:VCARD\n")).await.expect(207).text();
        assert!(broken.contains("403 Forbidden") && broken.contains("valid-calendar-data"), "{broken}");
        // Apple's programs look for it at the inbox.
        let inbox = "/dav/calendars/sales/inbox/";
        let other = text.replace("T110000", "T120000");
        for (path, depth) in [(inbox, "0"), (home, "1")] {
            let found = http.propfind(path, depth, "<C:calendar-availability/>").await.expect(207).text();
            assert!(texts(&found, "calendar-availability").contains(&text.to_owned()), "{found}");
        }
        let done = http.send("PROPPATCH", inbox, &xml, set(&other)).await.expect(207).text();
        assert!(done.contains("200 OK"), "{done}");
        let found = http.propfind(home, "0", "<C:calendar-availability/>").await.expect(207).text();
        assert_eq!(texts(&found, "calendar-availability")[0], other);
        // What was said counts when somebody asks; the hours of who has said nothing do not.
        let busy = report(&sandbox.http("manager"), home).await.expect(200).text().replace("\r\n ", "");
        for part in ["BUSY-UNAVAILABLE", "20261123T000000Z/20261123T090000Z", "20261123T110000Z/20261124T000000Z"] {
            assert!(busy.contains(part), "{part} in {busy}");
        }
        let silent = report(&http, "/dav/calendars/manager/").await.expect(200).text();
        assert!(!silent.contains("BUSY-UNAVAILABLE"), "{silent}");
        // A neighbour neither reads nor writes it.
        let neighbour = sandbox.http("neighbour");
        let hidden = neighbour.propfind(inbox, "0", "<C:calendar-availability/>").await;
        assert!(!hidden.text().contains("BEGIN"), "{}", hidden.text());
        let refused = neighbour.send("PROPPATCH", inbox, &xml, set(text)).await;
        assert_ne!(refused.status, 200, "{}", refused.text());
        let hidden = neighbour.propfind(home, "0", "<C:calendar-availability/>").await.expect(207).text();
        assert!(hidden.contains("404 Not Found") && !hidden.contains("BEGIN"), "{hidden}");
        let refused = neighbour.send("PROPPATCH", home, &xml, set(text)).await.expect(207).text();
        assert!(refused.contains("403 Forbidden"), "{refused}");
    }
}
