//! S3 and S4: inheritance, joined and left once, by facts and by time; merges, erasure, a restart, two processes.

use std::time::Duration;

use kontor_proto::directory::v1 as directory;
use kontor_proto::segmentation::v1 as proto;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{DAY, World, sales};

kontor_testbed::on_both! { World;
    s3_child_is_its_parents_and_its_own,
    s3_cycle_is_refused_and_what_is_used_is_not_deleted,
    s4_change_joins_or_leaves_once,
    s4_time_alone_joins_and_leaves,
    s4_definition_that_changes_is_told_once,
    s4_merge_gives_the_survivor_both_and_takes_them_back,
    s4_erased_partner_is_gone_from_everything,
    s4_another_process_answers_and_takes_over_without_telling_twice,
}

async fn s3_child_is_its_parents_and_its_own(world: World) {
    let (anna, ben) = (world.known("Anna", "BE").await, world.known("Ben", "BE").await);
    let carl = world.known("Carl", "FR").await;
    world.tag(&anna, &["vip"]).await;
    world.tag(&carl, &["vip"]).await;
    world.add_segment("belgium", "country == \"BE\"").await;
    world.try_segment(&admin(), "vip", "\"vip\" in tags", &["belgium"], "").await.unwrap();
    world.try_segment(&admin(), "plain", "", &["vip"], "").await.unwrap();
    world.add_segment("named", "in_segment(\"segments/vip\") || country == \"FR\"").await;
    world.members_become("vip", &[&anna]).await;
    world.members_become("plain", &[&anna]).await;
    world.members_become("named", &[&anna, &carl]).await;
    // What happens to the grandparent comes down, once.
    world.move_to(&carl, "BE").await;
    world.members_become("plain", &[&anna, &carl]).await;
    assert_eq!(world.told("plain").await, ["rebuilt +1 -0".to_owned(), format!("joined {carl}")]);
    world.move_to(&anna, "FR").await;
    world.members_become("plain", &[&carl]).await;
    world.members_become("belgium", &[&ben, &carl]).await;
    assert_eq!(world.told("plain").await[2..], [format!("left {anna}")]);
}

async fn s3_cycle_is_refused_and_what_is_used_is_not_deleted(world: World) {
    let first = world.add_segment("a", "true").await;
    world.try_segment(&admin(), "b", "", &["a"], "").await.unwrap();
    world.add_segment("c", "in_segment(\"segments/b\")").await;
    let circle = proto::Segment { parents: vec!["segments/c".to_owned()], ..first.clone() };
    let status = world.update_segment(circle, &["parents"]).await.unwrap_err();
    assert!(
        status
            .message()
            .contains("segments/a builds on segments/c builds on segments/b builds on segments/a"),
        "{status:?}"
    );
    assert_eq!(failure(Err::<(), _>(status)), (Code::FailedPrecondition, "CYCLE".to_owned()));
    let own = proto::Segment { rule: "in_segment(\"segments/a\")".to_owned(), ..first.clone() };
    assert_eq!(failure(world.update_segment(own, &["rule"]).await).1, "CYCLE");
    let delete = |name: &str| {
        let request = proto::DeleteSegmentRequest { name: format!("segments/{name}"), ..Default::default() };
        let mut client = world.segments.clone();
        async move { client.delete_segment(admin().request(request)).await }
    };
    assert_eq!(failure(delete("b").await).1, "IN_USE");
    let gone = delete("c").await.unwrap().into_inner();
    assert!(gone.delete_time.is_some());
    let unknown = world.try_segment(&admin(), "d", "in_segment(\"segments/c\")", &[], "").await;
    assert_eq!(failure(unknown).0, Code::InvalidArgument);
    let request = proto::ListMembersRequest { parent: "segments/c".to_owned(), ..Default::default() };
    assert_eq!(
        failure(world.segments.clone().list_members(admin().request(request)).await).0,
        Code::NotFound
    );
    let undelete = |name: &str| {
        let request =
            proto::UndeleteSegmentRequest { name: format!("segments/{name}"), ..Default::default() };
        let mut client = world.segments.clone();
        async move { client.undelete_segment(admin().request(request)).await }
    };
    assert_eq!(failure(undelete("b").await).1, "NOT_DELETED");
    delete("b").await.unwrap();
    assert_eq!(failure(undelete("c").await).1, "PARENT_DELETED");
    undelete("b").await.unwrap();
    assert_eq!(undelete("c").await.unwrap().into_inner().delete_time, None);
}

