//! The database threads: one writer that commits in groups, and readers.
//! Started by `Db::open`; they end when the last `Db` handle is gone and the queue is empty.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use crossbeam_channel::Receiver;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use tokio::sync::{oneshot, watch};

use super::conn::{Backend, File};
use super::postgres::Session;
use super::tx::Left;
use super::{Conn, Migration, READERS, Storage, Tx, migrate};
use crate::audit::Who;
use crate::clock::Clock;
use crate::{Error, Result, error};

pub(super) type ReadJob = Box<dyn FnOnce(Result<&mut Conn<'_>>) + Send>;

/// A write that waits for the writer.
pub(super) trait WriteJob: Send {
    /// Who asked for it.
    fn who(&self) -> Who;
    /// Runs it inside the transaction and keeps the answer.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()>;
    /// Sends the answer, or `failure` when the commit failed.
    fn finish(self: Box<Self>, failure: Option<Error>);
}

struct Job<T, F> {
    job: F,
    who: Who,
    answer: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

pub(super) fn write_job<T, F>(job: F, who: Who, reply: oneshot::Sender<Result<T>>) -> Box<dyn WriteJob>
where
    T: Send + 'static,
    F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
{
    Box::new(Job { job, who, answer: None, reply })
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Result<T> + Send> WriteJob for Job<T, F> {
    fn who(&self) -> Who {
        self.who.clone()
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let answer = guarded(|| (self.job)(tx));
        let answer = answer.and_then(|answer| tx.must_be_whole().map(|()| answer));
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

/// Runs a job. A panic in it is a fault of ours, but it must not end the thread that all others need.
pub(super) fn guarded<T>(job: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_| Err(Error::internal("a database job panicked")))
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
    migrate::run(&mut writer.conn(), service, migrations, clock.now())?;
    for number in 0..READERS {
        let mut line = Line::reader(storage, service)?;
        let reads = reads.clone();
        spawn(format!("{service}-read-{number}"), move || {
            for job in reads {
                line.read_with(job);
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
    match attempt(line, &mut group, clock) {
        Ok(done) => finish(group, done),
        Err(cause) if cause.reason() == error::UNSURE => {
            group.into_iter().for_each(|job| job.finish(Some(cause.clone())));
            None
        }
        Err(_) => group.into_iter().filter_map(|job| run_alone(line, job, clock)).max(),
    }
}

fn run_alone(line: &mut Line, job: Box<dyn WriteJob>, clock: &Clock) -> Option<i64> {
    let mut group = vec![job];
    let mut tried = 0;
    loop {
        tried += 1;
        match attempt(line, &mut group, clock) {
            Ok(done) => return finish(group, done),
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

/// After the commit: caches first, then the callers, so that a caller reads what it wrote.
fn finish(group: Vec<Box<dyn WriteJob>>, done: Done) -> Option<i64> {
    for hook in done.hooks {
        // The write is on disk whatever a hook does; `guarded` has logged the panic.
        let _ = guarded(|| {
            hook();
            Ok(())
        });
    }
    group.into_iter().for_each(|job| job.finish(None));
    done.published
}

struct Done {
    published: Option<i64>,
    hooks: Vec<Box<dyn FnOnce() + Send>>,
}

/// One transaction: begin, each job in a savepoint, outbox, audit, commit.
fn attempt(line: &mut Line, group: &mut [Box<dyn WriteJob>], clock: &Clock) -> Result<Done> {
    line.begin_write()?;
    let outcome = attempt_jobs(line, group, clock);
    let outcome = outcome.and_then(|done| line.commit().map(|()| done));
    if outcome.is_err() {
        // The transaction may be gone already, so a failing rollback tells nothing new.
        let _ = line.conn().script("ROLLBACK");
    }
    outcome
}

fn attempt_jobs(line: &mut Line, group: &mut [Box<dyn WriteJob>], clock: &Clock) -> Result<Done> {
    let alone = group.len() == 1;
    let mut left = Left::default();
    for job in group {
        let mut conn = line.conn();
        if !alone {
            conn.control("SAVEPOINT job")?;
        }
        let mut tx = Tx::new(conn, clock.now(), job.who());
        match job.run(&mut tx) {
            Ok(()) => {
                let (mut conn, new) = tx.into_parts();
                left.events.extend(new.events);
                left.hooks.extend(new.hooks);
                left.entries.extend(new.entries);
                if !alone {
                    conn.control("RELEASE job")?;
                }
            }
            // A deadlock has already ended the whole transaction: let it be tried again.
            Err(cause) if cause.reason() == error::RETRY => return Err(cause),
            Err(cause) if alone => return Err(cause),
            Err(_) => line.conn().script("ROLLBACK TO job; RELEASE job")?,
        }
    }
    // Always in this order, for each locks its head row until the commit.
    let published = crate::outbox::write(&mut line.conn(), left.events)?;
    crate::audit::write(&mut line.conn(), left.entries)?;
    Ok(Done { published, hooks: left.hooks })
}

/// One database connection that one thread uses at a time.
pub(super) enum Line {
    Sqlite(File),
    Postgres(Box<Session>),
}

impl Line {
    pub(super) fn open(storage: &Storage, service: &str) -> Result<Line> {
        match storage {
            Storage::Sqlite(folder) => {
                open_sqlite(&folder.join(format!("{service}.db"))).map(|conn| Line::Sqlite(File::new(conn)))
            }
            Storage::Postgres(url) => {
                Session::open(url, service).map(|session| Line::Postgres(Box::new(session)))
            }
        }
    }

    /// Asks every `stride` instructions of SQLite's machine whether a statement is to be stopped.
    pub(super) fn stop_when(
        &mut self,
        stride: i32,
        is_over: impl FnMut() -> bool + Send + 'static,
    ) -> Result<()> {
        match self {
            Line::Sqlite(conn) => Ok(conn.progress_handler(stride, Some(is_over))?),
            Line::Postgres(_) => Ok(()),
        }
    }

    /// A line that reads. On PostgreSQL it connects at its first read: a quiet service holds few connections.
    fn reader(storage: &Storage, service: &str) -> Result<Line> {
        match storage {
            Storage::Sqlite(_) => Line::open(storage, service),
            Storage::Postgres(url) => {
                Session::new(url, service).map(|session| Line::Postgres(Box::new(session)))
            }
        }
    }

    fn conn(&mut self) -> Conn<'_> {
        match self {
            Line::Sqlite(conn) => Conn(Backend::Sqlite(conn)),
            Line::Postgres(session) => Conn(Backend::Postgres(session)),
        }
    }

    /// SQLite takes the write lock at once, so that a reader inside can't fail later.
    fn begin_write(&mut self) -> Result<()> {
        self.begin(match self {
            Line::Sqlite(_) => "BEGIN IMMEDIATE",
            Line::Postgres(_) => "BEGIN",
        })
    }

    fn begin_read(&mut self) -> Result<()> {
        self.begin(match self {
            Line::Sqlite(_) => "BEGIN",
            Line::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        })
    }

    fn begin(&mut self, sql: &str) -> Result<()> {
        self.ready()?;
        match self.conn().control(sql) {
            // The server has closed the idle connection. Nothing is begun yet, so connect anew and begin again.
            Err(_) if self.is_lost() => {
                self.ready()?;
                self.conn().control(sql)
            }
            outcome => outcome,
        }
    }

    fn commit(&mut self) -> Result<()> {
        let outcome = self.conn().control("COMMIT");
        match outcome {
            // It may be on disk all the same: to run it again could write it twice.
            Err(_) if self.is_lost() => Err(Error::new(
                tonic::Code::Unavailable,
                error::UNSURE,
                "the database was lost at the commit, so the change may or may not be kept: look before you repeat it",
            )),
            outcome => outcome,
        }
    }

    fn ready(&mut self) -> Result<()> {
        match self {
            Line::Sqlite(_) => Ok(()),
            Line::Postgres(session) => session.ready(),
        }
    }

    fn is_lost(&self) -> bool {
        match self {
            Line::Sqlite(_) => false,
            Line::Postgres(session) => session.is_lost(),
        }
    }

    /// Runs a read in one snapshot.
    pub(super) fn read_with(&mut self, job: impl FnOnce(Result<&mut Conn<'_>>)) {
        if let Err(cause) = self.begin_read() {
            return job(Err(cause));
        }
        let mut conn = self.conn();
        job(Ok(&mut conn));
        if let Err(cause) = conn.control("COMMIT") {
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
    // A plan must not hang on what is bound: with partial indexes SQLite would else prepare such statements anew at every run.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    unicode_lower(&conn)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON;",
    )?;
    Ok(conn)
}

/// SQLite's own LOWER knows ASCII only; PostgreSQL's, and people, know all letters.
fn unicode_lower(conn: &rusqlite::Connection) -> Result<()> {
    use rusqlite::functions::FunctionFlags;
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    conn.create_scalar_function("lower", 1, flags, |call| {
        // A search for a part of a title calls this for each row that it passes: what is plain ASCII, as most is, is copied once.
        if let ValueRef::Text(bytes) = call.get_raw(0)
            && bytes.is_ascii()
        {
            return Ok(String::from_utf8(bytes.to_ascii_lowercase()).ok());
        }
        Ok(call.get::<Option<String>>(0)?.map(|text| text.to_lowercase()))
    })?;
    Ok(())
}
