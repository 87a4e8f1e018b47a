//! The currencies of ISO 4217 that are current (2026), each with its number of digits after the point.
//! Called by the services that keep amounts.
//!
//! Metals, units of account without a minor unit, and codes for tests are left out: nobody pays with them.

use std::sync::LazyLock;

use crate::{Error, Result};

/// Codes by their number of digits.
const CODES: [(u32, &str); 4] = [
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP
         CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD
         KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
         PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU
         UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
    ),
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// Digits after the point that a currency has at most.
pub const MOST: u32 = 4;

/// The same by code, in order: each opportunity of a list asks for its digits, some times.
static SORTED: LazyLock<Vec<([u8; 3], u32)>> = LazyLock::new(|| {
    let bytes = |code: &str| <[u8; 3]>::try_from(code.as_bytes()).ok();
    let of = |(scale, codes): &(u32, &'static str)| {
        let scale = *scale;
        codes.split_whitespace().filter_map(bytes).map(move |code| (code, scale)).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = CODES.iter().flat_map(of).collect();
    all.sort_unstable();
    all
});

/// Digits after the point; none for a code that is not current.
pub fn scale(code: &str) -> Option<u32> {
    let code = <[u8; 3]>::try_from(code.as_bytes()).ok()?;
    let found = SORTED.binary_search_by_key(&code, |(known, _)| *known).ok()?;
    Some(SORTED[found].1)
}

/// Digits after the point to which sums of a currency are rounded. Rows from before codes were checked may have any code.
pub fn scale_or_most(code: &str) -> u32 {
    scale(code).unwrap_or(MOST)
}

/// Checks a code and returns its digits after the point.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`, with the known codes that are a letter away.
pub fn check(field: &str, code: &str) -> Result<u32> {
    if let Some(scale) = scale(code) {
        return Ok(scale);
    }
    // A word of any length may stand here.
    let shown: String = code.chars().take(20).collect();
    let near = nearest(&shown);
    let hint = if near.is_empty() { String::new() } else { format!(": did you mean {}?", near.join(" or ")) };
    Err(Error::invalid(field, format!("{shown:?} is no current ISO 4217 currency code like EUR{hint}")))
}

/// The known codes that are this one in capitals, else those that are a letter away; at most three.
pub fn nearest(code: &str) -> Vec<&'static str> {
    let code = code.trim().to_ascii_uppercase();
    let known = || CODES.iter().flat_map(|(_, codes)| codes.split_whitespace());
    if let Some(same) = known().find(|known| *known == code) {
        return vec![same];
    }
    let mut near: Vec<_> = known().filter(|known| is_near(known.as_bytes(), code.as_bytes())).collect();
    near.sort_unstable();
    near.truncate(3);
    near
}

/// One letter is another one, is missing, is too many, or two neighbours are swapped.
fn is_near(known: &[u8], code: &[u8]) -> bool {
    let same_start = known.iter().zip(code).take_while(|(one, two)| one == two).count();
    let (known, code) = (&known[same_start..], &code[same_start..]);
    match (known, code) {
        ([_, known @ ..], [_, code @ ..]) if known == code => true,
        ([a, b, known @ ..], [c, d, code @ ..]) if (a, b) == (d, c) && known == code => true,
        ([_, known @ ..], code) if known == code => true,
        (known, [_, code @ ..]) => known == code,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_digits() {
        for (code, digits) in
            [("EUR", 2), ("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("UYW", 4), ("ZWG", 2), ("XCG", 2)]
        {
            assert_eq!(scale(code), Some(digits), "{code}");
        }
        for gone in ["HRK", "DEM", "BGN", "ANG", "ZWL", "XXX", "XAU", "XTS", "eur", "EU", "", "AED AFN"] {
            assert_eq!(scale(gone), None, "{gone}");
        }
        let mut codes: Vec<_> = CODES.iter().flat_map(|(_, codes)| codes.split_whitespace()).collect();
        assert!(
            codes.iter().all(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
        );
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]), "a code stands there twice");
        assert_eq!(codes.len(), 165);
    }

    #[test]
    fn an_unknown_code_is_answered_with_its_nearest() {
        let message = |code| check("f", code).unwrap_err().message().to_owned();
        for (wrong, near) in [
            ("eur", "EUR?"),
            ("EURO", "EUR?"),
            ("EUX", "EUR?"),
            ("UER", "EUR or YER?"),
            ("JP", "JPY?"),
            ("GPB", "GBP?"),
            ("USX", "UGX or USD or USN?"),
        ] {
            assert!(message(wrong).contains(&format!("did you mean {near}")), "{}", message(wrong));
        }
        for far in ["", "QQQ", "€", "dollars"] {
            assert!(!message(far).contains("did you mean"), "{}", message(far));
        }
        assert!(message(&"A".repeat(1_000_000)).len() < 200);
    }
}
