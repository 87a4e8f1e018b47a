//! What opportunities are worth: amounts, what they weigh by their probability, and what a month brings; added up exactly.
//! Called by domain/forecast.rs, domain/summary.rs and rpc/deal_answer.rs.
//!
//! Each opportunity comes into a sum in ten-thousandths of a currency, finer than any currency's digits; an amount in another one is rounded to them, half to
//! even, once. All else is whole numbers, so no sum depends on its order.

use kontor_kit::{Error, Result};

use super::decimal::Decimal;
use super::money;
use super::opportunity::Details;

/// Digits after the point with which an amount is added up.
const SCALE: u32 = 4;

/// What one opportunity is worth, in ten-thousandths of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    total: i128,
    monthly: i128,
}

impl Worth {
    /// Of an amount and of what a month brings: stored texts, empty when there is none.
    ///
    /// # Errors
    /// INTERNAL when they are damaged.
    pub fn of(amount: &str, monthly: &str) -> Result<Worth> {
        Ok(Worth { total: units(money::value(amount)?)?, monthly: units(money::value(monthly)?)? })
    }

    /// The same in the company's currency, at a kept rate.
    ///
    /// # Errors
    /// INTERNAL when the rate is damaged.
    pub fn at(self, rate: &str) -> Result<Worth> {
        let rate = money::value(rate)?;
        let turn = |value| {
            Decimal::new(value, SCALE).times(rate).and_then(|value| value.units(SCALE)).ok_or_else(no_room)
        };
        Ok(Worth { total: turn(self.total)?, monthly: turn(self.monthly)? })
    }
}

/// A sum in one currency. An amount has at most 15 digits before and 4 after the point and a rate 18 in all, so of a number of opportunities
/// that no disk holds the sum still has room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Number of opportunities.
    pub count: i64,
    /// Amounts in ten-thousandths.
    total: i128,
    /// Amounts times percent, in millionths.
    weighted: i128,
    /// Monthly amounts in ten-thousandths.
    monthly: i128,
    /// Monthly amounts times percent, in millionths.
    weighted_monthly: i128,
}

impl Sum {
    /// Adds an opportunity with its probability in percent.
    ///
    /// # Errors
    /// INTERNAL when the sum has no room.
    pub fn add(&mut self, worth: Worth, percent: i64) -> Result<()> {
        let add = |sum: i128, value: i128, by: i64| {
            value.checked_mul(i128::from(by)).and_then(|value| sum.checked_add(value)).ok_or_else(no_room)
        };
        self.total = add(self.total, worth.total, 1)?;
        self.weighted = add(self.weighted, worth.total, percent)?;
        self.monthly = add(self.monthly, worth.monthly, 1)?;
        self.weighted_monthly = add(self.weighted_monthly, worth.monthly, percent)?;
        self.count += 1;
        Ok(())
    }

    /// Of the amounts, with four digits after the point.
    pub fn total(&self) -> Decimal {
        Decimal::new(self.total, SCALE)
    }

    /// Of amount times probability, with six digits after the point.
    pub fn weighted(&self) -> Decimal {
        Decimal::new(self.weighted, SCALE + 2)
    }

    /// Of what a month brings (MRR), with four digits after the point.
    pub fn monthly(&self) -> Decimal {
        Decimal::new(self.monthly, SCALE)
    }

    /// Of MRR times probability, with six digits after the point.
    pub fn weighted_monthly(&self) -> Decimal {
        Decimal::new(self.weighted_monthly, SCALE + 2)
    }
}

/// What an amount weighs by its probability in percent, rounded half to even to so many digits; none when that has no room.
pub fn weighted(amount: Decimal, percent: i32, scale: u32) -> Option<Decimal> {
    amount.times(Decimal::new(i128::from(percent), 2))?.round(scale)
}

/// What a month of an opportunity brings, as stored text; empty when nothing comes again.
///
/// # Errors
/// INTERNAL when its recurring amount is damaged.
pub fn monthly_text(details: &Details) -> Result<String> {
    Ok(match details.recurring() {
        Some(recurring) => recurring.monthly()?.to_string(),
        None => String::new(),
    })
}

fn units(value: Decimal) -> Result<i128> {
    value.units(SCALE).ok_or_else(no_room)
}

fn no_room() -> Error {
    Error::internal("an amount has no room in a sum")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_and_do_not_depend_on_their_order() {
        let rows =
            [("0.1", "0.03", 10), ("0.2", "", 33), ("999999999999999.9999", "8.33", 1), ("5", "", 100)];
        let sum = |rows: &mut dyn Iterator<Item = &(&str, &str, i64)>, rate: Option<&str>| {
            let mut sum = Sum::default();
            for (amount, monthly, percent) in rows {
                let worth = Worth::of(amount, monthly).unwrap();
                sum.add(rate.map_or(worth, |rate| worth.at(rate).unwrap()), *percent).unwrap();
            }
            sum
        };
        let all = sum(&mut rows.iter(), None);
        assert_eq!((all.count, all.total().to_string().as_str()), (4, "1000000000000005.2999"));
        assert_eq!(all.weighted().to_string(), "10000000000005.075999");
        assert_eq!(all.monthly().to_string(), "8.3600");
        assert_eq!(all.weighted_monthly().to_string(), "0.086300");
        for rate in [None, Some("0.333333333333"), Some("999999.999999999999"), Some("0.000000000001")] {
            assert_eq!(sum(&mut rows.iter(), rate), sum(&mut rows.iter().rev(), rate));
        }
    }

    #[test]
    fn each_row_is_rounded_once_to_ten_thousandths() {
        let at = |amount: &str, rate: &str| {
            let mut sum = Sum::default();
            sum.add(Worth::of(amount, "").unwrap().at(rate).unwrap(), 50).unwrap();
            (sum.total().to_string(), sum.weighted().to_string())
        };
        assert_eq!(at("100", "0.90"), ("90.0000".to_owned(), "45.000000".to_owned()));
        assert_eq!(at("1", "0.00005"), ("0.0000".to_owned(), "0.000000".to_owned()));
        assert_eq!(at("3", "0.00005"), ("0.0002".to_owned(), "0.000100".to_owned()));
        assert_eq!(weighted(Decimal::new(10_000, 2), 40, 2).unwrap().to_string(), "40.00");
        assert_eq!(weighted(Decimal::new(1, 2), 50, 2).unwrap().to_string(), "0.00");
    }
}
