//! A forecast: amounts and what they weigh by their probability, added up exactly, by month, team and owner.
//! Called by store/forecast.rs and rpc/forecast.rs.

use std::collections::BTreeMap;

use kontor_kit::{Error, Result};

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

/// One sum. Exact: an amount has at most 15 digits before and 4 after the point, and of a number of opportunities that no disk holds the sum
/// still has room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Number of opportunities.
    pub count: i64,
    /// Amounts in ten-thousandths.
    total: i128,
    /// Amounts times percent, in millionths.
    weighted: i128,
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
    /// ISO 4217 code, or empty.
    pub currency: &'a str,
    /// Decimal text.
    pub amount: &'a str,
    /// Percent.
    pub probability: i64,
}

/// The sums. This is where amounts of several currencies would become one.
#[derive(Debug, Default)]
pub struct Forecast {
    /// By key.
    pub sums: BTreeMap<Key, Sum>,
}

/// Rows of a forecast at most.
pub const ROWS: usize = 10_000;

impl Forecast {
    /// Adds an opportunity.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when there are too many rows; INTERNAL for a damaged amount.
    pub fn add(&mut self, groups: Groups, deal: Deal<'_>) -> Result<()> {
        let text = |wanted: bool, text: &str| if wanted { text.to_owned() } else { String::new() };
        let key = Key {
            month: text(groups.month, month_of(deal.close_date)),
            team: text(groups.team, deal.team),
            owner: text(groups.owner, deal.owner),
            currency: deal.currency.to_owned(),
        };
        if self.sums.len() >= ROWS && !self.sums.contains_key(&key) {
            let message = format!("these are more than {ROWS} rows: group by less, or ask for fewer months");
            return Err(Error::precondition("TOO_MANY_ROWS", message));
        }
        let units = if deal.currency.is_empty() { 0 } else { units(deal.amount)? };
        let sum = self.sums.entry(key).or_default();
        sum.count += 1;
        sum.total += units;
        sum.weighted += units * i128::from(deal.probability);
        Ok(())
    }
}

impl Sum {
    /// Decimal text with four digits after the point.
    pub fn total(&self) -> String {
        decimal(self.total, 10_000, 4)
    }

    /// Decimal text with six digits after the point.
    pub fn weighted(&self) -> String {
        decimal(self.weighted, 1_000_000, 6)
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

fn decimal(value: i128, unit: i128, digits: usize) -> String {
    format!("{}.{:0digits$}", value / unit, value % unit)
}

/// An amount in ten-thousandths. It was checked when it came.
fn units(amount: &str) -> Result<i128> {
    let (whole, rest) = amount.split_once('.').unwrap_or((amount, ""));
    format!("{whole}{rest:0<4}").parse().map_err(|_| Error::internal(format!("an amount is {amount:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deal<'a>(amount: &'a str, probability: i64) -> Deal<'a> {
        Deal { close_date: "2026-12-31", team: "", owner: "", currency: "EUR", amount, probability }
    }

    #[test]
    fn sums_are_exact() {
        let mut forecast = Forecast::default();
        for (amount, probability) in [("0.1", 10), ("0.2", 33), ("999999999999999.9999", 1), ("5", 100)] {
            forecast
                .add(Groups { month: true, ..Groups::default() }, deal(amount, probability))
                .expect("a sum");
        }
        let (key, sum) = forecast.sums.first_key_value().expect("one row");
        assert_eq!((key.month.as_str(), key.currency.as_str(), sum.count), ("2026-12", "EUR", 4));
        assert_eq!(sum.total(), "1000000000000005.2999");
        assert_eq!(sum.weighted(), "10000000000005.075999");
    }

    #[test]
    fn months_are_written_in_full() {
        assert!(month("m", "2026-12").is_ok() && month("m", "").is_ok());
        for wrong in ["2026-13", "2026-1", "2026-12-31", "26-12", "2026-00"] {
            assert!(month("m", wrong).is_err(), "{wrong}");
        }
    }
}
