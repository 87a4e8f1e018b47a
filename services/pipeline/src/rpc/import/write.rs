//! The second pass: the file is read again and written in batches, each row an ordinary lead with its events.
//! Called by the service.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, id};
use tokio::io::AsyncReadExt;

use super::Imports;
use super::progress::{Outcome, Progress};
use super::receive::{Spool, no_disk, refused};
use super::settings::Settings;
use crate::domain::csv::{Reader, Record};
use crate::domain::import::{Columns, Fault, Row};
use crate::domain::lead::{Details, Lead, State};
use crate::rpc::batch::is_of_the_row;
use crate::rpc::lead;
use crate::store;
use crate::store::import::{Claim, Known, Scope};

/// Rows of one transaction at most: the writer serves all callers.
const ROWS: usize = 500;
/// Bytes of one transaction's rows, about, at most.
const BYTES: usize = 4 * 1024 * 1024;
/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// Names of users and teams whose answers are kept.
const NAMES: usize = 10_000;

/// A run that writes.
struct Run<'a> {
    imports: &'a Imports,
    caller: &'a Caller,
    settings: Settings,
    columns: Arc<Columns>,
    assignees: HashMap<String, Result<String>>,
    teams: HashMap<String, Result<()>>,
    /// A hash of each row's key, with its line: 16 bytes a row is all that grows with the file.
    seen: HashMap<u64, u32>,
    hasher: RandomState,
    batch: Vec<Row>,
    bytes: usize,
    /// Rows of this batch that are done without the database.
    done: Vec<(u64, Outcome)>,
}

impl Imports {
    pub(super) async fn write_all(
        &self,
        caller: &Caller,
        settings: Settings,
        mut spool: Spool,
        progress: &mut Progress,
    ) -> Result<()> {
        let mut reader = Reader::new(settings.encoding, settings.delimiter);
        let mut run = Run {
            imports: self,
            caller,
            settings,
            columns: Arc::new(spool.columns),
            assignees: HashMap::new(),
            teams: HashMap::new(),
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
                    progress.rows(run.flush().await?).await?;
                }
            }
            if count == 0 {
                break;
            }
        }
        progress.rows(run.flush().await?).await?;
        progress.done().await
    }
}

