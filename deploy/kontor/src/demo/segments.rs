//! The segments of the sample company, what its partners bought, and a price list.
//! Called by mod.rs.

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::link::Link;
use kontor_kit::{Result, clock};
use kontor_proto::directory::v1::Partner;
use kontor_proto::segmentation::v1::fact_service_client::FactServiceClient;
use kontor_proto::segmentation::v1::price_list_service_client::PriceListServiceClient;
use kontor_proto::segmentation::v1::segment_service_client::SegmentServiceClient;
use kontor_proto::segmentation::v1::{
    CreatePriceListRequest, CreateSegmentRequest, PriceItem, PriceList, Purchase, PushPurchasesRequest,
    Segment,
};
use kontor_proto::r#type::v1::Money;

use super::DAY;

/// Ids, names and rules.
const SEGMENTS: [(&str, &str, &str); 4] = [
    ("companies", "Companies", "kind == \"COMPANY\""),
    ("good-customers", "Good customers", "purchases.total(\"EUR\", duration(\"365d\")) >= 2000.00"),
    (
        "missed-calls",
        "Called in vain lately",
        "calls.exists(c, c.result == \"MISSED\" && c.start_time > now - duration(\"30d\"))",
    ),
    ("open-deals", "With an open deal", "opportunities.exists(o, o.state == \"OPEN\")"),
];

/// Makes them.
///
/// # Errors
/// Those of the service.
pub(super) async fn add(link: Link, context: &Context, partners: &[Partner]) -> Result<()> {
    let now = context.clock.now();
    let currency = &context.company.currency;
    let purchase = |place: usize| Purchase {
        partner: partners[place * 7 % partners.len()].name.clone(),
        key: format!("demo-{place}"),
        time: Some(clock::to_proto(now - place as i64 * 3 * DAY)),
        amount: Some(Money {
            currency_code: currency.clone(),
            amount: format!("{}.50", 80 + place * 37 % 900),
        }),
        ..Purchase::default()
    };
    let request = PushPurchasesRequest { purchases: (0..90).map(purchase).collect() };
    FactServiceClient::new(link.clone()).push_purchases(Caller::system().request(request)).await?;
    let mut segments = SegmentServiceClient::new(link.clone());
    for (id, name, rule) in SEGMENTS {
        let segment = Segment { display_name: name.to_owned(), rule: rule.to_owned(), ..Segment::default() };
        let request = CreateSegmentRequest {
            segment: Some(segment),
            segment_id: id.to_owned(),
            ..CreateSegmentRequest::default()
        };
        segments.create_segment(Caller::system().request(request)).await?;
    }
    let item = |product: &str, price: &str| PriceItem {
        product: product.to_owned(),
        price: price.to_owned(),
        ..PriceItem::default()
    };
    let lists = [
        ("standard", "Standard", "", 0, vec![item("P1", "12.00"), item("P2", "49.00")]),
        ("good", "Good customers", "segments/good-customers", 10, vec![item("P1", "10.50")]),
    ];
    let mut prices = PriceListServiceClient::new(link);
    for (id, name, segment, priority, items) in lists {
        let list = PriceList {
            display_name: name.to_owned(),
            segment: segment.to_owned(),
            priority,
            items,
            ..PriceList::default()
        };
        let request = CreatePriceListRequest {
            price_list: Some(list),
            price_list_id: id.to_owned(),
            ..CreatePriceListRequest::default()
        };
        prices.create_price_list(Caller::system().request(request)).await?;
    }
    Ok(())
}
