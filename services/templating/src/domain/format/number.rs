//! Numbers and money by locale, and Word's numeric pictures (`\# "#,##0.00"`).
//! Called by the filters `number`, `money`, `percent` and by plain output of numbers.

use rust_decimal::{Decimal, RoundingStrategy};

use super::locale::Locale;

const NO_BREAK_SPACE: char = '\u{a0}';

/// The separators of one kind of number.
struct Signs {
    decimal: &'static str,
    group: &'static str,
    min_grouping: usize,
}

/// A number as it is: the locale's decimal sign, no groups, all digits that it has.
pub fn plain(value: Decimal, locale: Locale) -> String {
    let text = value.to_string();
    if locale.facts.decimal == "." { text } else { text.replace('.', locale.facts.decimal) }
}

/// A number with groups and with so many digits behind the decimal sign; halves are rounded away from zero.
pub fn number(value: Decimal, digits: u32, locale: Locale) -> String {
    let facts = locale.facts;
    let signs = Signs { decimal: facts.decimal, group: facts.group, min_grouping: facts.min_grouping };
    let mut out = String::new();
    if value.is_sign_negative() {
        out.push('-');
    }
    push_digits(&mut out, value, digits, digits, &signs);
    out
}

/// A share: 0.25 is 25 %.
pub fn percent(value: Decimal, digits: u32, locale: Locale) -> String {
    let hundred = value.checked_mul(Decimal::ONE_HUNDRED).unwrap_or(value);
    let facts = locale.facts;
    let signs = Signs { decimal: facts.decimal, group: facts.group, min_grouping: facts.min_grouping };
    by_pattern(hundred, digits, facts.percent, "%", &signs)
}

/// An amount with the currency's own number of digits and the locale's place for its sign.
pub fn money(amount: Decimal, currency: &str, locale: Locale) -> String {
    let facts = locale.facts;
    let known = facts.symbols.iter().find(|(code, _)| code.eq_ignore_ascii_case(currency));
    let symbol = known.map_or(currency, |(_, symbol)| symbol);
    let signs =
        Signs { decimal: facts.money_decimal, group: facts.money_group, min_grouping: facts.min_grouping };
    by_pattern(amount, currency_digits(currency), facts.money, symbol, &signs)
}

/// Digits behind the decimal sign by ISO 4217.
pub fn currency_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// Fills a pattern of CLDR such as `¤ #,##0.00;¤ -#,##0.00`.
fn by_pattern(value: Decimal, digits: u32, pattern: &str, symbol: &str, signs: &Signs) -> String {
    let (positive, negative) = match pattern.split_once(';') {
        Some((positive, negative)) => (positive, Some(negative)),
        None => (pattern, None),
    };
    let mut out = String::new();
    let shape = match (value.is_sign_negative(), negative) {
        (true, Some(negative)) => negative,
        (true, None) => {
            out.push('-');
            positive
        }
        (false, _) => positive,
    };
    let is_digit = |c: char| matches!(c, '#' | '0' | ',' | '.');
    let begin = shape.find(is_digit).unwrap_or(shape.len());
    let end = shape.rfind(is_digit).map_or(begin, |at| at + 1);
    push_affix(&mut out, &shape[..begin], symbol);
    // CLDR's currency spacing: letters do not touch digits.
    if shape[..begin].ends_with('¤') && symbol.ends_with(char::is_alphabetic) {
        out.push(NO_BREAK_SPACE);
    }
    push_digits(&mut out, value, digits, digits, signs);
    if shape[end..].starts_with('¤') && symbol.starts_with(char::is_alphabetic) {
        out.push(NO_BREAK_SPACE);
    }
    push_affix(&mut out, &shape[end..], symbol);
    out
}

fn push_affix(out: &mut String, affix: &str, symbol: &str) {
    for c in affix.chars() {
        if c == '¤' { out.push_str(symbol) } else { out.push(c) }
    }
}

/// The digits without a sign: at least `least` and at most `most` behind the decimal sign.
fn push_digits(out: &mut String, value: Decimal, least: u32, most: u32, signs: &Signs) {
    let rounded = value.abs().round_dp_with_strategy(most.min(28), RoundingStrategy::MidpointAwayFromZero);
    let text = rounded.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let grouped = whole.len() >= 3 + signs.min_grouping && !signs.group.is_empty();
    for (at, digit) in whole.char_indices() {
        if grouped && at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push_str(signs.group);
        }
        out.push(digit);
    }
    let part = part.trim_end_matches('0');
    if part.is_empty() && least == 0 {
        return;
    }
    out.push_str(signs.decimal);
    out.push_str(part);
    for _ in part.len()..least as usize {
        out.push('0');
    }
}

/// A number by Word's numeric picture: `0` a digit, `#` a digit or nothing, sections for positive, negative and zero. The signs of
/// the picture say where, the locale says which.
pub fn by_picture(value: Decimal, picture: &str, locale: Locale) -> String {
    let sections: Vec<&str> = picture.split(';').collect();
    let is_zero = value.is_zero();
    let (section, signed) = match (sections.as_slice(), value.is_sign_negative() && !is_zero) {
        ([_, _, zero, ..], _) if is_zero => (*zero, false),
        ([_, negative, ..], true) => (*negative, false),
        ([first, ..], negative) => (*first, negative),
        ([], negative) => ("", negative),
    };
    let is_place = |c: char| matches!(c, '0' | '#' | 'x');
    let Some(begin) = section.find(is_place) else {
        return section.replace('\'', "");
    };
    let end = section.rfind(is_place).map_or(begin, |at| at + 1);
    let places = &section[begin..end];
    let (whole, part) = split_places(places);
    let least_whole = whole.chars().filter(|c| *c == '0').count();
    let least = part.chars().filter(|c| *c == '0').count() as u32;
    let most = part.chars().filter(|c| is_place(*c)).count() as u32;
    let has_groups = whole.contains([',', '.', '\'', ' ', NO_BREAK_SPACE, '\u{202f}']);
    let facts = locale.facts;
    let group = if has_groups { facts.group } else { "" };
    let signs = Signs { decimal: facts.decimal, group, min_grouping: 1 };
    let mut digits = String::new();
    push_digits(&mut digits, value, least, most, &signs);
    let mut out = String::new();
    let literal = |text: &str| text.replace('\'', "");
    if signed && !section.contains(['-', '+']) {
        out.push('-');
    }
    let sign = if value.is_sign_negative() && !is_zero { "-" } else { " " };
    out.push_str(&literal(&section[..begin]).replace('-', if signed { "-" } else { sign.trim() }));
    let shown = digits
        .split(facts.decimal)
        .next()
        .map_or(0, |whole| whole.chars().filter(char::is_ascii_digit).count());
    for _ in shown..least_whole {
        out.push('0');
    }
    // `#.00` shows no zero before the decimal sign.
    match digits.strip_prefix('0') {
        Some(rest) if least_whole == 0 && !rest.is_empty() => out.push_str(rest),
        _ => out.push_str(&digits),
    }
    out.push_str(&literal(&section[end..]));
    out
}

/// Cuts places at their decimal sign. With both signs it is the last one; a lone one is a group's when three places follow it.
fn split_places(places: &str) -> (&str, &str) {
    let Some(last) = places.rfind(['.', ',']) else { return (places, "") };
    let sign = &places[last..=last];
    let others = places[..last].contains(['.', ',']);
    let same_before = places[..last].contains(sign);
    let is_group = same_before || (!others && places.len() - last - 1 == 3 && places.starts_with('#'));
    if is_group { (places, "") } else { (&places[..last], &places[last + 1..]) }
}
