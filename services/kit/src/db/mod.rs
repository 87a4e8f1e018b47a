//! The database of one service: reads on reader threads, writes grouped by one writer thread, on SQLite or PostgreSQL.
//! Called by every store. All real differences between the two databases are in this folder.
//!
//! SQL runs on threads of its own, so a read or a write is one closure and one hop, and a store is plain code.
//! The writer takes what waits, runs each job in its own savepoint and commits once for all (group commit);
//! a job is acknowledged only after that commit is on disk.

mod conn;
mod here;
mod migrate;
mod postgres;
mod threads;
mod tx;
mod value;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::{oneshot, watch};

pub use conn::Conn;
pub use migrate::Migration;
pub use tx::Tx;
pub use value::{Row, Value};

use crate::clock::Clock;
use crate::{Error, Result};

/// Where a service keeps its data.
#[derive(Clone, Debug)]
pub enum Storage {
    /// One file a service in this folder.
    Sqlite(PathBuf),
    /// One schema a service in the database at this URL.
    Postgres(String),
}

/// Jobs that may wait for the writer or for a reader. More are refused with UNAVAILABLE.
const QUEUE: usize = 8_192;
/// Reader threads of one service. More than cores bring nothing while the data is in memory, and each has a cache of its own.
const READERS: usize = 3;

/// Handle to a service's database. Cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    service: String,
    here: here::Here,
    reads: Sender<threads::ReadJob>,
    writes: Sender<Box<dyn threads::WriteJob>>,
    published: watch::Receiver<i64>,
    clock: Clock,
}

impl Db {
    /// Opens the database of `service`, makes it when it is new, and brings it up to the last migration.
    ///
    /// # Errors
    /// UNAVAILABLE when it can't be opened, INTERNAL when a migration fails, FAILED_PRECONDITION (reason `NEWER_DATA`) when the
    /// data is newer than this program.
    pub async fn open(
        storage: &Storage,
        service: &str,
        migrations: &'static [Migration],
        clock: Clock,
    ) -> Result<Db> {
        let (reads, read_jobs) = crossbeam_channel::bounded(QUEUE);
        let (writes, write_jobs) = crossbeam_channel::bounded(QUEUE);
        let (announce, published) = watch::channel(0);
        let storage = storage.clone();
        let name = service.to_owned();
        let threads_clock = clock.clone();
        let started = tokio::task::spawn_blocking(move || {
            threads::start(&storage, &name, migrations, threads_clock, read_jobs, write_jobs, announce)?;
            here::Here::open(&storage, &name)
        });
        let here = started.await.map_err(Error::internal)??;
        Ok(Db(Arc::new(Inner { service: service.to_owned(), here, reads, writes, published, clock })))
    }

    /// Name of the service that owns it.
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// The clock that its transactions use.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The last outbox number that this process committed; changes wake who waits.
    pub fn published(&self) -> watch::Receiver<i64> {
        self.0.published.clone()
    }

    /// Runs a read on a reader thread, in one snapshot.
    ///
    /// # Errors
    /// Those of `job`; UNAVAILABLE when too many wait.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: threads::ReadJob = Box::new(move |conn| {
            let outcome = conn.and_then(|conn| threads::guarded(|| job(conn)));
            let _ = reply.send(outcome);
        });
        self.0.reads.try_send(job).map_err(refused)?;
        answer.await.map_err(|_| stopped())?
    }

    /// As `read`, for rows found by a key, few of them or short (a thousand at the very most, without bodies): on SQLite at once, on the
    /// thread that asks. Nothing may be read so that grows with the data beyond that, for the thread has other requests to serve.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn read_few<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn<'_>) -> Result<T> + Send + 'static,
    {
        match self.0.here.read(job) {
            Ok(outcome) => outcome,
            Err(job) => self.read(job).await,
        }
    }

    /// As `read`, for a page of a list, which is short most of the time and takes seconds at others: on SQLite on the thread that asks, within a budget of work.
    /// What takes more begins again on a reader, and lists of the same `kind` go there at once for a minute. So the job may run twice.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn read_list<T, F>(&self, kind: u64, mut job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Conn<'_>) -> Result<T> + Send + 'static,
    {
        // The closure's type tells the methods apart.
        let mut hash = DefaultHasher::new();
        (kind, std::any::type_name::<F>()).hash(&mut hash);
        match self.0.here.list(hash.finish(), &mut job) {
            Some(outcome) => outcome,
            None => self.read(job).await,
        }
    }

    /// Runs a write in a transaction and answers when it is on disk. An error takes the whole write back.
    /// What it writes is, for the audit, the doing of whoever's request is being answered here.
    /// The job may run again when the database asks for it, so it must not have effects outside the transaction.
    ///
    /// # Errors
    /// Those of `job`; UNAVAILABLE when too many wait or the commit failed; INTERNAL when the job panicked, or went on after a
    /// failed statement, which PostgreSQL does not allow.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.0.writes.try_send(threads::write_job(job, crate::audit::here(), reply)).map_err(refused)?;
        answer.await.map_err(|_| stopped())?
    }
}

fn refused<T>(cause: TrySendError<T>) -> Error {
    match cause {
        TrySendError::Full(_) => Error::unavailable("too many requests wait for the database: try again"),
        TrySendError::Disconnected(_) => stopped(),
    }
}

fn stopped() -> Error {
    Error::unavailable("the server is stopping")
}
