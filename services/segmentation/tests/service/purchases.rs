//! S6: posted sales less refunds, one currency, a window; RFM scores that rules read.

use std::time::Duration;

use kontor_proto::segmentation::v1 as proto;
use kontor_testbed::{admin, failure};
use tonic::{Code, Status};

use crate::world::{DAY, World, euro, sales};

kontor_testbed::on_both! { World;
    s6_sales_less_refunds_posted_only_one_currency_a_window,
    s6_rfm_scores_are_fifths_kept_up_to_date,
}

async fn sums(
    world: &World,
    change: impl Fn(&mut proto::GetPurchaseStatisticsRequest),
) -> Result<proto::PurchaseStatistics, Status> {
    let mut request =
        proto::GetPurchaseStatisticsRequest { partner: "partners/-".to_owned(), ..Default::default() };
    change(&mut request);
    Ok(world.purchases.clone().get_purchase_statistics(sales().request(request)).await?.into_inner())
}

async fn s6_sales_less_refunds_posted_only_one_currency_a_window(world: World) {
    let (anna, ben) = (world.known("Anna", "BE").await, world.known("Ben", "BE").await);
    let old = proto::Purchase { time: Some(world.ago(100 * DAY)), ..world.sale(&anna, "old", "50.00") };
    let draft =
        proto::Purchase { state: proto::PurchaseState::Draft.into(), ..world.sale(&anna, "draft", "500") };
    let refund =
        proto::Purchase { kind: proto::PurchaseKind::Refund.into(), ..world.sale(&anna, "back", "30.5") };
    let mut dollars = world.sale(&anna, "dollars", "1000");
    dollars.amount.as_mut().unwrap().currency_code = "USD".to_owned();
    let first = world.sale(&anna, "first", "100.00");
    world.buy(vec![old, draft.clone(), refund, dollars, first, world.sale(&ben, "ben", "7")]).await;
    let of_anna = sums(&world, |it| it.partner = anna.clone()).await.unwrap();
    assert_eq!(
        (of_anna.total, of_anna.sales, of_anna.refunds),
        (Some(euro("119.50")), Some(euro("150.00")), Some(euro("30.50")))
    );
    assert_eq!((of_anna.sale_count, of_anna.refund_count, of_anna.average_sale), (2, 1, Some(euro("75.00"))));
    let from = world.ago(30 * DAY);
    let window = sums(&world, |it| it.start_time = Some(from)).await.unwrap();
    assert_eq!((window.total.unwrap().amount.as_str(), window.partner_count), ("76.50", 2));
    let usd = sums(&world, |it| it.currency_code = "USD".to_owned()).await.unwrap();
    assert_eq!(usd.total.unwrap().amount, "1000.00");
    world.add_segment("good", "purchases.total(\"EUR\", duration(\"30d\")) > 100.00").await;
    assert_eq!(world.members("good").await, [""; 0]);
    world.buy(vec![proto::Purchase { state: proto::PurchaseState::Posted.into(), ..draft }]).await;
    assert_eq!(world.members("good").await, std::slice::from_ref(&anna));
    world.place.pass(31 * DAY);
    world.members_become("good", &[]).await;
    assert_eq!(
        failure(sums(&world, |it| it.currency_code = "eur".to_owned()).await).0,
        Code::InvalidArgument
    );
    assert_eq!(failure(sums(&world, |it| it.partner = "partners/nobody".to_owned()).await).0, Code::NotFound);
}

async fn s6_rfm_scores_are_fifths_kept_up_to_date(world: World) {
    let mut partners = Vec::new();
    let mut purchases = Vec::new();
    for number in 0..10_i64 {
        let partner = world.known(&format!("P{number}"), "BE").await;
        let time = Some(world.ago((10 - number) * DAY));
        for sale in 0..=number {
            let sale = world.sale(&partner, &format!("{number}-{sale}"), &format!("{}", 10 * (number + 1)));
            purchases.push(proto::Purchase { time, ..sale });
        }
        partners.push(partner);
    }
    let quiet = world.known("Quiet", "BE").await;
    world.add_segment("best", "rfm.recency == 5 && rfm.frequency == 5 && rfm.monetary == 5").await;
    world.buy(purchases).await;
    world.members_become("best", &[&partners[8], &partners[9]]).await;
    let score = async |partner: &str| {
        let request = proto::GetRfmScoreRequest { partner: partner.to_owned() };
        world.purchases.clone().get_rfm_score(sales().request(request)).await.unwrap().into_inner()
    };
    let first = score(&partners[0]).await;
    assert_eq!((first.recency, first.frequency, first.monetary), (1, 1, 1));
    assert_eq!((first.total.unwrap().amount.as_str(), first.sale_count), ("10.00", 1));
    assert_eq!(score(&quiet).await.recency, 0);
    let summary = world.purchases.clone().summarize_rfm(sales().request(proto::SummarizeRfmRequest {})).await;
    let summary = summary.unwrap().into_inner();
    assert_eq!((summary.partner_count, summary.cells.len()), (10, 5));
    assert!(summary.cells.iter().all(|cell| cell.count == 2 && cell.recency == cell.monetary));
    // The one that was last buys most now, and somebody falls out of the best.
    let many = (0..50).map(|number| world.sale(&partners[0], &format!("new-{number}"), "100")).collect();
    world.buy(many).await;
    world.members_become("best", &[&partners[0], &partners[9]]).await;
    let settings = proto::RfmSettings { window_days: 5, ..Default::default() };
    let request = proto::UpdateRfmSettingsRequest { settings: Some(settings), request_id: String::new() };
    assert_eq!(
        failure(world.purchases.clone().update_rfm_settings(sales().request(request.clone())).await).0,
        Code::PermissionDenied
    );
    world.purchases.clone().update_rfm_settings(admin().request(request)).await.unwrap();
    for _ in 0..300 {
        if score(&partners[2]).await.recency == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("who bought before the window has no score");
}
