//! Moving and copying objects: bytes, ids, tombstones, change numbers, conditions, UIDs, access.

use kontor_kit::args;
use kontor_proto::collection::v1 as proto;
use kontor_testbed::user;
use tonic::{Code, Status};

use crate::bed::{Bed, Cards, component, event, reason, sales, work};

kontor_testbed::on_both! { Bed;
    a_move_leaves_a_tombstone_and_keeps_bytes_and_id,
    a_new_name_in_the_same_collection_is_two_steps_of_a_sync,
    a_copy_leaves_the_source_as_it_is,
    what_stands_at_the_destination_goes_only_if_it_may,
    a_move_that_may_not_be_changes_nothing,
    lists_of_an_if_header_are_checked_inside_the_write,
    moves_in_opposite_directions_do_not_wait_for_each_other,
    rows_that_filters_read_go_along,
}

fn path(owner: &str, slug: &str) -> Option<proto::CollectionPath> {
    Some(proto::CollectionPath { owner: owner.to_owned(), slug: slug.to_owned() })
}

pub async fn make(bed: &Bed, slug: &str, components: &[&str]) {
    let collection = proto::Collection {
        owner: "sales".to_owned(),
        slug: slug.to_owned(),
        components: components.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    let request = proto::CreateCollectionRequest { collection: Some(collection) };
    bed.client().create_collection(sales().request(request)).await.unwrap();
}

pub fn wish(name: &str, slug: &str, to_name: &str) -> proto::MoveObjectRequest {
    proto::MoveObjectRequest {
        path: work(),
        name: name.to_owned(),
        to_path: path("sales", slug),
        to_name: to_name.to_owned(),
        overwrite: true,
        ..Default::default()
    }
}

pub async fn run(bed: &Bed, request: proto::MoveObjectRequest) -> Result<proto::MoveObjectResponse, Status> {
    Ok(bed.client().move_object(sales().request(request)).await?.into_inner())
}

async fn get(bed: &Bed, slug: &str, name: &str) -> proto::Object {
    let request = proto::GetObjectsRequest {
        path: path("sales", slug),
        names: vec![name.to_owned()],
        with_data: true,
        ..Default::default()
    };
    let mut stream = bed.client().get_objects(sales().request(request)).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap().objects.remove(0)
}

async fn typed(bed: &Bed) -> Vec<String> {
    let read =
        bed.db.read(|conn| conn.all("SELECT uid FROM typed ORDER BY uid", args![], |row| row.string(0)));
    read.await.unwrap()
}

async fn id_of(bed: &Bed, name: &'static str) -> String {
    let sql = "SELECT id FROM object WHERE name = $1";
    let read = bed.db.read(move |conn| conn.one(sql, args![name], |row| row.string(0)));
    read.await.unwrap().unwrap()
}

async fn a_move_leaves_a_tombstone_and_keeps_bytes_and_id(bed: Bed) {
    make(&bed, "private", &[]).await;
    let put = bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let (id, before) = (id_of(&bed, "a.ics").await, bed.collection().await);
    let written = get(&bed, "work", "a.ics").await;
    bed.place.pass(5_000_000);
    let answer = run(&bed, wish("a.ics", "private", "b ü.ics")).await.unwrap();
    assert!(answer.created);
    assert_eq!(answer.etag, put.etag, "the bytes are the same, so the ETag is");
    let there = get(&bed, "private", "b ü.ics").await;
    assert_eq!((there.data.as_ref(), there.etag), (event("a", "20261123").as_bytes(), put.etag));
    assert_eq!(id_of(&bed, "b ü.ics").await, id, "it is the same object");
    let seconds = |time: Option<prost_types::Timestamp>| time.unwrap().seconds;
    assert_eq!(
        seconds(there.update_time),
        seconds(written.update_time) + 5,
        "the time of an address only goes up"
    );
    assert_eq!(there.create_time, written.create_time);
    let (changes, _, _) = bed.sync(before.sequence, 0).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert!(changes[0].missing && changes[0].name == "a.ics");
    assert_eq!(bed.collection().await.object_count, 0);
    assert_eq!(typed(&bed).await, ["a"]);
    // And back, over its own tombstone.
    let back =
        proto::MoveObjectRequest { path: path("sales", "private"), ..wish("b ü.ics", "work", "a.ics") };
    run(&bed, back).await.unwrap();
    let (changes, _, _) = bed.sync(before.sequence, 0).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.missing).collect::<Vec<_>>(), [false]);
    assert_eq!(bed.collection().await.object_count, 1);
}

async fn a_new_name_in_the_same_collection_is_two_steps_of_a_sync(bed: Bed) {
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let before = bed.collection().await.sequence;
    run(&bed, wish("a.ics", "work", "b.ics")).await.unwrap();
    let (first, at, more) = bed.sync(before, 1).await.unwrap();
    assert!(first.len() == 1 && first[0].name == "a.ics" && first[0].missing && more);
    let (second, _, more) = bed.sync(at, 1).await.unwrap();
    assert!(second.len() == 1 && second[0].name == "b.ics" && !second[0].missing && !more);
    assert_eq!((bed.collection().await.object_count, typed(&bed).await.len()), (1, 1));
    assert_eq!(reason(run(&bed, wish("b.ics", "work", "b.ics")).await), "SAME_OBJECT");
}

