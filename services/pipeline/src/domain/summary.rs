//! The sums of opportunities: in the company's currency, in each currency, and apart those that no rate can bring into the company's.
//! Called by store/summary.rs and rpc/summary.rs.

use std::collections::BTreeMap;

use kontor_kit::Result;

use super::worth::{Sum, Worth};

/// An opportunity in a sum.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// ISO 4217 code; empty without an amount.
    pub currency: &'a str,
    /// What it is worth in it.
    pub worth: Worth,
    /// The rate that it keeps, empty when it has none.
    pub rate: &'a str,
    /// The company's currency when it took the rate.
    pub base: &'a str,
    /// Percent.
    pub percent: i64,
}

impl Row<'_> {
    /// What it is worth in the company's currency; none without a rate.
    ///
    /// # Errors
    /// INTERNAL when the rate is damaged.
    pub fn in_company(&self, company: &str) -> Result<Option<Worth>> {
        if self.currency == company || self.currency.is_empty() {
            return Ok(Some(self.worth));
        }
        if self.rate.is_empty() || self.base != company {
            return Ok(None);
        }
        self.worth.at(self.rate).map(Some)
    }
}

/// The sums.
#[derive(Debug, Default)]
pub struct Summary {
    /// All opportunities, with an amount or without.
    pub count: i64,
    /// Those without an amount.
    pub without_amount: i64,
    /// In the company's currency: those that are in it, and those that have a rate.
    pub company: Sum,
    /// By currency.
    pub currencies: BTreeMap<String, Sum>,
    /// By currency, those without a rate.
    pub without_rate: BTreeMap<String, Sum>,
}

impl Summary {
    /// Adds an opportunity.
    ///
    /// # Errors
    /// INTERNAL when an amount is damaged.
    pub fn add(&mut self, company: &str, row: Row<'_>) -> Result<()> {
        self.count += 1;
        if row.currency.is_empty() {
            self.without_amount += 1;
            return Ok(());
        }
        add(&mut self.currencies, row)?;
        match row.in_company(company)? {
            Some(worth) => self.company.add(worth, row.percent),
            None => add(&mut self.without_rate, row),
        }
    }
}

fn add(sums: &mut BTreeMap<String, Sum>, row: Row<'_>) -> Result<()> {
    match sums.get_mut(row.currency) {
        Some(sum) => sum.add(row.worth, row.percent),
        None => sums.entry(row.currency.to_owned()).or_default().add(row.worth, row.percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_rate_stands_apart_and_is_never_nothing() {
        let mut summary = Summary::default();
        for (currency, amount, rate, base) in [
            ("EUR", "100", "", ""),
            ("USD", "100", "0.90", "EUR"),
            ("USD", "7", "", ""),
            // Its rate is into what was the company's currency before.
            ("GBP", "5", "1.30", "USD"),
            ("", "", "", ""),
        ] {
            let worth = Worth::of(amount, "").unwrap();
            summary.add("EUR", Row { currency, worth, rate, base, percent: 50 }).unwrap();
        }
        assert_eq!((summary.count, summary.without_amount, summary.company.count), (5, 1, 2));
        assert_eq!(summary.company.weighted().round(2).unwrap().to_string(), "95.00");
        let apart: Vec<_> =
            summary.without_rate.iter().map(|(code, sum)| (code.as_str(), sum.total().to_string())).collect();
        assert_eq!(apart, [("GBP", "5.0000".to_owned()), ("USD", "7.0000".to_owned())]);
        assert_eq!(summary.currencies["USD"].total().to_string(), "107.0000");
    }
}
