//! Exchange rates: what a unit of a currency is worth in the company's currency from a day on, and the rate that an opportunity keeps.
//! Called by rates.rs, store/exchange_rate.rs and rpc/exchange_rate.rs.

use kontor_kit::{Error, Result};

use super::currency;
use super::decimal::Decimal;

/// A rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeRate {
    /// "USD-2026-11-01".
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// Valid from this day on, until the next one: "2026-11-01".
    pub day: String,
    /// One unit of the currency in units of the company's: decimal text.
    pub rate: String,
    /// The company's currency when it was set.
    pub base: String,
    /// Whether there may be open opportunities that wait for it.
    pub pending: bool,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
    /// Microseconds since 1970 UTC.
    pub update_time: i64,
}

/// The rate that an opportunity keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Decimal text.
    pub rate: String,
    /// The day from which on it was valid.
    pub day: String,
    /// The company's currency then.
    pub base: String,
}

/// Digits of a rate at most, so that any amount times any rate has room.
const DIGITS: usize = 18;
/// Of them after the point.
const AFTER_POINT: usize = 12;

impl ExchangeRate {
    /// A new one, checked.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field`.currency_code, `field`.valid_from_date or `field`.rate.
    pub fn new(field: &str, currency: &str, day: &str, rate: &str, base: &str) -> Result<ExchangeRate> {
        let code = format!("{field}.currency_code");
        currency::check(&code, currency)?;
        if currency == base {
            return Err(Error::invalid(
                code,
                format!("{base} is the company's own currency: it needs no rate"),
            ));
        }
        // Only the one form that sorts as text.
        if day.len() != 10 || day.parse::<jiff::civil::Date>().is_err() {
            let day: String = day.chars().take(40).collect();
            return Err(Error::invalid(
                format!("{field}.valid_from_date"),
                format!("{day:?} is no day like 2026-11-01"),
            ));
        }
        Ok(ExchangeRate {
            id: format!("{currency}-{day}"),
            version: 1,
            currency: currency.to_owned(),
            day: day.to_owned(),
            rate: checked(&format!("{field}.rate"), rate)?,
            base: base.to_owned(),
            pending: true,
            create_time: 0,
            update_time: 0,
        })
    }

    /// What an opportunity keeps of it.
    pub fn kept(&self) -> Kept {
        Kept { rate: self.rate.clone(), day: self.day.clone(), base: self.base.clone() }
    }
}

/// A rate without leading zeros.
fn checked(field: &str, rate: &str) -> Result<String> {
    let (whole, rest) = rate.split_once('.').unwrap_or((rate, ""));
    let whole = match whole.trim_start_matches('0') {
        "" if !whole.is_empty() => "0",
        whole => whole,
    };
    let text = if rate.contains('.') { format!("{whole}.{rest}") } else { whole.to_owned() };
    let fits = text.len() <= DIGITS + 1 && whole.len() + rest.len() <= DIGITS && rest.len() <= AFTER_POINT;
    let positive =
        Decimal::parse(&text).and_then(|rate| rate.units(AFTER_POINT as u32)).is_some_and(|units| units > 0);
    if fits && positive {
        return Ok(text);
    }
    let shown: String = rate.chars().take(40).collect();
    let message = format!(
        "{shown:?} is no rate: use a number above 0 of at most {DIGITS} digits, up to {AFTER_POINT} of them after the point, like 0.9132"
    );
    Err(Error::invalid(field, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_exact_or_refused() {
        let read = |rate| ExchangeRate::new("r", "USD", "2026-11-01", rate, "EUR").map(|it| it.rate).ok();
        for (text, rate) in [
            ("0.90", "0.90"),
            ("00.9", "0.9"),
            ("120", "120"),
            ("0.000000000001", "0.000000000001"),
            ("999999.999999999999", "999999.999999999999"),
        ] {
            assert_eq!(read(text).as_deref(), Some(rate), "{text}");
        }
        let long = "1".repeat(1_000_000);
        for wrong in [
            "",
            "0",
            "0.00",
            "-1",
            ".5",
            "1.",
            "1e3",
            "1,2",
            "0.0000000000001",
            "1000000.000000000000",
            &long,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_rate_is_of_another_currency_and_a_day() {
        let field = |currency, day| {
            ExchangeRate::new("r", currency, day, "1", "EUR").map_err(|cause| cause.message().to_owned())
        };
        assert_eq!(field("USD", "2026-11-01").unwrap().id, "USD-2026-11-01");
        for (currency, day, expected) in [
            ("EUR", "2026-11-01", "r.currency_code"),
            ("usd", "2026-11-01", "r.currency_code"),
            ("USD", "2026-11-31", "r.valid_from_date"),
            ("USD", "1.11.2026", "r.valid_from_date"),
            ("USD", "", "r.valid_from_date"),
        ] {
            assert!(field(currency, day).unwrap_err().starts_with(expected), "{currency} {day}");
        }
    }
}
