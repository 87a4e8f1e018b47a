//! The second pass: the file is read again and written in batches, each row an ordinary record with its events.
//! Called by the service.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, id};
use tokio::io::AsyncReadExt;

use super::Imports;
use super::progress::{Outcome, Progress};
use super::receive::{Spool, no_disk, refused};
use super::settings::Settings;
use crate::domain::csv::{Reader, Record};
use crate::domain::import::{Columns, Fault, Made, Row};
use crate::rpc::batch::is_of_the_row;
use crate::store;
use crate::store::import::{Claim, Known, Scope};
use crate::store::import_run::Counts;

/// Rows of one transaction at most: the writer serves all callers.
const ROWS: usize = 500;
/// Bytes of one transaction's rows, about, at most.
const BYTES: usize = 4 * 1024 * 1024;
/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// Names of users, teams and partners whose answers are kept.
const NAMES: usize = 10_000;

/// How rows become records of one kind. What is wrong with a row is told before anything of it is written.
pub(super) trait Becomes: Clone + Send + Sync + 'static {
    /// What a row says.
    type Made: Made;
    /// A record that can be written.
    type New;
    /// What the rows of one transaction look up once.
    type Seen: Default;

    /// The record of a row that nobody has seen before.
    fn make(
        &self,
        conn: &mut Conn<'_>,
        seen: &mut Self::Seen,
        row: &Row<Self::Made>,
        id: String,
        now: i64,
    ) -> Result<Self::New>;

    /// Writes it.
    fn create(&self, tx: &mut Tx<'_>, caller: &Caller, new: Self::New) -> Result<()>;

    /// Takes over what a row says now. Whether that made a difference.
    fn change(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        record: &str,
        row: &Row<Self::Made>,
        columns: &Columns,
    ) -> Result<bool>;

    /// What `change` would do.
    fn foresee(
        &self,
        conn: &mut Conn<'_>,
        caller: &Caller,
        record: &str,
        row: &Row<Self::Made>,
        columns: &Columns,
    ) -> Result<bool>;
}

/// A run that writes.
struct Run<'a, B: Becomes> {
    imports: &'a Imports,
    becomes: B,
    caller: &'a Caller,
    settings: Settings,
    columns: Arc<Columns>,
    assignees: HashMap<String, Result<String>>,
    teams: HashMap<String, Result<()>>,
    partners: HashMap<String, Result<String>>,
    /// A hash of each row's key, with its line: 16 bytes a row is all that grows with the file.
    seen: HashMap<u64, u32>,
    hasher: RandomState,
    batch: Vec<Row<B::Made>>,
    bytes: usize,
    /// Rows of this batch that are done without the database.
    done: Vec<(u64, Outcome)>,
}

impl Imports {
    pub(super) async fn write_all<B: Becomes>(
        &self,
        becomes: B,
        caller: &Caller,
        settings: Settings,
        mut spool: Spool,
        progress: &mut Progress,
    ) -> Result<()> {
        let mut reader = Reader::new(settings.encoding, settings.delimiter);
        let mut run = Run {
            imports: self,
            becomes,
            caller,
            settings,
            columns: Arc::new(spool.columns),
            assignees: HashMap::new(),
            teams: HashMap::new(),
            partners: HashMap::new(),
            seen: HashMap::new(),
            hasher: RandomState::new(),
            batch: Vec::new(),
            bytes: 0,
            done: Vec::new(),
        };
        let mut chunk = vec![0; CHUNK];
        let mut records = Vec::new();
        let mut heading = true;
        loop {
            let count = spool.file.read(&mut chunk).await.map_err(no_disk)?;
            let mut take = |record: Record| {
                if std::mem::take(&mut heading) {
                    return;
                }
                records.push(record);
            };
            let read =
                if count == 0 { reader.end(&mut take) } else { reader.push(&chunk[..count], &mut take) };
            read.map_err(|fault| refused(&fault, Some(&run.columns)))?;
            for record in records.drain(..) {
                run.take(&record).await?;
                if run.is_full() {
                    progress.rows(run.flush(progress).await?).await?;
                }
            }
            if count == 0 {
                break;
            }
        }
        progress.rows(run.flush(progress).await?).await
    }
}

