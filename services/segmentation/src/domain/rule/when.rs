//! Lengths of time and instants as rules write them.
//! Called by the parser and the printer.

use jiff::Timestamp;

use crate::domain::facts::Micros;

const SECOND: i64 = 1_000_000;
const UNITS: [(char, i64); 4] =
    [('d', 86_400 * SECOND), ('h', 3_600 * SECOND), ('m', 60 * SECOND), ('s', SECOND)];
const LONGEST: i64 = 200 * 366 * 86_400 * SECOND;

/// Reads "30d", "1d12h", "90m", "0s": whole days of 24 hours, hours, minutes, seconds, each at most once and in this order; at most 200 years.
pub fn duration(text: &str) -> Result<i64, String> {
    let wrong =
        || format!("\"{}\" is no duration; write \"30d\", \"12h\", \"1d12h\", \"90s\"", text.escape_debug());
    let mut rest = text;
    let mut sum = 0_i64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number = rest[..digits].parse::<i64>().map_err(|_| wrong())?;
        let letter = rest[digits..].chars().next().ok_or_else(wrong)?;
        let (_, unit) = units.find(|(name, _)| *name == letter).ok_or_else(wrong)?;
        sum = number.checked_mul(*unit).and_then(|part| sum.checked_add(part)).ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    match sum {
        _ if text.is_empty() => Err(wrong()),
        _ if sum > LONGEST => Err("a duration has at most 200 years".to_owned()),
        _ => Ok(sum),
    }
}

/// Writes a duration so that `duration` reads it back. Parts of a second are lost.
pub fn duration_text(micros: i64) -> String {
    let mut rest = micros.max(0);
    let mut text = String::new();
    for (letter, unit) in UNITS {
        if rest >= unit {
            text.push_str(&format!("{}{letter}", rest / unit));
            rest %= unit;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads an instant of RFC 3339: "2026-01-31T00:00:00Z", of the years 1 to 9999.
pub fn instant(text: &str) -> Result<Micros, String> {
    let wrong = || format!("\"{}\" is no instant; write \"2026-01-31T00:00:00Z\"", text.escape_debug());
    let instant = text.parse::<Timestamp>().map_err(|_| wrong())?.as_microsecond();
    let year = |text: &str| text.parse::<Timestamp>().map(Timestamp::as_microsecond).map_err(|_| wrong());
    let inside = (year("0001-01-01T00:00:00Z")?..=year("9999-12-30T00:00:00Z")?).contains(&instant);
    if inside { Ok(instant) } else { Err("an instant is of the years 1 to 9999".to_owned()) }
}

/// Writes an instant so that `instant` reads it back.
pub fn instant_text(micros: Micros) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |instant| instant.to_string())
}
