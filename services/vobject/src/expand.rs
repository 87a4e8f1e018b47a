//! Occurrences of a calendar object in a range: rules, dates, exceptions and overrides joined (RFC 5545 3.8.5, RFC 4791 9.9).
//! Called by calendar queries, free/busy, reminders, and by the index that stores the first and last instant.

mod alarm;
mod bounds;
mod overlap;
mod read;
mod times;
mod write;

pub use alarm::Alarm;
pub use bounds::Bounds;
pub use write::{Allowance, Span, expanded, limited, limited_free_busy};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::error::Result;
use crate::recur::{Budget, Iter, day};
use crate::zone::{Zone, timestamp};
use overlap::{Undated, overlaps};
use read::BoundRule;
use times::{Item, Length};

/// One occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// When it begins. A day begins at midnight of the calendar's or user's zone.
    pub start: Timestamp,
    /// When it has ended; equal to the start when it takes no time. Never before the start.
    pub end: Timestamp,
    /// For DATE values the first day and the day after the last.
    pub days: Option<(Date, Date)>,
    /// Where the set of a recurring object has it, whatever an override made of its start; this is what a
    /// RECURRENCE-ID names. None when the object does not recur.
    pub recurrence_id: Option<Timestamp>,
    /// The component that describes it, for `Document::component`: the master or an override.
    pub component: usize,
}

impl Occurrence {
    /// Whether it is made of whole days.
    pub fn is_all_day(&self) -> bool {
        self.days.is_some()
    }
}

/// The times of one calendar object, read once and asked for any range.
#[derive(Debug, Clone)]
pub struct Series {
    master: Option<Item>,
    rules: Vec<BoundRule>,
    /// RDATE, in order.
    dates: Vec<Start>,
    /// EXDATE as instants, in order, and as days on the master's wall, in order.
    except: Vec<i64>,
    except_days: Vec<i64>,
    /// One for each RECURRENCE-ID, in the order of these.
    overrides: Vec<Override>,
    /// Their instants, and their days for those without a time; both in order.
    override_ids: Vec<i64>,
    override_days: Vec<i64>,
    /// Those that hold for the future too: instant, place in `overrides`, seconds on the wall by which they move.
    futures: Vec<(i64, usize, i64)>,
    /// See `Series::find_reach`.
    reach: (i64, i64),
    undated: Option<Undated>,
    unknown_zone: bool,
}

/// Where the set has an instance, before overrides.
#[derive(Debug, Clone, Copy)]
struct Start {
    utc: i64,
    /// On the master's wall.
    wall: i64,
    /// From an RDATE that is a period.
    length: Option<Length>,
}

/// A component with RECURRENCE-ID.
#[derive(Debug, Clone)]
struct Override {
    item: Item,
    /// The instant it stands for.
    id: i64,
    /// The day it stands for, when RECURRENCE-ID has no time but the master has.
    id_day: Option<i64>,
    /// RANGE=THISANDFUTURE: seconds on the wall by which this and all later ones are moved.
    shift: Option<i64>,
}

impl Series {
    /// The occurrences that overlap `[from, to)`, by start. Times are compared in whole seconds.
    ///
    /// What overlaps is what RFC 4791 9.9 says for the kind of component. Fails when the budget is spent.
    pub fn occurrences(
        &self,
        from: Timestamp,
        to: Timestamp,
        budget: &mut Budget,
    ) -> Result<Vec<Occurrence>> {
        let mut found = Vec::new();
        self.visit(from.as_second(), to.as_second(), budget, &mut |occurrence| {
            found.push(occurrence);
            true
        })?;
        found.sort_by_key(|occurrence| (occurrence.start, occurrence.end));
        Ok(found)
    }

    /// Whether anything of the object overlaps `[from, to)`. Unlike `occurrences` this knows of tasks without
    /// dates, which RFC 4791 9.9 has overlap every range unless CREATED or COMPLETED say otherwise.
    pub fn overlaps(&self, from: Timestamp, to: Timestamp, budget: &mut Budget) -> Result<bool> {
        let (from, to) = (from.as_second(), to.as_second());
        if self.undated.as_ref().is_some_and(|undated| undated.overlaps(from, to)) {
            return Ok(true);
        }
        let mut any = false;
        self.visit(from, to, budget, &mut |_| {
            any = true;
            false
        })?;
        Ok(any)
    }

    /// Whether the object has more instances than its start.
    pub fn is_recurring(&self) -> bool {
        !self.rules.is_empty() || !self.dates.is_empty() || !self.overrides.is_empty()
    }

    /// Whether a TZID came up that nothing knows, so that its times were taken as floating.
    pub fn has_unknown_zone(&self) -> bool {
        self.unknown_zone
    }

