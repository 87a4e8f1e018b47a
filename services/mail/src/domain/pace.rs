//! How fast: a rate that holds over all processes because its state is one number in the database, and pauses that grow when servers ask for less.
//! Called by the store as it leases, and after each refusal.

/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;
/// How much may go at once of what a minute allows: a fiftieth, so that a rate of thousands needs few looks and a small one stays smooth.
const BURST: i64 = 50;
/// The first pause, doubled with each refusal in a row.
const FIRST_PAUSE: i64 = 30_000_000;
/// The longest one.
const LONGEST_PAUSE: i64 = 3_600_000_000;
/// How long a recipient is tried, in microseconds: three days.
pub const TRY_FOR: i64 = 3 * 24 * 3_600 * 1_000_000;

/// A rate: so many a minute, kept by the instant up to which it is used up (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds that one message takes.
    each: i64,
    /// How far ahead of the clock it may be used up.
    ahead: i64,
}

impl Rate {
    /// Of messages a minute; none for no limit.
    pub fn per_minute(count: i64) -> Option<Rate> {
        (count > 0).then(|| {
            let each = (MINUTE / count).max(1);
            Rate { each, ahead: each * (count / BURST).max(1) }
        })
    }

    /// How many may go now when it is used up to `used`, at most `wanted`.
    pub fn allows(self, used: i64, now: i64, wanted: i64) -> i64 {
        let room = (now + self.ahead).saturating_sub(used.max(now));
        (room / self.each).clamp(0, wanted.max(0))
    }

    /// Up to when it is used up after so many more; fewer than none gives some back.
    pub fn take(self, used: i64, now: i64, count: i64) -> i64 {
        // What was given back of times gone by is lost: a rate saves nothing up.
        used.max(now).saturating_add(self.each.saturating_mul(count))
    }

    /// When the next one may go.
    pub fn next(self, used: i64, now: i64) -> i64 {
        now.max(used.saturating_sub(self.ahead).saturating_add(self.each))
    }
}

/// The pause after so many refusals in a row (1 is the first), in microseconds: doubled each time, with up to a quarter more by `luck` (any number), so that
/// what was refused together does not come again together.
pub fn pause(refusals: i64, luck: u64) -> i64 {
    let doubled = u32::try_from(refusals.clamp(1, 20) - 1).unwrap_or(0);
    let pause = FIRST_PAUSE.saturating_mul(1 << doubled).min(LONGEST_PAUSE);
    let quarter = u64::try_from(pause / 4).unwrap_or(1).max(1);
    pause + i64::try_from(luck % quarter).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_vary() {
        assert_eq!([1, 2, 3, 4].map(|it| pause(it, 0) / 1_000_000), [30, 60, 120, 240]);
        assert_eq!(pause(20, 0), LONGEST_PAUSE);
        assert_eq!(pause(i64::MAX, 0), LONGEST_PAUSE);
        assert_ne!(pause(3, 1), pause(3, 999_999));
        assert!(pause(1, u64::MAX) <= FIRST_PAUSE / 4 * 5);
    }

    #[test]
    fn no_limit_is_no_rate() {
        assert_eq!(Rate::per_minute(0), None);
        let one = Rate::per_minute(1).unwrap();
        assert_eq!(one.allows(0, 1_000, 10), 1);
        let used = one.take(0, 1_000, 1);
        assert_eq!(one.allows(used, 1_000 + MINUTE - 1, 10), 0);
        assert_eq!(one.next(used, 1_000), 1_000 + MINUTE);
        assert_eq!(one.allows(used, 1_000 + MINUTE, 10), 1);
    }

    proptest! {
        /// However takers come, no stretch of time sees more than the rate and one burst.
        #[test]
        fn no_minute_sees_more_than_it_may(
            count in 1_i64..20_000,
            steps in prop::collection::vec((0_i64..3_000_000, 1_i64..500, 0_i64..3), 1..200),
        ) {
            let rate = Rate::per_minute(count).unwrap();
            let (mut now, mut used) = (1_000_000_i64, 0);
            let mut sent: Vec<(i64, i64)> = Vec::new();
            for (pass, wanted, unused) in steps {
                now += pass;
                let most = rate.allows(used, now, wanted);
                prop_assert!(most <= wanted);
                used = rate.take(used, now, most);
                // Some need not be sent after all.
                let unused = unused.min(most);
                used = rate.take(used, now, -unused).max(used - rate.each * unused);
                sent.push((now, most - unused));
                if rate.allows(used, now, 1) == 0 {
                    prop_assert!(rate.next(used, now) > now);
                    prop_assert_eq!(rate.allows(used, rate.next(used, now), 1), 1);
                }
            }
            for (at, (from, _)) in sent.iter().enumerate() {
                let within: i64 = sent[at..].iter().take_while(|(time, _)| *time < from + MINUTE).map(|(_, count)| *count).sum();
                prop_assert!(within <= MINUTE / rate.each + rate.ahead / rate.each + 1, "{} in a minute of {}", within, count);
            }
        }
    }
}
