//! An exact amount of money: decimal text and a currency, never a floating number.
//! Called by domain/opportunity.rs and rpc/convert.rs.

use kontor_kit::{Error, Result};

/// An amount in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// ISO 4217 code in capitals.
    pub currency: String,
    /// Decimal text: 1 to 15 digits, and up to 4 after the point.
    pub amount: String,
}

impl Money {
    /// Reads an amount. Leading zeros are dropped, so "007.50" is "7.50".
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field`.currency_code or `field`.amount.
    pub fn parse(field: &str, currency: &str, amount: &str) -> Result<Money> {
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let message = format!("{currency:?} is no currency code like EUR");
            return Err(Error::invalid(format!("{field}.currency_code"), message));
        }
        let wrong = || {
            let message = format!(
                "{amount:?} is no amount: use up to 15 digits and up to 4 after the point, like 1250.00"
            );
            Error::invalid(format!("{field}.amount"), message)
        };
        let (whole, rest) = match amount.split_once('.') {
            Some((whole, rest)) => (whole, Some(rest)),
            None => (amount, None),
        };
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, 15) || !rest.is_none_or(|rest| digits(rest, 4)) {
            return Err(wrong());
        }
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        let amount = rest.map_or_else(|| whole.to_owned(), |rest| format!("{whole}.{rest}"));
        Ok(Money { currency: currency.to_owned(), amount })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_stay_exact() {
        let read = |amount| Money::parse("amount", "EUR", amount).map(|money| money.amount).ok();
        assert_eq!(read("1250.00").as_deref(), Some("1250.00"));
        assert_eq!(read("0.1").as_deref(), Some("0.1"));
        assert_eq!(read("000").as_deref(), Some("0"));
        assert_eq!(read("999999999999999.9999").as_deref(), Some("999999999999999.9999"));
        for wrong in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1_000", "1,5", " 1", "1.00000", "1000000000000000", "١"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn currencies_have_three_capitals() {
        assert!(
            Money::parse("amount", "eur", "1").unwrap_err().message().starts_with("amount.currency_code")
        );
        assert!(Money::parse("amount", "EURO", "1").is_err());
        assert!(Money::parse("amount", "", "1").is_err());
    }
}
