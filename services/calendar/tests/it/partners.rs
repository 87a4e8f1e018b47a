//! Partners of meetings: those given in the object and those found by addresses, and what they hear (row H1's side here).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kontor_kit::link::Link;
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::{MeetingChanged, MeetingScheduled};
use kontor_proto::directory::v1::partner_service_server::{PartnerService, PartnerServiceServer};
use kontor_proto::directory::v1::{self as directory, PartnerCreated};
use kontor_proto::r#type::v1::{Email, Event};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::support::{Bed, beds_with, both, caller, instant, mask, meeting};

/// Kind and partner of each event, in order.
fn kinds(events: &[Event]) -> Vec<(String, String)> {
    let short = |event: &Event| kontor_kit::outbox::kind(event).rsplit('.').next().unwrap().to_owned();
    events.iter().map(|event| (short(event), event.partner.clone())).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(kind, partner)| ((*kind).to_owned(), (*partner).to_owned())).collect()
}

/// What was published of meetings; the invitations of people outside are messages, not meetings.
async fn meetings(bed: &Bed, login: &str) -> Vec<Event> {
    let mut events = bed.changes(login).await;
    events.retain(|event| !kontor_kit::outbox::kind(event).ends_with(".SchedulingMessage"));
    events
}

async fn wait_for(bed: &Bed, count: usize) -> Vec<Event> {
    for _ in 0..300 {
        let events = meetings(bed, "sales").await;
        if events.len() >= count {
            return events;
        }
        // What has to wait waits by this clock.
        bed.advance(60);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("fewer than {count} events came");
}

both!(given_partners_hear_of_a_meeting_without_any_directory, bed, {
    let event = proto::Event {
        partners: vec!["partners/b".to_owned(), "partners/a".to_owned()],
        attendees: vec![proto::Attendee { email: "x@example.org".to_owned(), ..Default::default() }],
        ..meeting("Demo", "2026-11-23")
    };
    let made = bed.create("sales", event).await;
    assert_eq!(made.partners, ["partners/a", "partners/b"]);
    let events = meetings(&bed, "sales").await;
    assert_eq!(
        kinds(&events),
        pairs(&[("MeetingScheduled", "partners/a"), ("MeetingScheduled", "partners/b")])
    );
    let first = kontor_kit::outbox::payload::<MeetingScheduled>(&events[0]).unwrap();
    assert_eq!(
        (first.summary.as_str(), instant(first.start_time).as_str()),
        ("Demo", "2026-11-23T08:00:00Z")
    );
    assert_eq!(events[0].subject, made.name);
    assert_eq!(events[0].actor, "users/sales");
    let audience = events[0].audience.clone().unwrap();
    assert_eq!((audience.owner.as_str(), audience.company), ("users/sales", false));
    assert!(meetings(&bed, "manager").await.is_empty());

    let text = crate::support::text(&bed.event("sales", &made.name).await.icalendar);
    assert!(text.contains("X-KONTOR-PARTNER:partners/a\r\n"), "{text}");

    let update = |event: proto::Event, fields: &[&str]| proto::UpdateEventRequest {
        event: Some(event),
        update_mask: mask(fields),
        request_id: String::new(),
    };
    let request =
        update(proto::Event { partners: vec!["partners/b".to_owned()], ..made.clone() }, &["partners"]);
    let one = bed.events().update_event(caller("sales").request(request)).await.unwrap().into_inner();
    assert_eq!(one.partners, ["partners/b"]);
    assert_eq!(kinds(&meetings(&bed, "sales").await[2..]), pairs(&[("MeetingRemoved", "partners/a")]));

    let request = update(proto::Event { summary: "Demo 2".to_owned(), ..one.clone() }, &["summary"]);
    let two = bed.events().update_event(caller("sales").request(request)).await.unwrap().into_inner();
    let events = meetings(&bed, "sales").await;
    assert_eq!(kinds(&events[3..]), pairs(&[("MeetingChanged", "partners/b")]));
    assert_eq!(kontor_kit::outbox::payload::<MeetingChanged>(&events[3]).unwrap().summary, "Demo 2");

    // What does not concern a partner is not told.
    let request = update(proto::Event { categories: vec!["x".to_owned()], ..two.clone() }, &["categories"]);
    let request = proto::UpdateEventRequest {
        event: request.event.map(|event| proto::Event { etag: String::new(), ..event }),
        ..request
    };
    bed.events().update_event(caller("sales").request(request)).await.unwrap();
    assert_eq!(meetings(&bed, "sales").await.len(), 4);

    let delete = proto::DeleteEventRequest { name: made.name.clone(), ..Default::default() };
    bed.events().delete_event(caller("sales").request(delete)).await.unwrap();
    assert_eq!(kinds(&meetings(&bed, "sales").await[4..]), pairs(&[("MeetingRemoved", "partners/b")]));
});

both!(a_line_put_by_a_client_counts_and_a_deleted_calendar_removes_it, bed, {
    let text = "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:a
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20261123
SUMMARY:visit
X-KONTOR-PARTNER:partners/a
END:VEVENT
END:VCALENDAR
";
    bed.put("sales", "a.ics", text).await.unwrap();
    let events = meetings(&bed, "sales").await;
    let first = kontor_kit::outbox::payload::<MeetingScheduled>(&events[0]).unwrap();
    assert_eq!(instant(first.start_time), "2026-11-22T23:00:00Z");
    bed.put("sales", "a.ics", &text.replace("SUMMARY:visit", "SUMMARY:visit\nSTATUS:CANCELLED"))
        .await
        .unwrap();
    bed.put("sales", "a.ics", text).await.unwrap();
    let delete = proto::DeleteCalendarRequest { name: bed.work("sales").await, request_id: String::new() };
    bed.calendars().delete_calendar(caller("sales").request(delete)).await.unwrap();
    let wanted = ["MeetingScheduled", "MeetingRemoved", "MeetingScheduled", "MeetingRemoved"];
    assert_eq!(
        kinds(&meetings(&bed, "sales").await),
        wanted.map(|kind| (kind.to_owned(), "partners/a".to_owned()))
    );
});

/// A directory with a switch: the other service can't be started here, for services do not know each other.
#[derive(Clone, Default)]
struct Directory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    down: bool,
    partners: HashMap<String, Vec<String>>,
}

