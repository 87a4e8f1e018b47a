//! A series as Thunderbird writes it, and the change of single instances (row C4).
//! The series is also used by events.rs.

use kontor_proto::calendar::v1 as proto;
use kontor_testbed::{failure, user};
use tonic::Code;

use crate::support::{Bed, date, instant, local, mask, time};

kontor_testbed::on_both! { Bed;
    c4_moving_one_instance_writes_only_an_override,
    c4_one_instance_of_days_can_be_cancelled,
    a_moved_series_takes_its_exceptions_along,
}

pub const SERIES: &str = "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN
BEGIN:VEVENT
CREATED:20260101T000000Z
LAST-MODIFIED:20260101T000000Z
DTSTAMP:20260101T000000Z
UID:series-1
SUMMARY:Weekly with a very long title that some program has folded in the mid
 dle of a word
RRULE:FREQ=WEEKLY
DTSTART;TZID=Europe/Brussels:20261123T090000
DTEND;TZID=Europe/Brussels:20261123T100000
X-MOZ-GENERATION:4
X-Odd-Case;X-PARAM=\"a;b\":kept  as it is
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER;VALUE=DURATION:-PT15M
DESCRIPTION:Mozilla Standard Description
X-WR-ALARMUID:77
END:VALARM
END:VEVENT
END:VCALENDAR
";

/// The alarm as it was sent.
pub fn alarm() -> String {
    let from = SERIES.find("BEGIN:VALARM").unwrap();
    let to = SERIES.find("END:VALARM").unwrap() + "END:VALARM\n".len();
    SERIES[from..to].replace('\n', "\r\n")
}

pub async fn only_event(bed: &Bed) -> proto::Event {
    let request = proto::ListEventsRequest { parent: bed.work("sales").await, ..Default::default() };
    let found = bed.events().list_events(user("sales").request(request)).await.unwrap().into_inner();
    assert_eq!(found.events.len(), 1);
    bed.event("sales", &found.events[0].name).await
}

pub async fn update(bed: &Bed, event: proto::Event, fields: &[&str]) -> Result<proto::Event, tonic::Status> {
    let request = proto::UpdateEventRequest {
        event: Some(event),
        update_mask: mask(fields),
        ..proto::UpdateEventRequest::default()
    };
    Ok(bed.events().update_event(user("sales").request(request)).await?.into_inner())
}

async fn c4_moving_one_instance_writes_only_an_override(bed: Bed) {
    bed.put("sales", "series.ics", SERIES).await.unwrap();
    let event = only_event(&bed).await;
    let move_to = |original: &str, day: &str, etag: &str| proto::UpdateOccurrenceRequest {
        event: Some(proto::Event {
            name: event.name.clone(),
            etag: etag.to_owned(),
            start: local(&format!("{day}T14:00:00")),
            end: local(&format!("{day}T15:30:00")),
            ..proto::Event::default()
        }),
        original_start_time: Some(time(original)),
        update_mask: mask(&["start", "end"]),
        ..proto::UpdateOccurrenceRequest::default()
    };
    let request = move_to("2026-12-07T08:00:00Z", "2026-12-08", &event.etag);
    let moved = bed.events().update_occurrence(user("sales").request(request)).await.unwrap().into_inner();
    assert_eq!(moved.override_count, 1);
    assert_eq!(moved.start, event.start);
    let text = crate::support::text(&bed.get("sales", "series.ics").await.unwrap().data);
    // The text is the old one with one component and the zone that it needs put in before the end.
    let old = SERIES.replace('\n', "\r\n");
    let head = old.strip_suffix("END:VCALENDAR\r\n").unwrap();
    let added = text.strip_prefix(head).unwrap().strip_suffix("END:VCALENDAR\r\n").unwrap();
    assert_eq!(added.matches("BEGIN:VEVENT").count(), 1);
    let component = &added[added.find("BEGIN:VEVENT").unwrap()..added.find("END:VEVENT").unwrap()];
    for line in [
        "RECURRENCE-ID;TZID=Europe/Brussels:20261207T090000\r\n",
        "DTSTART;TZID=Europe/Brussels:20261208T140000\r\n",
        "DTEND;TZID=Europe/Brussels:20261208T153000\r\n",
        "UID:series-1\r\n",
        "SEQUENCE:1\r\n",
        "X-MOZ-GENERATION:4\r\n",
        alarm().as_str(),
    ] {
        assert!(component.contains(line), "{line} is not in {component}");
    }
    assert!(!component.contains("RRULE"));
    let found = bed.titles("sales", "2026-12-06T00:00:00Z", "2026-12-15T00:00:00Z").await;
    let starts: Vec<&str> = found.iter().map(|title| title.rsplit(' ').next().unwrap()).collect();
    assert_eq!(starts, ["2026-12-08T13:00:00Z", "2026-12-14T08:00:00Z"]);

    // The same instance again: its override changes, no second one comes, though it no longer stands at its old place.
    let request = move_to("2026-12-07T08:00:00Z", "2026-12-09", &moved.etag);
    let again = bed.events().update_occurrence(user("sales").request(request)).await.unwrap().into_inner();
    assert_eq!(again.override_count, 1);
    let found = bed.occurrences("sales", "2026-12-06T00:00:00Z", "2026-12-11T00:00:00Z", 0).await;
    assert_eq!(found.len(), 1);
    assert_eq!(instant(found[0].start_time), "2026-12-09T13:00:00Z");
    assert_eq!(instant(found[0].original_start_time), "2026-12-07T08:00:00Z");

    let stale = bed
        .events()
        .update_occurrence(user("sales").request(move_to("2026-12-14T08:00:00Z", "2026-12-15", &event.etag)))
        .await;
    assert_eq!(failure(stale).0, Code::Aborted);
    let none = bed
        .events()
        .update_occurrence(user("sales").request(move_to("2026-12-15T08:00:00Z", "2026-12-16", "")))
        .await;
    assert_eq!(failure(none).0, Code::NotFound);
}

