//! The span of time outside of which an object has nothing, for the columns that a query looks at first.
//! Called when an object is stored.

use jiff::Timestamp;

use super::Series;
use crate::recur::day::DAY;
use crate::recur::{Budget, Iter};
use crate::zone::timestamp;

/// The first and last moment of a whole set. Both may be wider than the truth, never narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Nothing begins before it.
    pub first: Timestamp,
    /// Nothing ends after it, and nothing overlaps a range that begins after it; what takes no time may stand exactly
    /// here. None when the set is endless or its end costs too much to find.
    pub last: Option<Timestamp>,
}

impl Series {
    /// The bounds of the set. Takes a step per instance for a rule with COUNT, and next to nothing for others. Only
    /// tasks and journals without dates have no bound at either side.
    pub fn bounds(&self, budget: &mut Budget) -> Bounds {
        if self.undated.is_some() {
            return Bounds { first: Timestamp::MIN, last: None };
        }
        let (longest, earlier) = self.reach;
        let master = self.master.iter().map(|master| master.utc);
        let dates = self.dates.iter().map(|date| date.utc);
        let set = || master.clone().chain(dates.clone());
        let moved = self.overrides.iter().map(|change| change.item.utc);
        let first = set().map(|utc| utc.saturating_sub(earlier)).chain(moved).min().unwrap_or(0);
        let overridden = self
            .overrides
            .iter()
            .map(|change| change.item.length.end(change.item.wall, change.item.utc, &change.item.zone));
        let mut last = set().map(|utc| utc.saturating_add(longest)).chain(overridden).max().unwrap_or(0);
        for index in 0..self.rules.len() {
            match self.last_start(index, budget) {
                Some(start) => last = last.max(start.saturating_add(longest)),
                None => return Bounds { first: timestamp(first), last: None },
            }
        }
        Bounds { first: timestamp(first), last: Some(timestamp(last)) }
    }

    /// An instant after which a rule begins nothing; none when it is endless or that is too much work.
    fn last_start(&self, index: usize, budget: &mut Budget) -> Option<i64> {
        let (rule, zone) = (&self.rules[index], &self.master.as_ref()?.zone);
        if let Some(until) = rule.until_utc {
            return Some(until);
        }
        if rule.until_wall < i64::MAX {
            return Some(zone.to_utc(rule.until_wall));
        }
        if !rule.plan.is_counted() {
            return None;
        }
        let mut instances = Iter::new(&rule.plan, None, budget);
        let mut last = None;
        while let Some(wall) = instances.next(budget).ok()? {
            last = Some(wall);
        }
        // One that stands in a gap shortly before may be later as an instant, but not than by the least offset.
        last.map_or(Some(i64::MIN), |wall| {
            let utc = zone.to_utc(wall);
            let offsets = [utc - DAY, utc, utc + DAY].map(|at| i64::from(zone.offset_at(at)));
            offsets.into_iter().map(|offset| wall - offset).chain([utc]).max()
        })
    }
}
