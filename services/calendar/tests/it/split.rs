//! "This and following": a series is cut in two, or ended (row C4).

use kontor_kit::link::Link;
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::series_service_client::SeriesServiceClient;
use kontor_testbed::{failure, user};
use tonic::{Code, Status};

use crate::series::{SERIES, alarm, only_event};
use crate::support::{Bed, date, local, mask, meeting, text, time};

kontor_testbed::on_both! { Bed;
    c4_this_and_following_cuts_a_series_in_two,
    c4_count_is_divided_between_the_parts,
    c4_days_and_another_day_of_the_week_are_cut_too,
    c4_an_instance_that_was_changed_apart_changes_along,
    c4_the_first_instance_stands_for_the_whole_series,
    c4_a_series_is_ended_before_an_instance,
}

fn series(bed: &Bed) -> SeriesServiceClient<Link> {
    SeriesServiceClient::new(bed.link.clone())
}

async fn split(bed: &Bed, request: proto::SplitSeriesRequest) -> Result<proto::SplitSeriesResponse, Status> {
    Ok(series(bed).split_series(user("sales").request(request)).await?.into_inner())
}

/// From 14:00 to 15:00 on a day.
fn afternoon(name: &str, original: &str, day: &str) -> proto::SplitSeriesRequest {
    proto::SplitSeriesRequest {
        event: Some(proto::Event {
            name: name.to_owned(),
            start: local(&format!("{day}T14:00:00")),
            end: local(&format!("{day}T15:00:00")),
            ..Default::default()
        }),
        original_start_time: Some(time(original)),
        ..Default::default()
    }
}

/// The weekly series from 23 November, one instance changed and one left out on both sides of 14 December.
fn busy_series() -> String {
    let change = |day: &str, title: &str| {
        format!(
            "BEGIN:VEVENT\nUID:series-1\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID;TZID=Europe/Brussels:{day}T090000\n\
             DTSTART;TZID=Europe/Brussels:{day}T090000\nDTEND;TZID=Europe/Brussels:{day}T100000\nSUMMARY:{title}\nEND:VEVENT\n"
        )
    };
    let except = "EXDATE;TZID=Europe/Brussels:20261130T090000,20261228T090000\n";
    SERIES.replace("RRULE:FREQ=WEEKLY\n", &format!("RRULE:FREQ=WEEKLY\n{except}")).replace(
        "END:VCALENDAR\n",
        &(change("20261207", "early") + &change("20261221", "late") + "END:VCALENDAR\n"),
    )
}

async fn c4_this_and_following_cuts_a_series_in_two(bed: Bed) {
    bed.put("sales", "series.ics", &busy_series()).await.unwrap();
    let event = only_event(&bed).await;
    let (_, sequence) = bed.changed_since("sales", 0).await;
    let request = proto::SplitSeriesRequest {
        request_id: "once".to_owned(),
        ..afternoon(&event.name, "2026-12-14T08:00:00Z", "2026-12-14")
    };
    let found = split(&bed, request.clone()).await.unwrap();
    let (before, after) = (found.before.clone().unwrap(), found.after.clone().unwrap());
    assert_eq!(before.name, event.name);
    assert_eq!(before.recurrence_rule, "FREQ=WEEKLY;UNTIL=20261214T075959Z");
    assert_eq!(after.recurrence_rule, "FREQ=WEEKLY");
    assert_eq!((before.override_count, after.override_count), (1, 1));
    assert_ne!(after.uid, "series-1");
    let titles = bed.titles("sales", "2026-11-20T00:00:00Z", "2027-01-08T00:00:00Z").await;
    let short: Vec<String> =
        titles.iter().map(|title| format!("{} {}", &title[..4], &title[title.len() - 20..])).collect();
    let wanted = [
        "Week 2026-11-23T08:00:00Z",
        "earl 2026-12-07T08:00:00Z",
        "Week 2026-12-14T13:00:00Z",
        "late 2026-12-21T13:00:00Z",
        "Week 2027-01-04T13:00:00Z",
    ];
    assert_eq!(short, wanted);

    // The old text lost nothing but what went over; the new one has what the series had.
    let old = text(&bed.get("sales", "series.ics").await.unwrap().data);
    assert!(
        old.contains("EXDATE;TZID=Europe/Brussels:20261130T090000\r\n") && !old.contains("20261228"),
        "{old}"
    );
    assert!(old.contains("SUMMARY:early") && !old.contains("SUMMARY:late"), "{old}");
    assert!(old.contains("X-Odd-Case;X-PARAM=\"a;b\":kept  as it is\r\n") && old.contains(&alarm()), "{old}");
    let new = text(&bed.event("sales", &after.name).await.icalendar);
    assert!(new.contains("RELATED-TO;RELTYPE=SIBLING:series-1\r\n"), "{new}");
    assert!(new.contains("EXDATE;TZID=Europe/Brussels:20261228T140000\r\n"), "{new}");
    assert!(new.contains("RECURRENCE-ID;TZID=Europe/Brussels:20261221T140000\r\n"), "{new}");
    assert!(new.contains("X-Odd-Case;X-PARAM=\"a;b\":kept  as it is\r\n") && new.contains(&alarm()), "{new}");
    assert_eq!(new.matches(&format!("UID:{}\r\n", after.uid)).count(), 2, "{new}");
    assert!(!new.contains("UID:series-1\r\n"), "{new}");

    // DAV clients see both, and the same request again changes nothing.
    let (names, reached) = bed.changed_since("sales", sequence).await;
    assert_eq!(names.len(), 2);
    assert_eq!(split(&bed, request).await.unwrap(), found);
    assert_eq!(bed.changed_since("sales", reached).await.0, Vec::<String>::new());
}

