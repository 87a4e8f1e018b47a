//! A forecast: amounts and what they weigh by their probability, added up exactly, by month, team and owner; in each currency, or in the company's.
//! Called by store/forecast.rs and rpc/forecast.rs.

use std::collections::BTreeMap;

use kontor_kit::{Error, Result};

use super::summary::Row;
use super::worth::Sum;

/// By what a sum is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// By the month of the expected day of closing.
    pub month: bool,
    /// By team.
    pub team: bool,
    /// By assignee.
    pub owner: bool,
}

/// What a sum is of; what it is not grouped by is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// "2026-12", or empty.
    pub month: String,
    /// "teams/{team}", or empty.
    pub team: String,
    /// "users/{user}", or empty.
    pub owner: String,
    /// ISO 4217 code; empty for opportunities without an amount.
    pub currency: String,
}

/// An open opportunity as it stood.
#[derive(Clone, Copy, Debug)]
pub struct Deal<'a> {
    /// "2026-12-31", or empty.
    pub close_date: &'a str,
    /// "teams/{team}", or empty.
    pub team: &'a str,
    /// "users/{user}", or empty.
    pub owner: &'a str,
    /// Its currency, worth, rate and probability.
    pub row: Row<'a>,
}

/// The sums.
#[derive(Debug, Default)]
pub struct Forecast {
    /// By key.
    pub sums: BTreeMap<Key, Sum>,
}

/// Rows of a forecast at most.
pub const ROWS: usize = 10_000;

impl Forecast {
    /// Adds an opportunity: in `company`, the company's currency, when one is given and the opportunity has a rate; else in its own.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when there are too many rows; INTERNAL for a damaged amount.
    pub fn add(&mut self, groups: Groups, company: Option<&str>, deal: Deal<'_>) -> Result<()> {
        let turned = match company.filter(|_| !deal.row.currency.is_empty()) {
            Some(company) => deal.row.in_company(company)?.map(|worth| (company, worth)),
            None => None,
        };
        let (currency, worth) = turned.unwrap_or((deal.row.currency, deal.row.worth));
        let text = |wanted: bool, text: &str| if wanted { text.to_owned() } else { String::new() };
        let key = Key {
            month: text(groups.month, month_of(deal.close_date)),
            team: text(groups.team, deal.team),
            owner: text(groups.owner, deal.owner),
            currency: currency.to_owned(),
        };
        if self.sums.len() >= ROWS && !self.sums.contains_key(&key) {
            let message = format!("these are more than {ROWS} rows: group by less, or ask for fewer months");
            return Err(Error::precondition("TOO_MANY_ROWS", message));
        }
        self.sums.entry(key).or_default().add(worth, deal.row.percent)
    }
}

/// Checks a month like 2026-12; may be empty.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn month(field: &str, month: &str) -> Result<()> {
    let good = month.len() == 7 && format!("{month}-01").parse::<jiff::civil::Date>().is_ok();
    if month.is_empty() || good {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{month:?} is no month like 2026-12")))
}

fn month_of(day: &str) -> &str {
    day.get(..7).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::super::worth::Worth;
    use super::*;

    #[test]
    fn with_a_rate_it_goes_into_the_companys_row() {
        let mut forecast = Forecast::default();
        for (currency, amount, rate) in
            [("EUR", "100", ""), ("USD", "100", "0.9"), ("USD", "7", ""), ("", "", "")]
        {
            let row = Row { currency, worth: Worth::of(amount, "").unwrap(), rate, base: "EUR", percent: 50 };
            let deal = Deal { close_date: "2026-12-31", team: "", owner: "", row };
            forecast.add(Groups { month: true, ..Groups::default() }, Some("EUR"), deal).unwrap();
        }
        let line = |(key, sum): (&Key, &Sum)| {
            format!("{} {} {} {}", key.month, key.currency, sum.count, sum.weighted())
        };
        let rows: Vec<_> = forecast.sums.iter().map(line).collect();
        assert_eq!(rows, ["2026-12  1 0.000000", "2026-12 EUR 2 95.000000", "2026-12 USD 1 3.500000"]);
    }

    #[test]
    fn months_are_written_in_full() {
        assert!(month("m", "2026-12").is_ok() && month("m", "").is_ok());
        for wrong in ["2026-13", "2026-1", "2026-12-31", "26-12", "2026-00"] {
            assert!(month("m", wrong).is_err(), "{wrong}");
        }
    }
}
