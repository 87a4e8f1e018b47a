//! The clocks of all telephone systems, as this process sees them.
//! Asked by the intake for each batch.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::fact::Micros;
use crate::domain::skew::{SAME_MICROS, Watch};

/// Most connectors that are watched at once; the others' clocks are as the database says.
const MOST: usize = 1_000;
/// How often what is known is written though it is the same, in microseconds: another process may have written something else.
const AGAIN_MICROS: i64 = 60 * 1_000_000;

/// One watch for each connector.
#[derive(Default)]
pub struct Clocks(Mutex<HashMap<String, Clock>>);

#[derive(Default)]
struct Clock {
    watch: Watch,
    /// How far behind it is by the database, and when that was written.
    written: Option<(i64, i64)>,
}

/// What is known of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// How far it is behind, in microseconds.
    pub behind: i64,
    /// Whether that is to be written.
    pub write: bool,
}

impl Clocks {
    /// Learns that news of `newest` came at `now`; none while nothing is known.
    pub fn learn(&self, connector: &str, newest: Micros, now: i64) -> Option<Measure> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(connector) && all.len() == MOST {
            return None;
        }
        let clock = all.entry(connector.to_owned()).or_default();
        let behind = clock.watch.learn(newest, now)?;
        let is_written = clock.written.is_some_and(|(written, at)| {
            let same =
                written.abs_diff(behind) <= SAME_MICROS.unsigned_abs() && (written == 0) == (behind == 0);
            same && now.saturating_sub(at) < AGAIN_MICROS
        });
        Some(Measure { behind, write: !is_written })
    }

    /// Remembers what is in the database, and since when.
    pub fn written(&self, connector: &str, behind: i64, now: i64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clock) = all.get_mut(connector) {
            clock.written = Some((behind, now));
        }
    }
}