async fn c4_count_is_divided_between_the_parts(bed: Bed) {
    let counted =
        proto::Event { recurrence_rule: "FREQ=DAILY;COUNT=10".to_owned(), ..meeting("daily", "2026-11-23") };
    let event = bed.create("sales", counted).await;
    let found = split(&bed, afternoon(&event.name, "2026-11-27T08:00:00Z", "2026-11-27")).await.unwrap();
    assert_eq!(found.before.unwrap().recurrence_rule, "FREQ=DAILY;UNTIL=20261127T075959Z");
    assert_eq!(found.after.unwrap().recurrence_rule, "FREQ=DAILY;COUNT=6");
    let titles = bed.titles("sales", "2026-11-20T00:00:00Z", "2026-12-20T00:00:00Z").await;
    assert_eq!(titles.len(), 10);
    assert_eq!(
        (titles[3].as_str(), titles[4].as_str()),
        ("daily 2026-11-26T08:00:00Z", "daily 2026-11-27T13:00:00Z")
    );
    assert_eq!(titles[9], "daily 2026-12-02T13:00:00Z");
}

async fn c4_days_and_another_day_of_the_week_are_cut_too(bed: Bed) {
    let days = proto::Event {
        summary: "duty".to_owned(),
        start: date("2026-11-23"),
        recurrence_rule: "FREQ=WEEKLY;BYDAY=MO,TH".to_owned(),
        ..Default::default()
    };
    let event = bed.create("sales", days).await;
    // Monday the 30th in Brussels; it moves to Tuesday, and Thursday stays.
    let request = proto::SplitSeriesRequest {
        event: Some(proto::Event {
            name: event.name.clone(),
            start: date("2026-12-01"),
            ..Default::default()
        }),
        original_start_time: Some(time("2026-11-29T23:00:00Z")),
        update_mask: mask(&["start"]),
        ..Default::default()
    };
    let found = split(&bed, request).await.unwrap();
    assert_eq!(found.before.unwrap().recurrence_rule, "FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20261129");
    assert_eq!(found.after.unwrap().recurrence_rule, "FREQ=WEEKLY;BYDAY=TU,TH");
    let titles = bed.titles("sales", "2026-11-22T00:00:00Z", "2026-12-09T00:00:00Z").await;
    let wanted = ["2026-11-22", "2026-11-25", "2026-11-30", "2026-12-02", "2026-12-07"];
    assert_eq!(titles, wanted.map(|day| format!("duty {day}T23:00:00Z")));
}

async fn c4_an_instance_that_was_changed_apart_changes_along(bed: Bed) {
    bed.put("sales", "series.ics", &busy_series()).await.unwrap();
    let event = only_event(&bed).await;
    let request = proto::SplitSeriesRequest {
        event: Some(proto::Event { name: event.name, location: "Room 5".to_owned(), ..Default::default() }),
        original_start_time: Some(time("2026-12-21T08:00:00Z")),
        ..Default::default()
    };
    split(&bed, request).await.unwrap();
    let found = bed.occurrences("sales", "2026-12-07T00:00:00Z", "2027-01-05T00:00:00Z", 0).await;
    let seen: Vec<_> = found.iter().map(|one| (&one.summary[..4], one.location.as_str())).collect();
    assert_eq!(seen, [("earl", ""), ("Week", ""), ("late", "Room 5"), ("Week", "Room 5")]);
}

async fn c4_the_first_instance_stands_for_the_whole_series(bed: Bed) {
    bed.put("sales", "series.ics", SERIES).await.unwrap();
    let event = only_event(&bed).await;
    let found = split(&bed, afternoon(&event.name, "2026-11-23T08:00:00Z", "2026-11-23")).await.unwrap();
    assert!(found.before.is_none());
    let after = found.after.unwrap();
    assert_eq!(
        (after.name.as_str(), after.uid.as_str(), after.recurrence_rule.as_str()),
        (event.name.as_str(), "series-1", "FREQ=WEEKLY")
    );
    assert_eq!(only_event(&bed).await.start, local("2026-11-23T14:00:00"));
}

async fn c4_a_series_is_ended_before_an_instance(bed: Bed) {
    bed.put("sales", "series.ics", &busy_series()).await.unwrap();
    let event = only_event(&bed).await;
    let end = |original: &str, etag: &str| proto::EndSeriesRequest {
        name: event.name.clone(),
        etag: etag.to_owned(),
        original_start_time: Some(time(original)),
        ..Default::default()
    };
    let stale = series(&bed).end_series(user("sales").request(end("2026-12-14T08:00:00Z", "old"))).await;
    assert_eq!(failure(stale).0, Code::Aborted);
    let request = end("2026-12-14T08:00:00Z", &event.etag);
    let found = series(&bed).end_series(user("sales").request(request)).await.unwrap().into_inner();
    assert_eq!(found.before.unwrap().override_count, 1);
    assert_eq!(bed.titles("sales", "2026-11-20T00:00:00Z", "2027-12-01T00:00:00Z").await.len(), 2);
    // What is left out or gone is no instance; before the first one there is nothing.
    for none in ["2026-11-30T08:00:00Z", "2026-12-21T08:00:00Z", "2026-12-08T08:00:00Z"] {
        let answer = series(&bed).end_series(user("sales").request(end(none, ""))).await;
        assert_eq!(failure(answer).0, Code::NotFound);
    }
    let neighbour = series(&bed).end_series(user("manager").request(end("2026-11-23T08:00:00Z", ""))).await;
    assert_eq!(failure(neighbour).0, Code::NotFound);
    let request = end("2026-11-23T08:00:00Z", "");
    let found = series(&bed).end_series(user("sales").request(request)).await.unwrap().into_inner();
    assert!(found.before.is_none());
    assert!(bed.get("sales", "series.ics").await.is_none());
}
