//! Whether a telephone system's clock is right: what it says of the time, against when its news came.
//! Called by the intake for each batch; the state of one connector is in its memory, what came of it in the database.

use super::fact::{FactKind, Micros};
use super::record::Item;

/// A clock is right when it is not further off than this, in microseconds: two minutes.
pub const BOUND_MICROS: i64 = 120 * 1_000_000;
/// Measures that differ by no more than this are the same, in microseconds.
pub const SAME_MICROS: i64 = 20 * 1_000_000;
/// For so long news must have been late by the same time before it is the clock, in microseconds: a minute.
const STEADY_MICROS: i64 = 60 * 1_000_000;
/// So many of them at least.
const STEADY_COUNT: u32 = 4;
/// A measure that is not repeated within this time is forgotten, in microseconds: ten minutes.
const STALE_MICROS: i64 = 600 * 1_000_000;

/// What was heard of one clock.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    candidate: Option<Candidate>,
    verdict: Option<i64>,
}

/// News that was late, or early, by the same time.
#[derive(Clone, Debug)]
struct Candidate {
    /// The least time by which it was late.
    behind: i64,
    /// The newest of it: what is told again says nothing more.
    newest: Micros,
    since: i64,
    last: i64,
    count: u32,
}

impl Watch {
    /// Learns that news of `newest` came at `now`. Answers how far the clock is behind, in microseconds, negative when it is ahead and 0 when it is right;
    /// none until that is known.
    pub fn learn(&mut self, newest: Micros, now: i64) -> Option<i64> {
        let behind = now.saturating_sub(newest.0);
        if behind.abs() <= BOUND_MICROS {
            self.candidate = None;
            self.verdict = Some(0);
            return self.verdict;
        }
        match &mut self.candidate {
            Some(kept) if kept.behind.abs_diff(behind) <= SAME_MICROS.unsigned_abs() => {
                if newest > kept.newest {
                    kept.behind = kept.behind.min(behind);
                    kept.newest = newest;
                    kept.last = now;
                    kept.count += 1;
                }
            }
            // later than the others of its kind: a retry, not the clock
            Some(kept) if behind > kept.behind && now.saturating_sub(kept.last) < STALE_MICROS => {}
            kept => *kept = Some(Candidate { behind, newest, since: now, last: now, count: 1 }),
        }
        if let Some(kept) = &self.candidate {
            // nothing comes before it happens, but anything can come late
            let ahead = kept.behind < 0;
            let steady = kept.count >= STEADY_COUNT && kept.last - kept.since >= STEADY_MICROS;
            if ahead || steady {
                self.verdict = Some(kept.behind);
            }
        }
        self.verdict
    }
}

/// The time of the newest thing that the telephone system itself told; what was found by asking has our time.
pub fn newest<'a>(items: impl Iterator<Item = &'a Item>) -> Option<Micros> {
    items.filter(|item| is_told(&item.fact.kind)).map(|item| item.fact.time).max()
}

/// Whether the telephone system itself told the time of it.
pub fn is_told(kind: &FactKind) -> bool {
    !matches!(
        kind,
        FactKind::LegLost { .. }
            | FactKind::Lost
            | FactKind::LegStarted { found: true, .. }
            | FactKind::Dialled { found: true, .. }
            | FactKind::QueueEntered { found: true, .. }
    )
}

/// How far a clock is off, in words: "its clock is 58 minutes behind". Empty when it is right.
pub fn words(behind: i64) -> String {
    if behind.abs() <= BOUND_MICROS {
        return String::new();
    }
    let seconds = (behind.abs() + 500_000) / 1_000_000;
    let minutes = (seconds + 30) / 60;
    let long = if minutes < 120 {
        format!("{minutes} minutes")
    } else {
        format!("{} hours {} minutes", minutes / 60, minutes % 60)
    };
    let way = if behind > 0 { "behind" } else { "ahead" };
    format!("its clock is {long} {way}: set it right; times of new calls are corrected by that")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const NOW: i64 = 1_795_424_400_000_000;

    /// Learns news that is so many seconds late, so many seconds after the beginning.
    fn learn(watch: &mut Watch, after: i64, late: i64) -> Option<i64> {
        let now = NOW + after * SECOND;
        watch.learn(Micros(now - late * SECOND), now).map(|behind| behind / SECOND)
    }

    #[test]
    fn a_right_clock_is_right_at_once_and_stays_so_with_a_late_post() {
        let mut watch = Watch::default();
        assert_eq!(learn(&mut watch, 0, 1), Some(0));
        assert_eq!(learn(&mut watch, 4_000, 3_600), Some(0));
        assert_eq!(learn(&mut watch, 4_001, 119), Some(0));
    }

    #[test]
    fn a_clock_that_is_behind_is_known_after_a_minute_of_steady_news() {
        let mut watch = Watch::default();
        for (after, late) in [(0, 3_481), (20, 3_480), (40, 3_485)] {
            assert_eq!(learn(&mut watch, after, late), None, "{after}");
        }
        assert_eq!(learn(&mut watch, 70, 3_482), Some(3_480));
        assert_eq!(words(3_480 * SECOND).split(':').next(), Some("its clock is 58 minutes behind"));
        // a retry does not move it
        assert_eq!(learn(&mut watch, 80, 3_490), Some(3_480));
        // it was set right
        assert_eq!(learn(&mut watch, 90, 1), Some(0));
    }

    #[test]
    fn a_clock_that_is_ahead_is_known_at_once() {
        let mut watch = Watch::default();
        assert_eq!(learn(&mut watch, 0, -3_600), Some(-3_600));
        assert_eq!(words(-3_600 * SECOND).split(':').next(), Some("its clock is 60 minutes ahead"));
        assert_eq!(words(-7_320 * SECOND).split(':').next(), Some("its clock is 2 hours 2 minutes ahead"));
        assert_eq!(words(60 * SECOND), "");
    }

    #[test]
    fn a_clock_that_is_set_is_known_again() {
        let mut watch = Watch::default();
        assert_eq!(learn(&mut watch, 0, -3_600), Some(-3_600));
        // set right, then back by an hour too much
        assert_eq!(learn(&mut watch, 10, 1), Some(0));
        for after in [20, 40, 60] {
            assert_eq!(learn(&mut watch, after, 3_600), Some(0), "{after}");
        }
        assert_eq!(learn(&mut watch, 80, 3_600), Some(3_600));
        assert_eq!(learn(&mut watch, 90, -3_600), Some(-3_600));
    }

    #[test]
    fn a_backlog_and_an_import_are_not_the_clock() {
        // two hours of news, sent within two minutes
        let mut watch = Watch::default();
        for step in 0..120 {
            assert_eq!(
                learn(&mut watch, step, 7_200 - 60 * step),
                if 7_200 - 60 * step <= 120 { Some(0) } else { None }
            );
        }
        // the same news again and again says nothing
        let mut watch = Watch::default();
        for after in 0..500 {
            assert_eq!(watch.learn(Micros(NOW - 3_600 * SECOND), NOW + after * SECOND), None);
        }
    }
}