async fn a_copy_leaves_the_source_as_it_is(bed: Bed) {
    make(&bed, "private", &[]).await;
    let put = bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let copy = |slug, name| proto::MoveObjectRequest { copy: true, ..wish("a.ics", slug, name) };
    let before = bed.collection().await.sequence;
    assert!(run(&bed, copy("private", "a.ics")).await.unwrap().created);
    assert_eq!(bed.collection().await.sequence, before, "the source is not touched");
    assert_eq!(get(&bed, "work", "a.ics").await.etag, put.etag);
    assert_eq!(get(&bed, "private", "a.ics").await.etag, put.etag);
    assert_eq!(
        reason(run(&bed, copy("work", "b.ics")).await),
        "UID_CONFLICT",
        "one UID once in a collection"
    );
    assert_eq!(reason(run(&bed, copy("private", "b.ics")).await), "UID_CONFLICT");
    assert!(!run(&bed, copy("private", "a.ics")).await.unwrap().created);
}

async fn what_stands_at_the_destination_goes_only_if_it_may(bed: Bed) {
    make(&bed, "private", &[]).await;
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    bed.put("b.ics", event("b", "20261124")).await.unwrap();
    let careful = proto::MoveObjectRequest { overwrite: false, ..wish("a.ics", "work", "b.ics") };
    assert_eq!(reason(run(&bed, careful).await), "DESTINATION_EXISTS");
    assert!(!run(&bed, wish("a.ics", "work", "b.ics")).await.unwrap().created);
    assert_eq!((get(&bed, "work", "b.ics").await.data.as_ref()), event("a", "20261123").as_bytes());
    assert_eq!((bed.collection().await.object_count, typed(&bed).await), (1, vec!["a".to_owned()]));
    // The same UID over there is the same thing in another state: its row stays.
    let copy = proto::MoveObjectRequest { copy: true, ..wish("b.ics", "private", "c.ics") };
    run(&bed, copy).await.unwrap();
    let id = id_of(&bed, "c.ics").await;
    bed.put("b.ics", event("a", "20261201")).await.unwrap();
    assert!(!run(&bed, wish("b.ics", "private", "c.ics")).await.unwrap().created);
    assert_eq!(id_of(&bed, "c.ics").await, id);
    assert_eq!((get(&bed, "private", "c.ics").await.data.as_ref()), event("a", "20261201").as_bytes());
    assert_eq!(bed.collection().await.object_count, 0);
}