async fn s4_change_joins_or_leaves_once(world: World) {
    let anna = world.known("Anna", "FR").await;
    world.add_segment("belgium", "country == \"BE\"").await;
    world.move_to(&anna, "BE").await;
    world.members_become("belgium", &[&anna]).await;
    // A change of something else, and the same again, tell nothing.
    world.tag(&anna, &["vip"]).await;
    world.move_to(&anna, "BE").await;
    world.move_to(&anna, "NL").await;
    world.members_become("belgium", &[]).await;
    let told = [format!("joined {anna}"), format!("left {anna}")];
    assert_eq!(world.told("belgium").await, told);
    let request = directory::DeletePartnerRequest { name: anna.clone(), ..Default::default() };
    world.add_segment("all", "true").await;
    world.members_become("all", &[&anna]).await;
    world.partners().delete_partner(admin().request(request)).await.unwrap();
    world.members_become("all", &[]).await;
    assert_eq!(world.told("all").await, ["rebuilt +1 -0".to_owned(), format!("left {anna}")]);
    let request = proto::GetPartnerSegmentsRequest { partner: anna };
    let of =
        world.segments.clone().get_partner_segments(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(of.segments, [""; 0]);
}

async fn s4_time_alone_joins_and_leaves(world: World) {
    let anna = world.known("Anna", "BE").await;
    world.add_segment("quiet", "!(purchases.exists(p, p.time > now - duration(\"30d\")))").await;
    world.members_become("quiet", &[&anna]).await;
    world.buy(vec![world.sale(&anna, "R1", "10")]).await;
    world.members_become("quiet", &[]).await;
    world.place.pass(29 * DAY);
    world.add_segment("other", "true").await;
    assert_eq!(world.members("quiet").await, [""; 0]);
    world.place.pass(2 * DAY);
    world.members_become("quiet", &[&anna]).await;
    assert_eq!(
        world.told("quiet").await,
        ["rebuilt +1 -0".to_owned(), format!("left {anna}"), format!("joined {anna}")]
    );
}

async fn s4_definition_that_changes_is_told_once(world: World) {
    let (anna, ben) = (world.known("Anna", "BE").await, world.known("Ben", "FR").await);
    let made = world.add_segment("x", "country == \"BE\"").await;
    assert_eq!(made.size, 1);
    let same = proto::Segment { display_name: "Other name".to_owned(), ..made.clone() };
    let renamed = world.update_segment(same, &["display_name"]).await.unwrap();
    assert_eq!(
        failure(world.update_segment(made, &["display_name"]).await),
        (Code::Aborted, "ETAG_MISMATCH".to_owned())
    );
    let changed = proto::Segment { rule: "country == \"FR\"".to_owned(), ..renamed };
    let changed = world.update_segment(changed, &["rule"]).await.unwrap();
    assert_eq!((changed.size, world.members("x").await), (1, vec![ben.clone()]));
    assert_eq!(world.told("x").await, ["rebuilt +1 -0", "rebuilt +1 -1"]);
    let request = proto::UpdateSegmentRequest {
        segment: Some(proto::Segment { rule: "true".to_owned(), ..changed }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["rule".to_owned()] }),
        validate_only: true,
        ..Default::default()
    };
    let draft = world.segments.clone().update_segment(admin().request(request)).await.unwrap().into_inner();
    assert_eq!((draft.size, world.members("x").await), (2, vec![ben]), "{anna}");
}

