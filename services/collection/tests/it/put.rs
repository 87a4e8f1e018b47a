//! Putting and deleting single objects: bytes, ETags, conditions, UIDs, access, bad input.

use kontor_kit::args;
use kontor_kit::auth::Caller;
use kontor_proto::collection::v1 as proto;
use kontor_testbed::{admin, user};
use tonic::Code;

use crate::bed::{Bed, component, event, reason, sales, work};

kontor_testbed::on_both! { Bed;
    bytes_come_back_as_they_were_sent,
    conditions_are_checked_inside_the_write,
    of_many_conditional_writers_one_wins,
    a_uid_stands_once_in_a_collection,
    sixty_puts_at_once_all_stay,
    typed_rows_follow_puts_and_deletes,
    others_do_not_see_a_collection,
    bad_input_is_refused_with_its_reason,
    collections_are_made_changed_and_deleted,
}

async fn bytes_come_back_as_they_were_sent(bed: Bed) {
    let odd = event("a", "20261123").replace("DTSTART", "X-ODD;X-P=\"ä,;:\":tail\\, \r\n of it\r\ndtstart");
    let answer = bed.put("a b%ü.ics", odd.clone()).await.unwrap();
    assert!(answer.created);
    let found = bed.get(&["none.ics", "a b%ü.ics", "a b%ü.ics"]).await;
    assert!(found[0].missing && found[0].name == "none.ics");
    for object in &found[1..] {
        assert_eq!(object.data, odd.as_bytes());
        assert_eq!((object.etag.as_str(), object.size), (answer.etag.as_str(), odd.len() as i64));
        assert_eq!(object.component, "VEVENT");
    }
    assert_eq!(answer.etag.len(), 32);
    let listed = bed.list(false).await;
    assert_eq!((listed.len(), listed[0].data.len()), (1, 0));
    assert!(!bed.put("a b%ü.ics", event("a", "20261124")).await.unwrap().created);
}

async fn conditions_are_checked_inside_the_write(bed: Bed) {
    let absent = proto::Conditions { if_absent: true, ..Default::default() };
    let first = bed.put_if("a.ics", event("a", "20261123"), absent.clone()).await.unwrap();
    let again = bed.put_if("a.ics", event("a", "20261124"), absent).await;
    assert_eq!(reason(again), "ETAG_MISMATCH");
    let matching = |etag: &str| proto::Conditions { if_match: vec![etag.to_owned()], ..Default::default() };
    let second = bed.put_if("a.ics", event("a", "20261124"), matching(&first.etag)).await.unwrap();
    assert_eq!(
        reason(bed.put_if("a.ics", event("a", "20261125"), matching(&first.etag)).await),
        "ETAG_MISMATCH"
    );
    let exists = proto::Conditions { if_exists: true, ..Default::default() };
    assert_eq!(reason(bed.put_if("b.ics", event("b", "20261125"), exists).await), "ETAG_MISMATCH");
    let unlike = proto::Conditions { if_none_match: vec![second.etag.clone()], ..Default::default() };
    assert_eq!(reason(bed.put_if("a.ics", event("a", "20261125"), unlike).await), "ETAG_MISMATCH");
    let before = bed.collection().await.sequence;
    let request = proto::DeleteObjectRequest {
        path: work(),
        name: "a.ics".to_owned(),
        conditions: Some(matching(&first.etag)),
        silent: false,
        ..Default::default()
    };
    let refused = bed.client().delete_object(sales().request(request)).await;
    assert_eq!(refused.as_ref().unwrap_err().code(), Code::Aborted);
    assert_eq!(bed.collection().await.sequence, before, "a refused write leaves no trace");
    bed.delete("a.ics").await.unwrap();
    assert_eq!(bed.delete("a.ics").await.unwrap_err().code(), Code::NotFound);
}

async fn of_many_conditional_writers_one_wins(bed: Bed) {
    let first = bed.put("a.ics", event("a", "20261101")).await.unwrap();
    let tries = (0..30).map(|day| {
        let conditions = proto::Conditions { if_match: vec![first.etag.clone()], ..Default::default() };
        bed.put_if("a.ics", event("a", &format!("202612{:02}", day + 1)), conditions)
    });
    let mut won = 0;
    for answer in futures_util::future::join_all(tries).await {
        match answer {
            Ok(_) => won += 1,
            Err(status) => assert_eq!(status.code(), Code::Aborted),
        }
    }
    assert_eq!(won, 1);
}

