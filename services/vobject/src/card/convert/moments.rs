//! Days and times of cards: `1996-04-15` in 3.0, `19960415` or `--0415` in 4.0 (RFC 2426 4, RFC 6350 4.3).
//! Called by `convert` for BDAY, ANNIVERSARY, REV and TZ. What has neither form is a text and stays.

use super::{NO_YEAR, replace, says_line};
use crate::content::ContentLine;

/// A birthday of 3.0 as 4.0 writes it.
pub(super) fn to_four(line: ContentLine) -> ContentLine {
    let omitted = says_line(&line, "X-APPLE-OMIT-YEAR").map(str::to_owned);
    let Some(mut value) = basic(&line.value) else {
        // Partial days are the same in both; anything else can only be a text.
        let partial = line.value.starts_with('-') || line.value.bytes().all(|byte| byte.is_ascii_digit());
        return if partial { line } else { replace(line, "VALUE", Some("text")) };
    };
    let year = omitted.as_deref().filter(|year| year.len() == 4 && value.starts_with(year));
    if let Some(year) = year {
        value = format!("--{}", &value[year.len()..]);
    }
    let mut line = if year.is_some() { replace(line, "X-APPLE-OMIT-YEAR", None) } else { line };
    line.value = value;
    // `date` and `date-time` are what 4.0 takes it for without a word.
    replace(line, "VALUE", None)
}

/// A birthday of 4.0 as 3.0 writes it. A day without a year gets the one that Apple's programs leave out again.
pub(super) fn to_three(mut line: ContentLine) -> ContentLine {
    if says_line(&line, "VALUE").is_some_and(|value| value.eq_ignore_ascii_case("text")) {
        return line;
    }
    let day = line.value.strip_prefix("--").filter(|day| day.len() == 4 && is_digits(day));
    if let Some(day) = day {
        line.value = format!("{NO_YEAR}-{}-{}", &day[..2], &day[2..]);
        return replace(line, "VALUE", Some("date")).param("X-APPLE-OMIT-YEAR", NO_YEAR);
    }
    match extended(&line.value) {
        Some(value) => {
            let kind = if value.contains('T') { "date-time" } else { "date" };
            line.value = value;
            replace(line, "VALUE", Some(kind))
        }
        None => line,
    }
}

/// `1996-04-15`, `1996-04-15T23:10:00Z` and the like without their separators. None for what is no whole day.
pub(super) fn basic(value: &str) -> Option<String> {
    let value = value.trim();
    let (date, time) = split(value);
    let date: String = match date.split('-').collect::<Vec<_>>()[..] {
        [year, month, day] if year.len() == 4 && month.len() == 2 && day.len() == 2 => {
            [year, month, day].concat()
        }
        [whole] if whole.len() == 8 => whole.to_owned(),
        _ => return None,
    };
    let time = time.map(|time| time.replace(':', ""));
    let good = is_digits(&date) && time.as_ref().is_none_or(|time| is_time(time));
    good.then(|| match time {
        Some(time) => format!("{date}T{time}"),
        None => date,
    })
}

/// `19960415`, `19960415T231000Z` and the like with separators. None for what is no whole day.
pub(super) fn extended(value: &str) -> Option<String> {
    let basic = basic(value)?;
    let (date, time) = split(&basic);
    let date = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
    let Some(time) = time else { return Some(date) };
    let digits = time.bytes().take_while(u8::is_ascii_digit).count();
    let (clock, rest) = time.split_at(digits);
    // A time to the hour or the minute is one of 4.0 alone: 3.0 has seconds.
    let clock = format!("{clock:0<6}");
    let zone = if rest.len() > 1 { offset(rest) } else { rest.to_owned() };
    Some(format!("{date}T{}:{}:{}{zone}", &clock[..2], &clock[2..4], &clock[4..6]))
}

/// Whether a text is an offset from UTC: "+02:00", "-0500".
pub(super) fn is_offset(text: &str) -> bool {
    let Some(rest) = text.trim().strip_prefix(['+', '-']) else { return false };
    let digits = rest.replacen(':', "", 1);
    is_digits(&digits) && matches!(digits.len(), 2 | 4)
}

/// An offset with its colon, as 3.0 has it; any other text as it is.
pub(super) fn offset(text: &str) -> String {
    let trimmed = text.trim();
    if !is_offset(trimmed) || trimmed.contains(':') {
        return trimmed.to_owned();
    }
    let (sign, digits) = trimmed.split_at(1);
    let minutes = if digits.len() == 4 { &digits[2..] } else { "00" };
    format!("{sign}{}:{minutes}", &digits[..2])
}

fn split(value: &str) -> (&str, Option<&str>) {
    match value.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (value, None),
    }
}

/// "2310", "231000", with a fraction left out, and "Z" or an offset behind.
fn is_time(time: &str) -> bool {
    let digits = time.bytes().take_while(u8::is_ascii_digit).count();
    let zone = &time[digits..];
    matches!(digits, 2 | 4 | 6) && (zone.is_empty() || zone.eq_ignore_ascii_case("z") || is_offset(zone))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
