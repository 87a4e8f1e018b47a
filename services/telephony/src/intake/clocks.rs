//! The clocks of all telephone systems, as this process sees them.
//! Asked by the intake for each batch.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::fact::Micros;
use crate::domain::skew::{SAME_MICROS, Watch};

/// Most connectors that are watched at once; the others' clocks are taken as right.
const MOST: usize = 1_000;

/// One watch for each connector.
#[derive(Default)]
pub struct Clocks(Mutex<HashMap<String, (Watch, Option<i64>)>>);

impl Clocks {
    /// Learns that news of `newest` came at `now`. Answers how far the clock is behind, in microseconds, when that is not written yet.
    pub fn learn(&self, connector: &str, newest: Micros, now: i64) -> Option<i64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(connector) && all.len() == MOST {
            return None;
        }
        let (watch, written) = all.entry(connector.to_owned()).or_default();
        let behind = watch.learn(newest, now)?;
        let same = written.is_some_and(|written| {
            (written == 0) == (behind == 0) && written.abs_diff(behind) <= SAME_MICROS.unsigned_abs()
        });
        (!same).then_some(behind)
    }

    /// Remembers what is in the database.
    pub fn written(&self, connector: &str, behind: i64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, written)) = all.get_mut(connector) {
            *written = Some(behind);
        }
    }
}
