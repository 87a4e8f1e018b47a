//! A set of days of one month or year as bits, so that BY parts are joined by `and`.
//! Filled by `load` for yearly and monthly rules.

use super::day;
use super::rule::{NthWeekday, Skip};

/// Days counted from a base day; room for a leap year and the days that SKIP=FORWARD pushes over its end.
#[derive(Clone, Copy)]
pub(super) struct Days {
    words: [u64; 6],
}

impl Days {
    pub(super) fn none() -> Days {
        Days { words: [0; 6] }
    }

    pub(super) fn set(&mut self, index: i64) {
        if (0..384).contains(&index) {
            self.words[(index / 64) as usize] |= 1 << (index % 64);
        }
    }

    pub(super) fn set_range(&mut self, from: i64, to: i64) {
        for (number, word) in self.words.iter_mut().enumerate() {
            let base = number as i64 * 64;
            let (low, high) = ((from - base).clamp(0, 64), (to - base).clamp(0, 64));
            if low < high {
                *word |= (u64::MAX >> (64 - (high - low))) << low;
            }
        }
    }

    pub(super) fn and(&mut self, other: &Days) {
        for (word, other) in self.words.iter_mut().zip(other.words) {
            *word &= other;
        }
    }

    /// The days of the set in order, as indexes from the base.
    pub(super) fn iter(&self) -> impl Iterator<Item = i64> {
        self.words.into_iter().enumerate().flat_map(|(number, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| i64::from(word.trailing_zeros()))?;
                word &= word - 1;
                Some(number as i64 * 64 + bit)
            })
        })
    }

    /// Adds month days of a month that begins at index `first` and has `length` days.
    pub(super) fn add_month_days(&mut self, month_days: &[i8], first: i64, length: i64, skip: Skip) {
        for month_day in month_days {
            self.add_counted(i64::from(*month_day), first, length, skip);
        }
    }

    /// Adds the nth day, counted from 1 or from -1 at the end, of a span of days.
    pub(super) fn add_counted(&mut self, nth: i64, first: i64, length: i64, skip: Skip) {
        let index = if nth > 0 { nth - 1 } else { length + nth };
        if (0..length).contains(&index) {
            self.set(first + index);
        } else if index >= length {
            match skip {
                Skip::Omit => {}
                Skip::Backward => self.set(first + length - 1),
                Skip::Forward => self.set(first + length),
            }
        }
    }

    /// Adds the days of BYDAY with their numbers counted in the span from `from` up to `to`.
    pub(super) fn add_weekdays(&mut self, weekdays: &[NthWeekday], base: i64, from: i64, to: i64) {
        for NthWeekday { nth, weekday } in weekdays {
            let nth = i64::from(*nth);
            let first = from + i64::from(*weekday + 7 - day::weekday(base + from)) % 7;
            let index = match nth {
                0 => {
                    (first..to).step_by(7).for_each(|index| self.set(index));
                    continue;
                }
                1.. => first + 7 * (nth - 1),
                _ => first + (to - 1 - first).div_euclid(7) * 7 + 7 * (nth + 1),
            };
            if (from..to).contains(&index) {
                self.set(index);
            }
        }
    }
}
