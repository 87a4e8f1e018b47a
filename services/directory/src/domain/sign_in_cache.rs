//! Answers to right sign-ins, kept for a while: bounded, by a keyed hash of user and secret, emptied by user.
//! Called by rpc/sign_in.rs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// Entries in each of the two halves.
const HALF: usize = 5_000;

/// Keyed hash of a user and a secret.
pub type Key = [u8; 32];

/// A right sign-in.
#[derive(Clone)]
pub struct Seen<A> {
    /// Login name.
    pub user: String,
    /// The answer.
    pub answer: A,
    /// When its generation was last compared: microseconds since 1970 UTC.
    pub checked_time: i64,
    /// When its use was last written.
    pub used_time: i64,
}

/// Two halves: when the young one is full, it becomes the old one, whose entries are forgotten unless they were used again.
pub struct Cache<A> {
    inner: [u8; 32],
    outer: [u8; 32],
    epoch: Arc<AtomicU64>,
    young: HashMap<Key, Seen<A>>,
    old: HashMap<Key, Seen<A>>,
}

impl<A: Clone> Cache<A> {
    /// An empty cache with two random keys.
    pub fn new(inner: [u8; 32], outer: [u8; 32]) -> Self {
        Cache { inner, outer, epoch: Arc::default(), young: HashMap::new(), old: HashMap::new() }
    }

    /// The key of a user and a secret: a hash within a hash, each with its own random key (as HMAC does).
    pub fn key(&self, user: &str, secret: &str) -> Key {
        let mut hash = Sha256::new();
        hash.update(self.inner);
        hash.update(user.as_bytes());
        hash.update([0]);
        hash.update(secret.as_bytes());
        let first = hash.finalize();
        let mut hash = Sha256::new();
        hash.update(self.outer);
        hash.update(first);
        hash.finalize().into()
    }

    /// Moves with every `forget`. What was read before it must not be kept after it.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// The same number, for those who keep answers of their own.
    pub fn shared_epoch(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.epoch)
    }

    /// An entry.
    pub fn find(&mut self, key: &Key) -> Option<Seen<A>> {
        if let Some(seen) = self.young.get(key) {
            return Some(seen.clone());
        }
        let seen = self.old.remove(key)?;
        self.add(*key, seen.clone());
        Some(seen)
    }

    /// Keeps an entry, unless something was forgotten since `epoch`.
    pub fn insert(&mut self, key: Key, epoch: u64, seen: Seen<A>) {
        if epoch == self.epoch() {
            self.add(key, seen);
        }
    }

    /// Notes that the generation was compared.
    pub fn confirm(&mut self, key: &Key, now: i64) {
        if let Some(seen) = self.young.get_mut(key) {
            seen.checked_time = now;
        }
    }

    /// Notes that the use was written.
    pub fn mark_used(&mut self, key: &Key, now: i64) {
        if let Some(seen) = self.young.get_mut(key) {
            seen.used_time = now;
        }
    }

    /// Forgets all entries of a user.
    pub fn forget(&mut self, user: &str) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.young.retain(|_, seen| seen.user != user);
        self.old.retain(|_, seen| seen.user != user);
    }

    fn add(&mut self, key: Key, seen: Seen<A>) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(user: &str) -> Seen<i64> {
        Seen { user: user.to_owned(), answer: 1, checked_time: 0, used_time: 0 }
    }

    #[test]
    fn forgotten_user_is_gone_and_what_was_read_before_is_not_kept() {
        let mut cache = Cache::new([1; 32], [2; 32]);
        let (anna, ben) = (cache.key("anna", "x"), cache.key("ben", "x"));
        assert_ne!(anna, ben);
        let epoch = cache.epoch();
        cache.insert(anna, epoch, seen("anna"));
        cache.insert(ben, epoch, seen("ben"));
        cache.forget("anna");
        assert!(cache.find(&anna).is_none() && cache.find(&ben).is_some());
        cache.insert(anna, epoch, seen("anna"));
        assert!(cache.find(&anna).is_none());
    }

    #[test]
    fn it_stays_bounded_and_keeps_what_is_used() {
        let mut cache = Cache::new([1; 32], [2; 32]);
        let kept = cache.key("anna", "x");
        cache.insert(kept, 0, seen("anna"));
        for number in 0..50_000 {
            let key = cache.key("ben", &number.to_string());
            cache.insert(key, 0, seen("ben"));
            if number % 1_000 == 0 {
                assert!(cache.find(&kept).is_some());
            }
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * HALF);
    }
}
