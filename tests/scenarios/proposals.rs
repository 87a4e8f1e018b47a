//! Other times that guests propose, and parts that they hand over, as programs and partners' timelines see them.
//! Row C7.

use kontor_proto::calendar::v1::{
    Attendee, CreateEventRequest, Event, EventTime, ListProposalsRequest, Proposal, ProposeTimeRequest,
    event_time,
};
use kontor_tests::{Grpc, both};
use tonic::Code;

use crate::history::timeline;
use crate::scheduling::{events, hrefs, meeting, only, with_addresses};
use crate::support::{add_partner, eventually, refused};

const WORK: &str = "/dav/calendars/manager/work/";
const OUTBOX: &str = "/dav/calendars/manager/outbox/";
const KIND: [(&str, &str); 1] = [("content-type", "text/calendar")];

fn counter(method: &str, uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261130T130000Z\r\nDTEND:20261130T140000Z\r\nSUMMARY:{uid}\r\nORGANIZER:mailto:sales@kontor.test\r\n\
         ATTENDEE;PARTSTAT=TENTATIVE:mailto:manager@kontor.test\r\nCOMMENT:After lunch?\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

async fn open(grpc: &Grpc, parent: &str) -> Vec<Proposal> {
    let request = ListProposalsRequest { parent: parent.to_owned() };
    grpc.proposals().list_proposals(request).await.expect("a list").into_inner().proposals
}

both! {
    async fn c7_a_program_proposes_another_time_through_the_outbox(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.http("sales"), sandbox.http("manager"));
        sales.put("/dav/calendars/sales/work/plan.ics", &[], meeting("plan", "manager", "")).await.expect(201);
        let event = events(&sandbox.grpc("sales")).await.remove(0);
        let answer = manager.send("POST", OUTBOX, &KIND, counter("COUNTER", "plan", "")).await.expect(200).text();
        assert!(answer.contains("mailto:sales@kontor.test") && answer.contains("2.0;Success"), "{answer}");
        let (_, message) = only(&sales, "/dav/calendars/sales/inbox/").await;
        assert!(message.contains("METHOD:COUNTER") && message.contains("COMMENT:After lunch?"), "{message}");
        assert!(message.contains("DTSTART:20261130T130000Z"), "{message}");
        let found = open(&sandbox.grpc("sales"), &event.name).await;
        assert_eq!((found.len(), found[0].attendee.as_str()), (1, "manager@kontor.test"));
        // The same time as now is no proposal; a meeting that is not there neither.
        let same = counter("COUNTER", "plan", "").replace("T130000Z", "T090000Z").replace("T140000Z", "T100000Z");
        let answer = manager.send("POST", OUTBOX, &KIND, same).await.expect(200).text();
        assert!(answer.contains("3.0;"), "{answer}");
        let answer = manager.send("POST", OUTBOX, &KIND, counter("COUNTER", "other", "")).await.expect(200).text();
        assert!(answer.contains("5.1;"), "{answer}");
        // Nobody speaks for somebody else, and a neighbour's outbox is nobody's.
        let neighbour = sandbox.http("neighbour");
        let own = "/dav/calendars/neighbour/outbox/";
        let refused = neighbour.send("POST", own, &KIND, counter("COUNTER", "plan", "")).await.expect(400);
        assert!(refused.text().contains("<C:valid-scheduling-message/>"), "{}", refused.text());
        let uninvited = counter("COUNTER", "plan", "").replace("manager@", "neighbour@");
        let answer = neighbour.send("POST", own, &KIND, uninvited).await.expect(200).text();
        assert!(answer.contains("3.8;"), "{answer}");
        neighbour.send("POST", OUTBOX, &KIND, counter("COUNTER", "plan", "")).await.expect(404);
        let broken = counter("COUNTER", "plan", "").replace("DTSTART:20261130T130000Z\r\n", "");
        manager.send("POST", OUTBOX, &KIND, broken).await.expect(400);
        // The organizer's program says no.
        let no = counter("DECLINECOUNTER", "plan", "");
        let refused = manager.send("POST", OUTBOX, &KIND, no.clone()).await.expect(403);
        assert!(refused.text().contains("<C:valid-organizer/>"), "{}", refused.text());
        let outbox = "/dav/calendars/sales/outbox/";
        let answer = sales.send("POST", outbox, &KIND, no.clone()).await.expect(200).text();
        assert!(answer.contains("mailto:manager@kontor.test") && answer.contains("2.0;Success"), "{answer}");
        assert!(open(&sandbox.grpc("sales"), &event.name).await.is_empty());
        let told = hrefs(&manager, "/dav/calendars/manager/inbox/").await;
        assert_eq!(told.len(), 2, "the invitation and the no");
        let answer = sales.send("POST", outbox, &KIND, no).await.expect(200).text();
        assert!(answer.contains("3.7;"), "it is no longer open: {answer}");
    }

    async fn c7_a_partners_proposal_lands_in_the_partners_history(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager) = (sandbox.grpc("sales"), sandbox.grpc("manager"));
        // A partner who is reached by the address of a user, as a company's own people are.
        let partner = add_partner(&sales, "Example", "", "manager@kontor.test").await;
        let at = |text: &str| Some(EventTime {
            kind: Some(event_time::Kind::Local(text.into())),
            time_zone: "Europe/Brussels".into(),
        });
        let guest = Attendee { email: "manager@kontor.test".into(), ..Default::default() };
        let event = Event {
            summary: "Demo".into(),
            start: at("2026-12-01T09:00:00"),
            end: at("2026-12-01T10:00:00"),
            attendees: vec![guest],
            ..Default::default()
        };
        let request = CreateEventRequest { parent: "calendars/default".into(), event: Some(event), ..Default::default() };
        let made = sales.events().create_event(request).await.expect("a meeting").into_inner();
        eventually("the meeting is with the partner", async || {
            let found = events(&sales).await.remove(0);
            found.partners.contains(&partner.name).then_some(())
        })
        .await;
        let copy = events(&manager).await.remove(0);
        let wish = ProposeTimeRequest { name: copy.name, start: at("2026-12-01T14:00:00"), ..Default::default() };
        refused(sandbox.grpc("neighbour").proposals().propose_time(wish.clone()).await, Code::NotFound, "");
        manager.proposals().propose_time(wish).await.expect("a proposal");
        assert_eq!(open(&sales, &made.name).await.len(), 1);
        let lines = eventually("the proposal stands in the history", async || {
            let found = timeline(&sales, &partner.name).await;
            let lines: Vec<String> = found.into_iter().map(|entry| entry.summary).collect();
            lines.iter().any(|line| line == "proposes another time: Demo").then_some(lines)
        })
        .await;
        assert_eq!(lines.len(), 2, "{lines:?}");
    }

    async fn c7_a_program_hands_a_part_over_to_a_colleague(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, manager, colleague) = (sandbox.http("sales"), sandbox.http("manager"), sandbox.http("colleague"));
        let path = "/dav/calendars/sales/work/plan.ics";
        sales.put(path, &[], meeting("plan", "manager", "")).await.expect(201);
        let (href, text) = only(&manager, WORK).await;
        let line = text.lines().find(|line| line.ends_with(":mailto:manager@kontor.test")).expect("the guest").to_owned();
        let handed = "ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO=\"mailto:colleague@kontor.test\":mailto:manager@kontor.test\r\n\
                      ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;DELEGATED-FROM=\"mailto:manager@kontor.test\":mailto:colleague@kontor.test";
        manager.put(&href, &[], text.replace(&line, handed)).await.expect(204);
        let (theirs, text) = only(&colleague, "/dav/calendars/colleague/work/").await;
        assert!(text.contains("SUMMARY:plan") && text.contains("DELEGATED-FROM=\"mailto:manager@kontor.test\""), "{text}");
        colleague.put(&theirs, &[], text.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED")).await.expect(204);
        let own = sales.get(path).await.expect(200).text().replace("\r\n ", "");
        let of = |user: &str| {
            let end = format!(":mailto:{user}@kontor.test");
            own.lines().find(|line| line.starts_with("ATTENDEE") && line.ends_with(&end)).expect("a guest").to_owned()
        };
        assert!(of("manager").contains("DELEGATED-TO=\"mailto:colleague@kontor.test\""), "{own}");
        assert!(of("manager").contains("PARTSTAT=DELEGATED") && of("colleague").contains("PARTSTAT=ACCEPTED"), "{own}");
        let inbox = "/dav/calendars/manager/inbox/";
        assert_eq!(hrefs(&manager, inbox).await.len(), 2, "the invitation, and what the delegate said");
        // Somebody who is named by nobody is no guest.
        let crowd = "ATTENDEE;PARTSTAT=ACCEPTED:mailto:neighbour@kontor.test\r\nEND:VEVENT";
        let (href, text) = only(&manager, WORK).await;
        let refused = manager.put(&href, &[], text.replace("END:VEVENT", crowd)).await.expect(403);
        assert!(refused.text().contains("<C:allowed-attendee-scheduling-object-change/>"), "{}", refused.text());
    }
}
