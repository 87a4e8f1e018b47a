//! Reading an RRULE's text, with every limit that RFC 5545 3.3.10 sets on its parts.
//! Called by `expand` and `zone` on stored objects, and by whoever checks a rule before storing it.

use super::rule::{End, FREQUENCIES, Frequency, NthWeekday, Rule, Skip, Until, WEEKDAYS};
use crate::error::{Error, Kind, Result};
use crate::value::DateValue;

/// Bytes of one rule. All year days and all BYDAY values together need about 6,000.
const MAX_BYTES: usize = 16 * 1024;
/// Values of one list. BYDAY has 749 different ones, more than any other part.
const MAX_VALUES: usize = 800;
/// INTERVAL and COUNT; far beyond every calendar, and no sum overflows.
const MAX_NUMBER: u64 = 1_000_000_000;

impl Rule {
    /// Reads the value of an RRULE. Names and values may be in any case, parts in any order, parts whose
    /// name begins with `X-` are passed over.
    ///
    /// COUNT=0 is refused: DTSTART always counts as the first occurrence, so no set has none. A negative COUNT
    /// is read as no COUNT, for old Outlook wrote -1 for endless. COUNT beside UNTIL is refused.
    pub fn parse(text: &str) -> Result<Rule> {
        if text.len() > MAX_BYTES {
            return Err(Error::new(Kind::TooLarge { bytes: text.len(), limit: MAX_BYTES }));
        }
        let mut reader = Reader::default();
        for part in text.trim().split(';').filter(|part| !part.trim().is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| Error::value("RRULE part", part))?;
            reader.part(name.trim(), value.trim())?;
        }
        reader.finish(text)
    }
}

/// The parts of a rule while they are read.
#[derive(Default)]
struct Reader {
    frequency: Option<Frequency>,
    rule: Option<Rule>,
    count: Option<u32>,
    until: Option<Until>,
    scale: bool,
    skip: Option<Skip>,
    seen: u32,
}

/// All parts; the place of a name is its bit in `Reader::seen`.
const PARTS: [&str; 16] = [
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYSECOND",
    "BYMINUTE",
    "BYHOUR",
    "BYDAY",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYMONTH",
    "BYSETPOS",
    "WKST",
    "RSCALE",
    "SKIP",
];

impl Reader {
    fn part(&mut self, name: &str, value: &str) -> Result<()> {
        let Some(index) = PARTS.iter().position(|part| part.eq_ignore_ascii_case(name)) else {
            let extension = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("X-"));
            return if extension { Ok(()) } else { Err(Error::value("RRULE part", name)) };
        };
        if self.seen >> index & 1 == 1 {
            return Err(Error::value("RRULE part that stands once", name));
        }
        self.seen |= 1 << index;
        let rule = self.rule.get_or_insert_with(empty);
        match PARTS[index] {
            "FREQ" => self.frequency = Some(frequency(value)?),
            "INTERVAL" => rule.interval = number("RRULE INTERVAL", value, 1)?,
            "COUNT" if value.starts_with('-') => {}
            "COUNT" => self.count = Some(number("RRULE COUNT", value, 1)?),
            "UNTIL" => self.until = Some(until(value)?),
            "BYSECOND" => rule.seconds = leap_second(mask("RRULE BYSECOND", value, 0, 60)?),
            "BYMINUTE" => rule.minutes = mask("RRULE BYMINUTE", value, 0, 59)?,
            "BYHOUR" => rule.hours = mask("RRULE BYHOUR", value, 0, 23)?,
            "BYDAY" => rule.weekdays = list("RRULE BYDAY", value, nth_weekday)?,
            "BYMONTHDAY" => rule.month_days = signed("RRULE BYMONTHDAY", value, 31)?,
            "BYYEARDAY" => rule.year_days = signed("RRULE BYYEARDAY", value, 366)?,
            "BYWEEKNO" => rule.week_numbers = signed("RRULE BYWEEKNO", value, 53)?,
            "BYMONTH" => rule.months = mask("RRULE BYMONTH", value, 1, 12)? as u16,
            "BYSETPOS" => rule.positions = signed("RRULE BYSETPOS", value, 366)?,
            "WKST" => rule.week_start = weekday("RRULE WKST", value)?,
            "RSCALE" if value.eq_ignore_ascii_case("GREGORIAN") => self.scale = true,
            "RSCALE" => return Err(Error::value("RRULE RSCALE that is supported", value)),
            _ => self.skip = Some(skip(value)?),
        }
        Ok(())
    }

    fn finish(self, text: &str) -> Result<Rule> {
        let (Some(frequency), Some(mut rule)) = (self.frequency, self.rule) else {
            return Err(Error::value("RRULE with FREQ", text));
        };
        rule.frequency = frequency;
        rule.end = match (self.count, self.until) {
            (Some(_), Some(_)) => return Err(Error::value("RRULE with only one of COUNT and UNTIL", text)),
            (Some(count), None) => End::Count(count),
            (None, Some(until)) => End::Until(until),
            (None, None) => End::Never,
        };
        rule.skip = match self.skip {
            Some(_) if !self.scale => return Err(Error::value("RRULE whose SKIP has RSCALE", text)),
            skip => skip.unwrap_or_default(),
        };
        allowed_together(&rule).map_err(|what| Error::value(what, text))?;
        Ok(rule)
    }
}