impl<B: Becomes> Run<'_, B> {
    async fn take(&mut self, record: &Record) -> Result<()> {
        match self.read(record).await? {
            Ok(row) => {
                self.bytes += record.fields.iter().map(String::len).sum::<usize>();
                self.batch.push(row);
            }
            Err(outcome) => self.done.push((record.line, outcome)),
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.batch.len() + self.done.len() >= ROWS || self.bytes >= BYTES
    }

    /// A row that is right in itself, with its names looked up; or what came of it without the database.
    async fn read(&mut self, record: &Record) -> Result<std::result::Result<Row<B::Made>, Outcome>> {
        let mut row: Row<B::Made> = match Row::read(record, &self.columns, &self.settings.defaults) {
            Ok(row) => row,
            Err(fault) => return Ok(Err(Outcome::Failed(fault))),
        };
        if let Err(cause) = self.look_up(&mut row.made).await {
            if !is_of_the_row(&cause) {
                return Err(cause);
            }
            return Ok(Err(Outcome::Failed(self.fault(row.line, &cause))));
        }
        let line = u32::try_from(row.line).unwrap_or(u32::MAX);
        match self.seen.entry(self.hasher.hash_one(&row.key)) {
            Entry::Vacant(place) => {
                place.insert(line);
                Ok(Ok(row))
            }
            Entry::Occupied(_) if !row.external => Ok(Err(Outcome::Unchanged)),
            Entry::Occupied(first) => {
                let first = first.get();
                let message = format!("line {first} has the same external_id");
                let fault = self.fault(row.line, &Error::invalid("external_id", message));
                Ok(Err(Outcome::Failed(Fault { reason: "REPEATED".to_owned(), ..fault })))
            }
        }
    }

    fn fault(&self, line: u64, cause: &Error) -> Fault {
        Fault::of(line, &self.columns, B::Made::KIND, cause)
    }

    /// Asks the directory once for each name.
    async fn look_up(&mut self, made: &mut B::Made) -> Result<()> {
        if self.assignees.len() + self.teams.len() + self.partners.len() > NAMES {
            self.assignees.clear();
            self.teams.clear();
            self.partners.clear();
        }
        let (directory, caller, one) = (&self.imports.directory, self.caller, B::Made::KIND.one());
        let (assignee, team) = made.people();
        if !self.assignees.contains_key(assignee) {
            let found = directory.assignee(caller, &format!("{one}.assignee"), assignee).await;
            self.assignees.insert(assignee.clone(), unless_it_is_away(found)?);
        }
        if !self.teams.contains_key(team) {
            let found = directory.team(caller, &format!("{one}.team"), team).await;
            self.teams.insert(team.clone(), unless_it_is_away(found)?);
        }
        self.teams[team].clone()?;
        *assignee = self.assignees[assignee].clone()?;
        let Some(partner) = made.partner() else { return Ok(()) };
        if !self.partners.contains_key(partner) {
            let found = directory.partner_called(caller, &format!("{one}.partner"), partner).await;
            self.partners.insert(partner.clone(), unless_it_is_away(found)?);
        }
        *partner = self.partners[partner].clone()?;
        Ok(())
    }

    /// Writes what has gathered, and returns what came of each row, in order.
    async fn flush(&mut self, progress: &Progress) -> Result<Vec<Outcome>> {
        self.bytes = 0;
        let mut outcomes = std::mem::take(&mut self.done);
        let batch = std::mem::take(&mut self.batch);
        let scope = self.settings.scope.clone();
        let (known, batch) = self
            .imports
            .db
            .read(move |conn| {
                let keys: Vec<&str> = batch.iter().map(|row| row.key.as_str()).collect();
                Ok((store::import::find(conn, &scope, &keys)?, batch))
            })
            .await?;
        // What says the same as before needs no writer: a second run of a file is all reading.
        let same = |row: &Row<B::Made>| known.get(&row.key).is_some_and(|known| known.digest == row.digest);
        let (same, rest): (Vec<_>, Vec<_>) = batch.into_iter().partition(same);
        outcomes.extend(same.iter().map(|row| (row.line, Outcome::Unchanged)));
        if !rest.is_empty() {
            let mut counts = progress.counts();
            outcomes.iter().for_each(|(_, outcome)| outcome.count(&mut counts));
            let work = Work {
                becomes: self.becomes.clone(),
                caller: self.caller.clone(),
                columns: self.columns.clone(),
                scope: self.settings.scope.clone(),
                run: progress.run(),
                counts,
                known,
                rows: rest,
            };
            let written = if self.settings.validate_only {
                {
                    let now = self.imports.db.clock().now();
                    self.imports.db.read(move |conn| work.foresee(conn, now)).await?
                }
            } else {
                self.imports.db.write(move |tx| work.write(tx)).await?
            };
            outcomes.extend(written);
        }
        outcomes.sort_by_key(|(line, _)| *line);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }
}

