//! An exact amount of money: decimal text and a currency, never a floating number. And revenue that comes again.
//! Called by domain/opportunity.rs and the rpc files.

use kontor_kit::{Error, Result};

use super::currency;
use super::decimal::Decimal;

/// An amount in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// ISO 4217 code in capitals.
    pub currency: String,
    /// Decimal text: 1 to 15 digits, and after the point as many as the currency has at most. Rows from before that was checked have up to 4.
    pub amount: String,
}

impl Money {
    /// Reads an amount. Leading zeros are dropped, so "007.50" is "7.50"; and so are zeros that the currency has no place for, so "1250.0000" EUR
    /// is "1250.00".
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field`.currency_code or `field`.amount.
    pub fn parse(field: &str, code: &str, amount: &str) -> Result<Money> {
        let scale = currency::check(&format!("{field}.currency_code"), code)?;
        let shown: String = amount.chars().take(40).collect();
        let wrong = |message: String| Error::invalid(format!("{field}.amount"), message);
        let (whole, rest) =
            amount.split_once('.').map_or((amount, None), |(whole, rest)| (whole, Some(rest)));
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if Decimal::parse(amount).is_some_and(Decimal::is_negative) {
            return Err(wrong(format!("{shown:?} is negative: an amount is zero or more, like 1250.00")));
        }
        if !digits(whole, 15) || !rest.is_none_or(|rest| digits(rest, currency::MOST as usize)) {
            let message = format!(
                "{shown:?} is no amount: use up to 15 digits and up to 4 after the point, like 1250.00"
            );
            return Err(wrong(message));
        }
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        let (kept, beyond) = rest.unwrap_or("").split_at(rest.map_or(0, str::len).min(scale as usize));
        if beyond.bytes().any(|digit| digit != b'0') {
            return Err(wrong(match scale {
                0 => format!("{shown:?} has digits after the point, and {code} has none"),
                scale => format!("{shown:?} has too many digits after the point: {code} has {scale}"),
            }));
        }
        let amount = if kept.is_empty() { whole.to_owned() } else { format!("{whole}.{kept}") };
        Ok(Money { currency: code.to_owned(), amount })
    }

    /// The amount as a number.
    ///
    /// # Errors
    /// INTERNAL when it is damaged: it was checked when it came.
    pub fn value(&self) -> Result<Decimal> {
        value(&self.amount)
    }
}

/// A stored amount as a number; an empty one is zero.
///
/// # Errors
/// INTERNAL when it is damaged: it was checked when it came.
pub fn value(amount: &str) -> Result<Decimal> {
    if amount.is_empty() {
        return Ok(Decimal::new(0, 0));
    }
    Decimal::parse(amount).ok_or_else(|| Error::internal(format!("an amount is {amount:?}")))
}

/// Revenue that comes again: so much for so many months.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurring {
    /// For all these months together.
    pub money: Money,
    /// 1 to 120.
    pub months: i32,
}

/// Months at most.
const MONTHS: i32 = 120;

impl Recurring {
    /// Checks what a caller says: an amount and its months, or neither.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field`_amount or `field`_months.
    pub fn check(field: &str, money: Option<&Money>, months: i32) -> Result<()> {
        let message = match money {
            None if months == 0 => return Ok(()),
            None => {
                let message = "it is missing: say how much these months bring";
                return Err(Error::invalid(format!("{field}_amount"), message));
            }
            Some(_) if (1..=MONTHS).contains(&months) => return Ok(()),
            Some(_) if months == 0 => format!("it is missing: say for how many months, 1 to {MONTHS}"),
            Some(_) => format!("{months} is none of 1 to {MONTHS}"),
        };
        Err(Error::invalid(format!("{field}_months"), message))
    }

    /// What a month brings (MRR), rounded half to even to the digits of its currency.
    ///
    /// # Errors
    /// INTERNAL when it is damaged.
    pub fn monthly(&self) -> Result<Decimal> {
        let scale = currency::scale_or_most(&self.money.currency);
        let months = Decimal::new(i128::from(self.months), 0);
        let monthly = self.money.value()?.over(months, scale);
        monthly.ok_or_else(|| Error::internal(format!("a recurring amount is for {} months", self.months)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(currency: &str, amount: &str) -> Option<String> {
        Money::parse("amount", currency, amount).map(|money| money.amount).ok()
    }

    #[test]
    fn amounts_stay_exact() {
        for (amount, expected) in [
            ("1250.00", "1250.00"),
            ("0.1", "0.1"),
            ("000", "0"),
            ("999999999999999.99", "999999999999999.99"),
            ("1250.0000", "1250.00"),
            ("0.5000", "0.50"),
        ] {
            assert_eq!(read("EUR", amount).as_deref(), Some(expected));
        }
        assert_eq!(read("CLF", "999999999999999.9999").as_deref(), Some("999999999999999.9999"));
        for wrong in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1_000", "1,5", " 1", "1.00000", "1000000000000000", "١"]
        {
            assert_eq!(read("EUR", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_amount_has_no_more_digits_than_its_currency() {
        assert_eq!(read("JPY", "10").as_deref(), Some("10"));
        assert_eq!(read("JPY", "10.0").as_deref(), Some("10"));
        assert_eq!(read("KWD", "1.125").as_deref(), Some("1.125"));
        for (currency, amount) in [("EUR", "12.345"), ("JPY", "10.5"), ("KWD", "1.1234")] {
            let refused = Money::parse("amount", currency, amount).unwrap_err();
            assert!(refused.message().starts_with("amount.amount"), "{}", refused.message());
            assert!(refused.message().contains(currency), "{}", refused.message());
        }
        for negative in ["-5", "-0.01", "-12.345"] {
            let refused = Money::parse("amount", "EUR", negative).unwrap_err();
            assert_eq!(refused.field(), Some("amount.amount"));
            assert!(refused.message().contains("is negative"), "{}", refused.message());
        }
        let endless = Money::parse("amount", "EUR", &"9".repeat(1_000_000)).unwrap_err();
        assert!(endless.message().len() < 200);
    }

    #[test]
    fn a_month_brings_its_part() {
        let monthly = |currency: &str, amount: &str, months| {
            let money = Money::parse("m", currency, amount).unwrap();
            Recurring { money, months }.monthly().unwrap().to_string()
        };
        assert_eq!(monthly("EUR", "1200", 12), "100.00");
        assert_eq!(monthly("EUR", "100", 12), "8.33");
        assert_eq!(monthly("JPY", "1000", 16), "62");
        assert_eq!(monthly("KWD", "0.001", 120), "0.000");
        let money = || Money::parse("m", "EUR", "1").ok();
        for (money, months, field) in [
            (money(), 0, "recurring_months"),
            (money(), -1, "recurring_months"),
            (money(), 121, "recurring_months"),
            (None, 12, "recurring_amount"),
        ] {
            let refused = Recurring::check("recurring", money.as_ref(), months).unwrap_err();
            assert!(refused.message().starts_with(field), "{}", refused.message());
        }
    }
}
