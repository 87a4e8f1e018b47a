//! S6 with real input: CDNOW, 69,659 purchases of 23,570 customers, from the package `lifetimes` of the tests' venv. Left out, loudly, where it is not there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::time::Duration;

use kontor_kit::clock;
use kontor_proto::segmentation::v1 as proto;
use kontor_testbed::{Place, admin};

use crate::world::{World, sales};

/// Customers that are taken: one of so many. Each has to be made in the directory first.
const ONE_OF: u32 = 100;

struct Sale {
    customer: u32,
    day: jiff::civil::Date,
    amount: String,
}

/// The file, when there is one: "customer date number amount" on each line.
fn read() -> Option<Vec<Sale>> {
    let venv = PathBuf::from(std::env::var("KONTOR_TEST_VENV").ok()?);
    let libs = std::fs::read_dir(venv.join("lib")).ok()?.filter_map(Result::ok);
    let mut files = libs.map(|lib| lib.path().join("site-packages/lifetimes/datasets/CDNOW_master.txt"));
    let text = std::fs::read_to_string(files.find(|file| file.exists())?).ok()?;
    let sale = |line: &str| {
        let mut words = line.split_whitespace();
        let (customer, day) = (words.next()?.parse().ok()?, words.next()?);
        let (_, amount) = (words.next()?, words.next()?);
        Some(Sale {
            customer,
            day: jiff::civil::Date::strptime("%Y%m%d", day).ok()?,
            amount: amount.to_owned(),
        })
    };
    Some(text.lines().filter_map(sale).collect())
}

fn cents(amount: &str) -> i64 {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
    whole.parse::<i64>().unwrap() * 100 + format!("{part:0<2}").parse::<i64>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_cdnow_has_the_sums_and_the_fifths_of_its_customers() {
    let Some(all) = read() else {
        eprintln!("LEFT OUT: CDNOW is not there; pip install lifetimes into the venv of KONTOR_TEST_VENV");
        return;
    };
    let whole: i64 = all.iter().map(|sale| cents(&sale.amount)).sum();
    assert_eq!((all.len(), whole), (69_659, 250_031_563), "it is the file that is known");
    let world = World::start(Place::sqlite()).await;
    let taken: Vec<&Sale> = all.iter().filter(|sale| sale.customer % ONE_OF == 0).collect();
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    for sale in &taken {
        if let Entry::Vacant(new) = names.entry(sale.customer) {
            new.insert(world.add_partner(&format!("Customer {}", sale.customer), "US", "", "").await);
        }
    }
    let purchase = |(place, sale): (usize, &&Sale)| {
        let noon = sale.day.at(12, 0, 0, 0);
        let time = jiff::tz::TimeZone::UTC.to_timestamp(noon).unwrap().as_microsecond();
        let mut purchase = world.sale(&names[&sale.customer], &format!("cdnow-{place}"), &sale.amount);
        purchase.amount.as_mut().unwrap().currency_code = "USD".to_owned();
        purchase.time = Some(clock::to_proto(time));
        purchase
    };
    let purchases: Vec<proto::Purchase> = taken.iter().enumerate().map(purchase).collect();
    for part in purchases.chunks(500) {
        assert_eq!(world.buy(part.to_vec()).await.added_count as usize, part.len());
    }
    let request = proto::GetPurchaseStatisticsRequest {
        partner: "partners/-".to_owned(),
        currency_code: "USD".to_owned(),
        ..Default::default()
    };
    let sums =
        world.purchases.clone().get_purchase_statistics(sales().request(request)).await.unwrap().into_inner();
    let expected: i64 = taken.iter().map(|sale| cents(&sale.amount)).sum();
    assert_eq!(cents(&sums.total.unwrap().amount), expected);
    assert_eq!((sums.sale_count as usize, sums.partner_count as usize), (taken.len(), names.len()));

    let settings = proto::RfmSettings { currency_code: "USD".to_owned(), ..Default::default() };
    let request = proto::UpdateRfmSettingsRequest { settings: Some(settings), request_id: String::new() };
    world.purchases.clone().update_rfm_settings(admin().request(request)).await.unwrap();
    world.add_segment("best", "rfm.recency == 5 && rfm.frequency == 5 && rfm.monetary == 5").await;
    let summarize = async || {
        let request = sales().request(proto::SummarizeRfmRequest {});
        world.purchases.clone().summarize_rfm(request).await.unwrap().into_inner()
    };
    let mut summary = summarize().await;
    for _ in 0..300 {
        if summary.partner_count as usize == names.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        summary = summarize().await;
    }
    assert_eq!(summary.cells.iter().map(|cell| cell.count).sum::<i64>() as usize, names.len());
    // The fifth that bought for most, reckoned from the file: who has at least as much as the one at four fifths.
    let mut totals: BTreeMap<u32, i64> = BTreeMap::new();
    for sale in &taken {
        *totals.entry(sale.customer).or_default() += cents(&sale.amount);
    }
    let mut sorted: Vec<i64> = totals.values().copied().collect();
    sorted.sort_unstable();
    let least = sorted[sorted.len() * 4 / 5];
    let expected = totals.values().filter(|total| **total >= least).count() as i64;
    let highest: i64 = summary.cells.iter().filter(|cell| cell.monetary == 5).map(|cell| cell.count).sum();
    assert_eq!(highest, expected);
    let best: i64 = summary
        .cells
        .iter()
        .filter(|it| (it.recency, it.frequency, it.monetary) == (5, 5, 5))
        .map(|it| it.count)
        .sum();
    for _ in 0..300 {
        if world.members("best").await.len() as i64 == best {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.members("best").await.len() as i64, best);
}