    /// Calls with each overlapping occurrence until it answers false. They come unordered.
    fn visit(
        &self,
        from: i64,
        to: i64,
        budget: &mut Budget,
        call: &mut dyn FnMut(Occurrence) -> bool,
    ) -> Result<()> {
        for change in &self.overrides {
            budget.spend(1)?;
            let start = change.item.start();
            let wanted = !self.is_excepted(change.id, self.wall_of(change.id), change.id_day);
            if wanted && !self.emit(&change.item, start, change.item.length, change.id, (from, to), call) {
                return Ok(());
            }
        }
        let Some(master) = &self.master else { return Ok(()) };
        let (before, after) = self.reach;
        let mut starts = Vec::new();
        self.starts(from.saturating_sub(before), to.saturating_add(after), budget, &mut starts)?;
        for start in starts {
            if self.is_excepted(start.utc, start.wall, None) || self.is_overridden(&start) {
                continue;
            }
            let (item, moved) = self.in_force(master, &start);
            let length = start.length.unwrap_or(item.length);
            if !self.emit(item, moved, length, start.utc, (from, to), call) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands an instance on if it overlaps the range. False when the caller has had enough.
    fn emit(
        &self,
        item: &Item,
        (wall, utc): (i64, i64),
        length: Length,
        id: i64,
        (from, to): (i64, i64),
        call: &mut dyn FnMut(Occurrence) -> bool,
    ) -> bool {
        let end = length.end(wall, utc, &item.zone);
        if !overlaps(item.shape, utc, end, from, to) {
            return true;
        }
        let day_of = |wall: i64| day::date_time(wall).date();
        call(Occurrence {
            start: timestamp(utc),
            end: timestamp(end),
            days: item.all_day.then(|| (day_of(wall), day_of(length.end_on_wall(wall)))),
            recurrence_id: self.is_recurring().then(|| timestamp(id)),
            component: item.component,
        })
    }

    /// The instances of the set, before exceptions and overrides, that begin in `[from, to)`; in order, each once.
    fn starts(&self, from: i64, to: i64, budget: &mut Budget, starts: &mut Vec<Start>) -> Result<()> {
        let Some(master) = &self.master else { return Ok(()) };
        let (wall, utc) = master.start();
        if (from..to).contains(&utc) {
            // DTSTART is the first instance of the set, whether or not the rule generates it (RFC 5545 3.8.5.3).
            starts.push(Start { utc, wall, length: None });
        }
        for rule in &self.rules {
            rule_starts(rule, &master.zone, from, to, budget, starts)?;
        }
        let first = self.dates.partition_point(|date| date.utc < from);
        for date in self.dates[first..].iter().take_while(|date| date.utc < to) {
            budget.spend(1)?;
            starts.push(*date);
        }
        // Of two for the same instant the one with a length of its own, a period, stays.
        starts.sort_by_key(|start| (start.utc, start.length.is_none()));
        starts.dedup_by_key(|start| start.utc);
        Ok(())
    }

    /// Seconds by which instances outside of a range may still reach into it: by lasting long or by being moved.
    fn find_reach(&self) -> (i64, i64) {
        let future = self.futures.iter().map(|(_, place, _)| &self.overrides[*place].item);
        let lengths = self.master.iter().chain(future).map(|item| item.length);
        let lengths = lengths.chain(self.dates.iter().filter_map(|date| date.length));
        let longest = lengths.map(Length::at_most).max().unwrap_or(0);
        // A day for the zones' offsets, which a move on the wall may cross.
        let moved = |way: i64| {
            let shifts = self.futures.iter().map(|(_, _, shift)| shift * way + day::DAY);
            shifts.max().unwrap_or(0).max(0)
        };
        // One second, for RFC 4791 has tasks that touch the range's ends overlap it.
        (longest + moved(1) + 1, moved(-1) + 1)
    }

    fn is_excepted(&self, utc: i64, wall: i64, id_day: Option<i64>) -> bool {
        let number = id_day.unwrap_or(wall.div_euclid(day::DAY));
        self.except.binary_search(&utc).is_ok() || self.except_days.binary_search(&number).is_ok()
    }

    fn is_overridden(&self, start: &Start) -> bool {
        self.override_ids.binary_search(&start.utc).is_ok()
            || self.override_days.binary_search(&start.wall.div_euclid(day::DAY)).is_ok()
    }

    /// The component that describes an instance, and where it puts it: the master, or the last override before it
    /// that holds for the future. "All subsequent instances are also rescheduled by the same time difference"
    /// (RFC 5545 3.8.4.4).
    fn in_force<'s>(&'s self, master: &'s Item, start: &Start) -> (&'s Item, (i64, i64)) {
        let before = self.futures.partition_point(|(id, _, _)| *id < start.utc);
        let Some((_, place, shift)) = self.futures[..before].last() else {
            return (master, (start.wall, start.utc));
        };
        let item = &self.overrides[*place].item;
        let wall = item.zone.to_wall(start.utc) + shift;
        (item, (wall, item.zone.to_utc(wall)))
    }

    fn wall_of(&self, utc: i64) -> i64 {
        self.master.as_ref().map_or(utc, |master| master.zone.to_wall(utc))
    }
}

/// Adds the instances of one rule that begin in `[from, to)`.
fn rule_starts(
    rule: &BoundRule,
    zone: &Zone,
    from: i64,
    to: i64,
    budget: &mut Budget,
    starts: &mut Vec<Start>,
) -> Result<()> {
    let to = rule.until_utc.map_or(to, |until| to.min(until.saturating_add(1)));
    if from >= to {
        return Ok(());
    }
    let (low, high) = (wall_bound(zone, from, false), wall_bound(zone, to, true));
    let mut instances = Iter::new(&rule.plan, Some(rule.until_wall.min(high)), budget);
    instances.seek(low, budget)?;
    while let Some(wall) = instances.next(budget)? {
        let utc = zone.to_utc(wall);
        if (from..to).contains(&utc) {
            starts.push(Start { utc, wall, length: None });
        }
    }
    Ok(())
}

/// A time on the wall that is surely not after (or not before) all walls of the instants from `utc` on (or up to it).
fn wall_bound(zone: &Zone, utc: i64, latest: bool) -> i64 {
    if let Zone::Fixed(offset) = zone {
        return utc.saturating_add(i64::from(*offset));
    }
    let around = [utc.saturating_sub(day::DAY), utc, utc.saturating_add(day::DAY)];
    let offsets = around.map(|at| i64::from(zone.offset_at(at)));
    let offset = if latest { offsets.into_iter().max() } else { offsets.into_iter().min() };
    utc.saturating_add(offset.unwrap_or(0))
}

#[cfg(test)]
mod tests;
