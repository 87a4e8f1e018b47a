//! Invitations between users, as clients and callers of the API see them.
//! Rows C7 and D9.

use kontor_proto::calendar::v1::{
    Attendee, CreateEventRequest, Event, EventTime, GetEventRequest, ListEventsRequest,
    RespondToEventRequest, UpdateEventRequest, event_time,
};
use kontor_proto::directory::v1::{UpdateUserRequest, User};
use kontor_tests::{Grpc, Http, Sandbox, both};
use tonic::Code;

use crate::history::timeline;
use crate::support::{add_partner, eventually, refused, texts};

/// Gives users an e-mail address, and waits until the calendar has heard of it.
pub async fn with_addresses(sandbox: &Sandbox) {
    for user in ["manager", "colleague", "neighbour", "sales"] {
        let request = UpdateUserRequest {
            user: Some(User {
                name: format!("users/{user}"),
                email: format!("{user}@kontor.test"),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["email".into()] }),
            ..Default::default()
        };
        sandbox.grpc("admin").users().update_user(request).await.expect("an address");
    }
    let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
    eventually("the calendar knows the addresses", async || {
        let put =
            sales.put("/dav/calendars/sales/work/probe.ics", &[], meeting("probe", "neighbour", "")).await;
        assert!(put.status.is_success(), "{}", put.text());
        sales.send("DELETE", "/dav/calendars/sales/work/probe.ics", &[], "").await.expect(204);
        let found = hrefs(&neighbour, "/dav/calendars/neighbour/work/").await;
        for href in &found {
            neighbour.send("DELETE", href, &[], "").await.expect(204);
        }
        (!found.is_empty()).then_some(())
    })
    .await;
}