async fn c4_one_instance_of_days_can_be_cancelled(bed: Bed) {
    let series = proto::Event {
        summary: "duty".to_owned(),
        start: date("2026-11-23"),
        recurrence_rule: "FREQ=WEEKLY".to_owned(),
        ..proto::Event::default()
    };
    let series = bed.create("sales", series).await;
    let request = proto::UpdateOccurrenceRequest {
        event: Some(proto::Event {
            name: series.name.clone(),
            status: proto::EventStatus::Cancelled.into(),
            ..proto::Event::default()
        }),
        original_start_time: Some(time("2026-11-29T23:00:00Z")),
        ..proto::UpdateOccurrenceRequest::default()
    };
    bed.events().update_occurrence(user("sales").request(request)).await.unwrap();
    let found = bed.occurrences("sales", "2026-11-22T23:00:00Z", "2026-12-07T23:00:00Z", 0).await;
    let statuses: Vec<_> = found.iter().map(|one| (instant(one.start_time), one.status)).collect();
    let wanted = [("2026-11-22T23:00:00Z", 0), ("2026-11-29T23:00:00Z", 3), ("2026-12-06T23:00:00Z", 0)];
    assert_eq!(statuses, wanted.map(|(start, status)| (start.to_owned(), status)));
    let text = crate::support::text(&bed.event("sales", &series.name).await.icalendar);
    assert!(text.contains("RECURRENCE-ID;VALUE=DATE:20261130\r\n"), "{text}");
}

async fn a_moved_series_takes_its_exceptions_along(bed: Bed) {
    let text = SERIES
        .replace("RRULE:FREQ=WEEKLY\n", "RRULE:FREQ=WEEKLY\nEXDATE;TZID=Europe/Brussels:20261130T090000\n");
    bed.put("sales", "series.ics", &text).await.unwrap();
    let event = only_event(&bed).await;
    let request = proto::UpdateOccurrenceRequest {
        event: Some(proto::Event {
            name: event.name.clone(),
            summary: "Special".to_owned(),
            ..proto::Event::default()
        }),
        original_start_time: Some(time("2026-12-07T08:00:00Z")),
        ..proto::UpdateOccurrenceRequest::default()
    };
    bed.events().update_occurrence(user("sales").request(request)).await.unwrap();
    let moved = proto::Event {
        etag: String::new(),
        start: local("2026-11-24T16:00:00"),
        end: local("2026-11-24T17:00:00"),
        ..event
    };
    update(&bed, moved, &["start", "end"]).await.unwrap();
    let found = bed.occurrences("sales", "2026-11-20T00:00:00Z", "2026-12-18T00:00:00Z", 0).await;
    let seen: Vec<_> = found.iter().map(|one| (one.summary.len() < 10, instant(one.start_time))).collect();
    let wanted =
        [(false, "2026-11-24T15:00:00Z"), (true, "2026-12-08T15:00:00Z"), (false, "2026-12-15T15:00:00Z")];
    assert_eq!(seen, wanted.map(|(special, start)| (special, start.to_owned())));
}
