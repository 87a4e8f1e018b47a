//! The limit on wrong sign-ins: sliding windows in bounded tables. Each process counts for itself.
//! Called by rpc/sign_in.rs.

use std::time::Duration;

use kontor_kit::window::Window;

/// Wrong tries of one user from one address.
const PAIR: usize = 10;
/// Wrong tries from one address, whatever the user: a whole office behind one address stays below.
const PEER: usize = 100;
/// Wrong tries for one user from anywhere. Much higher, so that a stranger's guesses do not lock the user out.
const USER: usize = 500;
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
        assert!(limits.pair.keys().count() <= 10_000 && limits.peer.keys().count() <= 10_000);
        assert!(limits.pair.keys().all(|key| key.len() <= 2 * KEY + 1));
    }
}
