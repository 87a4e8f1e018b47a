//! Walks the times on the wall that a rule generates, and skips ahead without walking what lies before.
//! Called by `expand`, and by `zone` for the onsets inside a VTIMEZONE.

use jiff::civil::DateTime;

use super::budget::Budget;
use super::day::{self, DAY};
use super::plan::{Plan, position};
use super::rule::{Frequency, Skip};
use crate::error::Result;

/// The instances of one rule in order, as seconds on the wall (see `day::seconds`).
///
/// Only what the rule itself generates comes out, from DTSTART on. DTSTART belongs to the recurrence set even if
/// the rule does not generate it; whoever joins the set adds it. COUNT counts it in that case too.
#[derive(Debug)]
pub struct Iter<'p> {
    plan: &'p Plan,
    period: i64,
    bases: Vec<i64>,
    picks: Vec<u64>,
    loaded: bool,
    at: u64,
    length: u64,
    /// Instances that COUNT still allows; not touched without COUNT.
    remaining: u64,
    counting: bool,
    lower: i64,
    upper: i64,
    last: i64,
    done: bool,
}

impl<'p> Iter<'p> {
    /// Begins at DTSTART. Nothing after `until` (seconds on the wall, inclusive) or the budget's last year comes.
    pub fn new(plan: &'p Plan, until: Option<i64>, budget: &Budget) -> Iter<'p> {
        let horizon = day::number(i64::from(budget.last_year()) + 1, 1, 1) * DAY - 1;
        let mut iter = Iter {
            plan,
            period: plan.start_period,
            bases: Vec::new(),
            picks: Vec::new(),
            loaded: false,
            at: 0,
            length: 0,
            remaining: plan.count.map_or(u64::MAX, u64::from),
            counting: plan.count.is_some(),
            lower: plan.start,
            upper: until.map_or(horizon, |until| until.min(horizon)),
            last: i64::MIN,
            done: !plan.meets_its_times(),
        };
        if iter.counting && !iter.generates_start() {
            iter.remaining -= 1;
        }
        iter
    }

    /// The next time on the wall, or none when the rule has ended. Fails when the budget is spent.
    pub fn next(&mut self, budget: &mut Budget) -> Result<Option<i64>> {
        while !self.done {
            if !self.loaded && !self.load_next(budget)? {
                self.done = true;
                break;
            }
            while self.at < self.length {
                let instance = self.instance(self.at);
                self.at += 1;
                if instance <= self.last {
                    continue; // SKIP may push two days onto one
                }
                if instance > self.upper || self.remaining == 0 {
                    self.done = true;
                    return Ok(None);
                }
                budget.spend(1)?;
                self.last = instance;
                if self.counting {
                    self.remaining -= 1;
                }
                if instance >= self.lower {
                    return Ok(Some(instance));
                }
            }
            self.leave_period();
        }
        Ok(None)
    }

    /// Like `next`, as a time of `jiff`.
    pub fn next_civil(&mut self, budget: &mut Budget) -> Result<Option<DateTime>> {
        Ok(self.next(budget)?.map(day::date_time))
    }

    /// Goes forward so that the next instance is the first one at or after `from`. Without COUNT this takes the
    /// same time however far it is; with COUNT too where every period has the same number of instances, else it
    /// counts period by period. Going backward does nothing.
    pub fn seek(&mut self, from: i64, budget: &mut Budget) -> Result<()> {
        if from <= self.lower || self.done {
            return Ok(());
        }
        self.lower = from;
        let mut target = self.plan.align_down(self.plan.period_of(from));
        if self.plan.skip == Skip::Forward {
            // The last day of the period before may have been pushed into this one.
            target = (target - self.plan.interval).max(self.plan.start_period);
        }
        if target <= self.period {
            if self.loaded && !self.counting {
                self.at = self.at.max(self.first_from(from));
            }
            return Ok(());
        }
        if !self.counting {
            self.period = target;
            self.loaded = false;
            return Ok(());
        }
        self.count_until(target, budget)
    }

    fn count_until(&mut self, target: i64, budget: &mut Budget) -> Result<()> {
        let fixed = if self.plan.skip == Skip::Omit { self.plan.fixed_per_period() } else { None };
        while self.period < target && self.remaining > 0 {
            if let (Some(each), false, true) = (fixed, self.loaded, self.period > self.plan.start_period) {
                let periods = ((target - self.period) / self.plan.interval) as u64;
                self.remaining = self.remaining.saturating_sub(periods.saturating_mul(each));
                self.period = target;
                break;
            }
            if self.plan.skip != Skip::Omit {
                break; // days may fall together, so `next` has to count them one by one
            }
            if !self.loaded && !self.load_next(budget)? {
                self.done = true;
                break;
            }
            if self.period >= target {
                break; // the filters have led beyond it, and nothing of this period is counted yet
            }
            self.remaining = self.remaining.saturating_sub(self.length - self.at);
            self.leave_period();
        }
        self.done |= self.remaining == 0;
        Ok(())
    }

    fn leave_period(&mut self) {
        self.loaded = false;
        self.period += self.plan.interval;
    }

    /// Loads the period that is to come, or the next that has instances. False when there is none any more.
    fn load_next(&mut self, budget: &mut Budget) -> Result<bool> {
        loop {
            budget.spend(1)?;
            if self.plan.period_start(self.period) > self.upper {
                return Ok(false);
            }
            if self.plan.frequency >= Frequency::Daily && self.plan.filters_periods() {
                let next = self.next_matching(self.period);
                if next != self.period {
                    self.period = next;
                    continue;
                }
            }
            self.load();
            // With COUNT the instances between DTSTART and `lower` are to be counted, so they are walked.
            let from = if self.counting { self.plan.start } else { self.lower };
            self.at = if self.plan.period_start(self.period) < from { self.first_from(from) } else { 0 };
            if self.at < self.length {
                self.loaded = true;
                return Ok(true);
            }
            self.period += self.plan.interval;
        }
    }

    fn load(&mut self) {
        self.plan.load(self.period, &mut self.bases);
        let times = self.plan.hours.len() * self.plan.minutes.len() * self.plan.seconds.len();
        self.length = (self.bases.len() * times) as u64;
        if !self.plan.positions.is_empty() {
            let length = self.length;
            self.picks.clear();
            self.picks.extend(self.plan.positions.iter().filter_map(|at| position(*at, length)));
            self.picks.sort_unstable();
            self.picks.dedup();
            self.length = self.picks.len() as u64;
        }
    }

    /// The first instance of the loaded period that is not before `from`.
    fn first_from(&self, from: i64) -> u64 {
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = (low + high) / 2;
            if self.instance(middle) < from {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The nth instance of the loaded period.
    fn instance(&self, index: u64) -> i64 {
        let index = if self.plan.positions.is_empty() { index } else { self.picks[index as usize] } as usize;
        let (hours, minutes, seconds) = (&self.plan.hours, &self.plan.minutes, &self.plan.seconds);
        let day = index / (hours.len() * minutes.len() * seconds.len());
        let hour = index / (minutes.len() * seconds.len()) % hours.len();
        let minute = index / seconds.len() % minutes.len();
        self.bases[day] + hours[hour] + minutes[minute] + seconds[index % seconds.len()]
    }

    /// The period itself if a rule of days or less may have instances in it, else a later one before which
    /// there are none.
    fn next_matching(&self, period: i64) -> i64 {
        let plan = self.plan;
        let start = plan.period_start(period);
        let number = start.div_euclid(DAY);
        let to = |seconds: i64| plan.align_up(plan.period_of(seconds)).max(period + plan.interval);
        if plan.months != 0 {
            let (year, month, _) = day::civil(number);
            if plan.months >> month & 1 == 0 {
                let (year, month) = next_month(plan.months, year, month);
                return to(day::number(year, month, 1) * DAY);
            }
        }
        if !plan.day_matches(number) {
            return to((number + 1) * DAY);
        }
        let time = start - number * DAY;
        let listed = |mask: u64, n: i64| mask == 0 || mask >> n & 1 == 1;
        if plan.frequency >= Frequency::Hourly && !listed(plan.hour_filter, time / 3600) {
            let next = next_bit(plan.hour_filter, time / 3600).unwrap_or(24);
            return to(number * DAY + next * 3600);
        }
        if plan.frequency >= Frequency::Minutely && !listed(plan.minute_filter, time / 60 % 60) {
            let next = next_bit(plan.minute_filter, time / 60 % 60).unwrap_or(60);
            return to(number * DAY + time / 3600 * 3600 + next * 60);
        }
        if plan.frequency == Frequency::Secondly && !listed(plan.second_filter, time % 60) {
            let next = next_bit(plan.second_filter, time % 60).unwrap_or(60);
            return to(number * DAY + time / 60 * 60 + next);
        }
        period
    }

    /// Whether the rule generates DTSTART itself.
    fn generates_start(&mut self) -> bool {
        let plan = self.plan;
        let filters = plan.frequency >= Frequency::Daily && plan.filters_periods();
        if self.done || filters && self.next_matching(self.period) != self.period {
            return false;
        }
        self.load();
        let first = self.first_from(plan.start);
        first < self.length && self.instance(first) == plan.start
    }
}

/// The first listed month after a month that is not listed.
fn next_month(months: u16, year: i64, month: i64) -> (i64, i64) {
    match next_bit(months.into(), month) {
        Some(next) => (year, next),
        None => (year + 1, i64::from(months.trailing_zeros())),
    }
}

fn next_bit(mask: u64, after: i64) -> Option<i64> {
    let later = mask & (u64::MAX << (after + 1));
    (later != 0).then(|| i64::from(later.trailing_zeros()))
}
