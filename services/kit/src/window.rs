//! A limit on tries: a sliding window of a minute in a bounded table. Each process counts for itself.
//! Called by directory for wrong sign-ins, by calendar for wrong secret addresses, and by mail for wrong tokens.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Length of all windows.
const WINDOW: Duration = Duration::from_secs(60);
/// Keys in one table at most.
const KEYS: usize = 10_000;

/// The latest tries of each key in the last minute, as many as the limit allows.
pub struct Window {
    most: usize,
    tries: HashMap<String, VecDeque<i64>>,
}

impl Window {
    /// A window in which so many tries are free.
    pub fn new(most: usize) -> Self {
        Window { most, tries: HashMap::new() }
    }

    /// How long this key must wait; none when a try is free. `now` in microseconds.
    pub fn wait(&self, key: &str, now: i64) -> Option<Duration> {
        let tries = self.tries.get(key)?;
        let first = tries.front().filter(|_| tries.len() >= self.most)?;
        let left = first.saturating_add(micros(WINDOW)).saturating_sub(now);
        u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_micros)
    }

    /// Counts a try.
    pub fn note(&mut self, key: &str, now: i64) {
        if self.tries.len() >= KEYS && !self.tries.contains_key(key) {
            self.make_room(now);
        }
        let tries = self.tries.entry(key.to_owned()).or_default();
        tries.push_back(now);
        if tries.len() > self.most {
            tries.pop_front();
        }
    }

    /// Forgets what is over; when that is little, the tenth that has rested longest, so that this runs seldom.
    fn make_room(&mut self, now: i64) {
        let last = |tries: &VecDeque<i64>| tries.back().copied().unwrap_or(i64::MIN);
        self.tries.retain(|_, tries| last(tries).saturating_add(micros(WINDOW)) > now);
        if self.tries.len() >= KEYS {
            let mut times: Vec<i64> = self.tries.values().map(last).collect();
            let (_, oldest, _) = times.select_nth_unstable(KEYS / 10);
            let oldest = *oldest;
            self.tries.retain(|_, tries| last(tries) > oldest);
        }
    }

    /// The keys that are remembered; 10,000 at most.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.tries.keys().map(String::as_str)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
