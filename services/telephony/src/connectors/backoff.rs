//! The pause between attempts to connect: doubling, bounded, with jitter.
//! Called by each kind of session; the random part is handed in, so that it can be tested.

use std::time::Duration;

/// Counts failed attempts. Elsewhere such a pause was seen to grow to a day; this one never passes its bound.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses from `first` up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Backoff { first, longest, failures: 0 }
    }

    /// The pause after one more failure: half of it fixed, half by `random` (0 to 1), so that many do not come at once.
    pub fn failed(&mut self, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.longest).mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }

    /// How often it failed since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Begins anew after a success.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_to_its_bound_and_begins_anew_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let pauses: Vec<_> = (0..100).map(|_| backoff.failed(1.0).as_secs()).collect();
        assert_eq!(&pauses[..7], &[1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pauses.last(), Some(&30));
        backoff.succeeded();
        assert_eq!(backoff.failed(0.0), Duration::from_millis(500));
    }
}