/// What RFC 5545 3.3.10 forbids with MUST NOT among the parts of a rule.
fn allowed_together(rule: &Rule) -> std::result::Result<(), &'static str> {
    use Frequency::{Daily, Monthly, Weekly, Yearly};
    let frequency = rule.frequency;
    let numbered = rule.weekdays.iter().any(|day| day.nth != 0);
    if numbered && !matches!(frequency, Monthly | Yearly) {
        return Err("RRULE whose BYDAY may have numbers");
    }
    if numbered && frequency == Yearly && !rule.week_numbers.is_empty() {
        return Err("RRULE whose BYDAY may have numbers beside BYWEEKNO");
    }
    if !rule.month_days.is_empty() && frequency == Weekly {
        return Err("RRULE whose FREQ allows BYMONTHDAY");
    }
    if !rule.year_days.is_empty() && matches!(frequency, Daily | Weekly | Monthly) {
        return Err("RRULE whose FREQ allows BYYEARDAY");
    }
    if !rule.week_numbers.is_empty() && frequency != Yearly {
        return Err("RRULE whose FREQ allows BYWEEKNO");
    }
    let other = rule.seconds | rule.minutes | rule.hours | u64::from(rule.months) != 0
        || !(rule.weekdays.is_empty() && rule.month_days.is_empty())
        || !(rule.year_days.is_empty() && rule.week_numbers.is_empty());
    if !rule.positions.is_empty() && !other {
        return Err("RRULE whose BYSETPOS has another BY part");
    }
    Ok(())
}

fn empty() -> Rule {
    Rule {
        frequency: Frequency::Yearly,
        interval: 1,
        end: End::Never,
        seconds: 0,
        minutes: 0,
        hours: 0,
        weekdays: Vec::new(),
        month_days: Vec::new(),
        year_days: Vec::new(),
        week_numbers: Vec::new(),
        months: 0,
        positions: Vec::new(),
        week_start: 0,
        skip: Skip::Omit,
    }
}

fn frequency(value: &str) -> Result<Frequency> {
    let found = FREQUENCIES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    found.map(|(_, frequency)| *frequency).ok_or_else(|| Error::value("RRULE FREQ", value))
}

fn skip(value: &str) -> Result<Skip> {
    match value.to_ascii_uppercase().as_str() {
        "OMIT" => Ok(Skip::Omit),
        "BACKWARD" => Ok(Skip::Backward),
        "FORWARD" => Ok(Skip::Forward),
        _ => Err(Error::value("RRULE SKIP", value)),
    }
}

fn until(value: &str) -> Result<Until> {
    match DateValue::parse(value, None, None) {
        Ok(DateValue::Date(date)) => Ok(Until::Date(date)),
        Ok(DateValue::Utc(at)) => Ok(Until::Utc(at)),
        Ok(DateValue::Floating(at)) => Ok(Until::Floating(at)),
        _ => Err(Error::value("RRULE UNTIL", value)),
    }
}

fn number(what: &'static str, value: &str, least: u64) -> Result<u32> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse::<u64>().ok().filter(|n| digits && (least..=MAX_NUMBER).contains(n));
    number.map(|n| n as u32).ok_or_else(|| Error::value(what, value))
}

/// Reads a list, with a cap on its length. A comma at the end is passed over, as some programs leave one.
fn list<T>(what: &'static str, value: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let mut values = Vec::new();
    for text in value.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let one = read(text).ok_or_else(|| Error::value(what, text))?;
        if values.len() == MAX_VALUES {
            return Err(Error::new(Kind::TooMany { what, limit: MAX_VALUES }));
        }
        values.push(one);
    }
    if values.is_empty() {
        return Err(Error::value(what, value));
    }
    Ok(values)
}

fn mask(what: &'static str, value: &str, least: u8, most: u8) -> Result<u64> {
    let values = list(what, value, |text| text.parse::<u8>().ok().filter(|n| (least..=most).contains(n)))?;
    Ok(values.into_iter().fold(0, |mask, n| mask | 1 << n))
}

fn leap_second(mask: u64) -> u64 {
    if mask >> 60 & 1 == 1 { mask & !(1 << 60) | 1 << 59 } else { mask }
}

/// Reads numbers from -most to most without 0, sorted and each once.
fn signed<T: TryFrom<i32> + Ord>(what: &'static str, value: &str, most: i32) -> Result<Vec<T>> {
    let mut values = list(what, value, |text| {
        let number = text.parse::<i32>().ok().filter(|n| *n != 0 && n.abs() <= most)?;
        T::try_from(number).ok()
    })?;
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

fn weekday(what: &'static str, value: &str) -> Result<u8> {
    let found = WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(value));
    found.map(|index| index as u8).ok_or_else(|| Error::value(what, value))
}

fn nth_weekday(text: &str) -> Option<NthWeekday> {
    let cut = text.len().checked_sub(2)?;
    let (number, name) = (text.get(..cut)?, text.get(cut..)?);
    let weekday = weekday("RRULE BYDAY", name).ok()?;
    let nth = match number {
        "" => 0,
        number => number.parse::<i8>().ok().filter(|n| *n != 0 && n.abs() <= 53)?,
    };
    Some(NthWeekday { nth, weekday })
}
