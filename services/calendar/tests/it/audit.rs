//! Row H4 in the calendar: events by gRPC and by DAV, calendars, shares, working hours and secret addresses.

use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::subscription_service_client::SubscriptionServiceClient;
use kontor_proto::collection::v1 as store;
use kontor_proto::r#type::v1::ListAuditEntriesRequest;
use kontor_testbed::audit::{Audit, every_table_is_decided_on, line};
use kontor_testbed::{admin, user};

use crate::series::update;
use crate::support::{Bed, meeting};

kontor_testbed::on_both! { Bed;
    h4_a_meeting_is_told_whether_it_was_moved_by_grpc_or_by_dav,
    h4_calendars_moves_and_secret_addresses_are_told,
}

/// What the SQL of the calendar writes, how it is audited, and why not.
const TABLES: &[(&str, &str)] = &[
    ("attachment", "not: the object that names the file has an entry"),
    ("attachment_body", "not: the object that names the file has an entry"),
    ("attachment_use", "not: follows from the object"),
    ("attendee", "not: follows from the object"),
    ("availability", "by hand, the ETag only"),
    (
        "collection",
        "by the engine; the SQL here follows a user's colour or address, which the directory tells of",
    ),
    ("call_back", "not: telephony tells of the call-back"),
    ("deadline", "not: follows from the opportunity"),
    ("heard", "not: a note on messages"),
    ("item", "by hand, with the engine's entry of the object"),
    ("item_exception", "not: follows from the object"),
    ("item_partner", "not: follows from the object and the directory"),
    ("next_step", "not: the pipeline tells of the step"),
    ("pending_object", "not: work that waits"),
    ("pending_partner", "not: work that waits"),
    ("person", "not: what the directory said"),
    ("proposal", "not: a message that waits; what is accepted changes the event"),
    ("subscription", "by hand, as a secret; not when it was used"),
];

#[test]
fn h4_every_table_is_decided_on() {
    every_table_is_decided_on(env!("CARGO_MANIFEST_DIR"), TABLES);
}

fn audit(bed: &Bed) -> Audit {
    Audit::new(&bed.link, "calendar")
}

async fn lines(bed: &Bed, subject: &str) -> Vec<String> {
    audit(bed).of(subject).await.iter().map(line).collect()
}

fn ics(start: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\nBEGIN:VEVENT\nUID:a\nDTSTAMP:20260101T000000Z\nDTSTART:{start}\n\
         SUMMARY:Visit\nEND:VEVENT\nEND:VCALENDAR\n"
    )
}

async fn h4_a_meeting_is_told_whether_it_was_moved_by_grpc_or_by_dav(bed: Bed) {
    let made = bed.create("sales", meeting("Demo", "2026-11-23")).await;
    update(&bed, proto::Event { summary: "Demo 2".to_owned(), ..made.clone() }, &["summary"]).await.unwrap();
    let delete = proto::DeleteEventRequest { name: made.name.clone(), ..Default::default() };
    bed.events().delete_event(user("sales").request(delete)).await.unwrap();
    let told = lines(&bed, &made.name).await;
    assert!(told[0].starts_with("CREATE sales by CreateEvent: collection -> calendars/"), "{told:?}");
    assert!(told[0].ends_with("; summary -> Demo; start -> 2026-11-23T08:00:00Z"), "{told:?}");
    assert!(told[1].starts_with("UPDATE sales by UpdateEvent: etag "), "{told:?}");
    assert!(told[1].ends_with("; summary Demo -> Demo 2"), "{told:?}");
    assert!(told[2].starts_with("DELETE sales by DeleteEvent: collection calendars/"), "{told:?}");
    assert_eq!(told.len(), 3);

    bed.put("sales", "a.ics", &ics("20261123T090000Z")).await.unwrap();
    for _ in 0..2 {
        bed.put("sales", "a.ics", &ics("20261123T103000Z")).await.unwrap();
    }
    let request = || ListAuditEntriesRequest { page_size: 2, ..Default::default() };
    let entries = audit(&bed).list(user("sales").request(request())).await.unwrap().entries;
    let told: Vec<_> = entries.iter().rev().map(line).collect();
    assert!(told[0].starts_with("CREATE sales by PutObject: "), "{told:?}");
    assert!(told[1].starts_with("UPDATE sales by PutObject: etag "), "{told:?}");
    assert!(told[1].ends_with("; start 2026-11-23T09:00:00Z -> 2026-11-23T10:30:00Z"), "{told:?}");
    let of_manager = audit(&bed).list(user("manager").request(request())).await.unwrap().entries;
    assert!(of_manager.iter().all(|entry| !line(entry).contains("PutObject")), "{of_manager:?}");
    audit(&bed).whole().await;
}

async fn h4_calendars_moves_and_secret_addresses_are_told(bed: Bed) {
    let collection = store::Collection {
        owner: "sales".to_owned(),
        slug: "club".to_owned(),
        kind: store::CollectionKind::Calendar.into(),
        display_name: "Club".to_owned(),
        ..Default::default()
    };
    let request = store::CreateCollectionRequest { collection: Some(collection) };
    let made =
        bed.collections().create_collection(user("sales").request(request)).await.unwrap().into_inner();
    let club = format!("calendars/{}", made.id);
    let told = lines(&bed, &club).await;
    assert!(
        told[0].starts_with("CREATE sales by CreateCollection: path -> sales/club; display_name -> Club"),
        "{told:?}"
    );

    bed.put("sales", "a.ics", &ics("20261123T090000Z")).await.unwrap();
    let path = |slug: &str| Some(store::CollectionPath { owner: "sales".to_owned(), slug: slug.to_owned() });
    let request = store::MoveObjectRequest {
        path: path("work"),
        name: "a.ics".to_owned(),
        to_path: path("club"),
        to_name: "b.ics".to_owned(),
        ..Default::default()
    };
    bed.collections().move_object(user("sales").request(request)).await.unwrap();
    let request = ListAuditEntriesRequest { page_size: 1, ..Default::default() };
    let moved = audit(&bed).list(admin().request(request)).await.unwrap().entries.remove(0);
    let work = bed.work("sales").await;
    assert_eq!(
        line(&moved),
        format!("UPDATE sales by MoveObject: collection {work} -> {club}; object_name a.ics -> b.ics")
    );
    assert!(moved.subject.starts_with(&format!("{club}/events/")));

    let request = proto::CreateCalendarSubscriptionRequest {
        parent: club.clone(),
        subscription: Some(proto::CalendarSubscription {
            display_name: "Phone".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut client = SubscriptionServiceClient::new(bed.link.clone());
    let secret =
        client.create_calendar_subscription(user("sales").request(request)).await.unwrap().into_inner();
    let name = secret.subscription.unwrap().name;
    assert_eq!(
        lines(&bed, &name).await,
        [
            "CREATE sales by CreateCalendarSubscription: display_name -> Phone; busy_only -> false; path -> (secret)"
        ]
    );
    audit(&bed).whole().await;
}
