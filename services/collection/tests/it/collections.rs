//! Collections: changes from two processes at once, their number, and the chunks in which their objects come.

use std::time::Duration;

use bytes::Bytes;
use kontor_collection::store::collection::{self, Update};
use kontor_collection::{Conditions, Hooks, Target, write};
use kontor_proto::collection::v1 as proto;
use kontor_testbed::user;
use tonic::Code;

use crate::bed::{Bed, NOW, Rows, event, sales, with_lines, work};

kontor_testbed::on_both! { Bed;
    two_processes_change_different_properties,
    a_window_that_rolls_on_undoes_no_change,
    an_owner_has_a_bounded_number_of_collections,
    bodies_come_in_small_chunks,
}

const HALF_SECOND: Duration = Duration::from_millis(500);

async fn two_processes_change_different_properties(bed: Bed) {
    let other = bed.second_db().await;
    let slow = bed.db.write(|tx| {
        let update = Update { display_name: Some("Renamed".to_owned()), ..Update::default() };
        collection::update(tx, &Rows::<false>, &sales(), &Target::path("sales", "work"), &update)?;
        std::thread::sleep(HALF_SECOND);
        Ok(())
    });
    let quick = async {
        tokio::time::sleep(HALF_SECOND / 4).await;
        let write = other.write(|tx| {
            let update = Update { color: Some("#112233FF".to_owned()), ..Update::default() };
            collection::update(tx, &Rows::<false>, &sales(), &Target::path("sales", "work"), &update)
        });
        write.await
    };
    let (slow, quick) = tokio::join!(slow, quick);
    slow.unwrap();
    quick.unwrap();
    let now = bed.collection().await;
    assert_eq!((now.display_name.as_str(), now.color.as_str()), ("Renamed", "#112233FF"));
}

async fn a_window_that_rolls_on_undoes_no_change(bed: Bed) {
    let daily = |hour: &str| {
        let lines = format!("DTSTART:20200101T{hour}0000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY\r\n");
        Bytes::from(with_lines("daily", &lines))
    };
    bed.put("daily.ics", daily("09")).await.unwrap();
    bed.place.set_clock(NOW + 300 * 86_400_000_000);
    let new = daily("15");
    let prepared = Rows::<false>.prepare(&sales(), new.clone()).await.unwrap();
    let other = bed.second_db().await;
    let data = new.clone();
    let slow = other.write(move |tx| {
        let target = Target::path("sales", "work");
        let none = Conditions::none();
        write::put(tx, &Rows::<false>, &sales(), &target, "daily.ics", &data, &none, &prepared)?;
        std::thread::sleep(HALF_SECOND);
        Ok(())
    });
    let roll = async {
        tokio::time::sleep(HALF_SECOND / 4).await;
        kontor_collection::tasks::run(&bed.db).await
    };
    let (slow, roll) = tokio::join!(slow, roll);
    slow.unwrap();
    roll.unwrap();
    let found = bed.get(&["daily.ics"]).await;
    assert_eq!(found[0].data, new);
    assert_eq!(found[0].etag, write::etag(&new));
    assert_eq!(found[0].sequence, bed.collection().await.sequence);
    // 2027-09-19, at nine and at three.
    assert_eq!(bed.query(in_hour(1_821_344_400)).await.unwrap().len(), 0);
    assert_eq!(bed.query(in_hour(1_821_344_400 + 6 * 3_600)).await.unwrap().len(), 1);
}

/// Asks for events in the hour that begins at that second.
fn in_hour(seconds: i64) -> proto::QueryObjectsRequest {
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let range = proto::TimeRange { start_time: time(seconds), end_time: time(seconds + 3_600) };
    let events = proto::ComponentFilter {
        name: "VEVENT".to_owned(),
        time_range: Some(range),
        ..proto::ComponentFilter::default()
    };
    let filter = proto::ComponentFilter {
        name: "VCALENDAR".to_owned(),
        components: vec![events],
        ..proto::ComponentFilter::default()
    };
    proto::QueryObjectsRequest { component_filter: Some(filter), ..Default::default() }
}

async fn an_owner_has_a_bounded_number_of_collections(bed: Bed) {
    let make = |number: usize| proto::CreateCollectionRequest {
        collection: Some(proto::Collection {
            owner: "manager".to_owned(),
            slug: format!("c{number}"),
            ..proto::Collection::default()
        }),
    };
    for number in 0..500 {
        bed.client().create_collection(user("manager").request(make(number))).await.unwrap();
    }
    let refused = bed.client().create_collection(user("manager").request(make(500))).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
}

async fn bodies_come_in_small_chunks(bed: Bed) {
    let text = "x".repeat(10_000);
    for number in 0..40 {
        let data = event(&format!("u{number}"), "20261123")
            .replace("END:VEVENT", &format!("X-A:{text}\r\nEND:VEVENT"));
        bed.put(&format!("{number:02}.ics"), data).await.unwrap();
    }
    let request = proto::ListObjectsRequest { path: work(), with_data: true, ..Default::default() };
    let mut stream = bed.client().list_objects(sales().request(request)).await.unwrap().into_inner();
    let mut told = 0;
    while let Some(chunk) = stream.message().await.unwrap() {
        let bytes: usize = chunk.objects.iter().map(|object| object.data.len()).sum();
        assert!(bytes < 150_000, "{bytes}");
        told += chunk.objects.len();
    }
    assert_eq!(told, 40);
    let request = proto::QueryObjectsRequest { path: work(), with_data: true, ..Default::default() };
    let mut stream = bed.client().query_objects(sales().request(request)).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert!(first.objects.iter().map(|object| object.data.len()).sum::<usize>() < 150_000);
}
