//! S5: the static list and the exclusion list, by partner, address, number and domain.

use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::segment_entry::Who;
use kontor_testbed::{admin, failure};
use tonic::{Code, Status};

use crate::world::World;

kontor_testbed::on_both! { World;
    s5_static_and_exclusion_lists_by_address_number_or_domain,
    s5_wrong_entries_are_named,
}

fn entry(list: proto::SegmentList, who: Who) -> proto::SegmentEntry {
    proto::SegmentEntry { list: list.into(), who: Some(who) }
}

fn exempt(who: Who) -> proto::SegmentEntry {
    entry(proto::SegmentList::Exclusion, who)
}

async fn add(world: &World, id: &str, entries: Vec<proto::SegmentEntry>) -> Result<(i32, i64), Status> {
    let request =
        proto::AddSegmentEntriesRequest { parent: format!("segments/{id}"), entries, ..Default::default() };
    let answer = world.segments.clone().add_segment_entries(admin().request(request)).await?.into_inner();
    Ok((answer.added_count, answer.size))
}

async fn remove(world: &World, id: &str, entries: Vec<proto::SegmentEntry>) -> (i32, i64) {
    let request = proto::RemoveSegmentEntriesRequest {
        parent: format!("segments/{id}"),
        entries,
        ..Default::default()
    };
    let answer = world.segments.clone().remove_segment_entries(admin().request(request)).await.unwrap();
    let answer = answer.into_inner();
    (answer.removed_count, answer.size)
}

async fn s5_static_and_exclusion_lists_by_address_number_or_domain(world: World) {
    let anna = world.add_partner("Anna", "BE", "anna@mail.acme.example", "+32475123456").await;
    let ben = world.add_partner("Ben", "BE", "ben@other.example", "").await;
    let carl = world.add_partner("Carl", "FR", "", "").await;
    for partner in [&anna, &ben, &carl] {
        world.tag(partner, &[]).await;
    }
    world.add_segment("x", "country == \"BE\"").await;
    let fixed = vec![entry(proto::SegmentList::Static, Who::Partner(carl.clone()))];
    assert_eq!(add(&world, "x", fixed.clone()).await.unwrap(), (1, 3));
    assert_eq!(add(&world, "x", fixed.clone()).await.unwrap(), (0, 3), "it is there already");
    for (who, rest) in [
        (Who::Email("Anna@Mail.Acme.Example".to_owned()), vec![&ben, &carl]),
        (Who::PhoneNumber("0475 12 34 56".to_owned()), vec![&ben, &carl]),
        (Who::Domain("acme.example".to_owned()), vec![&ben, &carl]),
        (Who::Partner(carl.clone()), vec![&anna, &ben]),
    ] {
        let entries = vec![exempt(who)];
        assert_eq!(add(&world, "x", entries.clone()).await.unwrap(), (1, 2));
        world.members_become("x", &rest).await;
        assert_eq!(remove(&world, "x", entries).await, (1, 3));
    }
    // An address that comes later is exempt from its first moment.
    add(&world, "x", vec![exempt(Who::Domain("late.example".to_owned()))]).await.unwrap();
    let dora = world.add_partner("Dora", "BE", "dora@late.example", "").await;
    world.tag(&dora, &[]).await;
    world.members_become("x", &[&anna, &ben, &carl]).await;
    assert!(!world.told("x").await.iter().any(|told| told.ends_with(&dora)));
    // A merge takes an entry along.
    world.merge(&anna, &carl).await;
    world.members_become("x", &[&anna, &ben]).await;
    let request = proto::ListSegmentEntriesRequest {
        parent: "segments/x".to_owned(),
        filter: "list = STATIC".to_owned(),
        ..Default::default()
    };
    let listed =
        world.segments.clone().list_segment_entries(admin().request(request)).await.unwrap().into_inner();
    assert_eq!(listed.entries, fixed);
}

async fn s5_wrong_entries_are_named(world: World) {
    let anna = world.known("Anna", "BE").await;
    world.add_segment("x", "false").await;
    for (wrong, field) in [
        (exempt(Who::Email("nobody".to_owned())), "entries[1].email"),
        (exempt(Who::PhoneNumber("desk".to_owned())), "entries[1].phone_number"),
        (exempt(Who::Domain("localhost".to_owned())), "entries[1].domain"),
        (exempt(Who::Partner("partners/nobody".to_owned())), "entries[1].partner"),
        (entry(proto::SegmentList::Static, Who::Domain("a.example".to_owned())), "entries[1]"),
        (entry(proto::SegmentList::Unspecified, Who::Partner(anna.clone())), "entries[1].list"),
        (proto::SegmentEntry { list: 2, who: None }, "entries[1]"),
    ] {
        let good = exempt(Who::Partner(anna.clone()));
        let status = add(&world, "x", vec![good, wrong]).await.unwrap_err();
        let (_, metadata) = kontor_kit::error::reason(&status).unwrap();
        assert_eq!((status.code(), metadata["field"].as_str()), (Code::InvalidArgument, field));
    }
    assert_eq!(failure(add(&world, "x", Vec::new()).await).0, Code::InvalidArgument);
    let request = proto::ListSegmentEntriesRequest { parent: "segments/x".to_owned(), ..Default::default() };
    let listed =
        world.segments.clone().list_segment_entries(admin().request(request)).await.unwrap().into_inner();
    assert_eq!(listed.entries, [], "nothing was taken of a request with an error");
}
