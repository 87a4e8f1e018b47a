//! What the DAV edge does with calendars: the same rows, checked on the way in (rows D2, C2, C6, bad input).

use tonic::Code;

use crate::support::{both, caller, refusal};

fn event(uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\nBEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20260101T000000Z\n{lines}END:VEVENT\nEND:VCALENDAR\n"
    )
}

both!(what_a_client_puts_is_an_event_at_once_and_goes_with_it, bed, {
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
    };
    bed.collections().delete_object(caller("sales").request(delete)).await.unwrap();
    assert!(bed.titles("sales", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z").await.is_empty());
});

both!(a_broken_object_is_refused_with_its_precondition, bed, {
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
        let refused = refusal(bed.put("sales", "x.ics", &text).await);
        assert_eq!(refused, (Code::InvalidArgument, reason.to_owned()), "{}", &text[..text.len().min(200)]);
    }
    bed.put("sales", "a.ics", &event("a", fine)).await.unwrap();
    let status = bed.put("sales", "b.ics", &event("a", fine)).await.unwrap_err();
    let (reason, metadata) = kontor_kit::error::reason(&status).unwrap();
    assert_eq!(reason, "UID_CONFLICT");
    assert!(metadata.contains_key("href"), "{metadata:?}");
});

both!(an_endless_dense_rule_is_stored_in_bounded_time, bed, {
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
});
