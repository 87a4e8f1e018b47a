//! A zone that is known only from the rules of a VTIMEZONE (RFC 5545 3.6.5).
//! Made by `Zones` for a TZID that no database has.

use crate::error::Result;
use crate::recur::{Budget, End, Iter, Plan, Rule, Until, day};

/// A STANDARD or DAYLIGHT part: from when on which offset holds.
#[derive(Debug, Clone)]
pub struct Observance {
    /// DTSTART, seconds on the wall before the change.
    pub start: i64,
    /// TZOFFSETFROM, seconds east of UTC before the change.
    pub offset_from: i32,
    /// TZOFFSETTO, seconds east of UTC after the change.
    pub offset_to: i32,
    /// RRULE, none or more.
    pub rules: Vec<Rule>,
    /// RDATE, seconds on the wall before the change.
    pub dates: Vec<i64>,
}

/// All changes of such a zone up to the year 2150. After that the last offset holds.
#[derive(Debug)]
pub struct OwnZone {
    /// In order of their instants.
    changes: Vec<Change>,
    /// The offset before the first change.
    first_offset: i32,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    utc: i64,
    from: i32,
    to: i32,
}

/// Changes of one zone; 180 years with 10 changes each. What comes beyond it is left out.
const MAX_CHANGES: usize = 1_800;
const LAST_YEAR: i16 = 2150;

impl OwnZone {
    /// Works out the changes of a zone. Fails when the rules cost more than the budget. None of it is endless,
    /// for no change is looked for after the year 2150.
    pub fn new(observances: &[Observance], budget: &mut Budget) -> Result<OwnZone> {
        let mut changes: Vec<Change> = Vec::new();
        for observance in observances {
            let mut add = |wall: i64| {
                if changes.len() < MAX_CHANGES {
                    let utc = wall - i64::from(observance.offset_from);
                    changes.push(Change { utc, from: observance.offset_from, to: observance.offset_to });
                }
                changes.len() < MAX_CHANGES
            };
            add(observance.start);
            observance.dates.iter().take(MAX_CHANGES).for_each(|date| {
                add(*date);
            });
            for rule in &observance.rules {
                let plan = Plan::new(rule, day::date_time(observance.start), false)?;
                let mut own_budget = Budget::new(budget.left()).until_year(LAST_YEAR);
                let mut onsets = Iter::new(&plan, until(rule, observance.offset_from), &own_budget);
                while let Some(onset) = onsets.next(&mut own_budget)? {
                    if !add(onset) {
                        break;
                    }
                }
                budget.spend(budget.left() - own_budget.left())?;
            }
        }
        changes.sort_by_key(|change| change.utc);
        changes.dedup_by_key(|change| change.utc);
        let first_offset = changes.first().map_or(0, |change| change.from);
        Ok(OwnZone { changes, first_offset })
    }

    /// Seconds east of UTC at an instant.
    pub fn offset_at(&self, utc: i64) -> i32 {
        let after = self.changes.partition_point(|change| change.utc <= utc);
        self.offset_before(after)
    }

    /// Seconds east of UTC that a time on the wall has, by RFC 5545 3.3.5.
    pub fn offset_on_wall(&self, wall: i64) -> i32 {
        // In a gap the wall jumps over [utc+from, utc+to), in an overlap it shows [utc+to, utc+from) twice; in both
        // the offset before the change is the right one up to the later of the two.
        let after = self.changes.partition_point(|change| {
            let later = change.from.max(change.to);
            change.utc + i64::from(later) <= wall
        });
        self.offset_before(after)
    }

    fn offset_before(&self, after: usize) -> i32 {
        after.checked_sub(1).map_or(self.first_offset, |last| self.changes[last].to)
    }
}

/// UNTIL inside a VTIMEZONE is UTC (RFC 5545 3.3.10); on the wall before the change here.
fn until(rule: &Rule, offset_from: i32) -> Option<i64> {
    match rule.end {
        End::Until(until @ Until::Utc(_)) => Some(until.wall_seconds() + i64::from(offset_from)),
        End::Until(until) => Some(until.wall_seconds()),
        _ => None,
    }
}
