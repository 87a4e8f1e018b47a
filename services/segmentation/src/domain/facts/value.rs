//! Values of facts: kinds, exact decimals, instants.
//! Called by the schema, the columns and the rule language.

use std::fmt;

/// An instant: microseconds since 1970 in UTC, as everywhere in Kontor.
pub type Micros = i64;

/// Kind of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// True or false; false when nothing is known.
    Bool,
    /// A whole number of 32 bits; may be absent.
    Int,
    /// An exact amount; may be absent.
    Decimal,
    /// An instant; may be absent.
    Time,
    /// A text; empty when absent.
    Text,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Decimal => "decimal",
            Kind::Time => "timestamp",
            Kind::Text => "string",
        })
    }
}

/// A value as the evaluators see it: numbers, amounts and instants are one integer, so that all of them compare alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Not known. A comparison with it is false, `!=` is true.
    Absent,
    /// True or false.
    Bool(bool),
    /// A number; ten-thousandths of a decimal; microseconds of an instant.
    Number(i64),
    /// A text.
    Text(&'a str),
}

/// An exact decimal: ten-thousandths, as many as ISO 4217 needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal(pub i64);

impl Decimal {
    /// One.
    pub const ONE: i64 = 10_000;
    /// Largest amount, and with a minus the smallest: a hundred thousand billions.
    pub const MAX: Decimal = Decimal(100_000_000_000_000 * Decimal::ONE);

    /// Reads "1250.00", "-3": at most four digits after the point, and not beyond `MAX`.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (minus, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(part) || part.len() > 4 {
            return None;
        }
        let whole = whole.parse::<i64>().ok()?.checked_mul(Decimal::ONE)?;
        let part = format!("{part:0<4}").parse::<i64>().ok()?;
        let all = whole.checked_add(part).filter(|all| *all <= Decimal::MAX.0)?;
        Some(Decimal(if minus { -all } else { all }))
    }
}

impl fmt::Display for Decimal {
    /// Always with a point, so that it reads back as a decimal: "3.0", "-1250.5".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let all = self.0.unsigned_abs();
        let part = format!("{:04}", all % 10_000);
        let kept = part.trim_end_matches('0');
        write!(f, "{sign}{}.{}", all / 10_000, if kept.is_empty() { "0" } else { kept })
    }
}
