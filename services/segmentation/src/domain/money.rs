//! Amounts as whole ten-thousandths, and their text in a currency.
//! Called by the RPCs of purchases and prices.

use kontor_kit::{Error, Result, currency};

use super::facts::Decimal;

/// Reads an amount that is not negative, with at most as many digits after the point as its currency has.
///
/// # Errors
/// INVALID_ARGUMENT naming `code_field` or `amount_field`.
pub fn read(code_field: &str, code: &str, amount_field: &str, amount: &str) -> Result<i64> {
    let scale = currency::check(code_field, code)?;
    let shown: String = amount.chars().take(40).collect();
    let value = Decimal::parse(amount).ok_or_else(|| {
        let message =
            format!("{shown:?} is no amount: use up to 14 digits and up to 4 after the point, like 1250.00");
        Error::invalid(amount_field, message)
    })?;
    if value.0 < 0 {
        let message = format!("{shown:?} is negative: an amount is zero or more, like 1250.00");
        return Err(Error::invalid(amount_field, message));
    }
    if value.0 % 10_i64.pow(currency::MOST - scale) != 0 {
        let message = format!("{shown:?} has too many digits after the point: {code} has {scale}");
        return Err(Error::invalid(amount_field, message));
    }
    Ok(value.0)
}

/// The text of an amount, with as many digits after the point as the currency has, or as are needed.
pub fn text(amount: i128, code: &str) -> String {
    let scale = currency::scale_or_most(code) as usize;
    let sign = if amount < 0 { "-" } else { "" };
    let all = amount.unsigned_abs();
    let part = format!("{:04}", all % 10_000);
    let needed = part.trim_end_matches('0').len().max(scale);
    let point = if needed == 0 { String::new() } else { format!(".{}", &part[..needed]) };
    format!("{sign}{}{point}", all / 10_000)
}

/// A part of an amount, rounded half to even to the digits of the currency.
pub fn divide(amount: i128, by: i128, code: &str) -> i128 {
    let unit = 10_i128.pow(currency::MOST - currency::scale_or_most(code));
    let whole = by * unit;
    let (quotient, rest) = (amount.div_euclid(whole), amount.rem_euclid(whole));
    let up = rest * 2 > whole || (rest * 2 == whole && quotient % 2 != 0);
    (quotient + i128::from(up)) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_digits_of_their_currency() {
        let amount = |code: &str, text: &str| read("c", code, "a", text);
        assert_eq!(amount("EUR", "12.5").expect("good"), 125_000);
        assert_eq!(text(125_000, "EUR"), "12.50");
        assert_eq!(text(-125_000, "EUR"), "-12.50");
        assert_eq!(text(120_000, "JPY"), "12");
        assert_eq!(amount("EUR", "12.505").expect_err("bad").field(), Some("a"));
        assert_eq!(amount("JPY", "12.5").expect_err("bad").field(), Some("a"));
        let negative = amount("EUR", "-1").expect_err("bad");
        assert!(negative.field() == Some("a") && negative.message().contains("is negative"), "{negative}");
        assert_eq!(amount("eur", "1").expect_err("bad").field(), Some("c"));
        assert_eq!(divide(100_000, 3, "EUR"), 33_300);
        assert_eq!(divide(100, 1, "EUR"), 100);
        assert_eq!(divide(500, 2, "EUR"), 200, "half to even");
    }
}
