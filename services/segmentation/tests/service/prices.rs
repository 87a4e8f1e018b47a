//! S8: prices per segment, by priority, then by price, with the reason.

use kontor_proto::segmentation::v1 as proto;
use kontor_testbed::{admin, failure};
use tonic::{Code, Status};

use crate::world::{DAY, World, sales};

kontor_testbed::on_both! { World;
    s8_priority_then_lowest_price_and_the_reason,
    s8_periods_quantities_and_currencies,
    s8_wrong_lists_are_named,
}

fn item(product: &str, price: &str) -> proto::PriceItem {
    proto::PriceItem { product: product.to_owned(), price: price.to_owned(), ..Default::default() }
}

fn list(name: &str, segment: &str, priority: i32, items: Vec<proto::PriceItem>) -> proto::PriceList {
    proto::PriceList {
        display_name: name.to_owned(),
        segment: if segment.is_empty() { String::new() } else { format!("segments/{segment}") },
        priority,
        items,
        ..Default::default()
    }
}

async fn add(world: &World, list: proto::PriceList) -> Result<proto::PriceList, Status> {
    let id = list.display_name.to_lowercase();
    let request =
        proto::CreatePriceListRequest { price_list: Some(list), price_list_id: id, ..Default::default() };
    Ok(world.prices.clone().create_price_list(admin().request(request)).await?.into_inner())
}

async fn find(
    world: &World,
    partner: &str,
    change: impl Fn(&mut proto::FindPriceRequest),
) -> Result<proto::FindPriceResponse, Status> {
    let mut request = proto::FindPriceRequest {
        partner: partner.to_owned(),
        product: "P1".to_owned(),
        ..Default::default()
    };
    change(&mut request);
    Ok(world.prices.clone().find_price(sales().request(request)).await?.into_inner())
}

async fn s8_priority_then_lowest_price_and_the_reason(world: World) {
    let (anna, ben) = (world.known("Anna", "BE").await, world.known("Ben", "FR").await);
    world.add_segment("be", "country == \"BE\"").await;
    world.tag(&anna, &["vip"]).await;
    world.add_segment("vip", "\"vip\" in tags").await;
    add(&world, list("Everybody", "", 0, vec![item("P1", "12.00")])).await.unwrap();
    add(&world, list("Belgium", "be", 10, vec![item("P1", "11.00")])).await.unwrap();
    let vip = add(&world, list("Vip", "vip", 10, vec![item("P1", "10.5")])).await.unwrap();
    let found = find(&world, &anna, |_| {}).await.unwrap();
    assert_eq!(
        (found.price.unwrap().amount.as_str(), found.price_list.as_str()),
        ("10.50", "priceLists/vip")
    );
    assert_eq!(
        found.reason,
        "Vip has the lowest price of those with priority 10: 10.50 before 11.00 of Belgium"
    );
    let order: Vec<&str> = found.candidates.iter().map(|it| it.price_list.as_str()).collect();
    assert_eq!(order, ["priceLists/vip", "priceLists/belgium", "priceLists/everybody"]);
    assert_eq!(found.candidates[2].reason, "priority 0 is lower than 10 of Vip");
    let found = find(&world, &ben, |_| {}).await.unwrap();
    assert_eq!(found.reason, "Everybody is the only list with a price");
    let changed = proto::PriceList { priority: 5, ..vip };
    let request = proto::UpdatePriceListRequest {
        price_list: Some(changed),
        update_mask: Some(prost_types::FieldMask { paths: vec!["priority".to_owned()] }),
        ..Default::default()
    };
    let changed =
        world.prices.clone().update_price_list(admin().request(request)).await.unwrap().into_inner();
    assert_eq!((changed.priority, changed.items.len()), (5, 1));
    let found = find(&world, &anna, |_| {}).await.unwrap();
    assert_eq!(found.reason, "Belgium has priority 10, higher than Vip with 5");
    // Leaving the segment takes the price away.
    world.move_to(&anna, "FR").await;
    world.members_become("be", &[]).await;
    assert_eq!(find(&world, &anna, |_| {}).await.unwrap().price_list, "priceLists/vip");
    let request = proto::DeleteSegmentRequest { name: "segments/be".to_owned(), ..Default::default() };
    assert_eq!(failure(world.segments.clone().delete_segment(admin().request(request)).await).1, "IN_USE");
}

async fn s8_periods_quantities_and_currencies(world: World) {
    let anna = world.known("Anna", "BE").await;
    let many = proto::PriceItem { min_quantity: 10, ..item("P1", "8.00") };
    let spring = proto::PriceItem {
        start_time: Some(world.ago(-10 * DAY)),
        end_time: Some(world.ago(-20 * DAY)),
        ..item("P2", "1.00")
    };
    add(&world, list("Euro", "", 0, vec![item("P1", "9.00"), many, spring])).await.unwrap();
    let yen =
        proto::PriceList { currency_code: "JPY".to_owned(), ..list("Yen", "", 0, vec![item("P1", "900")]) };
    add(&world, yen).await.unwrap();
    let price = async |change: fn(&mut proto::FindPriceRequest)| {
        find(&world, &anna, change).await.map(|found| found.price.unwrap().amount)
    };
    assert_eq!(price(|_| {}).await.unwrap(), "9.00");
    assert_eq!(price(|it| it.quantity = 10).await.unwrap(), "8.00");
    assert_eq!(price(|it| it.currency_code = "JPY".to_owned()).await.unwrap(), "900");
    let spring = |days: i64| {
        let time = world.ago(-days * DAY);
        find(&world, &anna, move |it| {
            it.product = "P2".to_owned();
            it.time = Some(time);
        })
    };
    assert_eq!(failure(spring(9).await), (Code::NotFound, "NO_PRICE".to_owned()));
    assert_eq!(spring(10).await.unwrap().price.unwrap().amount, "1.00");
    assert_eq!(failure(spring(20).await).1, "NO_PRICE");
    assert_eq!(failure(find(&world, "partners/nobody", |_| {}).await).0, Code::NotFound);
}

async fn s8_wrong_lists_are_named(world: World) {
    for (wrong, field) in [
        (list("A", "nothing", 0, vec![]), "price_list.segment"),
        (list("A", "", 5_000, vec![]), "price_list.priority"),
        (list("A", "", 0, vec![item("P1", "1"), item("P1", "1.005")]), "price_list.items[1].price"),
        (list("A", "", 0, vec![item("P1", "1"), item("", "1")]), "price_list.items[1].product"),
        (list("A", "", 0, vec![item("P1", "1"), item("P1", "2")]), "price_list.items[1]"),
        (
            proto::PriceList { currency_code: "eur".to_owned(), ..list("A", "", 0, vec![]) },
            "price_list.currency_code",
        ),
        (
            proto::PriceList {
                start_time: Some(world.ago(0)),
                end_time: Some(world.ago(1)),
                ..list("A", "", 0, vec![])
            },
            "price_list.end_time",
        ),
        (list(" ", "", 0, vec![]), "price_list.display_name"),
    ] {
        let request = proto::CreatePriceListRequest { price_list: Some(wrong), ..Default::default() };
        let status = world.prices.clone().create_price_list(admin().request(request)).await.unwrap_err();
        let (_, metadata) = kontor_kit::error::reason(&status).unwrap();
        assert_eq!((status.code(), metadata["field"].as_str()), (Code::InvalidArgument, field));
    }
    let request =
        proto::CreatePriceListRequest { price_list: Some(list("A", "", 0, vec![])), ..Default::default() };
    assert_eq!(
        failure(world.prices.clone().create_price_list(sales().request(request)).await).0,
        Code::PermissionDenied
    );
}
