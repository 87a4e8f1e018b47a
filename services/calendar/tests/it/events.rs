//! EventService: create, read, change, delete; only the lines concerned move (rows C2, C4, C11, X3).

use kontor_proto::calendar::v1 as proto;
use kontor_testbed::{admin, failure, user};
use tonic::Code;

use crate::series::{SERIES, alarm, only_event, update};
use crate::support::{Bed, date, local, mask, meeting, time};

kontor_testbed::on_both! { Bed;
    a_meeting_is_made_read_changed_and_deleted,
    c11_alarms_and_unknown_lines_survive_a_change_byte_for_byte,
    a_change_of_words_raises_no_sequence_and_no_change_writes_nothing,
    a_stale_etag_is_aborted_and_nothing_changes,
    writers_without_etag_lose_nothing_of_each_other,
    a_repeated_request_has_one_effect,
    validate_only_answers_and_writes_nothing,
    bad_events_are_refused_with_the_field,
    what_belongs_to_others_does_not_exist,
    lists_come_in_pages_and_in_order,
    times_are_read_back_in_every_form,
}

async fn a_meeting_is_made_read_changed_and_deleted(bed: Bed) {
    let given = proto::Event {
        description: "line one\nline two; with, signs".to_owned(),
        location: "Room 1".to_owned(),
        status: proto::EventStatus::Tentative.into(),
        organizer: "Sales@Example.com".to_owned(),
        attendees: vec![proto::Attendee {
            email: "anna@example.org".to_owned(),
            display_name: "Anna \"A\" Müller".to_owned(),
            participation: "NEEDS-ACTION".to_owned(),
        }],
        categories: vec!["big, important".to_owned(), "demo".to_owned()],
        ..meeting("Demo", "2026-11-23")
    };
    let made = bed.create("sales", given.clone()).await;
    let read = bed.event("sales", &made.name).await;
    assert_eq!(proto::Event { icalendar: Default::default(), ..read.clone() }, made);
    let wanted = proto::Event {
        name: made.name.clone(),
        uid: made.uid.clone(),
        etag: made.etag.clone(),
        update_time: made.update_time,
        organizer: "sales@example.com".to_owned(),
        ..given
    };
    assert_eq!(made, wanted);
    let text = crate::support::text(&read.icalendar);
    assert!(text.contains("BEGIN:VTIMEZONE\r\nTZID:Europe/Brussels\r\n"), "{text}");

    let changed =
        update(&bed, proto::Event { summary: "Demo 2".to_owned(), ..made.clone() }, &["summary"]).await;
    let changed = changed.unwrap();
    assert_eq!(changed.summary, "Demo 2");
    assert_ne!(changed.etag, made.etag);

    let delete = |etag: &str| proto::DeleteEventRequest {
        name: made.name.clone(),
        etag: etag.to_owned(),
        request_id: String::new(),
    };
    let stale = bed.events().delete_event(user("sales").request(delete(&made.etag))).await;
    assert_eq!(failure(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    bed.events().delete_event(user("sales").request(delete(&changed.etag))).await.unwrap();
    let gone = bed
        .events()
        .get_event(user("sales").request(proto::GetEventRequest { name: made.name.clone() }))
        .await;
    assert_eq!(failure(gone).0, Code::NotFound);
    assert!(bed.titles("sales", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z").await.is_empty());
}

async fn c11_alarms_and_unknown_lines_survive_a_change_byte_for_byte(bed: Bed) {
    bed.put("sales", "series.ics", SERIES).await.unwrap();
    let event = only_event(&bed).await;
    let (_, before) = bed.changed_since("sales", 0).await;
    let event = proto::Event {
        summary: "Short".to_owned(),
        location: "Room 2".to_owned(),
        start: local("2026-11-23T11:00:00"),
        end: local("2026-11-23T12:00:00"),
        ..event
    };
    let changed = update(&bed, event, &["summary", "location", "start", "end"]).await.unwrap();
    let object = bed.get("sales", "series.ics").await.unwrap();
    assert_eq!(object.etag, changed.etag);
    assert_eq!(bed.changed_since("sales", before).await.0, ["series.ics"]);
    let text = crate::support::text(&object.data);
    assert!(text.contains(&alarm()), "{text}");
    let old = SERIES.replace('\n', "\r\n");
    let lines = |text: &str| text.split_inclusive("\r\n").map(str::to_owned).collect::<Vec<_>>();
    let (old_lines, new_lines) = (lines(&old), lines(&text));
    let gone: Vec<_> =
        old_lines.iter().filter(|line| !new_lines.contains(line)).map(|line| line.trim_end()).collect();
    assert_eq!(
        gone,
        [
            "LAST-MODIFIED:20260101T000000Z",
            "DTSTAMP:20260101T000000Z",
            "SUMMARY:Weekly with a very long title that some program has folded in the mid",
            " dle of a word",
            "DTSTART;TZID=Europe/Brussels:20261123T090000",
            "DTEND;TZID=Europe/Brussels:20261123T100000",
        ]
    );
    assert!(text.contains("\r\nSEQUENCE:1\r\n"), "{text}");
    assert!(text.contains("\r\nLAST-MODIFIED:20261123T080000Z\r\n"), "{text}");
}

async fn a_change_of_words_raises_no_sequence_and_no_change_writes_nothing(bed: Bed) {
    bed.put("sales", "series.ics", SERIES).await.unwrap();
    let event = only_event(&bed).await;
    let (_, before) = bed.changed_since("sales", 0).await;
    // All fields sent back as they came.
    let same = update(&bed, event.clone(), &["*"]).await.unwrap();
    assert_eq!(same.etag, event.etag);
    assert!(bed.changed_since("sales", before).await.0.is_empty());
    update(&bed, proto::Event { description: "more".to_owned(), ..event }, &["description"]).await.unwrap();
    let text = crate::support::text(&bed.get("sales", "series.ics").await.unwrap().data);
    assert!(!text.contains("SEQUENCE"), "{text}");
}

async fn a_stale_etag_is_aborted_and_nothing_changes(bed: Bed) {
    let made = bed.create("sales", meeting("first", "2026-11-23")).await;
    let with = |summary: &str| proto::Event { summary: summary.to_owned(), ..made.clone() };
    update(&bed, with("second"), &["summary"]).await.unwrap();
    let stale = update(&bed, with("third"), &["summary"]).await;
    assert_eq!(failure(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    assert_eq!(bed.event("sales", &made.name).await.summary, "second");
    // Without an etag the last one wins.
    update(&bed, proto::Event { etag: String::new(), ..with("third") }, &["summary"]).await.unwrap();
    assert_eq!(bed.event("sales", &made.name).await.summary, "third");
}

async fn writers_without_etag_lose_nothing_of_each_other(bed: Bed) {
    let made = bed.create("sales", meeting("shared", "2026-11-23")).await;
    let of = |summary: &str, location: &str| proto::Event {
        name: made.name.clone(),
        summary: summary.to_owned(),
        location: location.to_owned(),
        ..proto::Event::default()
    };
    let (one, two) = tokio::join!(
        update(&bed, of("new title", ""), &["summary"]),
        update(&bed, of("", "new place"), &["location"]),
    );
    one.unwrap();
    two.unwrap();
    let read = bed.event("sales", &made.name).await;
    assert_eq!((read.summary.as_str(), read.location.as_str()), ("new title", "new place"));
}

async fn a_repeated_request_has_one_effect(bed: Bed) {
    let request = proto::CreateEventRequest {
        parent: bed.work("sales").await,
        event: Some(meeting("once", "2026-11-23")),
        request_id: "r1".to_owned(),
        validate_only: false,
    };
    let first = bed.events().create_event(user("sales").request(request.clone())).await.unwrap().into_inner();
    let second =
        bed.events().create_event(user("sales").request(request.clone())).await.unwrap().into_inner();
    assert_eq!(first, second);
    let change = proto::UpdateEventRequest {
        event: Some(proto::Event { location: "there".to_owned(), ..first.clone() }),
        update_mask: mask(&["location"]),
        request_id: "r2".to_owned(),
    };
    let changed =
        bed.events().update_event(user("sales").request(change.clone())).await.unwrap().into_inner();
    assert_eq!(bed.events().update_event(user("sales").request(change)).await.unwrap().into_inner(), changed);
    let delete =
        proto::DeleteEventRequest { name: first.name, etag: String::new(), request_id: "r3".to_owned() };
    bed.events().delete_event(user("sales").request(delete.clone())).await.unwrap();
    bed.events().delete_event(user("sales").request(delete)).await.unwrap();
    let other = proto::CreateEventRequest { event: Some(meeting("other", "2026-11-23")), ..request };
    assert_eq!(
        failure(bed.events().create_event(user("sales").request(other)).await).0,
        Code::InvalidArgument
    );
}

async fn validate_only_answers_and_writes_nothing(bed: Bed) {
    let request = proto::CreateEventRequest {
        parent: "calendars/default".to_owned(),
        event: Some(meeting("maybe", "2026-11-23")),
        request_id: String::new(),
        validate_only: true,
    };
    let answer = bed.events().create_event(user("sales").request(request)).await.unwrap().into_inner();
    assert_eq!(answer.summary, "maybe");
    assert!(bed.titles("sales", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z").await.is_empty());
}

async fn bad_events_are_refused_with_the_field(bed: Bed) {
    let parent = bed.work("sales").await;
    let long = "x".repeat(100_001);
    let day = |event: proto::Event| proto::Event { start: date("2026-11-23"), ..event };
    let guest = |email: &str| proto::Attendee { email: email.to_owned(), ..proto::Attendee::default() };
    let bad = [
        ("event.start", proto::Event { start: None, end: None, ..meeting("x", "2026-11-23") }),
        ("event.end", proto::Event { end: local("2026-11-23T09:00:00"), ..meeting("x", "2026-11-23") }),
        ("event.end", proto::Event { end: date("2026-11-24"), ..meeting("x", "2026-11-23") }),
        ("event.start", proto::Event { start: date("2026-02-30"), end: None, ..proto::Event::default() }),
        (
            "event.recurrence_rule",
            day(proto::Event { recurrence_rule: "FREQ=SOMETIMES".to_owned(), ..Default::default() }),
        ),
        ("event.partners", day(proto::Event { partners: vec!["anna".to_owned()], ..Default::default() })),
        (
            "event.attendees.email",
            day(proto::Event { attendees: vec![guest("no address")], ..Default::default() }),
        ),
        ("event.summary", day(proto::Event { summary: long, ..Default::default() })),
        ("event.status", day(proto::Event { status: 9, ..Default::default() })),
        (
            "event.start.time_zone",
            proto::Event {
                start: Some(proto::EventTime {
                    time_zone: "Mars/Base".to_owned(),
                    ..local("2026-11-23T09:00:00").unwrap()
                }),
                ..Default::default()
            },
        ),
    ];
    for (field, event) in bad {
        let request =
            proto::CreateEventRequest { parent: parent.clone(), event: Some(event), ..Default::default() };
        let status = bed.events().create_event(user("sales").request(request)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status:?}");
        let (_, metadata) = kontor_kit::error::reason(&status).unwrap();
        assert_eq!(metadata.get("field").map(String::as_str), Some(field), "{status:?}");
    }
    let made = bed.create("sales", meeting("x", "2026-11-23")).await;
    let unknown = update(&bed, made, &["uid"]).await;
    assert_eq!(failure(unknown).0, Code::InvalidArgument);
}

async fn what_belongs_to_others_does_not_exist(bed: Bed) {
    let made = bed.create("sales", meeting("private", "2026-11-23")).await;
    let get = proto::GetEventRequest { name: made.name.clone() };
    assert_eq!(failure(bed.events().get_event(user("manager").request(get.clone())).await).0, Code::NotFound);
    assert!(bed.events().get_event(admin().request(get.clone())).await.is_ok());
    assert_eq!(failure(bed.events().get_event(get).await).0, Code::Unauthenticated);
    let request = proto::CreateEventRequest {
        parent: bed.work("sales").await,
        event: Some(meeting("intruder", "2026-11-23")),
        ..proto::CreateEventRequest::default()
    };
    assert_eq!(failure(bed.events().create_event(user("manager").request(request)).await).0, Code::NotFound);
    let delete = proto::DeleteEventRequest { name: made.name.clone(), ..Default::default() };
    assert_eq!(failure(bed.events().delete_event(user("manager").request(delete)).await).0, Code::NotFound);
    // A task's name does not lead to an event.
    let name = made.name.replace("/events/", "/tasks/");
    let task = bed.tasks().get_task(user("sales").request(proto::GetTaskRequest { name })).await;
    assert_eq!(failure(task).0, Code::NotFound);
}

async fn lists_come_in_pages_and_in_order(bed: Bed) {
    for (place, day) in [25, 23, 27, 24, 26].into_iter().enumerate() {
        bed.set_clock(&format!("2026-11-23T08:00:{place:02}Z"));
        bed.create("sales", meeting(&format!("m{day}"), &format!("2026-11-{day}"))).await;
    }
    let parent = bed.work("sales").await;
    let list = async |order_by: &str| {
        let (mut titles, mut token) = (Vec::new(), String::new());
        loop {
            let request = proto::ListEventsRequest {
                parent: parent.clone(),
                page_size: 2,
                page_token: token,
                order_by: order_by.to_owned(),
            };
            let page = bed.events().list_events(user("sales").request(request)).await.unwrap().into_inner();
            titles.extend(page.events.into_iter().map(|event| event.summary));
            token = page.next_page_token;
            if token.is_empty() {
                return titles.join(" ");
            }
        }
    };
    assert_eq!(list("").await, "m23 m24 m25 m26 m27");
    assert_eq!(list("start_time desc").await, "m27 m26 m25 m24 m23");
    assert_eq!(list("update_time").await, "m25 m23 m27 m24 m26");
    let bad = proto::ListEventsRequest {
        parent: parent.clone(),
        order_by: "summary".to_owned(),
        ..Default::default()
    };
    assert_eq!(failure(bed.events().list_events(user("sales").request(bad)).await).0, Code::InvalidArgument);
}

async fn times_are_read_back_in_every_form(bed: Bed) {
    let instant_of = |text: &str| {
        Some(proto::EventTime {
            kind: Some(proto::event_time::Kind::Instant(time(text))),
            time_zone: String::new(),
        })
    };
    let floating = |text: &str| Some(proto::EventTime { time_zone: String::new(), ..local(text).unwrap() });
    for (start, end) in [
        (instant_of("2026-11-23T09:00:00Z"), instant_of("2026-11-23T10:00:00Z")),
        (floating("2026-11-23T09:00:00"), floating("2026-11-23T10:00:00")),
        (date("2026-11-23"), date("2026-11-24")),
        (local("2026-11-23T09:00:00"), instant_of("2026-11-23T10:00:00Z")),
    ] {
        let event = proto::Event { start: start.clone(), end: end.clone(), ..proto::Event::default() };
        let made = bed.create("sales", event).await;
        let read = bed.event("sales", &made.name).await;
        assert_eq!((read.start, read.end), (start, end));
    }
    // A zone by the name that Outlook writes is the same zone, and stays as it is written.
    let text = SERIES.replace("TZID=Europe/Brussels", "TZID=Romance Standard Time");
    bed.put("sales", "outlook.ics", &text).await.unwrap();
    let found = bed.occurrences("sales", "2026-11-29T23:00:00Z", "2026-11-30T23:00:00Z", 0).await;
    let event = bed.event("sales", &found[0].event).await;
    assert_eq!(event.start.as_ref().unwrap().time_zone, "Europe/Paris");
    let same = update(&bed, event.clone(), &["start", "end", "summary"]).await.unwrap();
    assert_eq!(same.etag, event.etag);
}