impl Directory {
    fn set_down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    fn set(&self, partner: &str, emails: &[&str]) {
        let emails = emails.iter().map(|email| (*email).to_owned()).collect();
        self.0.lock().unwrap().partners.insert(partner.to_owned(), emails);
    }

    fn partner(name: &str, emails: &[String]) -> directory::Partner {
        let email = |address: &String| Email { address: address.clone(), ..Email::default() };
        directory::Partner {
            name: name.to_owned(),
            emails: emails.iter().map(email).collect(),
            ..directory::Partner::default()
        }
    }
}

macro_rules! absent {
    ($($method:ident: $request:ident => $answer:ty),* $(,)?) => {$(
        fn $method<'a: 'c, 'c>(
            &'a self,
            _: Request<directory::$request>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<$answer>, Status>> + Send + 'c>> {
            Box::pin(async { Err(Status::unimplemented("not needed here")) })
        }
    )*};
}

#[tonic::async_trait]
impl PartnerService for Directory {
    type RebuildTimelinesStream = ReceiverStream<Result<directory::RebuildTimelinesResponse, Status>>;

    async fn get_partner(
        &self,
        request: Request<directory::GetPartnerRequest>,
    ) -> Result<Response<directory::Partner>, Status> {
        let state = self.0.lock().unwrap();
        if state.down {
            return Err(Status::unavailable("down"));
        }
        let name = &request.get_ref().name;
        let emails = state.partners.get(name).ok_or_else(|| Status::not_found("none"))?;
        Ok(Response::new(Directory::partner(name, emails)))
    }

    async fn lookup_partners(
        &self,
        request: Request<directory::LookupPartnersRequest>,
    ) -> Result<Response<directory::LookupPartnersResponse>, Status> {
        let state = self.0.lock().unwrap();
        if state.down {
            return Err(Status::unavailable("down"));
        }
        let email = &request.get_ref().email;
        let found = state.partners.iter().filter(|(_, emails)| emails.contains(email));
        let partners = found.map(|(name, emails)| Directory::partner(name, emails)).collect();
        Ok(Response::new(directory::LookupPartnersResponse { partners, ..Default::default() }))
    }