pub fn meeting(uid: &str, guest: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261130T090000Z\r\nDTEND:20261130T100000Z\r\nSUMMARY:{uid}\r\nORGANIZER:mailto:sales@kontor.test\r\n\
         ATTENDEE;PARTSTAT=ACCEPTED:mailto:sales@kontor.test\r\n\
         ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{guest}@kontor.test\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// Paths of the objects in a collection.
pub async fn hrefs(http: &Http, path: &str) -> Vec<String> {
    let answer = http.propfind(path, "1", "<D:getetag/>").await.expect(207).text();
    texts(&answer, "href").into_iter().filter(|href| href != path).collect()
}

/// The one object in a collection: its path and its unfolded text.
pub async fn only(http: &Http, path: &str) -> (String, String) {
    let mut found = hrefs(http, path).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let href = found.remove(0);
    let text = http.get(&href).await.expect(200).text().replace("\r\n ", "");
    (href, text)
}

pub async fn events(grpc: &Grpc) -> Vec<Event> {
    let request = ListEventsRequest { parent: "calendars/default".into(), ..Default::default() };
    grpc.events().list_events(request).await.expect("events").into_inner().events
}

fn at(text: &str) -> Option<EventTime> {
    Some(EventTime { kind: Some(event_time::Kind::Local(text.into())), time_zone: "Europe/Brussels".into() })
}

fn guest(email: &str) -> Attendee {
    Attendee { email: email.into(), ..Default::default() }
}

pub fn answer_of(event: &Event, email: &str) -> String {
    let guest = event.attendees.iter().find(|guest| guest.email == email);
    guest.map(|guest| guest.participation.clone()).unwrap_or_default()
}

const WORK: &str = "/dav/calendars/manager/work/";
const INBOX: &str = "/dav/calendars/manager/inbox/";

both! {
    async fn d9_a_client_finds_inbox_and_outbox(sandbox: Sandbox) {
        let http = sandbox.http("manager");
        let options = http.send("OPTIONS", "/dav/calendars/manager/", &[], "").await.expect(200);
        assert!(options.header("dav").contains("calendar-auto-schedule"), "{}", options.header("dav"));
        let asked = "<C:schedule-inbox-URL/><C:schedule-outbox-URL/><C:calendar-user-address-set/><C:calendar-user-type/>";
        let answer = http.propfind("/dav/principals/users/manager/", "0", asked).await.expect(207).text();
        assert!(answer.contains("<C:schedule-inbox-URL><D:href>/dav/calendars/manager/inbox/</D:href>"), "{answer}");
        assert!(answer.contains("<C:schedule-outbox-URL><D:href>/dav/calendars/manager/outbox/</D:href>"), "{answer}");
        let asked = "<D:resourcetype/><D:current-user-privilege-set/><C:schedule-default-calendar-URL/><D:supported-report-set/>";
        let inbox = http.propfind(INBOX, "0", asked).await.expect(207).text();
        assert!(inbox.contains("<C:schedule-inbox/>") && !inbox.contains("<C:calendar/>"), "{inbox}");
        assert!(inbox.contains("<C:schedule-deliver-invite/>") && inbox.contains("<D:sync-collection/>"), "{inbox}");
        assert!(inbox.contains(&format!("<C:schedule-default-calendar-URL><D:href>{WORK}</D:href>")), "{inbox}");
        let outbox = http.propfind("/dav/calendars/manager/outbox/", "0", asked).await.expect(207).text();
        assert!(outbox.contains("<C:schedule-outbox/>") && outbox.contains("<C:schedule-send-freebusy/>"), "{outbox}");
        let home = http.propfind("/dav/calendars/manager/", "1", "<D:resourcetype/>").await.expect(207).text();
        // The user's own and the overview are calendars, the inbox is none.
        assert_eq!((home.matches("<C:calendar/>").count(), home.matches("<C:schedule-inbox/>").count()), (2, 1), "{home}");
        // Nobody looks into the inbox of another, and nobody deletes his own.
        sandbox.http("neighbour").propfind(INBOX, "0", "<D:resourcetype/>").await.expect(404);
        let refused = http.send("DELETE", INBOX, &[], "").await.expect(403);
        assert!(refused.text().contains("need-privileges"), "{}", refused.text());
        let put = http.put(&format!("{INBOX}x.ics"), &[], meeting("x", "manager", "")).await.expect(403);
        assert!(put.text().contains("need-privileges"), "{}", put.text());
    }

    /// RFC 6638 section 4.3: what a phone does when its user picks another default calendar.
    async fn d9_the_default_calendar_is_chosen_and_new_meetings_go_there(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.http("sales"), sandbox.http("manager"));
        let (other, tasks) = ("/dav/calendars/manager/other/", "/dav/calendars/manager/tasks/");
        manager.send("MKCALENDAR", other, &[], "").await.expect(201);
        let only_tasks = "<C:mkcalendar xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:set><D:prop>\
            <C:supported-calendar-component-set><C:comp name=\"VTODO\"/></C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>";
        manager.send("MKCALENDAR", tasks, &[("content-type", "application/xml")], only_tasks).await.expect(201);
        let set = async |who: &Http, inbox: &str, href: &str| {
            let body = format!("<D:propertyupdate xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:set><D:prop><C:schedule-default-calendar-URL>\
                <D:href>{href}</D:href></C:schedule-default-calendar-URL></D:prop></D:set></D:propertyupdate>");
            who.send("PROPPATCH", inbox, &[("content-type", "application/xml")], body).await.expect(207).text()
        };
        // Not a calendar, not there, another's, none that takes events, the inbox itself.
        for wrong in ["x", "/dav/calendars/manager/nowhere/", "/dav/calendars/sales/work/", tasks, INBOX, "/dav/calendars/manager/company/"] {
            let refused = set(&manager, INBOX, wrong).await;
            assert!(refused.contains("403 Forbidden") && refused.contains("<C:valid-schedule-default-calendar-URL/>"), "{wrong}: {refused}");
        }
        let asked = "<C:schedule-default-calendar-URL/>";
        let inbox = manager.propfind(INBOX, "0", asked).await.expect(207).text();
        assert!(inbox.contains(WORK), "{inbox}");
        let done = set(&manager, INBOX, other).await;
        assert!(done.contains("200 OK") && !done.contains("403"), "{done}");
        let inbox = manager.propfind(INBOX, "0", asked).await.expect(207).text();
        assert!(inbox.contains(other) && !inbox.contains(WORK), "{inbox}");
        sales.put("/dav/calendars/sales/work/plan.ics", &[], meeting("plan", "manager", "")).await.expect(201);
        assert_eq!((hrefs(&manager, WORK).await.len(), hrefs(&manager, other).await.len()), (0, 1));
        // Nobody chooses for another.
        sales.send("PROPPATCH", INBOX, &[("content-type", "application/xml")], "<D:propertyupdate xmlns:D=\"DAV:\"/>").await.expect(400);
        let body = format!("<D:propertyupdate xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:set><D:prop><C:schedule-default-calendar-URL>\
            <D:href>{WORK}</D:href></C:schedule-default-calendar-URL></D:prop></D:set></D:propertyupdate>");
        let stranger = sales.send("PROPPATCH", INBOX, &[("content-type", "application/xml")], body).await.text();
        assert!(!stranger.contains("200 OK"), "{stranger}");
        let inbox = manager.propfind(INBOX, "0", asked).await.expect(207).text();
        assert!(inbox.contains(other), "{inbox}");
    }

    async fn c7_a_colleague_is_invited_accepts_and_hears_of_the_end(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.http("sales"), sandbox.http("manager"));
        let path = "/dav/calendars/sales/work/plan.ics";
        let put = sales.put(path, &[], meeting("plan", "manager", "")).await.expect(201);
        assert_eq!(put.header("etag"), "", "the server wrote SCHEDULE-STATUS into it");
        let tag = put.header("schedule-tag").to_owned();
        assert!(!tag.is_empty());
        let (href, text) = only(&manager, WORK).await;
        assert!(text.contains("SUMMARY:plan") && !text.contains("METHOD"), "{text}");
        let (message, invitation) = only(&manager, INBOX).await;
        assert!(invitation.contains("METHOD:REQUEST"), "{invitation}");
        manager.send("DELETE", &message, &[], "").await.expect(204);
        assert!(hrefs(&manager, INBOX).await.is_empty());
        let present = manager.get(&href).await.expect(200);
        let theirs = present.header("schedule-tag").to_owned();
        let accepted = text.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
        manager.put(&href, &[("if-schedule-tag-match", "\"other\"")], accepted.clone()).await.expect(412);
        manager.put(&href, &[("if-schedule-tag-match", &theirs)], accepted).await.expect(204);
        let own = sales.get(path).await.expect(200);
        assert_eq!(own.header("schedule-tag"), tag);
        let own_text = own.text().replace("\r\n ", "");
        assert!(own_text.contains("PARTSTAT=ACCEPTED;SCHEDULE-STATUS=2.0:mailto:manager@kontor.test"), "{own_text}");
        // A guest who takes the meeting elsewhere is refused, in the words of the protocol.
        let (_, text) = only(&manager, WORK).await;
        let moved = manager.put(&href, &[], text.replace("T090000Z", "T080000Z")).await.expect(403);
        assert!(moved.text().contains("<C:allowed-attendee-scheduling-object-change/>"), "{}", moved.text());
        // A write that holds only for the meeting as it was known passes over the answer.
        let late = meeting("plan", "manager", "LOCATION:Room 1\r\n");
        sales.put(path, &[("if-schedule-tag-match", &tag)], late).await.expect(204);
        assert!(sales.get(path).await.expect(200).text().replace("\r\n ", "").contains("PARTSTAT=ACCEPTED;SCHEDULE-STATUS"));
        assert!(only(&manager, WORK).await.1.contains("LOCATION:Room 1"));
        sales.send("DELETE", path, &[], "").await.expect(204);
        assert!(only(&manager, WORK).await.1.contains("STATUS:CANCELLED"));
        assert_eq!(hrefs(&manager, INBOX).await.len(), 2, "the change and the end");
    }

    async fn d9_a_deleted_invitation_is_declined_unless_the_client_says_no(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.http("sales"), sandbox.http("manager"));
        for (uid, header, answer) in [("quiet", "F", "NEEDS-ACTION"), ("told", "T", "DECLINED")] {
            let path = format!("/dav/calendars/sales/work/{uid}.ics");
            sales.put(&path, &[], meeting(uid, "manager", "")).await.expect(201);
            let (href, _) = only(&manager, WORK).await;
            manager.send("DELETE", &href, &[("schedule-reply", header)], "").await.expect(204);
            let text = sales.get(&path).await.expect(200).text().replace("\r\n ", "");
            let line = text.lines().find(|line| line.contains("manager@")).expect("the guest");
            assert!(line.contains(answer), "{line}");
        }
        // Moved to another calendar of the guest: nobody is told, and it stays the same invitation.
        let path = "/dav/calendars/sales/work/moved.ics";
        sales.put(path, &[], meeting("moved", "manager", "")).await.expect(201);
        manager.send("MKCALENDAR", "/dav/calendars/manager/two/", &[], "").await.expect(201);
        let (href, _) = only(&manager, WORK).await;
        let to = href.replace("/work/", "/two/");
        let tag = manager.get(&href).await.expect(200).header("schedule-tag").to_owned();
        let moved = manager.send("MOVE", &href, &[("destination", &to)], "").await.expect(201);
        assert_eq!(moved.header("schedule-tag"), tag);
        assert!(sales.get(path).await.expect(200).text().contains("NEEDS-ACTION"));
        let text = manager.get(&to).await.expect(200).text().replace("\r\n ", "");
        manager.put(&to, &[], text.replace("NEEDS-ACTION", "TENTATIVE")).await.expect(204);
        assert!(sales.get(path).await.expect(200).text().contains("TENTATIVE"));
        let copy = href.replace("/work/", "/work/again-");
        let refused = manager.send("COPY", &to, &[("destination", &copy)], "").await.expect(403);
        assert!(refused.text().contains("unique-scheduling-object-resource"), "{}", refused.text());
    }

    async fn d9_the_outbox_says_when_people_are_busy(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.http("sales"), sandbox.http("manager"));
        sales.put("/dav/calendars/sales/work/busy.ics", &[], meeting("busy", "manager", "")).await.expect(201);
        let question = |organizer: &str, method: &str| format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nMETHOD:{method}\r\nBEGIN:VFREEBUSY\r\nUID:q\r\nDTSTAMP:20261101T080000Z\r\n\
             DTSTART:20261130T000000Z\r\nDTEND:20261201T000000Z\r\nORGANIZER:mailto:{organizer}@kontor.test\r\n\
             ATTENDEE:mailto:sales@kontor.test\r\nATTENDEE:mailto:neighbour@kontor.test\r\nATTENDEE:mailto:nobody@example.com\r\n\
             END:VFREEBUSY\r\nEND:VCALENDAR\r\n"
        );
        let outbox = "/dav/calendars/manager/outbox/";
        let kind = [("content-type", "text/calendar")];
        let answer = manager.send("POST", outbox, &kind, question("manager", "REQUEST")).await.expect(200).text();
        let parts: Vec<&str> = answer.split("<C:response>").skip(1).collect();
        assert_eq!(parts.len(), 3, "{answer}");
        assert!(parts[0].contains("mailto:sales@kontor.test") && parts[0].contains("2.0;Success"), "{answer}");
        assert!(parts[0].contains("FREEBUSY;FBTYPE=BUSY:20261130T090000Z/20261130T100000Z"), "{answer}");
        assert!(parts[1].contains("METHOD:REPLY") && !parts[1].contains("FBTYPE"), "{answer}");
        assert!(parts[2].contains("3.7;") && !parts[2].contains("calendar-data"), "{answer}");
        assert!(!answer.contains("SUMMARY"), "nobody learns what it is: {answer}");
        let refused = manager.send("POST", outbox, &kind, question("sales", "REQUEST")).await.expect(403);
        assert!(refused.text().contains("<C:valid-organizer/>"), "{}", refused.text());
        let refused = manager.send("POST", outbox, &kind, question("manager", "PUBLISH")).await.expect(400);
        assert!(refused.text().contains("<C:valid-scheduling-message/>"), "{}", refused.text());
        sales.send("POST", outbox, &kind, question("manager", "REQUEST")).await.expect(404);
    }

    async fn c7_over_the_api_guests_are_invited_and_answer(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.grpc("sales"), sandbox.grpc("manager"));
        let weekly = Event {
            summary: "Weekly".into(),
            start: at("2026-11-30T09:00:00"),
            end: at("2026-11-30T10:00:00"),
            recurrence_rule: "FREQ=WEEKLY;COUNT=3".into(),
            attendees: vec![guest("manager@kontor.test")],
            ..Default::default()
        };
        let request = CreateEventRequest { parent: "calendars/default".into(), event: Some(weekly), ..Default::default() };
        let made = sales.events().create_event(request).await.expect("a meeting").into_inner();
        assert_eq!(made.organizer, "sales@kontor.test", "who invites is the organizer");
        let copy = events(&manager).await.remove(0);
        assert_eq!((copy.summary.as_str(), copy.organizer.as_str()), ("Weekly", "sales@kontor.test"));
        let answer = RespondToEventRequest { name: copy.name.clone(), participation: "ACCEPTED".into(), comment: "Gladly".into(), ..Default::default() };
        let answered = manager.events().respond_to_event(answer.clone()).await.expect("an answer").into_inner();
        assert_eq!(answer_of(&answered, "manager@kontor.test"), "ACCEPTED");
        let own = sales.events().get_event(GetEventRequest { name: made.name.clone() }).await.expect("it").into_inner();
        assert_eq!(answer_of(&own, "manager@kontor.test"), "ACCEPTED");
        assert_eq!(own.override_count, 0);
        let micros = "2026-12-07T08:00:00Z".parse::<jiff::Timestamp>().expect("an instant").as_microsecond();
        let one = RespondToEventRequest {
            participation: "DECLINED".into(),
            original_start_time: Some(kontor_kit::clock::to_proto(micros)),
            ..answer.clone()
        };
        manager.events().respond_to_event(one.clone()).await.expect("an answer for one");
        let own = sales.events().get_event(GetEventRequest { name: made.name.clone() }).await.expect("it").into_inner();
        assert_eq!((own.override_count, answer_of(&own, "manager@kontor.test").as_str()), (1, "ACCEPTED"));
        let wrong = RespondToEventRequest { original_start_time: Some(kontor_kit::clock::to_proto(micros + 60_000_000)), ..one };
        refused(manager.events().respond_to_event(wrong).await, Code::NotFound, "");
        let wrong = RespondToEventRequest { participation: "PERHAPS".into(), ..answer.clone() };
        refused(manager.events().respond_to_event(wrong).await, Code::InvalidArgument, "participation");
        refused(sandbox.grpc("neighbour").events().respond_to_event(answer.clone()).await, Code::NotFound, "");
        let own = RespondToEventRequest { name: events(&sandbox.grpc("colleague")).await.first().map(|it| it.name.clone()).unwrap_or(made.name), ..answer };
        refused(sandbox.grpc("neighbour").events().respond_to_event(own).await, Code::NotFound, "");
    }

    async fn c7_the_answer_of_a_partner_lands_in_the_partners_history(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let sales = sandbox.grpc("sales");
        let partner = add_partner(&sales, "Example", "", "ann@example.com").await;
        let event = Event {
            summary: "Demo".into(),
            start: at("2026-12-01T09:00:00"),
            end: at("2026-12-01T10:00:00"),
            attendees: vec![guest("ann@example.com"), guest("manager@kontor.test")],
            ..Default::default()
        };
        let request = CreateEventRequest { parent: "calendars/default".into(), event: Some(event), ..Default::default() };
        let made = sales.events().create_event(request).await.expect("a meeting").into_inner();
        eventually("the meeting is with the partner", async || {
            let read = sales.events().get_event(GetEventRequest { name: made.name.clone() }).await.expect("it").into_inner();
            read.partners.contains(&partner.name).then_some(())
        })
        .await;
        let said = Attendee { participation: "ACCEPTED".into(), ..guest("ann@example.com") };
        let request = UpdateEventRequest {
            event: Some(Event { name: made.name.clone(), attendees: vec![said, guest("manager@kontor.test")], ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["attendees".into()] }),
            ..Default::default()
        };
        sales.events().update_event(request).await.expect("what Ann wrote");
        let lines = eventually("the answer stands in the history", async || {
            let found = timeline(&sales, &partner.name).await;
            let lines: Vec<String> = found.into_iter().map(|entry| entry.summary).collect();
            lines.iter().any(|line| line == "accepted: Demo").then_some(lines)
        })
        .await;
        assert_eq!(lines.iter().filter(|line| line.ends_with("meeting: Demo")).count(), 1, "once, not for each copy: {lines:?}");
    }
}
