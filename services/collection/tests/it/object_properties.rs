//! Dead properties of objects: set, told, removed, moved, copied and gone with their object; and who may set them.

use kontor_collection::Target;
use kontor_collection::model::Access;
use kontor_collection::store::share::{self, Share};
use kontor_kit::args;
use kontor_proto::collection::v1 as proto;
use kontor_testbed::user;
use tonic::{Code, Status};

use crate::bed::{Bed, event, reason, sales, work};
use crate::transfer::{make, run, wish};

kontor_testbed::on_both! { Bed;
    dead_properties_of_an_object_are_set_told_and_removed,
    dead_properties_go_with_a_move_and_a_copy_and_end_with_their_object,
    dead_properties_of_an_object_have_limits,
    who_may_only_read_sets_no_dead_properties,
}

fn dead(name: &str, value: &str, language: &str) -> proto::DeadProperty {
    proto::DeadProperty {
        namespace: "urn:x".to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
        language: language.to_owned(),
    }
}

async fn change(
    bed: &Bed,
    name: &str,
    set: &[proto::DeadProperty],
    remove: &[&str],
) -> Result<proto::UpdateObjectResponse, Status> {
    let request = proto::UpdateObjectRequest {
        path: work(),
        name: name.to_owned(),
        conditions: None,
        set_dead: set.to_vec(),
        remove_dead: remove.iter().map(|name| dead(name, "", "")).collect(),
    };
    Ok(bed.client().update_object(sales().request(request)).await?.into_inner())
}

/// What GetObjects tells of one object.
async fn told(bed: &Bed, slug: &str, name: &str) -> Vec<proto::DeadProperty> {
    let request = proto::GetObjectsRequest {
        path: Some(proto::CollectionPath { owner: "sales".to_owned(), slug: slug.to_owned() }),
        names: vec![name.to_owned()],
        with_dead: true,
        ..Default::default()
    };
    let mut stream = bed.client().get_objects(sales().request(request)).await.unwrap().into_inner();
    let mut objects = stream.message().await.unwrap().unwrap().objects;
    assert!(!objects[0].missing, "{name}");
    objects.remove(0).dead_properties
}

/// What a list, a query and a sync tell, each as names of objects with the number of their dead properties.
async fn in_lists(bed: &Bed) -> Vec<Vec<(String, usize)>> {
    let mut all = Vec::new();
    let list = proto::ListObjectsRequest { path: work(), with_dead: true, ..Default::default() };
    let query = proto::QueryObjectsRequest { path: work(), with_dead: true, ..Default::default() };
    let list = bed.client().list_objects(sales().request(list)).await.unwrap().into_inner();
    let query = bed.client().query_objects(sales().request(query)).await.unwrap().into_inner();
    for mut stream in [list, query] {
        let mut found = Vec::new();
        while let Some(chunk) = stream.message().await.unwrap() {
            found.extend(chunk.objects.into_iter().map(|object| (object.name, object.dead_properties.len())));
        }
        found.sort();
        all.push(found);
    }
    let sync = proto::SyncObjectsRequest { path: work(), since: -1, with_dead: true, ..Default::default() };
    let mut stream = bed.client().sync_objects(sales().request(sync)).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(chunk) = stream.message().await.unwrap() {
        found.extend(chunk.objects.into_iter().map(|object| (object.name, object.dead_properties.len())));
    }
    found.sort();
    all.push(found);
    all
}

/// The rows of the table, and what the collections say of them.
async fn rows(bed: &Bed) -> (i64, i64) {
    let read = bed.db.read(|conn| {
        let rows = conn.one("SELECT COUNT(*) FROM object_property", args![], |row| row.int(0))?;
        let sql = "SELECT CAST(SUM(object_properties) AS BIGINT) FROM collection";
        Ok((rows.unwrap_or(-1), conn.one(sql, args![], |row| row.int(0))?.unwrap_or(-1)))
    });
    read.await.unwrap()
}

async fn dead_properties_of_an_object_are_set_told_and_removed(bed: Bed) {
    let put = bed.put("a.ics", event("a", "20261123")).await.unwrap();
    for number in 0..70 {
        bed.put(&format!("x{number:02}.ics"), event(&format!("x{number}"), "20261124")).await.unwrap();
    }
    assert!(!bed.collection().await.has_object_properties);
    let before = bed.collection().await.sequence;
    change(&bed, "a.ics", &[dead("note", "<y xmlns=\"urn:y\"></y>", "de"), dead("more", "1", "")], &[])
        .await
        .unwrap();
    assert_eq!(
        told(&bed, "work", "a.ics").await,
        [dead("more", "1", ""), dead("note", "<y xmlns=\"urn:y\"></y>", "de")]
    );
    assert!(bed.collection().await.has_object_properties);
    for found in in_lists(&bed).await {
        assert_eq!(found.len(), 71);
        assert!(found.iter().all(|(name, count)| *count == if name == "a.ics" { 2 } else { 0 }), "{found:?}");
    }
    // Clients that sync hear of it, and see that the bytes are the same.
    let (changes, _, _) = bed.sync(before, 0).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].name.as_str(), &changes[0].etag), ("a.ics", &put.etag));
    assert!(changes[0].dead_properties.is_empty(), "they were not asked for");
    // Tags have no room for them.
    let sync =
        |with_dead| proto::SyncObjectsRequest { path: work(), since: -1, with_dead, ..Default::default() };
    let refused = bed.client().sync_tags(sales().request(sync(true))).await;
    assert_eq!(reason(refused.map(|_| ())), "OBJECT_PROPERTIES");
    bed.client().sync_tags(sales().request(sync(false))).await.unwrap();
    // A new body leaves them (RFC 4918 section 9.7.1).
    bed.put("a.ics", event("a", "20261125")).await.unwrap();
    change(&bed, "a.ics", &[dead("note", "new", "")], &["more", "never there"]).await.unwrap();
    assert_eq!(told(&bed, "work", "a.ics").await, [dead("note", "new", "")]);
    change(&bed, "a.ics", &[], &["note"]).await.unwrap();
    assert!(told(&bed, "work", "a.ics").await.is_empty());
    assert_eq!(rows(&bed).await, (0, 0));
    assert!(!bed.collection().await.has_object_properties);
}