    absent! {
        list_partners: ListPartnersRequest => directory::ListPartnersResponse,
        create_partner: CreatePartnerRequest => directory::Partner,
        update_partner: UpdatePartnerRequest => directory::Partner,
        delete_partner: DeletePartnerRequest => (),
        match_or_create_partner: MatchOrCreatePartnerRequest => directory::MatchOrCreatePartnerResponse,
        list_timeline_entries: ListTimelineEntriesRequest => directory::ListTimelineEntriesResponse,
        rebuild_timelines: RebuildTimelinesRequest => Self::RebuildTimelinesStream,
    }
}

fn with_guest(email: &str) -> proto::Event {
    proto::Event {
        attendees: vec![proto::Attendee { email: email.to_owned(), ..Default::default() }],
        ..meeting("Demo", "2026-11-23")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_who_is_a_partner_is_found_by_the_address() {
    let peer = Directory::default();
    peer.set("partners/anna", &["anna@example.org"]);
    for bed in beds_with(Link::local(Routes::new(PartnerServiceServer::new(peer.clone())))).await {
        let made = bed.create("sales", with_guest("Anna@Example.org")).await;
        assert_eq!(made.partners, ["partners/anna"]);
        assert_eq!(kinds(&meetings(&bed, "sales").await), pairs(&[("MeetingScheduled", "partners/anna")]));
        // What was found is not written into the object, not even when it is sent back.
        let request = proto::UpdateEventRequest {
            event: Some(made.clone()),
            update_mask: mask(&["*"]),
            request_id: String::new(),
        };
        let same = bed.events().update_event(caller("sales").request(request)).await.unwrap().into_inner();
        assert_eq!(same.etag, made.etag);
        let text = crate::support::text(&bed.event("sales", &made.name).await.icalendar);
        assert!(!text.contains("X-KONTOR-PARTNER"), "{text}");
        bed.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_looked_up_is_looked_up_later() {
    let peer = Directory::default();
    peer.set("partners/anna", &["anna@example.org"]);
    for bed in beds_with(Link::local(Routes::new(PartnerServiceServer::new(peer.clone())))).await {
        peer.set_down(true);
        let made = bed.create("sales", with_guest("anna@example.org")).await;
        assert!(made.partners.is_empty());
        peer.set_down(false);
        let events = wait_for(&bed, 1).await;
        assert_eq!(kinds(&events), pairs(&[("MeetingScheduled", "partners/anna")]));
        assert_eq!(bed.event("sales", &made.name).await.partners, ["partners/anna"]);
        // While it is down again, a change keeps what was known.
        peer.set_down(true);
        let request = proto::UpdateEventRequest {
            event: Some(proto::Event { summary: "Demo 2".to_owned(), ..made.clone() }),
            update_mask: mask(&["summary"]),
            request_id: String::new(),
        };
        let changed = bed.events().update_event(caller("sales").request(request)).await.unwrap().into_inner();
        assert_eq!(changed.partners, ["partners/anna"]);
        assert_eq!(kinds(&meetings(&bed, "sales").await[1..]), pairs(&[("MeetingChanged", "partners/anna")]));
        peer.set_down(false);
        bed.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_who_comes_later_gets_the_meetings_with_the_address() {
    let peer = Directory::default();
    for bed in beds_with(Link::local(Routes::new(PartnerServiceServer::new(peer.clone())))).await {
        peer.0.lock().unwrap().partners.clear();
        let made = bed.create("sales", with_guest("new@example.org")).await;
        assert!(made.partners.is_empty());
        peer.set("partners/new", &["new@example.org"]);
        bed.publish("partners/new", &PartnerCreated { display_name: "New".to_owned() }).await;
        let events = wait_for(&bed, 1).await;
        assert_eq!(kinds(&events), pairs(&[("MeetingScheduled", "partners/new")]));
        bed.end().await;
    }
}
