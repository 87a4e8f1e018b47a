//! Totals of purchases.
//! Run by cargo.

use kontor_segmentation::domain::facts::{Decimal, Facts, Purchase};
use kontor_segmentation::domain::rule::Rule;

use crate::dice::{DAY, NOW};

fn bought(kind: &str, posted: bool, currency: &str, amount: i64, days_ago: i64) -> Purchase {
    Purchase {
        kind: kind.into(),
        posted,
        currency: currency.into(),
        amount: Some(Decimal(amount * Decimal::ONE)),
        time: Some(NOW - days_ago * DAY),
    }
}

#[test]
fn s6_only_posted_sales_less_refunds_of_one_currency_and_window_count() {
    let purchases = vec![
        bought("SALE", true, "EUR", 100, 10),
        bought("REFUND", true, "EUR", 30, 5),
        bought("SALE", false, "EUR", 1_000, 5),
        bought("SALE", true, "USD", 1_000, 5),
        bought("SALE", true, "EUR", 500, 200),
        bought("SALE", true, "EUR", 900, -1),
    ];
    let facts = Facts { purchases, ..Facts::default() };
    let holds = |text: &str| Rule::parse(text).expect("a rule").holds(&facts, NOW, &|_| false);
    assert!(holds("purchases.total(\"EUR\", duration(\"180d\")) == 70"));
    assert!(holds("purchases.total(\"EUR\") == 570"));
    assert!(holds("purchases.total(\"USD\") == 1000.0"));
    assert!(holds("purchases.total(\"GBP\") == 0"));
}
