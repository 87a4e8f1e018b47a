//! Erasing a partner in a service's own data: a job for each erasure, worked off in small transactions, and a report to the directory.
//! Each service starts it with a plan of its own; the tables are made by the service's migration `..._erasure`.
//!
//! The job is a row, so a restart or another process goes on where it stood. What was erased is found no more, so doing a step again erases nothing.

mod matcher;
mod outbox;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kontor_proto::directory::v1::{ErasedCount, PartnerDataErased, PartnerErasureBegun};
use kontor_proto::r#type::v1::Event;
use prost::Message;
use tokio::sync::Notify;

use crate::auth::Guard;
use crate::context::Context;
use crate::db::{Conn, Db, Tx, Value};
use crate::outbox::{NewEvent, is, payload};
use crate::{Result, args, audit, clock};

pub use matcher::{is_in, without};
pub use outbox::empty;

/// A condition that a column has one of these values; they are added to the arguments. No row has one of no values.
pub fn is_one_of(column: &str, values: &[String], args: &mut Vec<Value>) -> String {
    if values.is_empty() {
        return "1 = 0".to_owned();
    }
    let places = values.iter().map(|value| {
        args.push(value.into());
        format!("${}", args.len())
    });
    format!("{column} IN ({})", places.collect::<Vec<_>>().join(", "))
}

/// What stands where a text was that may not be empty.
pub const ERASED: &str = "Erased";
/// Things that are erased in one transaction at most.
pub const BATCH: i64 = 50;

/// How long a new job waits, so that a request that looked the partner up before has stored what it wanted by then.
const SETTLE: Duration = Duration::from_secs(1);
/// How often to look for jobs when nothing wakes us, and the pause before something is tried again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// By what the data of a partner is found.
pub type Person = PartnerErasureBegun;

/// What one batch did.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// How many things it erased, by kind.
    pub counts: Vec<(&'static str, i64)>,
    /// Resource names of records whose texts went, whose copies and events go too.
    pub records: Vec<String>,
}

type Find = dyn Fn(&mut Conn<'_>, &Person, i64) -> Result<Vec<String>> + Send + Sync;
type Erase = dyn Fn(&mut Tx<'_>, &Person, &[String]) -> Result<Batch> + Send + Sync;

impl Batch {
    /// Of one kind.
    pub fn of(kind: &'static str, count: i64) -> Batch {
        Batch { counts: vec![(kind, count)], records: Vec::new() }
    }
}

type Words = dyn Fn(&[String]) -> String + Send + Sync;

/// One kind of thing that a service erases.
pub struct Step {
    name: &'static str,
    find: Box<Find>,
    erase: Box<Erase>,
    waits_for: Box<Words>,
}

impl Step {
    /// `find` answers keys of things that are still there, at most so many, in a read; `erase` erases those in a transaction, or a part of
    /// them. What can't be erased yet is tried again later.
    pub fn new(
        name: &'static str,
        find: impl Fn(&mut Conn<'_>, &Person, i64) -> Result<Vec<String>> + Send + Sync + 'static,
        erase: impl Fn(&mut Tx<'_>, &Person, &[String]) -> Result<Batch> + Send + Sync + 'static,
    ) -> Step {
        let waits_for = move |keys: &[String]| format!("{name} that can't be erased yet: {}", keys.len());
        Step { name, find: Box::new(find), erase: Box::new(erase), waits_for: Box::new(waits_for) }
    }

    /// With words for the report about those that can't be erased yet, by their keys. No personal data may stand there.
    #[must_use]
    pub fn waits_for(mut self, words: impl Fn(&[String]) -> String + Send + Sync + 'static) -> Step {
        self.waits_for = Box::new(words);
        self
    }
}

/// The instant up to which things that only have an address or number of the person are the person's: what begins later is somebody new's.
pub fn until(person: &Person) -> i64 {
    person.begin_time.as_ref().map_or(i64::MAX, clock::from_proto)
}

/// A service that is followed.
#[derive(Clone, Copy, Debug)]
pub struct WaitsFor {
    /// "pipeline"
    pub source: &'static str,
    /// Names of this service's consumers that keep the copies.
    pub consumers: &'static [&'static str],
}

/// How a service erases.
pub struct Plan {
    /// "pipeline"
    pub service: &'static str,
    /// Name of its consumer on the bus: "pipeline.erasure".
    pub consumer: &'static str,
    /// Services whose records it has copies of: their reports must have come, and all their events before that, until this one reports. The
    /// service's migrations have the table `erasure_heard` then.
    pub waits_for: Option<&'static [WaitsFor]>,
    /// What it erases, in order. Events in the outbox and answers to requests are erased behind these.
    pub steps: Vec<Step>,
}

/// Hears of erasures for as long as the process runs, and works them off.
pub fn start(context: &Context, db: &Db, plan: Plan) {
    let wake = Arc::new(Notify::new());
    let waits_for = plan.waits_for.unwrap_or_default();
    for source in ["directory"].into_iter().chain(waits_for.iter().map(|followed| followed.source)) {
        let wake = wake.clone();
        // The many other events of a source cost nothing.
        let wants = |event: &Event| is::<PartnerErasureBegun>(event) || is::<PartnerDataErased>(event);
        context.bus.listen_for(context, source, plan.consumer, db.clone(), wants, move |tx, event| {
            if let Some(person) = payload::<PartnerErasureBegun>(event) {
                add(tx, &person)?;
            } else if waits_for.iter().any(|followed| followed.source == event.source)
                && let Some(erased) = payload::<PartnerDataErased>(event)
            {
                hear(tx, &erased, &event.source, event.sequence)?;
            } else {
                return Ok(());
            }
            let wake = wake.clone();
            tx.on_commit(move || wake.notify_one());
            Ok(())
        });
    }
    let worker = work::Worker::new(db, plan);
    context.spawn(async move {
        loop {
            if let Err(cause) = worker.work_off().await {
                tracing::warn!(cause = %cause, "an erasure waits");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, wake.notified()).await;
        }
    });
}

/// Makes the job of an erasure in the transaction that begins it, with what that has erased already.
///
/// # Errors
/// Those of the database.
pub fn begin(tx: &mut Tx<'_>, person: &Person, done: &[(&'static str, i64)]) -> Result<()> {
    add(tx, person)?;
    done.iter().try_for_each(|(kind, count)| note(tx, &person.erasure, kind, *count))
}

/// Makes the job of an erasure; nothing happens when there is one or was one.
fn add(tx: &mut Tx<'_>, person: &Person) -> Result<()> {
    tx.execute(
        "INSERT INTO erasure_job (erasure, person, step, heard, counts) VALUES ($1, $2, 0, 0, '')
         ON CONFLICT (erasure) DO UPDATE SET person = excluded.person WHERE erasure_job.person IS NULL AND erasure_job.step = 0",
        args![&person.erasure, person.encode_to_vec()],
    )?;
    Ok(())
}

/// Takes over what another service has erased: its records, and in the end that it is done.
fn hear(tx: &mut Tx<'_>, erased: &PartnerDataErased, source: &str, sequence: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO erasure_job (erasure, person, step, heard, counts) VALUES ($1, NULL, 0, 0, '') ON CONFLICT (erasure) DO NOTHING",
        args![&erased.erasure],
    )?;
    // A service that is followed since today tells of old ones too.
    let sql = "SELECT 1 FROM erasure_job WHERE erasure = $1 AND step >= 0";
    if tx.one(sql, args![&erased.erasure], |_| Ok(()))?.is_none() {
        return Ok(());
    }
    remember(tx, &erased.erasure, &erased.records)?;
    if erased.done {
        tx.execute(
            "INSERT INTO erasure_heard (erasure, source, sequence) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            args![&erased.erasure, source, sequence],
        )?;
    }
    Ok(())
}

