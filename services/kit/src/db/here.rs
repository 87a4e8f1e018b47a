//! Reads on the thread that asks: on SQLite a few rows are a look into memory, and cheaper than two changes of threads.
//! Called by `Db::read_few` and `Db::read_list`. On PostgreSQL there are none: a wait for the network may not hold a thread of the runtime.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::threads::{Line, guarded};
use super::{Conn, Storage};
use crate::Result;

/// Instructions of SQLite's machine between two looks at what a read may still take.
const STRIDE: i32 = 1_000;
/// What a list may take here, in strides: about a millisecond while its pages are in memory.
const BUDGET: u32 = 30;
/// What it may take by the clock, when they are not.
const TIME: Duration = Duration::from_millis(3);
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

/// A connection, and what its read may still take.
struct Seat {
    line: Line,
    limit: Arc<Limit>,
}

/// What a read may still take.
struct Limit {
    strides: AtomicU32,
    /// Microseconds from `begun` on; `u64::MAX` is for ever.
    until: AtomicU64,
    begun: Instant,
}

impl Limit {
    fn none() -> Limit {
        Limit { strides: AtomicU32::new(u32::MAX), until: AtomicU64::new(u64::MAX), begun: Instant::now() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(0)
    }

    fn set(&self, strides: u32, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.until.store(self.now().saturating_add(time), Ordering::Relaxed);
        self.strides.store(strides, Ordering::Relaxed);
    }

    /// One stride more. True when it was too many.
    fn walk(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        let is_late = until != u64::MAX && self.now() > until;
        let left = if is_late { 0 } else { self.strides.load(Ordering::Relaxed).saturating_sub(1) };
        self.strides.store(left, Ordering::Relaxed);
        left == 0
    }

    /// Takes the limit away. True when it was reached.
    fn lift(&self) -> bool {
        self.until.store(u64::MAX, Ordering::Relaxed);
        self.strides.swap(u32::MAX, Ordering::Relaxed) == 0
    }
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
        let outcome = seat.read(job);
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
        seat.limit.set(BUDGET, TIME);
        let outcome = seat.read(job);
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
        let limit = Arc::new(Limit::none());
        let walked = Arc::clone(&limit);
        line.stop_when(STRIDE, move || walked.walk())?;
        Ok(Seat { line, limit })
    }

    /// Nothing when the read was stopped because it took more than its limit.
    fn read<T>(&mut self, job: impl FnOnce(&mut Conn<'_>) -> Result<T>) -> Option<Result<T>> {
        let mut outcome = None;
        let limit = &self.limit;
        self.line.read_with(|conn| {
            let answer = conn.and_then(|conn| guarded(|| job(conn)));
            // What ends the snapshot is not stopped.
            outcome = (!limit.lift()).then_some(answer);
        });
        outcome
    }
}

fn free<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing can panic while it is held.
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
