//! What the DAV edge does with calendars: the same rows, checked on the way in (rows D2, C2, C6, bad input).

use kontor_proto::collection::v1 as store;
use kontor_testbed::{failure, user};
use tonic::Code;

use crate::support::{Bed, time};

kontor_testbed::on_both! { Bed;
    what_a_client_puts_is_an_event_at_once_and_goes_with_it,
    a_broken_object_is_refused_with_its_precondition,
    an_endless_dense_rule_is_stored_in_bounded_time,
    a_query_without_a_zone_takes_days_in_the_zone_that_lists_take_them_in,
    a_title_without_end_is_cut_in_lists_only,
}

fn event(uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\nBEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20260101T000000Z\n{lines}END:VEVENT\nEND:VCALENDAR\n"
    )
}

async fn what_a_client_puts_is_an_event_at_once_and_goes_with_it(bed: Bed) {
    bed.put("sales", "a.ics", &event("a", "DTSTART:20261123T090000Z\nDTEND:20261123T100000Z\nSUMMARY:one\n"))
        .await
        .unwrap();
    assert_eq!(
        bed.titles("sales", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z").await,
        ["one 2026-11-23T09:00:00Z"]
    );
    bed.put("sales", "a.ics", &event("a", "DTSTART:20261124T090000Z\nDTEND:20261124T100000Z\nSUMMARY:two\n"))
        .await
        .unwrap();
    assert!(bed.titles("sales", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z").await.is_empty());
    assert_eq!(
        bed.titles("sales", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z").await,
        ["two 2026-11-24T09:00:00Z"]
    );
    let delete = kontor_proto::collection::v1::DeleteObjectRequest {
        path: Some(kontor_proto::collection::v1::CollectionPath {
            owner: "sales".to_owned(),
            slug: "work".to_owned(),
        }),
        name: "a.ics".to_owned(),
        conditions: None,
        silent: false,
        ..Default::default()
    };
    bed.collections().delete_object(user("sales").request(delete)).await.unwrap();
    assert!(bed.titles("sales", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z").await.is_empty());
}

async fn a_broken_object_is_refused_with_its_precondition(bed: Bed) {
    let fine = "DTSTART:20261123T090000Z\n";
    let twice = event("a", fine).replace(
        "END:VCALENDAR\n",
        "BEGIN:VEVENT\nUID:b\nDTSTART:20261123T090000Z\nEND:VEVENT\nEND:VCALENDAR\n",
    );
    let deep = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{}", "BEGIN:VEVENT\n".repeat(100_000));
    for (reason, text) in [
        ("VALID_DATA", "hello".to_owned()),
        ("VALID_DATA", event("a", "SUMMARY:no start\n")),
        ("VALID_DATA", event("a", "DTSTART:20261123T090000Z\nRRULE:FREQ=NEVER\n")),
        ("VALID_DATA", event("a", "DTSTART:20261123T090000Z\nDTEND:20261123T080000Z\n")),
        ("VALID_DATA", deep),
        ("VALID_OBJECT_RESOURCE", event("a", fine).replace("UID:a\n", "")),
        ("VALID_OBJECT_RESOURCE", event("a", fine).replace("VERSION:2.0\n", "VERSION:2.0\nMETHOD:REQUEST\n")),
        ("VALID_OBJECT_RESOURCE", twice),
        ("SUPPORTED_COMPONENT", event("a", fine).replace("VEVENT", "VFREEBUSY")),
        ("SUPPORTED_COMPONENT", event("a", fine).replace("VEVENT", "VJOURNAL")),
    ] {
        let refused = failure(bed.put("sales", "x.ics", &text).await);
        assert_eq!(refused, (Code::InvalidArgument, reason.to_owned()), "{}", &text[..text.len().min(200)]);
    }
    bed.put("sales", "a.ics", &event("a", fine)).await.unwrap();
    let status = bed.put("sales", "b.ics", &event("a", fine)).await.unwrap_err();
    let (reason, metadata) = kontor_kit::error::reason(&status).unwrap();
    assert_eq!(reason, "UID_CONFLICT");
    assert!(metadata.contains_key("href"), "{metadata:?}");
}

async fn an_endless_dense_rule_is_stored_in_bounded_time(bed: Bed) {
    let started = std::time::Instant::now();
    let text = event("dense", "DTSTART:19700101T000000Z\nDURATION:PT1S\nRRULE:FREQ=SECONDLY\nSUMMARY:tick\n");
    bed.put("sales", "dense.ics", &text).await.unwrap();
    let never = event(
        "never",
        "DTSTART:19700101T000000Z\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nSUMMARY:never\n",
    );
    bed.put("sales", "never.ics", &never).await.unwrap();
    let found = bed.occurrences("sales", "2026-11-23T00:00:00Z", "2026-11-23T00:10:00Z", 0).await;
    assert_eq!(found.len(), 600);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

async fn a_query_without_a_zone_takes_days_in_the_zone_that_lists_take_them_in(bed: Bed) {
    bed.put("sales", "day.ics", &event("day", "DTSTART;VALUE=DATE:20261123\nSUMMARY:fair\n")).await.unwrap();
    let path = || Some(store::CollectionPath { owner: "sales".to_owned(), slug: "work".to_owned() });
    let hits = async |from: &str, to: &str| {
        let range = store::TimeRange { start_time: Some(time(from)), end_time: Some(time(to)) };
        let events = store::ComponentFilter {
            name: "VEVENT".to_owned(),
            time_range: Some(range),
            ..store::ComponentFilter::default()
        };
        let filter = store::ComponentFilter {
            name: "VCALENDAR".to_owned(),
            components: vec![events],
            ..store::ComponentFilter::default()
        };
        let request =
            store::QueryObjectsRequest { path: path(), component_filter: Some(filter), ..Default::default() };
        let mut found =
            bed.collections().query_objects(user("sales").request(request)).await.unwrap().into_inner();
        let objects = found.message().await.unwrap().map_or(0, |chunk| chunk.objects.len());
        (objects, bed.titles("sales", from, to).await.len())
    };
    // The owner lives in Brussels, an hour before UTC.
    let (before, after) = ("2026-11-22T23:00:00Z", "2026-11-23T23:00:00Z");
    assert_eq!(hits(before, "2026-11-22T23:30:00Z").await, (1, 1));
    assert_eq!(hits(after, "2026-11-23T23:30:00Z").await, (0, 0));
    // The calendar's own zone counts more, also one that only its VTIMEZONE describes.
    let zone = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:Ours\r\nBEGIN:STANDARD\r\n\
                DTSTART:19700101T000000\r\nTZOFFSETFROM:+0500\r\nTZOFFSETTO:+0500\r\nEND:STANDARD\r\n\
                END:VTIMEZONE\r\nEND:VCALENDAR\r\n";
    let update = store::UpdateCollectionRequest {
        path: path(),
        collection: Some(store::Collection { time_zone: zone.to_owned(), ..Default::default() }),
        fields: vec!["time_zone".to_owned()],
        ..Default::default()
    };
    bed.collections().update_collection(user("sales").request(update)).await.unwrap();
    assert_eq!(hits("2026-11-22T19:00:00Z", "2026-11-22T19:30:00Z").await, (1, 1));
    assert_eq!(hits("2026-11-23T19:00:00Z", "2026-11-23T19:30:00Z").await, (0, 0));
}

async fn a_title_without_end_is_cut_in_lists_only(bed: Bed) {
    let title = "é".repeat(100_000);
    bed.put("sales", "a.ics", &event("a", &format!("DTSTART:20261123T090000Z\nSUMMARY:{title}\n")))
        .await
        .unwrap();
    let found = bed.occurrences("sales", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", 0).await;
    assert_eq!(found[0].summary, "é".repeat(500));
    assert_eq!(bed.event("sales", &found[0].event).await.summary, title);
}