/// An answer about a name is kept; that the directory is away ends the run.
fn unless_it_is_away<T>(found: Result<T>) -> Result<Result<T>> {
    match found {
        Err(cause) if !is_of_the_row(&cause) => Err(cause),
        found => Ok(found),
    }
}

/// The rows of one transaction.
struct Work<B: Becomes> {
    becomes: B,
    caller: Caller,
    columns: Arc<Columns>,
    scope: Scope,
    /// Id of the run's record.
    run: String,
    /// What came of the rows before these.
    counts: Counts,
    /// Those that were seen before, a moment ago.
    known: HashMap<String, Known>,
    rows: Vec<Row<B::Made>>,
}

type Done = Vec<(u64, Outcome)>;

impl<B: Becomes> Work<B> {
    fn write(&self, tx: &mut Tx<'_>) -> Result<Done> {
        let (mut done, mut old, mut new) = (Vec::with_capacity(self.rows.len()), Vec::new(), Vec::new());
        let (mut seen, now) = (B::Seen::default(), tx.now());
        for row in &self.rows {
            if self.known.contains_key(&row.key) {
                old.push(row);
                continue;
            }
            // In the order of the file, so that the records have it too.
            let id = id::new();
            match self.becomes.make(tx, &mut seen, row, id.clone(), now) {
                Ok(made) => new.push((row, id, made)),
                Err(cause) => done.push((row.line, self.fault(row, cause)?)),
            }
        }
        let claims = new.iter().map(|(row, record, _)| Claim { key: &row.key, digest: &row.digest, record });
        let taken = store::import::claim(tx, &self.scope, claims.collect())?;
        for (row, _, made) in new {
            if taken.contains(&row.key) {
                self.becomes.create(tx, &self.caller, made)?;
                done.push((row.line, Outcome::Created));
            } else {
                old.push(row);
            }
        }
        // As they are now: somebody may import the same at once.
        let keys: Vec<&str> = old.iter().map(|row| row.key.as_str()).collect();
        let known = store::import::find(tx, &self.scope, &keys)?;
        for row in old {
            let outcome = match known.get(&row.key) {
                Some(known) if known.digest != row.digest => self.change(tx, row, known)?,
                _ => Outcome::Unchanged,
            };
            done.push((row.line, outcome));
        }
        let mut counts = self.counts;
        done.iter().for_each(|(_, outcome)| outcome.count(&mut counts));
        store::import_run::note(tx, &self.run, counts)?;
        Ok(done)
    }

    fn change(&self, tx: &mut Tx<'_>, row: &Row<B::Made>, known: &Known) -> Result<Outcome> {
        match self.becomes.change(tx, &self.caller, &known.record, row, &self.columns) {
            Ok(differs) => {
                store::import::note(tx, &self.scope, &row.key, &row.digest)?;
                Ok(told(differs))
            }
            Err(cause) => self.fault(row, cause),
        }
    }

    /// What `write` would do.
    fn foresee(&self, conn: &mut Conn<'_>, now: i64) -> Result<Done> {
        let mut done = Vec::with_capacity(self.rows.len());
        let mut seen = B::Seen::default();
        for row in &self.rows {
            let outcome = match self.known.get(&row.key) {
                None => self.becomes.make(conn, &mut seen, row, id::new(), now).map(|_| Outcome::Created),
                Some(known) => {
                    self.becomes.foresee(conn, &self.caller, &known.record, row, &self.columns).map(told)
                }
            };
            done.push((row.line, outcome.or_else(|cause| self.fault(row, cause))?));
        }
        Ok(done)
    }

    /// What is wrong with the row is its outcome; what is wrong with the database ends the run.
    fn fault(&self, row: &Row<B::Made>, cause: Error) -> Result<Outcome> {
        if is_of_the_row(&cause) {
            Ok(Outcome::Failed(Fault::of(row.line, &self.columns, B::Made::KIND, &cause)))
        } else {
            Err(cause)
        }
    }
}

fn told(differs: bool) -> Outcome {
    if differs { Outcome::Updated } else { Outcome::Unchanged }
}
