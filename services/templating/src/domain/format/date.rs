//! Dates and times by locale and by pattern; the letters of CLDR and of Word's `\@` are both understood.
//! Called by the filters `date`, `time`, `datetime`, by plain output of dates and by Word's switches.

use jiff::civil::DateTime;

use super::locale::{Language, Locale};

/// Where a day stands in a week of ours, from Monday.
fn weekday(at: DateTime) -> usize {
    usize::from(at.weekday().to_monday_zero_offset().unsigned_abs())
}

/// The named lengths of a date.
pub const STYLES: [&str; 4] = ["full", "long", "medium", "short"];

/// A date by a named length or a pattern.
pub fn date(at: DateTime, style: &str, locale: Locale) -> String {
    let named = STYLES.iter().position(|known| *known == style);
    by_pattern(at, named.map_or(style, |at| locale.facts.dates[at]), locale)
}

/// A time by a named length (`medium` has seconds, `short` has none) or a pattern.
pub fn time(at: DateTime, style: &str, locale: Locale) -> String {
    let pattern = match style {
        "medium" => locale.facts.times[0],
        "short" => locale.facts.times[1],
        pattern => pattern,
    };
    by_pattern(at, pattern, locale)
}

/// A date and a time, joined as the locale does.
pub fn date_time(at: DateTime, style: &str, locale: Locale) -> String {
    if !STYLES.contains(&style) {
        return by_pattern(at, style, locale);
    }
    let clock = time(at, "short", locale);
    locale.facts.joint.replace("{1}", &date(at, style, locale)).replace("{0}", &clock)
}

/// Fills a pattern: `d`, `dd` day; `ddd`, `E` short and `dddd`, `EEEE` long weekday; `M` to `MMMM` month; `y`, `yy`, `yyyy` year; `h`, `H`, `m`,
/// `s`, `a`, `AM/PM`; text in single quotes.
pub fn by_pattern(at: DateTime, pattern: &str, locale: Locale) -> String {
    let facts = locale.facts;
    let mut out = String::new();
    let mut rest = pattern;
    let has_day = has_day(pattern);
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            rest = push_quoted(&mut out, rest);
            continue;
        }
        if rest.get(..5).is_some_and(|mark| mark.eq_ignore_ascii_case("am/pm")) {
            out.push_str(facts.periods[usize::from(at.hour() >= 12)]);
            rest = &rest[5..];
            continue;
        }
        let width = rest.chars().take_while(|c| *c == first).count();
        let letter = match first {
            // German Word writes Tag and Jahr.
            'T' if locale.language() == Language::German => 'd',
            'J' if locale.language() == Language::German => 'y',
            'D' => 'd',
            'Y' => 'y',
            other => other,
        };
        match (letter, width) {
            ('d', 1) => push(&mut out, at.day(), 1),
            ('d', 2) => push(&mut out, at.day(), 2),
            ('d', 3) | ('E', 1..=3) => out.push_str(facts.days_short[weekday(at)]),
            ('d' | 'E', _) => out.push_str(facts.days[weekday(at)]),
            ('M' | 'L', 1) => push(&mut out, at.month(), 1),
            ('M' | 'L', 2) => push(&mut out, at.month(), 2),
            ('M' | 'L', 3) => out.push_str(facts.months_short[month(at)]),
            ('M', _) if has_day => out.push_str(facts.months[month(at)]),
            ('M' | 'L', _) => out.push_str(facts.months_alone[month(at)]),
            ('y', 2) => push(&mut out, at.year().rem_euclid(100), 2),
            ('y', 4) => push(&mut out, at.year(), 4),
            ('y', _) => push(&mut out, at.year(), 1),
            ('h', width) => push(&mut out, (at.hour() + 11) % 12 + 1, width),
            ('H', width) => push(&mut out, at.hour(), width),
            ('m', width) => push(&mut out, at.minute(), width),
            ('s', width) => push(&mut out, at.second(), width),
            ('a', _) => out.push_str(facts.periods[usize::from(at.hour() >= 12)]),
            (_, width) => out.extend(std::iter::repeat_n(first, width)),
        }
        rest = &rest[width * first.len_utf8()..];
    }
    out
}

fn month(at: DateTime) -> usize {
    usize::from(at.month().unsigned_abs()) - 1
}

/// Whether a pattern shows the day of the month: languages such as Polish then bend the month's name.
fn has_day(pattern: &str) -> bool {
    let mut quoted = false;
    pattern.chars().any(|c| {
        quoted ^= c == '\'';
        !quoted && matches!(c, 'd' | 'D' | 'T')
    })
}

/// Writes a text in quotes; two quotes are one. Returns what follows.
fn push_quoted<'a>(out: &mut String, rest: &'a str) -> &'a str {
    let inner = &rest[1..];
    if let Some(after) = inner.strip_prefix('\'') {
        out.push('\'');
        return after;
    }
    let end = inner.find('\'').unwrap_or(inner.len());
    out.push_str(&inner[..end]);
    inner.get(end + 1..).unwrap_or_default()
}

fn push(out: &mut String, number: impl Into<i64>, width: usize) {
    out.push_str(&format!("{:0width$}", number.into(), width = width.min(8)));
}
