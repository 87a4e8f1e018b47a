//! Reads of a few rows on the thread that asks: on SQLite they are a look into memory, and cheaper than two changes of threads.
//! Called by `Db::read_few`. On PostgreSQL there are none: a wait for the network may not hold a thread of the runtime.

use std::sync::{Mutex, PoisonError};

use super::threads::{Line, guarded};
use super::{Conn, Storage};
use crate::Result;

/// Connections that nobody reads on at the moment.
pub(super) struct Here(Mutex<Vec<Line>>);

impl Here {
    /// One connection for each thread of the runtime, for no more can ask at once.
    pub fn open(storage: &Storage, service: &str) -> Result<Here> {
        let lines = match storage {
            Storage::Sqlite(_) => {
                let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
                (0..threads).map(|_| Line::open(storage, service)).collect::<Result<Vec<Line>>>()?
            }
            Storage::Postgres(_) => Vec::new(),
        };
        Ok(Here(Mutex::new(lines)))
    }

    /// Runs a read in one snapshot; gives it back when no connection is free.
    pub fn read<T, F>(&self, job: F) -> std::result::Result<Result<T>, F>
    where
        F: FnOnce(&mut Conn<'_>) -> Result<T>,
    {
        let Some(mut line) = self.lines().pop() else { return Err(job) };
        let mut outcome = None;
        line.read_with(|conn| outcome = Some(conn.and_then(|conn| guarded(|| job(conn)))));
        self.lines().push(line);
        Ok(outcome.unwrap_or_else(|| Err(crate::Error::internal("a read ended without an answer"))))
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        // Nothing can panic while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
