//! Writes a VTIMEZONE for an IANA zone (RFC 5545 3.6.5).
//! Called by whoever writes an object with local times, so that clients without the zone can read it.

use jiff::Timestamp;

use super::{Zone, timestamp};
use crate::recur::day;
use crate::value::format_utc_offset;

/// One change of the zone's offset.
#[derive(Clone, Copy, PartialEq)]
struct Change {
    /// Seconds on the wall before the change.
    wall: i64,
    from: i32,
    to: i32,
}

/// Years before the asked one that are written out, so that objects moved backward stay right.
const YEARS_BEFORE: i64 = 5;
/// Years after it in which a rule must hold to be written as a rule; irregular zones are written out so far.
const YEARS_AFTER: i64 = 12;

/// The VTIMEZONE text, lines ended by CR LF, of an IANA name in the exact spelling `tzid`. It is right from five years
/// before `year` on; for ever where the zone follows a rule, else for twelve years. None when the name is unknown.
pub fn vtimezone_for(tzid: &str, year: i16) -> Option<String> {
    let zone = Zone::iana(tzid)?;
    let year = i64::from(year).clamp(1900, 9900);
    let from = day::number(year - YEARS_BEFORE, 1, 1) * day::DAY;
    let to = day::number(year + YEARS_AFTER + 1, 1, 1) * day::DAY;
    let changes = changes(&zone, from, to);
    let mut text = format!("BEGIN:VTIMEZONE\r\nTZID:{tzid}\r\n");
    // What holds before the first change; a zone without changes has only this.
    let first = zone.offset_at(from);
    let epoch = if changes.is_empty() { 0 } else { from };
    part(&mut text, first_part(changes.first()), Change { wall: epoch, from: first, to: first }, None);
    let regular_from = regular_from(&changes, year);
    for change in &changes {
        let change_year = day::civil(change.wall.div_euclid(day::DAY)).0;
        let name = if change.to > change.from { "DAYLIGHT" } else { "STANDARD" };
        match &regular_from {
            Some((start, patterns)) if change_year >= *start => {
                if change_year == *start {
                    let pattern = patterns.iter().find(|pattern| pattern.matches(change));
                    part(&mut text, name, *change, pattern);
                }
            }
            _ => part(&mut text, name, *change, None),
        }
    }
    text.push_str("END:VTIMEZONE\r\n");
    Some(text)
}

/// Summer time is what the next change ends by setting the clock back.
fn first_part(next: Option<&Change>) -> &'static str {
    if next.is_some_and(|change| change.to < change.from) { "DAYLIGHT" } else { "STANDARD" }
}

fn changes(zone: &Zone, from: i64, to: i64) -> Vec<Change> {
    let Zone::Iana(iana) = zone else { return Vec::new() };
    let mut offset = zone.offset_at(from);
    let mut changes = Vec::new();
    for transition in iana.following(timestamp(from)) {
        let at: Timestamp = transition.timestamp();
        if at.as_second() >= to {
            break;
        }
        let next = transition.offset().seconds();
        if next != offset {
            changes.push(Change { wall: at.as_second() + i64::from(offset), from: offset, to: next });
        }
        offset = next;
    }
    changes
}

/// A change that comes every year: on the nth weekday of a month, at a time on the wall.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pattern {
    month: i64,
    /// 1 to 4, or -1 for the last.
    nth: i64,
    weekday: u8,
    time: i64,
    from: i32,
    to: i32,
}

impl Pattern {
    fn of(change: &Change, nth: impl Fn(i64, i64) -> Option<i64>) -> Option<Pattern> {
        let number = change.wall.div_euclid(day::DAY);
        let (year, month, month_day) = day::civil(number);
        Some(Pattern {
            month,
            nth: nth(month_day, day::month_length(year, month))?,
            weekday: day::weekday(number),
            time: change.wall.rem_euclid(day::DAY),
            from: change.from,
            to: change.to,
        })
    }

    fn matches(&self, change: &Change) -> bool {
        Pattern::both(change).contains(&Some(*self))
    }

    /// The change read as "the nth" and as "the last" of its month.
    fn both(change: &Change) -> [Option<Pattern>; 2] {
        [
            Pattern::of(change, |day, length| (day + 7 > length).then_some(-1)),
            Pattern::of(change, |day, _| (day <= 28).then_some((day - 1) / 7 + 1)),
        ]
    }
}

/// The first year from which on two yearly changes hold to the end of what was looked at, and these two. None for
/// a zone that does not end in such a rule.
fn regular_from(changes: &[Change], year: i64) -> Option<(i64, [Pattern; 2])> {
    let year_of = |change: &Change| day::civil(change.wall.div_euclid(day::DAY)).0;
    let of_year = |asked: i64| changes.iter().filter(move |change| year_of(change) == asked);
    let last = year + YEARS_AFTER;
    let in_last: Vec<&Change> = of_year(last).collect();
    let [one, two] = in_last[..] else { return None };
    let holds =
        |asked: i64, pattern: &Pattern| of_year(asked).filter(|change| pattern.matches(change)).count() == 1;
    // Of "the fourth" and "the last", which fall together in some years, take the one that holds the longest.
    let pick = |change: &Change| {
        let years = |pattern: &Pattern| {
            (year - YEARS_BEFORE..=last).rev().take_while(|asked| holds(*asked, pattern)).count()
        };
        Pattern::both(change).into_iter().flatten().max_by_key(|pattern| (years(pattern), pattern.nth < 0))
    };
    let patterns = [pick(one)?, pick(two)?];
    let start = (year - YEARS_BEFORE..=last)
        .rev()
        .take_while(|asked| {
            of_year(*asked).count() == 2 && patterns.iter().all(|pattern| holds(*asked, pattern))
        })
        .last()?;
    // A rule that has not been seen for some years is a guess.
    (last - start >= 4).then_some((start, patterns))
}

fn part(text: &mut String, name: &str, change: Change, pattern: Option<&Pattern>) {
    let start = day::date_time(change.wall).strftime("%Y%m%dT%H%M%S");
    let (from, to) = (format_utc_offset(change.from), format_utc_offset(change.to));
    text.push_str(&format!("BEGIN:{name}\r\nDTSTART:{start}\r\n"));
    if let Some(Pattern { month, nth, weekday, .. }) = pattern {
        let weekday = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"][usize::from(*weekday)];
        text.push_str(&format!("RRULE:FREQ=YEARLY;BYMONTH={month};BYDAY={nth}{weekday}\r\n"));
    }
    text.push_str(&format!("TZOFFSETFROM:{from}\r\nTZOFFSETTO:{to}\r\nEND:{name}\r\n"));
}
