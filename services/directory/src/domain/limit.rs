//! The limit on wrong sign-ins: sliding windows in bounded tables. Each process counts for itself.
//! Called by rpc/sign_in.rs.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Length of all windows.
const WINDOW: Duration = Duration::from_secs(60);
/// Wrong tries of one user from one address.
const PAIR: usize = 10;
/// Wrong tries from one address, whatever the user: a whole office behind one address stays below.
const PEER: usize = 100;
/// Wrong tries for one user from anywhere. Much higher, so that a stranger's guesses do not lock the user out.
const USER: usize = 500;
/// Keys in one table at most.
const KEYS: usize = 10_000;
/// Longest part of a key, in bytes.
const KEY: usize = 64;

/// The counts of this process.
pub struct Limits {
    pair: Window,
    peer: Window,
    user: Window,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { pair: Window::new(PAIR), peer: Window::new(PEER), user: Window::new(USER) }
    }
}

impl Limits {
    /// How long this user must wait at this address; none when a try is free. `now` in microseconds.
    pub fn wait(&self, user: &str, peer: &str, now: i64) -> Option<Duration> {
        let (user, peer) = (short(user), short(peer));
        [
            self.pair.wait(&format!("{user}\0{peer}"), now),
            self.peer.wait(peer, now),
            self.user.wait(user, now).filter(|_| !user.is_empty()),
        ]
        .into_iter()
        .flatten()
        .max()
    }

    /// Counts a wrong try.
    pub fn note(&mut self, user: &str, peer: &str, now: i64) {
        let (user, peer) = (short(user), short(peer));
        self.pair.note(&format!("{user}\0{peer}"), now);
        self.peer.note(peer, now);
        self.user.note(user, now);
    }
}

fn short(text: &str) -> &str {
    let mut end = text.len().min(KEY);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The latest tries of each key, as many as the limit allows.
struct Window {
    most: usize,
    tries: HashMap<String, VecDeque<i64>>,
}

impl Window {
    fn new(most: usize) -> Self {
        Window { most, tries: HashMap::new() }
    }

    fn wait(&self, key: &str, now: i64) -> Option<Duration> {
        let tries = self.tries.get(key)?;
        let first = tries.front().filter(|_| tries.len() >= self.most)?;
        let left = first.saturating_add(micros(WINDOW)).saturating_sub(now);
        u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_micros)
    }

    fn note(&mut self, key: &str, now: i64) {
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
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn the_eleventh_wrong_try_waits_until_the_first_is_a_minute_old() {
        let mut limits = Limits::default();
        for second in 0..10 {
            assert_eq!(limits.wait("anna", "192.0.2.1", second * SECOND), None);
            limits.note("anna", "192.0.2.1", second * SECOND);
        }
        assert_eq!(limits.wait("anna", "192.0.2.1", 10 * SECOND), Some(Duration::from_secs(50)));
        assert_eq!(limits.wait("anna", "192.0.2.1", 60 * SECOND), None);
        limits.note("anna", "192.0.2.1", 60 * SECOND);
        assert_eq!(limits.wait("anna", "192.0.2.1", 60 * SECOND), Some(Duration::from_secs(1)));
    }

    #[test]
    fn another_address_and_another_user_are_free() {
        let mut limits = Limits::default();
        (0..10).for_each(|_| limits.note("anna", "192.0.2.1", 0));
        assert!(limits.wait("anna", "192.0.2.1", 1).is_some());
        assert_eq!(limits.wait("anna", "192.0.2.2", 1), None);
        assert_eq!(limits.wait("ben", "192.0.2.1", 1), None);
    }

    #[test]
    fn one_address_that_tries_many_users_waits() {
        let mut limits = Limits::default();
        (0..100).for_each(|user| limits.note(&format!("user{user}"), "192.0.2.1", 0));
        assert!(limits.wait("new", "192.0.2.1", 1).is_some());
        assert_eq!(limits.wait("new", "192.0.2.2", 1), None);
    }

    #[test]
    fn tables_stay_bounded() {
        let mut limits = Limits::default();
        for number in 0..12_000_i64 {
            limits.note(&"x".repeat(500), &format!("{number}"), number);
        }
        assert!(limits.pair.tries.len() <= KEYS && limits.peer.tries.len() <= KEYS);
        assert!(limits.pair.tries.keys().all(|key| key.len() <= 2 * KEY + 1));
    }
}