async fn a_uid_stands_once_in_a_collection(bed: Bed) {
    bed.put("a b.ics", event("one", "20261123")).await.unwrap();
    let status = bed.put("c.ics", event("one", "20261123")).await.unwrap_err();
    let (found, metadata) = kontor_kit::error::reason(&status).unwrap();
    assert_eq!((status.code(), found.as_str()), (Code::AlreadyExists, "UID_CONFLICT"));
    assert_eq!((metadata["href"].as_str(), metadata["name"].as_str()), ("a%20b%2Eics", "a b.ics"));
    assert_eq!(reason(bed.put("a b.ics", event("two", "20261123")).await), "UID_CONFLICT");
    bed.delete("a b.ics").await.unwrap();
    bed.put("c.ics", event("one", "20261123")).await.unwrap();
}

async fn sixty_puts_at_once_all_stay(bed: Bed) {
    let bed = &bed;
    let puts = (0..60).map(|number| async move {
        let name = format!("{number}.ics");
        bed.put(&name, event(&format!("uid-{number}"), "20261123")).await.unwrap()
    });
    assert!(futures_util::future::join_all(puts).await.iter().all(|answer| answer.created));
    let listed = bed.list(true).await;
    assert_eq!((listed.len(), bed.collection().await.object_count), (60, 60));
    let mut sequences: Vec<i64> = listed.iter().map(|object| object.sequence).collect();
    sequences.sort();
    sequences.dedup();
    assert_eq!(sequences.len(), 60, "each write has its own number");
}

async fn typed_rows_follow_puts_and_deletes(bed: Bed) {
    let first = bed.put("a.ics", event("a", "20261123")).await.unwrap();
    assert_eq!(rows(&bed).await, [first.etag]);
    let second = bed.put("a.ics", event("a", "20261124")).await.unwrap();
    assert_eq!(rows(&bed).await, [second.etag]);
    bed.put("b.ics", event("b", "20261124")).await.unwrap();
    bed.delete("a.ics").await.unwrap();
    assert_eq!(rows(&bed).await.len(), 1);
    let request = proto::DeleteCollectionRequest { path: work() };
    bed.client().delete_collection(sales().request(request)).await.unwrap();
    assert_eq!(rows(&bed).await.len(), 0);
    assert_eq!(bed.put("a.ics", event("a", "20261123")).await.unwrap_err().code(), Code::NotFound);
}

async fn rows(bed: &Bed) -> Vec<String> {
    let read =
        bed.db.read(|conn| conn.all("SELECT etag FROM typed ORDER BY id", args![], |row| row.string(0)));
    read.await.unwrap()
}