fn remember(tx: &mut Tx<'_>, erasure: &str, records: &[String]) -> Result<()> {
    let rows = records.iter().map(|record| args![erasure, record].to_vec());
    tx.insert_many("erasure_record", "erasure, record", rows, "ON CONFLICT DO NOTHING")
}

/// The one place where what the kit keeps of a record's or a partner's past is forgotten, beside events and answers: called once for each
/// record that was erased ("opportunities/{id}") and for each name of the partner, when all rows are erased.
///
/// # Errors
/// Those of the database.
fn forget(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    // An entry that says so stays for each; there is none where nothing was kept.
    if audit::value_count(tx, name)? > 0 {
        audit::forget(tx, name)?;
    }
    Ok(())
}

/// Holds the job until the commit; false when another process has finished it.
fn hold(tx: &mut Tx<'_>, erasure: &str) -> Result<bool> {
    let sql = "UPDATE erasure_job SET heard = heard WHERE erasure = $1 AND person IS NOT NULL";
    Ok(tx.execute(sql, args![erasure])? > 0)
}

/// Adds to the counts of a job.
pub(crate) fn note(tx: &mut Tx<'_>, erasure: &str, kind: &str, count: i64) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    let mut counts = counts(tx, erasure)?;
    *counts.entry(kind.to_owned()).or_default() += count;
    let lines: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind}={count}")).collect();
    tx.execute("UPDATE erasure_job SET counts = $2 WHERE erasure = $1", args![erasure, lines.join("\n")])?;
    Ok(())
}

fn counts(conn: &mut Conn<'_>, erasure: &str) -> Result<BTreeMap<String, i64>> {
    let sql = "SELECT counts FROM erasure_job WHERE erasure = $1";
    let text = conn.one(sql, args![erasure], |row| row.string(0))?.unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.filter_map(|(kind, count)| Some((kind.to_owned(), count.parse().ok()?))).collect())
}

/// Tells who has copies of the records that these were erased.
fn tell(tx: &mut Tx<'_>, service: &'static str, erasure: &str, records: Vec<String>) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    remember(tx, erasure, &records)?;
    for part in records.chunks(100) {
        let erased = PartnerDataErased {
            erasure: erasure.to_owned(),
            records: part.to_vec(),
            ..PartnerDataErased::default()
        };
        tx.publish(NewEvent::new(service, erasure, &Guard::company(), &erased));
    }
    Ok(())
}

/// Reports that all is erased, and forgets by what it was found.
fn finish(tx: &mut Tx<'_>, plan: &Plan, erasure: &str) -> Result<()> {
    if !hold(tx, erasure)? {
        return Ok(());
    }
    let counts = counts(tx, erasure)?.into_iter().map(|(kind, count)| ErasedCount { kind, count }).collect();
    tx.execute(
        "UPDATE erasure_job SET person = NULL, step = -1, counts = '' WHERE erasure = $1",
        args![erasure],
    )?;
    tx.execute("DELETE FROM erasure_record WHERE erasure = $1", args![erasure])?;
    if plan.waits_for.is_some() {
        tx.execute("DELETE FROM erasure_heard WHERE erasure = $1", args![erasure])?;
    }
    let erased =
        PartnerDataErased { erasure: erasure.to_owned(), done: true, counts, ..PartnerDataErased::default() };
    tx.publish(NewEvent::new(plan.service, erasure, &Guard::company(), &erased));
    Ok(())
}
