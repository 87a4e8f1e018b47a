//! A rule bound to its DTSTART: what the rule leaves open is taken from the start (RFC 5545 3.3.10).
//! Made once per rule and object; walked by `Iter`.

use jiff::civil::DateTime;

use super::day;
use super::rule::{End, Frequency, NthWeekday, Rule, Skip, bits};
use crate::error::{Error, Result};

/// A rule with its start, ready to be walked.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) frequency: Frequency,
    pub(super) interval: i64,
    /// DTSTART on the wall, and the period it stands in.
    pub(super) start: i64,
    pub(super) start_period: i64,
    pub(super) count: Option<u32>,
    pub(super) months: u16,
    pub(super) month_days: Vec<i8>,
    pub(super) year_days: Vec<i16>,
    pub(super) week_numbers: Vec<i8>,
    pub(super) weekdays: Vec<NthWeekday>,
    /// The weekdays without a number, one bit each, for rules that step by weeks and days.
    pub(super) weekday_mask: u8,
    /// Filters of periods shorter than a day; 0 is no filter.
    pub(super) hour_filter: u64,
    pub(super) minute_filter: u64,
    pub(super) second_filter: u64,
    /// The times inside a period, as seconds of hours, minutes and seconds; never empty.
    pub(super) hours: Vec<i64>,
    pub(super) minutes: Vec<i64>,
    pub(super) seconds: Vec<i64>,
    pub(super) positions: Vec<i32>,
    pub(super) week_start: u8,
    pub(super) skip: Skip,
}

impl Plan {
    /// Binds a rule to its start. With `all_day` the start is a DATE, and BYHOUR, BYMINUTE and BYSECOND are
    /// ignored, as the RFC demands. Fails when a DATE is to be repeated within the day.
    pub fn new(rule: &Rule, start: DateTime, all_day: bool) -> Result<Plan> {
        let frequency = rule.frequency;
        if all_day && frequency > Frequency::Daily {
            return Err(Error::value("RRULE for a DTSTART without a time", &rule.to_string()));
        }
        let time_parts = if all_day { [0; 3] } else { [rule.hours, rule.minutes, rule.seconds] };
        let start_seconds = day::seconds(start);
        let mut plan = Plan {
            frequency,
            interval: i64::from(rule.interval.max(1)),
            start: start_seconds,
            start_period: 0,
            count: match rule.end {
                End::Count(count) => Some(count),
                _ => None,
            },
            months: rule.months,
            month_days: rule.month_days.clone(),
            year_days: rule.year_days.clone(),
            week_numbers: rule.week_numbers.clone(),
            weekdays: rule.weekdays.clone(),
            weekday_mask: 0,
            hour_filter: time_parts[0],
            minute_filter: time_parts[1],
            second_filter: time_parts[2],
            hours: times(time_parts[0], start.hour(), 3600, frequency < Frequency::Hourly),
            minutes: times(time_parts[1], start.minute(), 60, frequency < Frequency::Minutely),
            seconds: times(time_parts[2], start.second(), 1, frequency < Frequency::Secondly),
            positions: rule.positions.clone(),
            week_start: rule.week_start % 7,
            skip: rule.skip,
        };
        plan.start_period = plan.period_of(start_seconds);
        plan.take_days_from_start(start);
        plan.weekday_mask = plan.weekdays.iter().fold(0, |mask, day| mask | 1 << day.weekday);
        Ok(plan)
    }

    /// "Information, not contained in the rule, necessary to determine the various recurrence instance start
    /// time and dates are derived from the Start Time" (RFC 5545 3.3.10).
    fn take_days_from_start(&mut self, start: DateTime) {
        let own_weekday = NthWeekday { nth: 0, weekday: day::weekday(self.start.div_euclid(day::DAY)) };
        let no_days = self.weekdays.is_empty() && self.month_days.is_empty() && self.year_days.is_empty();
        match self.frequency {
            Frequency::Yearly if no_days && !self.week_numbers.is_empty() => self.weekdays.push(own_weekday),
            Frequency::Yearly if no_days => {
                self.month_days.push(start.day());
                if self.months == 0 {
                    self.months = 1 << start.month();
                }
            }
            Frequency::Monthly if no_days => self.month_days.push(start.day()),
            Frequency::Weekly if no_days => self.weekdays.push(own_weekday),
            _ => {}
        }
    }

    /// Seconds of one period, for those whose periods all have the same.
    pub(super) fn period_seconds(&self) -> i64 {
        match self.frequency {
            Frequency::Secondly => 1,
            Frequency::Minutely => 60,
            Frequency::Hourly => 3600,
            _ => day::DAY,
        }
    }

    /// Whether COUNT ends the rule.
    pub fn is_counted(&self) -> bool {
        self.count.is_some()
    }

    /// The number of the period in which a time on the wall stands.
    pub(super) fn period_of(&self, seconds: i64) -> i64 {
        let number = seconds.div_euclid(day::DAY);
        match self.frequency {
            Frequency::Yearly => day::civil(number).0,
            Frequency::Monthly => {
                let (year, month, _) = day::civil(number);
                year * 12 + month - 1
            }
            Frequency::Weekly => (number + 3 - i64::from(self.week_start)).div_euclid(7),
            _ => seconds.div_euclid(self.period_seconds()),
        }
    }

    /// The first second on the wall of a period.
    pub(super) fn period_start(&self, period: i64) -> i64 {
        match self.frequency {
            Frequency::Yearly => day::number(period, 1, 1) * day::DAY,
            Frequency::Monthly => day::number(period.div_euclid(12), period.rem_euclid(12) + 1, 1) * day::DAY,
            Frequency::Weekly => (period * 7 - 3 + i64::from(self.week_start)) * day::DAY,
            _ => period * self.period_seconds(),
        }
    }