async fn others_do_not_see_a_collection(bed: Bed) {
    let get = |caller: Caller| {
        let request = caller.request(proto::GetCollectionRequest { path: work(), ..Default::default() });
        let mut client = bed.client();
        async move { client.get_collection(request).await }
    };
    assert_eq!(get(user("manager")).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(get(admin()).await.unwrap().into_inner().access(), proto::Access::Owner);
    let bare =
        bed.client().get_collection(proto::GetCollectionRequest { path: work(), ..Default::default() }).await;
    assert_eq!(bare.unwrap_err().code(), Code::Unauthenticated);
    let request = proto::PutObjectRequest {
        path: work(),
        name: "a.ics".to_owned(),
        data: event("a", "20261123").into(),
        ..Default::default()
    };
    let put = bed.client().put_object(user("manager").request(request.clone())).await;
    assert_eq!(put.unwrap_err().code(), Code::NotFound);
    // The company's collection is in every home, under its own name too.
    let path =
        |owner: &str| Some(proto::CollectionPath { owner: owner.to_owned(), slug: "company".to_owned() });
    let request = proto::PutObjectRequest { path: path("manager"), ..request };
    bed.client().put_object(user("manager").request(request)).await.unwrap();
    let request = proto::ListCollectionsRequest { owner: "sales".to_owned(), ..Default::default() };
    let home = bed.client().list_collections(sales().request(request.clone())).await.unwrap().into_inner();
    let slugs: Vec<&str> = home.collections.iter().map(|collection| collection.slug.as_str()).collect();
    assert_eq!(slugs, ["company", "work"]);
    assert_eq!(home.collections[0].object_count, 1);
    assert_eq!(home.collections[0].access(), proto::Access::Write);
    let home = bed.client().list_collections(user("manager").request(request)).await.unwrap().into_inner();
    assert_eq!(home.collections.len(), 1, "of another one's home only what is shared is seen");
    let request = proto::DeleteCollectionRequest { path: path("company") };
    let delete = bed.client().delete_collection(sales().request(request.clone())).await;
    assert_eq!(delete.unwrap_err().code(), Code::PermissionDenied);
    let delete = bed.client().delete_collection(admin().request(request)).await;
    assert_eq!(delete.unwrap_err().code(), Code::FailedPrecondition);
}

async fn bad_input_is_refused_with_its_reason(bed: Bed) {
    assert_eq!(reason(bed.put("a.ics", "no calendar").await), "VALID_DATA");
    assert_eq!(reason(bed.put("a.ics", "BEGIN:VCALENDAR\r\n".repeat(100_000)).await), "VALID_DATA");
    let two = event("a", "20261123").replace("END:VCALENDAR\r\n", "")
        + "BEGIN:VEVENT\r\nUID:b\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20261123T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    assert_eq!(reason(bed.put("a.ics", two).await), "VALID_OBJECT_RESOURCE");
    assert_eq!(reason(bed.put("a.ics", component("VPOLL", "a", "")).await), "SUPPORTED_COMPONENT");
    assert_eq!(reason(bed.put("a.ics", vec![b'x'; 10 * 1024 * 1024 + 1]).await), "TOO_LARGE");
    assert_eq!(reason(bed.put("a/b.ics", event("a", "20261123")).await), "INVALID_FIELD");
    assert_eq!(reason(bed.put("", event("a", "20261123")).await), "INVALID_FIELD");
    assert_eq!(
        reason(bed.put("a.ics", event(&"u".repeat(1_001), "20261123")).await),
        "VALID_OBJECT_RESOURCE"
    );
    assert!(bed.list(false).await.is_empty());
    // A rule without end and of each second is honest work for nobody, but it is stored and found.
    let endless = component("VEVENT", "e", "DTSTART:20261123T090000Z\r\nRRULE:FREQ=SECONDLY\r\n");
    bed.put("e.ics", endless).await.unwrap();
}

async fn collections_are_made_changed_and_deleted(bed: Bed) {
    let collection = proto::Collection {
        owner: "sales".to_owned(),
        slug: "tasks".to_owned(),
        display_name: "Tasks".to_owned(),
        color: "#112233FF".to_owned(),
        order: 7,
        components: vec!["VTODO".to_owned()],
        dead_properties: vec![dead("a", "1")],
        ..Default::default()
    };
    let request = proto::CreateCollectionRequest { collection: Some(collection) };
    let made = bed.client().create_collection(sales().request(request.clone())).await.unwrap().into_inner();
    assert_eq!((made.order, made.components.len(), made.dead_properties.len()), (7, 1, 1));
    let again = bed.client().create_collection(sales().request(request.clone())).await;
    assert_eq!(again.unwrap_err().code(), Code::AlreadyExists);
    let foreign = bed.client().create_collection(user("manager").request(request)).await;
    assert_eq!(foreign.unwrap_err().code(), Code::PermissionDenied);
    let path = Some(proto::CollectionPath { owner: "sales".to_owned(), slug: "tasks".to_owned() });
    let put = proto::PutObjectRequest {
        path: path.clone(),
        name: "a.ics".to_owned(),
        data: event("a", "20261123").into(),
        ..Default::default()
    };
    assert_eq!(reason(bed.client().put_object(sales().request(put)).await), "SUPPORTED_COMPONENT");
    let request = proto::UpdateCollectionRequest {
        path: path.clone(),
        collection: Some(proto::Collection { display_name: "New".to_owned(), ..Default::default() }),
        fields: vec!["display_name".to_owned()],
        set_dead: vec![dead("b", "2")],
        remove_dead: vec![dead("a", "")],
    };
    let changed =
        bed.client().update_collection(sales().request(request.clone())).await.unwrap().into_inner();
    assert_eq!((changed.display_name.as_str(), changed.color.as_str()), ("New", "#112233FF"));
    assert_eq!(changed.dead_properties, [dead("b", "2")]);
    assert!(changed.sequence > made.sequence);
    let unknown = proto::UpdateCollectionRequest { fields: vec!["id".to_owned()], ..request };
    assert_eq!(reason(bed.client().update_collection(sales().request(unknown)).await), "INVALID_FIELD");
    let request = proto::DeleteCollectionRequest { path };
    bed.client().delete_collection(sales().request(request.clone())).await.unwrap();
    assert_eq!(
        bed.client().delete_collection(sales().request(request)).await.unwrap_err().code(),
        Code::NotFound
    );
}

fn dead(name: &str, value: &str) -> proto::DeadProperty {
    proto::DeadProperty {
        namespace: "urn:x".to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
        ..Default::default()
    }
}
