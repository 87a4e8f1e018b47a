//! The database threads: one writer that commits in groups, and readers.
//! Started by `Db::open`; they end when the last `Db` handle is gone and the queue is empty.

use std::path::Path;
use std::time::Duration;

use crossbeam_channel::Receiver;
use tokio::sync::{oneshot, watch};

use super::conn::Backend;
use super::postgres::Session;
use super::{Conn, Migration, READERS, Storage, Tx, migrate};
use crate::clock::Clock;
use crate::{Error, Result, error};

pub(super) type ReadJob = Box<dyn FnOnce(Result<&mut Conn<'_>>) + Send>;

/// A write that waits for the writer.
pub(super) trait WriteJob: Send {
    /// Runs it inside the transaction and keeps the answer.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()>;
    /// Sends the answer, or `failure` when the commit failed.
    fn finish(self: Box<Self>, failure: Option<Error>);
}

struct Job<T, F> {
    job: F,
    answer: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

pub(super) fn write_job<T, F>(job: F, reply: oneshot::Sender<Result<T>>) -> Box<dyn WriteJob>
where
    T: Send + 'static,
    F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
{
    Box::new(Job { job, answer: None, reply })
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Result<T> + Send> WriteJob for Job<T, F> {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let answer = (self.job)(tx);
        let outcome = answer.as_ref().map(|_| ()).map_err(Error::clone);
        self.answer = Some(answer);
        outcome
    }

    fn finish(self: Box<Self>, failure: Option<Error>) {
        let answer = match (failure, self.answer) {
            (Some(failure), _) => Err(failure),
            (None, Some(answer)) => answer,
            (None, None) => Err(Error::internal("a write ended without an answer")),
        };
        let _ = self.reply.send(answer);
    }
}

/// Writes in one group commit at most.
const GROUP: usize = 256;
/// Tries of one write when PostgreSQL reports a deadlock or a serialization failure.
const TRIES: u32 = 5;

pub(super) fn start(
    storage: &Storage,
    service: &str,
    migrations: &'static [Migration],
    clock: Clock,
    reads: Receiver<ReadJob>,
    writes: Receiver<Box<dyn WriteJob>>,
    announce: watch::Sender<i64>,
) -> Result<()> {
    let mut writer = Line::open(storage, service)?;
    migrate::run(&mut writer.conn(), migrations, clock.now())?;
    for number in 0..READERS {
        let mut line = Line::open(storage, service)?;
        let reads = reads.clone();
        spawn(format!("{service}-read-{number}"), move || {
            for job in reads {
                match line.ready() {
                    Ok(()) => line.read(job),
                    Err(cause) => job(Err(cause)),
                }
            }
            line.close();
        })?;
    }
    spawn(format!("{service}-write"), move || {
        while let Ok(first) = writes.recv() {
            let mut group = vec![first];
            group.extend(writes.try_iter().take(GROUP - 1));
            if let Some(published) = run_group(&mut writer, group, &clock) {
                announce.send_replace(published);
            }
        }
        writer.close();
    })
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name).spawn(body).map(|_| ()).map_err(Error::internal)
}

/// Runs a group in one transaction; when the commit fails, each job alone. Returns the last outbox number.
fn run_group(line: &mut Line, mut group: Vec<Box<dyn WriteJob>>, clock: &Clock) -> Option<i64> {
    if group.len() == 1 {
        return run_alone(line, group.remove(0), clock);
    }
    match line.ready().and_then(|()| attempt(line, &mut group, clock)) {
        Ok(done) => {
            let published = done.published;
            done.hooks.into_iter().for_each(|hook| hook());
            group.into_iter().for_each(|job| job.finish(None));
            published
        }
        Err(_) => group.into_iter().filter_map(|job| run_alone(line, job, clock)).max(),
    }
}

fn run_alone(line: &mut Line, job: Box<dyn WriteJob>, clock: &Clock) -> Option<i64> {
    let mut group = vec![job];
    let mut tried = 0;
    loop {
        tried += 1;
        match line.ready().and_then(|()| attempt(line, &mut group, clock)) {
            Ok(done) => {
                done.hooks.into_iter().for_each(|hook| hook());
                group.into_iter().for_each(|job| job.finish(None));
                return done.published;
            }
            Err(cause) if cause.reason() == error::RETRY && tried < TRIES => {
                std::thread::sleep(Duration::from_millis(5) * tried);
            }
            Err(cause) => {
                group.into_iter().for_each(|job| job.finish(Some(cause.clone())));
                return None;
            }
        }
    }
}

struct Done {
    published: Option<i64>,
    hooks: Vec<Box<dyn FnOnce() + Send>>,
}

/// One transaction: begin, each job in a savepoint, outbox, commit.
fn attempt(line: &mut Line, group: &mut [Box<dyn WriteJob>], clock: &Clock) -> Result<Done> {
    let begin = line.begin();
    line.conn().script(begin)?;
    let outcome = attempt_jobs(line, group, clock);
    let outcome = outcome.and_then(|done| line.conn().script("COMMIT").map(|()| done));
    if outcome.is_err() {
        // The transaction may be gone already, so a failing rollback tells nothing new.
        let _ = line.conn().script("ROLLBACK");
    }
    outcome
}

fn attempt_jobs(line: &mut Line, group: &mut [Box<dyn WriteJob>], clock: &Clock) -> Result<Done> {
    let alone = group.len() == 1;
    let mut events = Vec::new();
    let mut hooks = Vec::new();
    for job in group {
        let mut conn = line.conn();
        if !alone {
            conn.script("SAVEPOINT job")?;
        }
        let mut tx = Tx::new(conn, clock.now());
        match job.run(&mut tx) {
            Ok(()) => {
                let (mut conn, new_events, new_hooks) = tx.into_parts();
                events.extend(new_events);
                hooks.extend(new_hooks);
                if !alone {
                    conn.script("RELEASE job")?;
                }
            }
            // A deadlock has already ended the whole transaction: let it be tried again.
            Err(cause) if cause.reason() == error::RETRY => return Err(cause),
            Err(_) if alone => {
                line.conn().script("ROLLBACK")?;
                let begin = line.begin();
                line.conn().script(begin)?;
            }
            Err(_) => line.conn().script("ROLLBACK TO job; RELEASE job")?,
        }
    }
    let published = crate::outbox::write(&mut line.conn(), events)?;
    Ok(Done { published, hooks })
}

/// One database connection that belongs to one thread.
enum Line {
    Sqlite(rusqlite::Connection),
    Postgres(Session),
}

impl Line {
    fn open(storage: &Storage, service: &str) -> Result<Line> {
        match storage {
            Storage::Sqlite(folder) => open_sqlite(&folder.join(format!("{service}.db"))).map(Line::Sqlite),
            Storage::Postgres(url) => Session::open(url, service).map(Line::Postgres),
        }
    }

    fn conn(&mut self) -> Conn<'_> {
        match self {
            Line::Sqlite(conn) => Conn(Backend::Sqlite(conn)),
            Line::Postgres(session) => Conn(Backend::Postgres(session)),
        }
    }

    /// SQLite takes the write lock at once, so that a reader inside can't fail later.
    fn begin(&self) -> &'static str {
        match self {
            Line::Sqlite(_) => "BEGIN IMMEDIATE",
            Line::Postgres(_) => "BEGIN",
        }
    }

    fn ready(&mut self) -> Result<()> {
        match self {
            Line::Sqlite(_) => Ok(()),
            Line::Postgres(session) => session.ready(),
        }
    }

    fn read(&mut self, job: ReadJob) {
        let begin = match self {
            Line::Sqlite(_) => "BEGIN",
            Line::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        let mut conn = self.conn();
        match conn.script(begin) {
            Ok(()) => job(Ok(&mut conn)),
            Err(cause) => job(Err(cause)),
        }
        if let Err(cause) = conn.script("COMMIT") {
            tracing::debug!(cause = %cause, "read transaction did not end cleanly");
            let _ = conn.script("ROLLBACK");
        }
    }

    fn close(self) {
        match self {
            Line::Sqlite(conn) => drop(conn),
            Line::Postgres(session) => session.close(),
        }
    }
}

fn open_sqlite(path: &Path) -> Result<rusqlite::Connection> {
    let conn = rusqlite::Connection::open(path)
        .map_err(|cause| Error::unavailable(format!("can't open {}: {cause}", path.display())))?;
    conn.set_prepared_statement_cache_capacity(500);
    conn.busy_timeout(Duration::from_secs(20))?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -8000; PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY;",
    )?;
    Ok(conn)
}
