//! Row H4 in segmentation: definitions, lists, answers and prices are told by field; what follows from facts is not.

use kontor_proto::segmentation::v1 as proto;
use kontor_testbed::admin;
use kontor_testbed::audit::{Audit, every_table_is_decided_on, line};

use crate::world::World;

kontor_testbed::on_both! { World; h4_definitions_lists_and_prices_are_told_by_field }

/// What the SQL of segmentation writes, how it is audited, and why not.
const TABLES: &[(&str, &str)] = &[
    ("answer", "by hand in rpc/answer.rs; choices that are not offered any more go with their question"),
    (
        "campaign",
        "kit::resource; its version alone when a merge is taken back, so that its work is read anew",
    ),
    ("campaign_move", "not: follows from merges of partners, which the directory tells"),
    ("campaign_partner", "not: what became of each partner, which the campaign lists"),
    ("do_not_call", "not: telephony's"),
    ("engine", "not: how far the engine is"),
    ("engine_log", "not: what the engine looks at again"),
    ("fact_answer", "not: follows from the answers"),
    ("fact_partner", "not: the directory's, and scores that follow from purchases"),
    ("fact_text", "not: the directory's, and traits that other software tells"),
    ("member_chunk", "not: members follow from definitions and facts, and are events"),
    ("member_delta", "not: as member_chunk"),
    ("partner_ord", "not: numbers of partners"),
    ("partner_trait", "not: what other software tells, as all facts that are pushed"),
    ("price_item", "by hand in store/price_list.rs"),
    ("pull", "not: what is to be read anew"),
    ("question", "not: follows from the questionnaires"),
    ("rfm_state", "not: how far the scores are"),
    ("segment_book", "not: what the directory was told of the members"),
    ("segment_book_again", "not: whom the directory is to be told again"),
    ("segment_count", "not: follows from the members"),
    ("segment_entry", "by hand in rpc/entry.rs; entries that an erasure takes are in its report"),
    ("segment_size", "not: follows from the members"),
];

#[test]
fn h4_every_table_is_decided_on() {
    every_table_is_decided_on(env!("CARGO_MANIFEST_DIR"), TABLES);
}

async fn h4_definitions_lists_and_prices_are_told_by_field(world: World) {
    let anna = world.known("Anna", "BE").await;
    let made = world.add_segment("x", "country == \"BE\"").await;
    world.update_segment(proto::Segment { rule: "true".to_owned(), ..made }, &["rule"]).await.unwrap();
    let entry = proto::SegmentEntry {
        list: proto::SegmentList::Static.into(),
        who: Some(proto::segment_entry::Who::Partner(anna.clone())),
    };
    let request = proto::AddSegmentEntriesRequest {
        parent: "segments/x".to_owned(),
        entries: vec![entry],
        ..Default::default()
    };
    world.segments.clone().add_segment_entries(admin().request(request)).await.unwrap();
    let audit = Audit::new(&world.link, "segmentation");
    let told: Vec<String> = audit.of("segments/x").await.iter().map(line).collect();
    assert_eq!(
        told[0],
        "CREATE admin by CreateSegment: display_name -> Segment x; rule -> country == \"BE\""
    );
    assert_eq!(told[1], "UPDATE admin by UpdateSegment: rule country == \"BE\" -> true");
    assert_eq!(told[2], format!("UPDATE admin by AddSegmentEntries: static_list -> {anna}"));
    assert_eq!(told.len(), 3);
    let item = proto::PriceItem { product: "P1".to_owned(), price: "12".to_owned(), ..Default::default() };
    let list = proto::PriceList { display_name: "All".to_owned(), items: vec![item], ..Default::default() };
    let request = proto::CreatePriceListRequest {
        price_list: Some(list),
        price_list_id: "all".to_owned(),
        ..Default::default()
    };
    world.prices.clone().create_price_list(admin().request(request)).await.unwrap();
    let told: Vec<String> = audit.of("priceLists/all").await.iter().map(line).collect();
    assert!(
        told[0].starts_with("CREATE admin by CreatePriceList: display_name -> All; currency_code -> EUR"),
        "{told:?}"
    );
    assert!(told.concat().contains("items -> P1 12.00 from 1"), "{told:?}");
    audit.whole().await;
}
