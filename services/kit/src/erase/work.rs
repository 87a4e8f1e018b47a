//! The worker of a service's erasures: step after step in small transactions, until nothing is found and all was heard that has to be; and what it tells of that.
//! Started by erase.rs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kontor_proto::directory::v1::PartnerDataErased;
use prost::Message;

use super::{BATCH, Person, Plan, SETTLE, WaitsFor, finish, forget, hold, note, outbox, tell};
use crate::audit::Who;
use crate::auth::Guard;
use crate::db::{Conn, Db, Tx};
use crate::outbox::NewEvent;
use crate::{Error, Result, args};

/// A job as it stands.
#[derive(Clone)]
struct Job {
    person: Person,
    step: usize,
}

pub(super) struct Worker {
    db: Db,
    plan: Arc<Plan>,
    /// What each erasure waits for, and how often that was seen.
    told: Mutex<BTreeMap<String, (String, u32)>>,
}

/// Looks after which it is told that another service's report is missing: mostly it is there by then.
const PATIENCE: u32 = 3;

impl Worker {
    /// Of a service's plan.
    pub(super) fn new(db: &Db, plan: Plan) -> Worker {
        Worker { db: db.clone(), plan: Arc::new(plan), told: Mutex::default() }
    }

    /// Works off every job that can be.
    pub(super) async fn work_off(&self) -> Result<()> {
        let jobs = self.db.read(jobs).await?;
        if jobs.iter().any(|job| job.step == 0) {
            tokio::time::sleep(SETTLE).await;
        }
        let mut failed = None;
        for job in jobs {
            // One that can't go on must not hold up the others.
            failed = self.work(job).await.err().or(failed);
        }
        failed.map_or(Ok(()), Err)
    }

    async fn work(&self, mut job: Job) -> Result<()> {
        while job.step < self.plan.steps.len() {
            if let Some(words) = self.run(&job).await? {
                return self.waits(&job.person, words, 1).await;
            }
            job.step += 1;
            let (erasure, step) = (job.person.erasure.clone(), job.step as i64);
            let sql = "UPDATE erasure_job SET step = $2 WHERE erasure = $1 AND step < $2 AND step >= 0";
            self.db.write(move |tx| tx.execute(sql, args![&erasure, step])).await?;
        }
        let waits_for = self.plan.waits_for.unwrap_or_default();
        let person = job.person.clone();
        if let Some(missing) = self.db.read(move |conn| not_followed(conn, waits_for, &person)).await? {
            return self.waits(&job.person, format!("what {missing} erases"), PATIENCE).await;
        }
        outbox::forget(&self.db, &job.person).await?;
        self.forget_names(&job.person).await?;
        let (plan, erasure) = (self.plan.clone(), job.person.erasure);
        self.told().remove(&erasure);
        self.db.write(move |tx| finish(tx, &plan, &erasure)).await
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<String, (String, u32)>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what an erasure waits for, once, when it was seen so often.
    async fn waits(&self, person: &Person, words: String, patience: u32) -> Result<()> {
        let seen = {
            let mut told = self.told();
            let (last, seen) = told.entry(person.erasure.clone()).or_default();
            *seen = if *last == words { seen.saturating_add(1) } else { 1 };
            last.clone_from(&words);
            *seen
        };
        if seen != patience {
            return Ok(());
        }
        let (service, erasure) = (self.plan.service, person.erasure.clone());
        let tell = move |tx: &mut Tx<'_>| {
            if hold(tx, &erasure)? {
                let waits = PartnerDataErased {
                    erasure: erasure.clone(),
                    waits_for: words.clone(),
                    ..PartnerDataErased::default()
                };
                tx.publish(NewEvent::new(service, &erasure, &Guard::company(), &waits));
            }
            Ok(())
        };
        let told = self.db.write(tell).await;
        if told.is_err() {
            self.told().remove(&person.erasure);
        }
        told
    }

    /// Runs a step until nothing is found. Answers what it waits for when something has to wait.
    async fn run(&self, job: &Job) -> Result<Option<String>> {
        let (mut before, mut done) = (Vec::new(), 1);
        loop {
            let (plan, person, step) = (self.plan.clone(), job.person.clone(), job.step);
            let find = move |conn: &mut Conn<'_>| (plan.steps[step].find)(conn, &person, BATCH);
            let found = self.db.read(find).await?;
            if found.is_empty() {
                return Ok(None);
            }
            if found == before && done == 0 {
                tracing::debug!(step = self.plan.steps[step].name, "something can't be erased yet");
                return Ok(Some((self.plan.steps[step].waits_for)(&found)));
            }
            before.clone_from(&found);
            let (plan, person) = (self.plan.clone(), job.person.clone());
            let write = self.db.write(move |tx| {
                if !hold(tx, &person.erasure)? {
                    return Ok(1);
                }
                tx.act_as(who(&person));
                let batch = (plan.steps[step].erase)(tx, &person, &found)?;
                for (kind, count) in &batch.counts {
                    note(tx, &person.erasure, kind, *count)?;
                }
                tell(tx, plan.service, &person.erasure, batch.records)?;
                Ok(batch.counts.iter().map(|(_, count)| *count).sum::<i64>())
            });
            done = write.await?;
        }
    }

    async fn forget_names(&self, person: &Person) -> Result<()> {
        let erasure = person.erasure.clone();
        let sql = "SELECT record FROM erasure_record WHERE erasure = $1 ORDER BY record";
        let mut names = self.db.read(move |conn| conn.all(sql, args![&erasure], |row| row.string(0))).await?;
        names.extend(person.partners.iter().cloned());
        for part in names.chunks(BATCH as usize) {
            let (part, who) = (part.to_vec(), who(person));
            let forget_part = move |tx: &mut Tx<'_>| {
                tx.act_as(who.clone());
                part.iter().try_for_each(|name| forget(tx, name))
            };
            self.db.write(forget_part).await?;
        }
        Ok(())
    }
}

/// Who asked for the erasure, which is what brought all of this.
fn who(person: &Person) -> Who {
    Who::new(&person.actor, person.erasure.clone())
}

/// The jobs that are not done.
fn jobs(conn: &mut Conn<'_>) -> Result<Vec<Job>> {
    let sql = "SELECT person, step FROM erasure_job WHERE person IS NOT NULL ORDER BY erasure LIMIT 1000";
    conn.all(sql, &[], |row| {
        Ok(Job {
            person: Person::decode(row.bytes(0)?).map_err(Error::internal)?,
            step: usize::try_from(row.int(1)?).unwrap_or(0),
        })
    })
}

/// A service of which not all was heard that has to be. One that does not take part has nothing to say.
fn not_followed(
    conn: &mut Conn<'_>,
    waits_for: &[WaitsFor],
    person: &Person,
) -> Result<Option<&'static str>> {
    for WaitsFor { source, consumers } in waits_for {
        if !person.services.is_empty() && !person.services.iter().any(|service| service == source) {
            continue;
        }
        let sql = "SELECT sequence FROM erasure_heard WHERE erasure = $1 AND source = $2";
        let heard = conn.one(sql, args![&person.erasure, *source], |row| row.int(0))?;
        let Some(heard) = heard else { return Ok(Some(source)) };
        let sql = "SELECT 1 FROM kit_cursor WHERE consumer = $1 AND source = $2 AND sequence >= $3";
        for consumer in *consumers {
            if conn.one(sql, args![*consumer, *source, heard], |_| Ok(()))?.is_none() {
                return Ok(Some(source));
            }
        }
    }
    Ok(None)
}