    /// The first period of the rule (a whole number of intervals from the start) that is not before `period`.
    pub(super) fn align_up(&self, period: i64) -> i64 {
        let steps = (period - self.start_period + self.interval - 1).div_euclid(self.interval);
        self.start_period + steps.max(0) * self.interval
    }

    /// The last period of the rule that is not after `period`, but at least the first.
    pub(super) fn align_down(&self, period: i64) -> i64 {
        let steps = (period - self.start_period).div_euclid(self.interval);
        self.start_period + steps.max(0) * self.interval
    }

    /// Whether a day passes the filters of rules that step by days or less.
    pub(super) fn day_matches(&self, number: i64) -> bool {
        if self.weekday_mask != 0 && self.weekday_mask >> day::weekday(number) & 1 == 0 {
            return false;
        }
        if self.months == 0 && self.month_days.is_empty() && self.year_days.is_empty() {
            return true;
        }
        let (year, month, month_day) = day::civil(number);
        let from_end = |length: i64, at: i64| at - length - 1;
        let month_length = day::month_length(year, month);
        let year_day = number - day::number(year, 1, 1) + 1;
        let year_length = 365 + i64::from(day::is_leap(year));
        let in_months = self.months == 0 || self.months >> month & 1 == 1;
        in_months
            && (self.month_days.is_empty()
                || self.month_days.iter().any(|listed| {
                    let listed = i64::from(*listed);
                    listed == month_day || listed == from_end(month_length, month_day)
                }))
            && (self.year_days.is_empty()
                || self.year_days.iter().any(|listed| {
                    let listed = i64::from(*listed);
                    listed == year_day || listed == from_end(year_length, year_day)
                }))
    }

    /// How many instances every full period has, when that is the same for all.
    pub(super) fn fixed_per_period(&self) -> Option<u64> {
        let times = (self.hours.len() * self.minutes.len() * self.seconds.len()) as u64;
        let plain_month_days = self.weekdays.is_empty()
            && self.year_days.is_empty()
            && self.week_numbers.is_empty()
            && self.month_days.iter().all(|day| (1..=28).contains(day));
        let month_days = self.month_days.len() as u64;
        let days = match self.frequency {
            Frequency::Yearly if plain_month_days && self.months != 0 => {
                month_days * u64::from(self.months.count_ones())
            }
            Frequency::Monthly if plain_month_days && self.months == 0 => month_days,
            Frequency::Weekly if self.months == 0 => u64::from(self.weekday_mask.count_ones()),
            Frequency::Daily | Frequency::Hourly | Frequency::Minutely | Frequency::Secondly
                if !self.filters_periods() =>
            {
                1
            }
            _ => return None,
        };
        let all = days * times;
        if self.positions.is_empty() {
            return Some(all);
        }
        let mut picked: Vec<u64> = self.positions.iter().filter_map(|at| position(*at, all)).collect();
        picked.sort_unstable();
        picked.dedup();
        Some(picked.len() as u64)
    }

    /// Whether a rule that steps by days or less leaves periods out.
    pub(super) fn filters_periods(&self) -> bool {
        let days = self.months != 0
            || self.weekday_mask != 0
            || !self.month_days.is_empty()
            || !self.year_days.is_empty();
        let frequency = self.frequency;
        days || frequency >= Frequency::Hourly && self.hour_filter != 0
            || frequency >= Frequency::Minutely && self.minute_filter != 0
            || frequency == Frequency::Secondly && self.second_filter != 0
    }

    /// Whether steps shorter than a day ever meet the listed hours, minutes and seconds. Steps of 2 hours from
    /// an even hour, for one, never meet BYHOUR=3, and would be walked in vain to the last year.
    pub(super) fn meets_its_times(&self) -> bool {
        if self.frequency < Frequency::Hourly {
            return true;
        }
        let unit = self.period_seconds();
        let common = greatest_common_divisor(self.interval, day::DAY / unit);
        let residue = (self.start.rem_euclid(day::DAY) / unit).rem_euclid(common);
        let listed = |mask: u64, all: u8| (0..all).filter(move |n| mask == 0 || mask >> n & 1 == 1);
        let minutes = if self.frequency >= Frequency::Minutely { 60 } else { 1 };
        let seconds = if self.frequency == Frequency::Secondly { 60 } else { 1 };
        listed(self.hour_filter, 24).any(|hour| {
            listed(if minutes == 1 { 0 } else { self.minute_filter }, minutes).any(|minute| {
                listed(if seconds == 1 { 0 } else { self.second_filter }, seconds).any(|second| {
                    let at = (i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) / unit;
                    at.rem_euclid(common) == residue
                })
            })
        })
    }
}

/// Where BYSETPOS points in a set of `length`, counted from 0.
pub(super) fn position(at: i32, length: u64) -> Option<u64> {
    let index = if at > 0 { i64::from(at) - 1 } else { length as i64 + i64::from(at) };
    u64::try_from(index).ok().filter(|index| *index < length)
}

/// The listed times as seconds; the start's own when none is listed; 0 when the period is that short itself.
fn times(mask: u64, own: i8, scale: i64, inside_period: bool) -> Vec<i64> {
    if !inside_period {
        return vec![0];
    }
    if mask == 0 {
        return vec![i64::from(own) * scale];
    }
    bits(mask).map(|n| i64::from(n) * scale).collect()
}

fn greatest_common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}