async fn dead_properties_go_with_a_move_and_a_copy_and_end_with_their_object(bed: Bed) {
    make(&bed, "private", &[]).await;
    let copy = |name, slug, to| proto::MoveObjectRequest { copy: true, ..wish(name, slug, to) };
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let of_a = [dead("note", "a", "fr")];
    change(&bed, "a.ics", &of_a, &[]).await.unwrap();
    run(&bed, wish("a.ics", "work", "b.ics")).await.unwrap();
    assert_eq!(told(&bed, "work", "b.ics").await, of_a);
    run(&bed, copy("b.ics", "private", "c.ics")).await.unwrap();
    assert_eq!(
        (told(&bed, "work", "b.ics").await, told(&bed, "private", "c.ics").await),
        (of_a.to_vec(), of_a.to_vec())
    );
    assert_eq!(rows(&bed).await, (2, 2));
    // Over what has some of its own: those of the source count.
    change(&bed, "b.ics", &[dead("other", "b", "")], &["note"]).await.unwrap();
    run(&bed, copy("b.ics", "private", "c.ics")).await.unwrap();
    assert_eq!(told(&bed, "private", "c.ics").await, [dead("other", "b", "")]);
    change(&bed, "b.ics", &[], &["other"]).await.unwrap();
    run(&bed, wish("b.ics", "private", "c.ics")).await.unwrap();
    assert!(told(&bed, "private", "c.ics").await.is_empty(), "the source had none");
    assert_eq!(rows(&bed).await, (0, 0));
    // Into another collection, and gone with it.
    bed.put("d.ics", event("d", "20261123")).await.unwrap();
    change(&bed, "d.ics", &of_a, &[]).await.unwrap();
    run(&bed, wish("d.ics", "private", "d.ics")).await.unwrap();
    assert_eq!(told(&bed, "private", "d.ics").await, of_a);
    assert!(!bed.collection().await.has_object_properties);
    let path = Some(proto::CollectionPath { owner: "sales".to_owned(), slug: "private".to_owned() });
    let end = proto::DeleteCollectionRequest { path };
    bed.client().delete_collection(sales().request(end)).await.unwrap();
    assert_eq!(rows(&bed).await, (0, 0));
    bed.put("e.ics", event("e", "20261123")).await.unwrap();
    change(&bed, "e.ics", &of_a, &[]).await.unwrap();
    bed.delete("e.ics").await.unwrap();
    bed.put("e.ics", event("e", "20261123")).await.unwrap();
    assert!(told(&bed, "work", "e.ics").await.is_empty(), "a new object has nothing of the old one");
    assert_eq!(rows(&bed).await, (0, 0));
}

async fn dead_properties_of_an_object_have_limits(bed: Bed) {
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let many: Vec<_> = (0..100).map(|number| dead(&format!("p{number}"), "1", "")).collect();
    change(&bed, "a.ics", &many, &[]).await.unwrap();
    assert_eq!(reason(change(&bed, "a.ics", &[dead("one", "1", "")], &[]).await), "INVALID_FIELD");
    change(&bed, "a.ics", &[dead("one", "1", "")], &["p0"]).await.unwrap();
    let half = "x".repeat(40 * 1024);
    change(&bed, "a.ics", &[dead("p1", &half, "")], &[]).await.unwrap();
    for bad in [dead("p2", &half, ""), dead("", "1", ""), dead("p2", "\0", ""), dead("p2", "1", "en\"us")] {
        assert_eq!(reason(change(&bed, "a.ics", &[bad], &[]).await), "INVALID_FIELD");
    }
    assert_eq!(change(&bed, "none.ics", &many, &[]).await.unwrap_err().code(), Code::NotFound);
    let stale = proto::Conditions { if_match: vec!["other".to_owned()], ..Default::default() };
    let request = proto::UpdateObjectRequest {
        path: work(),
        name: "a.ics".to_owned(),
        conditions: Some(stale),
        set_dead: vec![dead("p2", "2", "")],
        remove_dead: Vec::new(),
    };
    assert_eq!(reason(bed.client().update_object(sales().request(request)).await), "ETAG_MISMATCH");
    assert_eq!(rows(&bed).await, (100, 100));
}

async fn who_may_only_read_sets_no_dead_properties(bed: Bed) {
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let shared = |access| {
        bed.db.write(move |tx| {
            let share = Share { grantee: "users/reader".to_owned(), access };
            share::change(tx, &sales(), &Target::path("sales", "work"), &[share], &[])
        })
    };
    let request = proto::UpdateObjectRequest {
        path: work(),
        name: "a.ics".to_owned(),
        set_dead: vec![dead("p", "1", "")],
        ..Default::default()
    };
    let code = async |who| {
        let answer = bed.client().update_object(user(who).request(request.clone())).await;
        answer.map_or_else(|status| status.code(), |_| Code::Ok)
    };
    assert_eq!(code("stranger").await, Code::NotFound);
    shared(Access::Read).await.unwrap();
    assert_eq!(code("reader").await, Code::PermissionDenied);
    assert_eq!(rows(&bed).await, (0, 0));
    shared(Access::Write).await.unwrap();
    assert_eq!(code("reader").await, Code::Ok);
    assert_eq!(rows(&bed).await, (1, 1));
}
