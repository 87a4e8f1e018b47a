//! Partners of meetings: those given in the object and those found by addresses, and what they hear (row H1's side here).

use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::{MeetingChanged, MeetingScheduled};
use kontor_proto::r#type::v1::Event;
use kontor_testbed::user;

use crate::support::{Bed, instant, mask, meeting};

kontor_testbed::on_both! { Bed;
    given_partners_hear_of_a_meeting_while_the_directory_is_away,
    a_line_put_by_a_client_counts_and_a_deleted_calendar_removes_it,
    a_guest_who_is_a_partner_is_found_by_the_address,
    what_could_not_be_looked_up_is_looked_up_later,
    a_partner_who_comes_later_gets_the_meetings_with_the_address,
}

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
    for () in kontor_testbed::patience() {
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

async fn given_partners_hear_of_a_meeting_while_the_directory_is_away(bed: Bed) {
    bed.gate.shut();
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
    let one = bed.events().update_event(user("sales").request(request)).await.unwrap().into_inner();
    assert_eq!(one.partners, ["partners/b"]);
    assert_eq!(kinds(&meetings(&bed, "sales").await[2..]), pairs(&[("MeetingRemoved", "partners/a")]));

    let request = update(proto::Event { summary: "Demo 2".to_owned(), ..one.clone() }, &["summary"]);
    let two = bed.events().update_event(user("sales").request(request)).await.unwrap().into_inner();
    let events = meetings(&bed, "sales").await;
    assert_eq!(kinds(&events[3..]), pairs(&[("MeetingChanged", "partners/b")]));
    assert_eq!(kontor_kit::outbox::payload::<MeetingChanged>(&events[3]).unwrap().summary, "Demo 2");

    // What does not concern a partner is not told.
    let request = update(proto::Event { categories: vec!["x".to_owned()], ..two.clone() }, &["categories"]);
    let request = proto::UpdateEventRequest {
        event: request.event.map(|event| proto::Event { etag: String::new(), ..event }),
        ..request
    };
    bed.events().update_event(user("sales").request(request)).await.unwrap();
    assert_eq!(meetings(&bed, "sales").await.len(), 4);

    let delete = proto::DeleteEventRequest { name: made.name.clone(), ..Default::default() };
    bed.events().delete_event(user("sales").request(delete)).await.unwrap();
    assert_eq!(kinds(&meetings(&bed, "sales").await[4..]), pairs(&[("MeetingRemoved", "partners/b")]));
}

async fn a_line_put_by_a_client_counts_and_a_deleted_calendar_removes_it(bed: Bed) {
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
    bed.calendars().delete_calendar(user("sales").request(delete)).await.unwrap();
    let wanted = ["MeetingScheduled", "MeetingRemoved", "MeetingScheduled", "MeetingRemoved"];
    assert_eq!(
        kinds(&meetings(&bed, "sales").await),
        wanted.map(|kind| (kind.to_owned(), "partners/a".to_owned()))
    );
}

fn with_guest(email: &str) -> proto::Event {
    proto::Event {
        attendees: vec![proto::Attendee { email: email.to_owned(), ..Default::default() }],
        ..meeting("Demo", "2026-11-23")
    }
}

async fn a_guest_who_is_a_partner_is_found_by_the_address(bed: Bed) {
    let anna = bed.partner("Anna", "anna@example.org").await;
    let made = bed.create("sales", with_guest("Anna@Example.org")).await;
    assert_eq!(made.partners, [anna.as_str()]);
    assert_eq!(kinds(&meetings(&bed, "sales").await), pairs(&[("MeetingScheduled", &anna)]));
    // What was found is not written into the object, not even when it is sent back.
    let request = proto::UpdateEventRequest {
        event: Some(made.clone()),
        update_mask: mask(&["*"]),
        request_id: String::new(),
    };
    let same = bed.events().update_event(user("sales").request(request)).await.unwrap().into_inner();
    assert_eq!(same.etag, made.etag);
    let text = crate::support::text(&bed.event("sales", &made.name).await.icalendar);
    assert!(!text.contains("X-KONTOR-PARTNER"), "{text}");
}

async fn what_could_not_be_looked_up_is_looked_up_later(bed: Bed) {
    let anna = bed.partner("Anna", "anna@example.org").await;
    bed.gate.shut();
    let made = bed.create("sales", with_guest("anna@example.org")).await;
    assert!(made.partners.is_empty());
    bed.gate.open();
    let events = wait_for(&bed, 1).await;
    assert_eq!(kinds(&events), pairs(&[("MeetingScheduled", &anna)]));
    assert_eq!(bed.event("sales", &made.name).await.partners, [anna.as_str()]);
    // While it is away again, a change keeps what was known.
    bed.gate.shut();
    let request = proto::UpdateEventRequest {
        event: Some(proto::Event { summary: "Demo 2".to_owned(), ..made.clone() }),
        update_mask: mask(&["summary"]),
        request_id: String::new(),
    };
    let changed = bed.events().update_event(user("sales").request(request)).await.unwrap().into_inner();
    assert_eq!(changed.partners, [anna.as_str()]);
    assert_eq!(kinds(&meetings(&bed, "sales").await[1..]), pairs(&[("MeetingChanged", &anna)]));
}

async fn a_partner_who_comes_later_gets_the_meetings_with_the_address(bed: Bed) {
    let made = bed.create("sales", with_guest("new@example.org")).await;
    assert!(made.partners.is_empty());
    let new = bed.partner("New", "new@example.org").await;
    let events = wait_for(&bed, 1).await;
    assert_eq!(kinds(&events), pairs(&[("MeetingScheduled", &new)]));
}
