//! How many calls may ring at once: the largest n whose expected surplus of answers stays within what may be dropped.
//! Called by `super::Rule`; exact, without an allocation, one short step a call.

/// The largest n of at most `most` with E[(X - m)+] <= share x E[X] + spare, X ~ Bin(n, p). `m` is how many answers find somebody, a fraction too.
///
/// One call more adds p x P(it finds nobody) to the left side, a chance that grows with n, and p x share to the right side: the difference is convex and begins at zero
/// or below, so the first n at which it is above zero ends the search.
pub fn largest(m: f64, p: f64, share: f64, spare: f64, most: u32) -> u32 {
    let mut walk = Walk::new(m, p, most);
    while walk.calls < most {
        let before = walk.calls;
        walk.step();
        if walk.surplus > share * walk.answers + spare {
            return before;
        }
    }
    most
}

/// E[(X - m)+] for X ~ Bin(n, p).
pub fn surplus(n: u32, m: f64, p: f64) -> f64 {
    let mut walk = Walk::new(m, p, n);
    while walk.calls < n {
        walk.step();
    }
    walk.surplus
}

/// The distribution at its edge, one call after the other.
struct Walk {
    p: f64,
    /// Whole places, and the part of one more.
    places: f64,
    part: f64,
    calls: u32,
    answers: f64,
    surplus: f64,
    /// P(X < places).
    below: f64,
    /// P(X = places), and its logarithm while it is below the smallest number, as p^places of a large team is.
    here: f64,
    log_here: f64,
}

impl Walk {
    /// At as many calls as there are whole places: nothing can be lost yet.
    fn new(m: f64, p: f64, most: u32) -> Walk {
        let (m, p) = (m.max(0.0), p.clamp(1e-9, 1.0));
        let places = m.floor();
        let calls = if places >= f64::from(most) { most } else { places as u32 };
        let log_here = places * p.ln();
        Walk {
            p,
            places,
            part: m - places,
            calls,
            answers: f64::from(calls) * p,
            surplus: 0.0,
            below: 1.0 - log_here.exp(),
            here: log_here.exp(),
            log_here,
        }
    }

    fn step(&mut self) {
        // An answer more finds nobody when all places are taken; when the last is there in part, in part.
        let lost = (1.0 - self.below - self.part * self.here).clamp(0.0, 1.0);
        self.surplus += self.p * lost;
        self.answers += self.p;
        let (calls, miss) = (f64::from(self.calls), 1.0 - self.p);
        self.below -= self.here * miss * self.places / (calls - self.places + 1.0);
        let grown = (calls + 1.0) / (calls + 1.0 - self.places) * miss;
        if self.log_here < SMALL {
            self.log_here += grown.ln();
            self.here = self.log_here.exp();
        } else {
            self.here *= grown;
        }
        self.calls += 1;
    }
}

/// Logarithms below this are not multiplied on as numbers.
const SMALL: f64 = -600.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum as the book has it, by the recurrence of the binomial coefficients.
    fn by_hand(n: u32, m: f64, p: f64) -> f64 {
        let mut chance = (1.0 - p).powi(n as i32);
        let mut sum = 0.0;
        for k in 0..=n {
            sum += chance * (f64::from(k) - m).max(0.0);
            chance *= f64::from(n - k) / f64::from(k + 1) * p / (1.0 - p);
        }
        sum
    }

    #[test]
    fn the_surplus_is_that_of_the_sum() {
        for n in [0, 1, 2, 7, 40, 180] {
            for m in [0.0, 0.4, 1.0, 3.7, 9.0, 25.2] {
                for p in [0.01, 0.15, 0.5, 0.9] {
                    let (fast, slow) = (surplus(n, m, p), by_hand(n, m, p));
                    assert!((fast - slow).abs() < 1e-9 * (1.0 + slow), "n {n}, m {m}, p {p}: {fast}, {slow}");
                }
            }
        }
    }

    #[test]
    fn the_largest_is_allowed_and_one_more_is_not() {
        for m in [0.0, 0.9, 1.0, 2.7, 9.9, 45.0] {
            for p in [0.03, 0.15, 0.4, 1.0] {
                for share in [0.0, 0.01, 0.024, 0.1] {
                    let n = largest(m, p, share, 0.0, 2_000);
                    let over = |n: u32| surplus(n, m, p) - share * f64::from(n) * p;
                    let right = over(n) <= 1e-12 && (n == 2_000 || over(n + 1) > -1e-12);
                    assert!(right, "m {m}, p {p}, share {share}: {n}");
                }
            }
        }
    }

    #[test]
    fn what_is_spare_is_used() {
        let n = largest(2.0, 0.2, 0.0, 0.05, 100);
        assert!(surplus(n, 2.0, 0.2) <= 0.05 && surplus(n + 1, 2.0, 0.2) > 0.05, "{n}");
        assert_eq!(largest(2.0, 0.2, 0.0, 0.0, 100), 2);
    }

    #[test]
    fn a_large_team_does_not_fall_below_the_smallest_number() {
        // 300 free operators and one answer in twenty: p^300 is 10^-390
        let n = largest(300.0, 0.05, 0.024, 0.0, 20_000);
        assert!((5_000..7_000).contains(&n), "{n}");
        assert_eq!(largest(300.0, 0.05, 0.024, 0.0, 100), 100);
    }
}
