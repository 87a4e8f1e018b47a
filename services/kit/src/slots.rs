//! How many imports run at once in a service, all and of one user: the writer serves all callers, and files that wait must not fill the disk.
//! Called by the RPCs that take rows or files over a stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::{Error, Result};

/// Imports of one service in one process at once: with files of 256 MiB they take 1 GiB of disk.
const ALL: usize = 4;
/// Imports of one user at once.
const OF_ONE: usize = 2;
/// When to try again.
const LATER: Duration = Duration::from_secs(30);

/// Imports that run. Cheap to clone.
#[derive(Clone, Default)]
pub struct Slots(Arc<Mutex<HashMap<String, usize>>>);

/// Given back when it is dropped.
pub struct Slot {
    slots: Slots,
    user: String,
}

impl Slots {
    /// Takes one for a user.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED.
    pub fn take(&self, user: &str) -> Result<Slot> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = running.get(user).copied().unwrap_or(0);
        if own >= OF_ONE {
            return Err(Error::exhausted(
                format!("{OF_ONE} imports of yours run already: wait until one has ended"),
                LATER,
            ));
        }
        if running.values().sum::<usize>() >= ALL {
            return Err(Error::exhausted(
                format!("{ALL} imports run already: wait until one has ended"),
                LATER,
            ));
        }
        running.insert(user.to_owned(), own + 1);
        Ok(Slot { slots: self.clone(), user: user.to_owned() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut running = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        match running.get_mut(&self.user) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(running.remove(&self.user)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_gets_two_and_all_together_four() {
        let slots = Slots::default();
        let anna = [slots.take("anna").unwrap(), slots.take("anna").unwrap()];
        assert_eq!(slots.take("anna").err().unwrap().code(), tonic::Code::ResourceExhausted);
        let others = [slots.take("ben").unwrap(), slots.take("carl").unwrap()];
        assert!(slots.take("dora").is_err());
        drop(anna);
        assert!(slots.take("dora").is_ok());
        drop(others);
        assert!(slots.0.lock().unwrap().is_empty());
    }
}
