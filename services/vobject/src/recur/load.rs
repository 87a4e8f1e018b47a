//! The days of one period of a rule: BY parts expand and limit as in the table of RFC 5545 3.3.10.
//! Called by `Iter` for each period it comes to.

use super::day::{self, DAY};
use super::days::Days;
use super::plan::Plan;
use super::rule::{Frequency, Skip};

impl Plan {
    /// Writes the midnights of a period's days, or the start of a period shorter than a day, into `bases`.
    pub(super) fn load(&self, period: i64, bases: &mut Vec<i64>) {
        bases.clear();
        match self.frequency {
            Frequency::Yearly => self.load_year(period, bases),
            Frequency::Monthly => self.load_month(period, bases),
            Frequency::Weekly => self.load_week(period, bases),
            _ => bases.push(period * self.period_seconds()),
        }
    }

    fn load_year(&self, year: i64, bases: &mut Vec<i64>) {
        let base = day::number(year, 1, 1);
        let length = 365 + i64::from(day::is_leap(year));
        let mut days = Days::none();
        if self.month_days.is_empty() {
            self.each_month(year, |first, month_length| days.set_range(first, first + month_length));
        } else {
            self.each_month(year, |first, month_length| {
                days.add_month_days(&self.month_days, first, month_length, self.skip);
            });
        }
        if !self.year_days.is_empty() {
            let mut listed = Days::none();
            for year_day in &self.year_days {
                listed.add_counted(i64::from(*year_day), 0, length, self.skip);
            }
            if self.months == 0 && self.month_days.is_empty() {
                days = listed; // a day that SKIP pushed over the year's end must stay
            } else {
                days.and(&listed);
            }
        }
        if !self.week_numbers.is_empty() {
            days.and(&self.weeks_of(year, base, length));
        }
        if !self.weekdays.is_empty() {
            let mut listed = Days::none();
            if self.months == 0 {
                listed.add_weekdays(&self.weekdays, base, 0, length);
            } else {
                self.each_month(year, |first, month_length| {
                    listed.add_weekdays(&self.weekdays, base, first, first + month_length);
                });
            }
            days.and(&listed);
        }
        bases.extend(days.iter().map(|index| (base + index) * DAY));
    }

    /// Calls with the first day, counted from the year's first, and the length of each month of the rule.
    fn each_month(&self, year: i64, mut call: impl FnMut(i64, i64)) {
        let mut first = 0;
        for month in 1..=12 {
            let length = day::month_length(year, month);
            if self.months == 0 || self.months >> month & 1 == 1 {
                call(first, length);
            }
            first += length;
        }
    }

    /// The days of a year that stand in the listed weeks. The first week of a year is the first one, from WKST
    /// on, with four of its days; so the days at both ends may belong to a week of the year beside.
    fn weeks_of(&self, year: i64, base: i64, length: i64) -> Days {
        let mut days = Days::none();
        for week_year in year - 1..=year + 1 {
            let first = self.first_week(week_year);
            let weeks = (self.first_week(week_year + 1) - first) / 7;
            for number in &self.week_numbers {
                let number = i64::from(*number);
                let index = if number > 0 { number - 1 } else { weeks + number };
                if (0..weeks).contains(&index) {
                    let from = first + index * 7 - base;
                    days.set_range(from.clamp(0, length), (from + 7).clamp(0, length));
                }
            }
        }
        days
    }

    /// The first day of the first week of a year.
    fn first_week(&self, year: i64) -> i64 {
        let fourth = day::number(year, 1, 4);
        fourth - i64::from((day::weekday(fourth) + 7 - self.week_start) % 7)
    }

    fn load_month(&self, period: i64, bases: &mut Vec<i64>) {
        let (year, month) = (period.div_euclid(12), period.rem_euclid(12) + 1);
        if self.months != 0 && self.months >> month & 1 == 0 {
            return;
        }
        let base = day::number(year, month, 1);
        let length = day::month_length(year, month);
        let mut days = Days::none();
        if self.month_days.is_empty() {
            days.set_range(0, length);
        } else {
            days.add_month_days(&self.month_days, 0, length, self.skip);
        }
        if !self.weekdays.is_empty() {
            let mut listed = Days::none();
            listed.add_weekdays(&self.weekdays, base, 0, length);
            if self.skip == Skip::Forward && self.weekday_mask >> day::weekday(base + length) & 1 == 1 {
                listed.set(length);
            }
            days.and(&listed);
        }
        bases.extend(days.iter().map(|index| (base + index) * DAY));
    }

    fn load_week(&self, period: i64, bases: &mut Vec<i64>) {
        let first = self.period_start(period) / DAY;
        for number in first..first + 7 {
            let listed = self.weekday_mask >> day::weekday(number) & 1 == 1;
            if listed && (self.months == 0 || self.months >> day::civil(number).1 & 1 == 1) {
                bases.push(number * DAY);
            }
        }
    }
}