async fn a_move_that_may_not_be_changes_nothing(bed: Bed) {
    make(&bed, "todos", &["VTODO"]).await;
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let before = bed.collection().await.sequence;
    assert_eq!(reason(run(&bed, wish("a.ics", "todos", "a.ics")).await), "SUPPORTED_COMPONENT");
    assert_eq!(reason(run(&bed, wish("a.ics", "nowhere", "a.ics")).await), "NO_DESTINATION");
    assert_eq!(run(&bed, wish("none.ics", "todos", "a.ics")).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(run(&bed, wish("a.ics", "todos", "a/b.ics")).await.unwrap_err().code(), Code::InvalidArgument);
    let stale = proto::Conditions { if_match: vec!["nothing".to_owned()], ..Default::default() };
    let stale = proto::MoveObjectRequest { conditions: Some(stale), ..wish("a.ics", "work", "b.ics") };
    assert_eq!(reason(run(&bed, stale).await), "ETAG_MISMATCH");
    // Another one's collection does not exist for a stranger, neither as source nor as destination.
    let theirs = bed.client().move_object(user("other").request(wish("a.ics", "work", "b.ics"))).await;
    assert_eq!(theirs.unwrap_err().code(), Code::NotFound);
    let request =
        proto::MoveObjectRequest { path: path("company", "company"), ..wish("c.ics", "work", "c.ics") };
    let put = proto::PutObjectRequest {
        path: path("company", "company"),
        name: "c.ics".to_owned(),
        data: component("VEVENT", "c", "DTSTART:20261123T090000Z\r\n").into(),
        ..Default::default()
    };
    bed.client().put_object(user("other").request(put)).await.unwrap();
    assert_eq!(reason(bed.client().move_object(user("other").request(request)).await), "NO_DESTINATION");
    assert_eq!(bed.collection().await.sequence, before, "nothing of all this left a trace");
}

async fn lists_of_an_if_header_are_checked_inside_the_write(bed: Bed) {
    make(&bed, "private", &[]).await;
    let a = bed.put("a.ics", event("a", "20261123")).await.unwrap().etag;
    let at = bed.collection().await;
    let etag = |etag: &str, negate, destination| proto::StateTest {
        etag: etag.to_owned(),
        negate,
        destination,
        ..Default::default()
    };
    let stands_at =
        |sequence| proto::StateTest { collection_id: at.id.clone(), sequence, ..Default::default() };
    let one_of = |lists: Vec<Vec<proto::StateTest>>| proto::Conditions {
        if_lists: lists.into_iter().map(|tests| proto::StateList { tests }).collect(),
        ..Default::default()
    };
    let change = event("a", "20261130");
    for (conditions, holds) in [
        (one_of(vec![vec![etag("x", false, false)]]), false),
        (one_of(vec![vec![etag(&a, true, false)]]), false),
        (one_of(vec![vec![etag(&a, false, false), stands_at(at.sequence - 1)]]), false),
        (
            one_of(vec![vec![etag("x", false, false)], vec![etag(&a, false, false), stands_at(at.sequence)]]),
            true,
        ),
    ] {
        let done = bed.put_if("a.ics", change.clone(), conditions).await;
        assert_eq!(done.is_ok(), holds, "{done:?}");
    }
    // Nothing stands at the destination, so no ETag matches there, and "not this one" does.
    let conditional = |conditions| proto::MoveObjectRequest {
        conditions: Some(conditions),
        ..wish("a.ics", "private", "a.ics")
    };
    let there = one_of(vec![vec![etag(&a, false, true)]]);
    assert_eq!(reason(run(&bed, conditional(there)).await), "ETAG_MISMATCH");
    run(&bed, conditional(one_of(vec![vec![etag(&a, true, true)]]))).await.unwrap();
}

async fn moves_in_opposite_directions_do_not_wait_for_each_other(bed: Bed) {
    make(&bed, "private", &[]).await;
    for number in 0..8 {
        bed.put(&format!("{number}.ics"), event(&format!("u{number}"), "20261123")).await.unwrap();
    }
    for number in 0..4 {
        let name = format!("{number}.ics");
        run(&bed, wish(&name, "private", &name)).await.unwrap();
    }
    let bed = &bed;
    let moves = (0..8).map(|number| async move {
        let name = format!("{number}.ics");
        let request = if number < 4 {
            proto::MoveObjectRequest { path: path("sales", "private"), ..wish(&name, "work", &name) }
        } else {
            wish(&name, "private", &name)
        };
        run(bed, request).await
    });
    for done in futures_util::future::join_all(moves).await {
        assert!(done.unwrap().created);
    }
    let names: Vec<String> = bed.list(false).await.into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["0.ics", "1.ics", "2.ics", "3.ics"]);
}

async fn rows_that_filters_read_go_along(bed: Bed) {
    make(&bed, "private", &[]).await;
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    run(&bed, wish("a.ics", "private", "a.ics")).await.unwrap();
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let range = proto::TimeRange { start_time: time(1_795_392_000), end_time: time(1_795_478_400) };
    let events =
        proto::ComponentFilter { name: "VEVENT".to_owned(), time_range: Some(range), ..Default::default() };
    let filter = proto::ComponentFilter {
        name: "VCALENDAR".to_owned(),
        components: vec![events],
        ..Default::default()
    };
    for (slug, hits) in [("private", 1), ("work", 0)] {
        let request = proto::QueryObjectsRequest {
            path: path("sales", slug),
            component_filter: Some(filter.clone()),
            ..Default::default()
        };
        let mut stream = bed.client().query_objects(sales().request(request)).await.unwrap().into_inner();
        let found = stream.message().await.unwrap().map_or(0, |chunk| chunk.objects.len());
        assert_eq!(found, hits, "{slug}");
    }
}

async fn cards_found_by_their_values_are_found_where_they_went(bed: Bed) {
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c\r\nFN:Ann\r\nN:;Ann;;;\r\nEMAIL:ann@example.com\r\nEND:VCARD\r\n";
    bed.put("a.vcf", card).await.unwrap();
    make(&bed, "friends", &[]).await;
    run(&bed, wish("a.vcf", "friends", "a.vcf")).await.unwrap();
    let text = proto::TextMatch {
        text: "ann@example.com".to_owned(),
        match_type: proto::MatchType::Equals.into(),
        ..Default::default()
    };
    let email =
        proto::PropertyFilter { name: "EMAIL".to_owned(), text_matches: vec![text], ..Default::default() };
    let filter = proto::CardFilter { properties: vec![email], all_of: false };
    for (slug, hits) in [("friends", 1), ("work", 0)] {
        let request = proto::QueryObjectsRequest {
            path: path("sales", slug),
            card_filter: Some(filter.clone()),
            ..Default::default()
        };
        let mut stream = bed.client().query_objects(sales().request(request)).await.unwrap().into_inner();
        let found = stream.message().await.unwrap().map_or(0, |chunk| chunk.objects.len());
        assert_eq!(found, hits, "{slug}");
    }
}

mod of_cards {
    use super::{Cards, cards_found_by_their_values_are_found_where_they_went};

    kontor_testbed::on_both! { Cards; cards_found_by_their_values_are_found_where_they_went }
}
