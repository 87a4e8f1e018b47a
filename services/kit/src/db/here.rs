//! Reads on the thread that asks: on SQLite a few rows are a look into memory, and cheaper than two changes of threads.
//! Called by `Db::read_few` and `Db::read_list`. On PostgreSQL there are none: a wait for the network may not hold a thread of the runtime.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::threads::{Line, guarded};
use super::{Conn, Storage};
use crate::Result;

/// Instructions of SQLite's machine between two looks at what a read may still take.
const STRIDE: u32 = 1_000;
/// What a list may take here, in strides: about a millisecond.
const BUDGET: u32 = 30;
/// How long a kind of list that took more goes to the readers at once.
const LONG_FOR: Duration = Duration::from_secs(60);
/// Kinds of long lists that are remembered.
const KINDS: usize = 4_096;

/// Connections that nobody reads on at the moment.
pub(super) struct Here {
    seats: Mutex<Vec<Seat>>,
    /// Kinds of lists that took too long, and when.
    long: Mutex<HashMap<u64, Instant>>,
}

/// A connection, and how many strides its read may still take.
struct Seat {
    line: Line,
    left: Arc<AtomicU32>,
}

impl Here {
    /// One connection for each thread of the runtime, for no more can ask at once.
    pub fn open(storage: &Storage, service: &str) -> Result<Here> {
        let seats = match storage {
            Storage::Sqlite(_) => {
                let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
                (0..threads).map(|_| Seat::open(storage, service)).collect::<Result<Vec<Seat>>>()?
            }
            Storage::Postgres(_) => Vec::new(),
        };
        Ok(Here { seats: Mutex::new(seats), long: Mutex::default() })
    }

    /// Runs a read in one snapshot; gives it back when no connection is free.
    pub fn read<T, F>(&self, job: F) -> std::result::Result<Result<T>, F>
    where
        F: FnOnce(&mut Conn<'_>) -> Result<T>,
    {
        let Some(mut seat) = free(&self.seats).pop() else { return Err(job) };
        let outcome = seat.read(u32::MAX, job);
        free(&self.seats).push(seat);
        // Nothing takes four thousand million strides.
        Ok(outcome.unwrap_or_else(|| Err(crate::Error::internal("a read ended without an answer"))))
    }

    /// Runs a list of a kind in one snapshot. Nothing when no connection is free, or when it would take long: then a reader must run it.
    pub fn list<T>(&self, kind: u64, job: impl FnOnce(&mut Conn<'_>) -> Result<T>) -> Option<Result<T>> {
        if free(&self.long).get(&kind).is_some_and(|since| since.elapsed() < LONG_FOR) {
            return None;
        }
        let mut seat = free(&self.seats).pop()?;
        let outcome = seat.read(BUDGET, job);
        free(&self.seats).push(seat);
        if outcome.is_none() {
            let mut long = free(&self.long);
            if long.len() >= KINDS {
                long.clear();
            }
            long.insert(kind, Instant::now());
        }
        outcome
    }
}

impl Seat {
    fn open(storage: &Storage, service: &str) -> Result<Seat> {
        let mut line = Line::open(storage, service)?;
        let left = Arc::new(AtomicU32::new(u32::MAX));
        line.stop_when_spent(STRIDE, Arc::clone(&left))?;
        Ok(Seat { line, left })
    }

    /// Nothing when the read was stopped because it took more than `strides`.
    fn read<T>(&mut self, strides: u32, job: impl FnOnce(&mut Conn<'_>) -> Result<T>) -> Option<Result<T>> {
        let mut outcome = None;
        let left = &self.left;
        left.store(strides, Ordering::Relaxed);
        self.line.read_with(|conn| {
            let answer = conn.and_then(|conn| guarded(|| job(conn)));
            // What ends the snapshot is not stopped.
            let spent = left.swap(u32::MAX, Ordering::Relaxed) == 0;
            outcome = (!spent).then_some(answer);
        });
        outcome
    }
}

fn free<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing can panic while it is held.
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