async fn s4_merge_gives_the_survivor_both_and_takes_them_back(world: World) {
    let (anna, ben) = (world.known("Anna", "BE").await, world.known("Ben", "FR").await);
    world.buy(vec![world.sale(&anna, "A", "600"), world.sale(&ben, "B", "600")]).await;
    world.tag(&ben, &["vip"]).await;
    world.add_segment("rich", "purchases.total(\"EUR\") >= 1000.00 && \"vip\" in tags").await;
    world.add_segment("all", "true").await;
    world.members_become("all", &[&anna, &ben]).await;
    let merge = world.merge(&anna, &ben).await;
    world.members_become("rich", &[&anna]).await;
    world.members_become("all", &[&anna]).await;
    // What is told of the one that went counts for the survivor.
    world.buy(vec![world.sale(&ben, "C", "1")]).await;
    let request = proto::GetPurchaseStatisticsRequest { partner: ben.clone(), ..Default::default() };
    let sums =
        world.purchases.clone().get_purchase_statistics(sales().request(request)).await.unwrap().into_inner();
    assert_eq!((sums.total.unwrap().amount.as_str(), sums.sale_count), ("1201.00", 3));
    world.unmerge(&merge).await;
    world.members_become("all", &[&anna, &ben]).await;
    world.members_become("rich", &[]).await;
    for (partner, total) in [(&anna, "600.00"), (&ben, "601.00")] {
        let request = proto::GetPurchaseStatisticsRequest { partner: partner.clone(), ..Default::default() };
        let sums = world.purchases.clone().get_purchase_statistics(sales().request(request)).await.unwrap();
        assert_eq!(sums.into_inner().total.unwrap().amount, total);
    }
}

async fn s4_erased_partner_is_gone_from_everything(world: World) {
    let anna = world.add_partner("Zqxanna", "BE", "zqxanna@example.com", "+32475999888").await;
    world.tag(&anna, &["zqxtag"]).await;
    world.buy(vec![world.sale(&anna, "R1", "10")]).await;
    world.add_segment("all", "true").await;
    world.members_become("all", &[&anna]).await;
    let report = world.erase(&anna).await;
    let own = report.services.iter().find(|it| it.service == "segmentation").expect("it takes part");
    assert!(own.counts.iter().any(|it| it.kind == "facts" && it.count >= 2), "{own:?}");
    world.members_become("all", &[]).await;
    let sale = world.sale(&anna, "R2", "10");
    assert_eq!(world.buy(vec![sale]).await.errors.len(), 1, "nothing of it is taken any more");
    let left = kontor_testbed::traces::traces(&world.place.context.storage, &["zqx", "475999888"]).await;
    let left: Vec<_> = left.into_iter().filter(|trace| trace.starts_with("segmentation.")).collect();
    assert_eq!(left, [""; 0]);
}

async fn s4_another_process_answers_and_takes_over_without_telling_twice(world: World) {
    if !world.place.is_postgres() {
        return;
    }
    let anna = world.known("Anna", "BE").await;
    world.add_segment("belgium", "country == \"BE\"").await;
    let (mut other, stop) = world.another_process().await;
    let members = async |client: &mut proto::segment_service_client::SegmentServiceClient<_>| {
        let request =
            proto::ListMembersRequest { parent: "segments/belgium".to_owned(), ..Default::default() };
        client.list_members(admin().request(request)).await.unwrap().into_inner().partners
    };
    assert_eq!(members(&mut other).await, std::slice::from_ref(&anna));
    // Made there, while the first one writes.
    let segment = proto::Segment {
        display_name: "There".to_owned(),
        rule: "in_segment(\"segments/belgium\")".to_owned(),
        ..Default::default()
    };
    let request = proto::CreateSegmentRequest {
        segment: Some(segment),
        segment_id: "there".to_owned(),
        ..Default::default()
    };
    assert_eq!(other.create_segment(admin().request(request)).await.unwrap().into_inner().size, 1);
    world.members_become("there", &[&anna]).await;
    let ben = world.known("Ben", "BE").await;
    world.members_become("there", &[&anna, &ben]).await;
    for _ in 0..500 {
        if members(&mut other).await.len() == 2 && world.told("there").await.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The other one gets the lease when the first has not renewed it for long, by the clock; nothing is told again.
    let before = world.told("there").await;
    assert_eq!(before, ["rebuilt +1 -0".to_owned(), format!("joined {ben}")]);
    world.place.pass(60_000_000);
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.move_to(&anna, "FR").await;
    world.members_become("there", &[&ben]).await;
    for _ in 0..500 {
        if world.told("there").await.len() > 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.told("there").await[2..], [format!("left {anna}")]);
    stop.cancel();
}
