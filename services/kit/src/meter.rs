//! Counters and histograms that are found by a small key, so that a request does not make the texts of their labels anew.
//! Used by the layer of every service and by the edge.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Histogram};

/// How often something was done, and how long it took. Keys must be few: each is kept.
pub struct Meters<K>(LazyLock<RwLock<HashMap<K, Meter>>>);

/// The two of one key.
#[derive(Clone)]
pub struct Meter {
    /// How often.
    pub total: Counter,
    /// How long, in seconds.
    pub seconds: Histogram,
}

impl<K: Copy + Eq + Hash> Meters<K> {
    /// None yet.
    pub const fn new() -> Self {
        Meters(LazyLock::new(RwLock::default))
    }

    /// Counts one; `make` gives the meter of a key that is new.
    pub fn count(&self, key: K, took: Duration, make: impl FnOnce() -> Meter) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let meter = known.unwrap_or_else(|| {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            all.entry(key).or_insert_with(make).clone()
        });
        meter.total.increment(1);
        meter.seconds.record(took.as_secs_f64());
    }
}

impl<K: Copy + Eq + Hash> Default for Meters<K> {
    fn default() -> Self {
        Meters::new()
    }
}
