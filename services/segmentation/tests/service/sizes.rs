//! S7: sizes, overlaps, a chart, previews, and the question before everybody is written to.

use kontor_proto::segmentation::v1 as proto;
use kontor_testbed::failure;
use tonic::Code;

use crate::world::{DAY, World, sales};

kontor_testbed::on_both! { World;
    s7_sizes_overlaps_and_regions,
    s7_size_over_time_has_a_row_a_day,
    s7_preview_counts_and_names_the_first,
    s7_everybody_is_asked_back,
}

async fn s7_sizes_overlaps_and_regions(world: World) {
    let (a, b) = (world.known("A", "BE").await, world.known("B", "BE").await);
    let (c, d) = (world.known("C", "FR").await, world.known("D", "NL").await);
    for (partner, tags) in [(&a, &["x"][..]), (&b, &["x", "y"]), (&c, &["y"]), (&d, &[])] {
        world.tag(partner, tags).await;
    }
    world.add_segment("be", "country == \"BE\"").await;
    world.add_segment("x", "\"x\" in tags").await;
    world.add_segment("y", "\"y\" in tags").await;
    let compare = |names: &[&str]| {
        let segments = names.iter().map(|name| format!("segments/{name}")).collect();
        let mut client = world.segments.clone();
        async move { client.compare_segments(sales().request(proto::CompareSegmentsRequest { segments })).await }
    };
    let found = compare(&["be", "x", "y"]).await.unwrap().into_inner();
    assert_eq!((&found.sizes[..], found.union_count, found.intersection_count), (&[2, 2, 2][..], 3, 1));
    let pair = |it: &proto::PairOverlap| {
        (it.first, it.second, it.overlap_count, it.first_only_count, it.second_only_count)
    };
    let pairs: Vec<_> = found.overlaps.iter().map(pair).collect();
    assert_eq!(pairs, [(0, 1, 2, 0, 0), (0, 2, 1, 1, 1), (1, 2, 1, 1, 1)]);
    let mut regions: Vec<(String, i64)> =
        found.regions.iter().map(|it| (it.segments.join("+").replace("segments/", ""), it.count)).collect();
    regions.sort();
    assert_eq!(regions, [("be+x".to_owned(), 1), ("be+x+y".to_owned(), 1), ("y".to_owned(), 1)]);
    for wrong in [&[][..], &["be", "be"], &["a", "b", "c", "d", "e", "f"]] {
        assert_eq!(failure(compare(wrong).await).0, Code::InvalidArgument);
    }
    assert_eq!(failure(compare(&["nothing"]).await).0, Code::NotFound);
}

async fn s7_size_over_time_has_a_row_a_day(world: World) {
    let anna = world.known("Anna", "BE").await;
    world.add_segment("be", "country == \"BE\"").await;
    world.place.pass(2 * DAY);
    let ben = world.known("Ben", "BE").await;
    world.members_become("be", &[&anna, &ben]).await;
    world.move_to(&anna, "FR").await;
    world.members_become("be", &[&ben]).await;
    // Sizes are written behind the members.
    let mut today = Vec::new();
    for _ in 0..500 {
        today = sizes(&world).await;
        if today.last().is_some_and(|row| row.3 == 1) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.place.pass(DAY);
    let row = |date: &str, size, joined, left| (date.to_owned(), size, joined, left);
    let three = [row("2026-11-23", 1, 1, 0), row("2026-11-24", 1, 0, 0), row("2026-11-25", 1, 1, 1)];
    assert_eq!(today, three);
    assert_eq!(sizes(&world).await, [&three[..], &[row("2026-11-26", 1, 0, 0)]].concat());
    let request = proto::ListSegmentSizesRequest {
        parent: "segments/be".to_owned(),
        start_date: "yesterday".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        failure(world.segments.clone().list_segment_sizes(sales().request(request)).await).0,
        Code::InvalidArgument
    );
}

/// Date, size, joined, left of each day.
async fn sizes(world: &World) -> Vec<(String, i64, i64, i64)> {
    let request = proto::ListSegmentSizesRequest { parent: "segments/be".to_owned(), ..Default::default() };
    let mut client = world.segments.clone();
    let sizes = client.list_segment_sizes(sales().request(request)).await.unwrap().into_inner().sizes;
    sizes.into_iter().map(|it| (it.date, it.size, it.joined_count, it.left_count)).collect()
}

async fn s7_preview_counts_and_names_the_first(world: World) {
    let mut all = Vec::new();
    for number in 0..12 {
        all.push(world.known(&format!("P{number}"), if number % 2 == 0 { "BE" } else { "FR" }).await);
    }
    world.add_segment("belgium", "country == \"BE\"").await;
    let preview = |rule: &str, parents: &[&str], sample_size: i32| {
        let request = proto::PreviewRuleRequest {
            rule: rule.to_owned(),
            parents: parents.iter().map(|it| format!("segments/{it}")).collect(),
            sample_size,
            ..Default::default()
        };
        let mut client = world.segments.clone();
        async move { client.preview_rule(sales().request(request)).await }
    };
    let found = preview("display_name.startsWith(\"P1\")", &["belgium"], 0).await.unwrap().into_inner();
    assert_eq!((found.count, found.partner_count, found.partners.len()), (1, 12, 1));
    let found = preview("true", &[], 3).await.unwrap().into_inner();
    assert_eq!((found.count, &found.partners[..]), (12, &all[..3]));
    assert_eq!(failure(preview("tru", &[], 0).await).0, Code::InvalidArgument);
    assert_eq!(failure(preview("true", &["nothing"], 0).await).0, Code::InvalidArgument);
    let pages = async |size: i32| {
        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let request = proto::ListMembersRequest {
                parent: "segments/belgium".to_owned(),
                page_size: size,
                page_token: token,
            };
            let page =
                world.segments.clone().list_members(sales().request(request)).await.unwrap().into_inner();
            assert_eq!(page.size, 6);
            names.extend(page.partners);
            token = page.next_page_token;
            if token.is_empty() {
                return names;
            }
        }
    };
    assert_eq!(pages(4).await, pages(100).await);
}

async fn s7_everybody_is_asked_back(world: World) {
    world.known("Anna", "BE").await;
    world.known("Ben", "FR").await;
    world.add_segment("all", "true").await;
    world.add_segment("be", "country == \"BE\"").await;
    world.add_segment("nobody", "false").await;
    let ask = |name: &str, confirmed_count: i64| {
        let request = proto::CheckAudienceRequest { name: format!("segments/{name}"), confirmed_count };
        let mut client = world.segments.clone();
        async move { client.check_audience(sales().request(request)).await }
    };
    let status = ask("all", 0).await.unwrap_err();
    let (reason, metadata) = kontor_kit::error::reason(&status).unwrap();
    assert_eq!((reason.as_str(), metadata["count"].as_str()), ("MATCHES_EVERYBODY", "2"));
    assert_eq!(failure(ask("all", 1).await).1, "MATCHES_EVERYBODY");
    assert_eq!(ask("all", 2).await.unwrap().into_inner().count, 2);
    assert_eq!(ask("be", 0).await.unwrap().into_inner().count, 1);
    assert_eq!(failure(ask("nobody", 0).await), (Code::FailedPrecondition, "EMPTY".to_owned()));
}
