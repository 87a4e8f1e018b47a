//! Exact decimals: a whole number and how many of its digits stand after the point. Rounding is half to even, and what has no room is none.
//! The one decimal code of the pipeline; called by domain/money.rs, domain/worth.rs and domain/exchange.rs.

use std::fmt;

/// `units` divided by ten to the power of `scale`. Two with the same value and another scale are not equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    units: i128,
    scale: u32,
}

/// Digits that surely have room.
const DIGITS: usize = 38;

impl Decimal {
    /// So many units of the last digit: `new(1250, 2)` is 12.50.
    pub const fn new(units: i128, scale: u32) -> Decimal {
        Decimal { units, scale }
    }

    /// Reads text like "-12.50": digits, and after a point some more; at most 38.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, rest) =
            digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !rest.is_none_or(is_number) {
            return None;
        }
        let rest = rest.unwrap_or("");
        if whole.len() + rest.len() > DIGITS {
            return None;
        }
        let mut units: i128 = 0;
        for digit in whole.bytes().chain(rest.bytes()) {
            units = units.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        Some(Decimal { units: if negative { -units } else { units }, scale: u32::try_from(rest.len()).ok()? })
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.units < 0
    }

    /// The same with so many digits after the point, as a whole number of the last one: `units(4)` of 12.5 is 125000.
    pub fn units(self, scale: u32) -> Option<i128> {
        if scale >= self.scale {
            return self.units.checked_mul(power(scale - self.scale)?);
        }
        // Beyond all digits that a number can have there is nothing left.
        power(self.scale - scale).map_or(Some(0), |by| divide(self.units, by))
    }

    /// The same with so many digits after the point.
    pub fn round(self, scale: u32) -> Option<Decimal> {
        Some(Decimal { units: self.units(scale)?, scale })
    }

    /// The exact product.
    pub fn times(self, by: Decimal) -> Option<Decimal> {
        Some(Decimal { units: self.units.checked_mul(by.units)?, scale: self.scale.checked_add(by.scale)? })
    }

    /// The quotient with so many digits after the point; none by zero.
    pub fn over(self, by: Decimal, scale: u32) -> Option<Decimal> {
        let up = by.scale.checked_add(scale)?;
        let (above, below) = if up >= self.scale {
            (self.units.checked_mul(power(up - self.scale)?)?, by.units)
        } else {
            (self.units, by.units.checked_mul(power(self.scale - up)?)?)
        };
        Some(Decimal { units: divide(above, below)?, scale })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.units.unsigned_abs().to_string();
        let scale = self.scale as usize;
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, rest) = digits.split_at(digits.len() - scale);
        let sign = if self.units < 0 { "-" } else { "" };
        let point = if rest.is_empty() { "" } else { "." };
        write!(out, "{sign}{whole}{point}{rest}")
    }
}

fn power(scale: u32) -> Option<i128> {
    10_i128.checked_pow(scale)
}

/// The nearest whole number; of two that are as near, the even one.
fn divide(above: i128, below: i128) -> Option<i128> {
    let whole = above.checked_div(below)?;
    let rest = above.checked_rem(below)?.unsigned_abs();
    let gap = below.unsigned_abs() - rest;
    if rest < gap || (rest == gap && whole % 2 == 0) {
        return Some(whole);
    }
    whole.checked_add(if (above < 0) == (below < 0) { 1 } else { -1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Decimal {
        Decimal::parse(text).expect("a decimal")
    }

    #[test]
    fn texts_are_read_and_written_exactly() {
        for text in
            ["0", "0.1", "-0.05", "12.50", "999999999999999.9999", "99999999999999999999999999999999999999"]
        {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(read("007.50").to_string(), "7.50");
        let long = "1".repeat(39);
        for wrong in
            ["", "-", ".", "1.", ".5", "+1", "--1", "1e3", "1_0", " 1", "1,5", "1.2.3", "١", "NaN", &long]
        {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (text, scale, expected) in [
            ("0.5", 0, "0"),
            ("1.5", 0, "2"),
            ("2.5", 0, "2"),
            ("-0.5", 0, "0"),
            ("-1.5", 0, "-2"),
            ("-2.5", 0, "-2"),
            ("2.51", 0, "3"),
            ("0.125", 2, "0.12"),
            ("0.135", 2, "0.14"),
            ("12.5", 4, "12.5000"),
            ("0.0000000000000000000000000000000000049", 0, "0"),
        ] {
            assert_eq!(read(text).round(scale).unwrap().to_string(), expected, "{text}");
        }
        assert_eq!(read("100").over(read("12"), 2).unwrap().to_string(), "8.33");
        assert_eq!(read("1200.00").over(read("12"), 2).unwrap().to_string(), "100.00");
        assert_eq!(read("1").over(read("-8"), 2).unwrap().to_string(), "-0.12");
        assert_eq!(read("0.00001").over(read("3"), 0).unwrap().to_string(), "0");
        assert_eq!(read("1").over(read("0.00"), 2), None);
    }

    #[test]
    fn what_has_no_room_is_none() {
        let most = Decimal::new(i128::MAX, 0);
        assert_eq!(most.times(read("2")), None);
        assert_eq!(most.units(1), None);
        assert_eq!(most.over(read("0.1"), 0), None);
        assert_eq!(Decimal::new(i128::MIN, 0).over(read("-1"), 0), None);
        assert_eq!(Decimal::new(1, 100).units(0), Some(0));
        assert_eq!(Decimal::new(i128::MIN, 3).to_string().len(), 41);
    }

    /// Numbers that look random and are the same in each run, of all sizes.
    struct Dice(u64);

    impl Dice {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn decimal(&mut self) -> Decimal {
            let size = u32::try_from(self.next() % 50).unwrap();
            let units = i128::from(self.next() >> 14) >> size;
            let units = if self.next().is_multiple_of(3) { -units } else { units };
            Decimal::new(units, u32::try_from(self.next() % 10).unwrap())
        }
    }

    #[test]
    fn the_laws_of_numbers_hold() {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        for _ in 0..20_000 {
            let (one, two) = (dice.decimal(), dice.decimal());
            assert_eq!(Decimal::parse(&one.to_string()), Some(one));
            let product = one.times(two).unwrap();
            assert_eq!(two.times(one), Some(product));
            // Rounding to where all digits are changes nothing; and back again neither.
            let wide = one.round(one.scale + 5).unwrap();
            assert_eq!(wide.round(one.scale), Some(one));
            // The product divided by one of the two is the other one, exactly.
            if two.units != 0 {
                assert_eq!(product.over(two, one.scale), Some(one));
            }
            let scale = u32::try_from(dice.next() % 6).unwrap();
            near(one, one.round(scale).unwrap(), Decimal::new(1, 0));
            if two.units != 0 {
                near(one, one.over(two, scale).unwrap(), two);
            }
        }
    }

    /// `found` times `by` is `one` but for half of the last digit of `found` at most; and at a half, `found` is even.
    fn near(one: Decimal, found: Decimal, by: Decimal) {
        let back = found.times(by).unwrap();
        let scale = one.scale.max(back.scale);
        let missed = (one.units(scale).unwrap() - back.units(scale).unwrap()).abs() * 2;
        let last = Decimal::new(by.units, back.scale).units(scale).unwrap().abs();
        assert!(missed < last || (missed == last && found.units % 2 == 0), "{one} / {by} is not {found}");
    }
}