impl Run<'_> {
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
    async fn read(&mut self, record: &Record) -> Result<std::result::Result<Row, Outcome>> {
        let mut row = match Row::read(record, &self.columns, &self.settings.defaults) {
            Ok(row) => row,
            Err(fault) => return Ok(Err(Outcome::Failed(fault))),
        };
        if let Err(cause) = self.look_up(&mut row.details).await {
            if !is_of_the_row(&cause) {
                return Err(cause);
            }
            return Ok(Err(Outcome::Failed(Fault::of(row.line, &self.columns, &cause))));
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
                let cause = Error::invalid("lead.external_id", message);
                let fault = Fault::of(row.line, &self.columns, &cause);
                Ok(Err(Outcome::Failed(Fault { reason: "REPEATED".to_owned(), ..fault })))
            }
        }
    }

    /// Asks the directory once for each name.
    async fn look_up(&mut self, details: &mut Details) -> Result<()> {
        if self.assignees.len() + self.teams.len() > NAMES {
            self.assignees.clear();
            self.teams.clear();
        }
        let (directory, caller) = (&self.imports.directory, self.caller);
        if !self.assignees.contains_key(&details.assignee) {
            let found = directory.assignee(caller, "lead.assignee", &details.assignee).await;
            self.assignees.insert(details.assignee.clone(), unless_it_is_away(found)?);
        }
        if !self.teams.contains_key(&details.team) {
            let found = directory.team(caller, "lead.team", &details.team).await;
            self.teams.insert(details.team.clone(), unless_it_is_away(found)?);
        }
        self.teams[&details.team].clone()?;
        details.assignee = self.assignees[&details.assignee].clone()?;
        Ok(())
    }

    /// Writes what has gathered, and returns what came of each row, in order.
    async fn flush(&mut self) -> Result<Vec<Outcome>> {
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
        let same = |row: &Row| known.get(&row.key).is_some_and(|known| known.digest == row.digest);
        let (same, rest): (Vec<Row>, Vec<Row>) = batch.into_iter().partition(same);
        outcomes.extend(same.iter().map(|row| (row.line, Outcome::Unchanged)));
        if !rest.is_empty() {
            let work = Work {
                caller: self.caller.clone(),
                columns: self.columns.clone(),
                scope: self.settings.scope.clone(),
                rows: rest,
            };
            let written = if self.settings.validate_only {
                self.imports.db.read(move |conn| work.foresee(conn, &known)).await?
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
struct Work {
    caller: Caller,
    columns: Arc<Columns>,
    scope: Scope,
    rows: Vec<Row>,
}

type Done = Vec<(u64, Outcome)>;

impl Work {
    fn write(&self, tx: &mut Tx<'_>) -> Result<Done> {
        // In the order of the file, so that the leads have it too.
        let ids: Vec<String> = self.rows.iter().map(|_| id::new()).collect();
        let claims =
            self.rows.iter().zip(&ids).map(|(row, lead)| Claim { key: &row.key, digest: &row.digest, lead });
        let taken = store::import::claim(tx, &self.scope, claims.collect())?;
        let lost = self.rows.iter().filter(|row| !taken.contains(&row.key)).map(|row| row.key.as_str());
        let known = store::import::find(tx, &self.scope, &lost.collect::<Vec<_>>())?;
        let mut done = Vec::with_capacity(self.rows.len());
        for (row, id) in self.rows.iter().zip(ids) {
            let outcome = match known.get(&row.key) {
                None => {
                    lead::create(tx, &self.caller, &made(row, id, tx.now()))?;
                    Outcome::Created
                }
                Some(known) if known.digest == row.digest => Outcome::Unchanged,
                Some(known) => self.or_fault(row, self.change(tx, row, known))?,
            };
            done.push((row.line, outcome));
        }
        Ok(done)
    }

    /// What `write` would do.
    fn foresee(&self, conn: &mut Conn<'_>, known: &HashMap<String, Known>) -> Result<Done> {
        let mut done = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let outcome = match known.get(&row.key) {
                None => Outcome::Created,
                Some(known) => {
                    let lead = self
                        .lead(conn, known)
                        .and_then(|lead| self.wanted(row, &lead).map(|new| (lead, new)));
                    let outcome = lead.map(|(lead, new)| told(lead.details != new));
                    self.or_fault(row, outcome)?
                }
            };
            done.push((row.line, outcome));
        }
        Ok(done)
    }

    fn change(&self, tx: &mut Tx<'_>, row: &Row, known: &Known) -> Result<Outcome> {
        let lead = store::lead::get_for_change(tx, &self.caller, &known.lead)?;
        let new = self.wanted(row, &lead)?;
        let differs = lead.details != new;
        lead::write(tx, &self.caller, lead, new)?;
        store::import::note(tx, &self.scope, &row.key, &row.digest)?;
        Ok(told(differs))
    }

    fn lead(&self, conn: &mut Conn<'_>, known: &Known) -> Result<Lead> {
        let lead = resource::get::<Lead>(conn, &known.lead)?;
        self.caller.must_write(&lead.guard(), &lead.name())?;
        Ok(lead)
    }

    fn wanted(&self, row: &Row, lead: &Lead) -> Result<Details> {
        if lead.details.state == State::Converted {
            let message = format!("{} was converted: change its opportunity instead", lead.name());
            return Err(Error::precondition("LEAD_CONVERTED", message));
        }
        row.merged(&lead.details, &self.columns).checked()
    }

    /// What is wrong with the row is its outcome; what is wrong with the database ends the run.
    fn or_fault(&self, row: &Row, outcome: Result<Outcome>) -> Result<Outcome> {
        match outcome {
            Err(cause) if is_of_the_row(&cause) => {
                Ok(Outcome::Failed(Fault::of(row.line, &self.columns, &cause)))
            }
            outcome => outcome,
        }
    }
}

fn told(differs: bool) -> Outcome {
    if differs { Outcome::Updated } else { Outcome::Unchanged }
}

fn made(row: &Row, id: String, now: i64) -> Lead {
    Lead {
        id,
        version: 1,
        details: row.details.clone(),
        opportunity: String::new(),
        create_time: now,
        update_time: now,
    }
}
