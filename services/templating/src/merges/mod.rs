//! Merges at work: each is a row that a process takes, works off in small steps and commits with how far it is, so a restart goes on where it stood.
//! Started by lib.rs; rpc/merge.rs wakes it.

mod gather;
mod join;
mod make;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use kontor_kit::context::{Company, Context};
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::NewEvent;
use kontor_kit::{Error, Result, id, resource};
use kontor_proto::templating::v1 as proto;
use prost::Message;
use tokio::sync::{Notify, watch};
use tonic::Code;

use crate::cache::Cache;
use crate::directory::Directory;
use crate::domain::declared::Declared;
use crate::domain::merge::{Merge, State};
use crate::domain::stored::StoredTemplate;
use crate::maker::{self, Maker};
use crate::office::Office;
use crate::store;

/// Merges that a process works on at once.
const WORKERS: usize = 2;
/// How often to look for merges when nothing wakes us: those of processes that are gone.
const LOOK: Duration = Duration::from_secs(5);
/// How often a merge shows a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// The pause before something that failed for now is tried again, in microseconds.
const AGAIN: i64 = 2_000_000;

/// The merges of this process. Cheap to clone.
#[derive(Clone)]
pub struct Merges {
    db: Db,
    cache: Cache,
    directory: Directory,
    office: Office,
    company: Company,
    zone: TimeZone,
    /// Who works, in the database.
    holder: Arc<str>,
    wake: Arc<Notify>,
    /// Raised with each step that this process commits.
    steps: watch::Sender<u64>,
}

/// What a step came to.
enum Step {
    /// There is more.
    On,
    /// Over, or not ours any more.
    End,
}

/// One merge that this process has taken, with what its letters are made with.
struct Job {
    merge: Merge,
    maker: Arc<Maker>,
    photo: bool,
}

impl Merges {
    /// Works for as long as the process runs.
    pub fn start(
        context: &Context,
        db: &Db,
        (cache, directory, office): (&Cache, &Directory, &Office),
    ) -> Merges {
        let merges = Merges {
            db: db.clone(),
            cache: cache.clone(),
            directory: directory.clone(),
            office: office.clone(),
            company: context.company.clone(),
            zone: context.zone(),
            holder: id::new().into(),
            wake: Arc::default(),
            steps: watch::Sender::new(0),
        };
        for _ in 0..WORKERS {
            let worker = merges.clone();
            context.spawn(async move { worker.work().await });
        }
        let sweeper = merges.clone();
        context.spawn(async move { sweeper.sweep().await });
        merges
    }

    /// Says that there is something to do.
    pub fn wake(&self) {
        self.wake.notify_waiters();
        self.step();
    }

    /// Changes when a merge of this process went on.
    pub fn steps(&self) -> watch::Receiver<u64> {
        self.steps.subscribe()
    }

    fn step(&self) {
        self.steps.send_modify(|count| *count = count.wrapping_add(1));
    }

    async fn work(&self) {
        loop {
            let woken = self.wake.notified();
            let holder = self.holder.clone();
            match self.db.write(move |tx| store::merge::take(tx, &holder)).await {
                Ok(Some(merge)) => self.run(merge).await,
                Ok(None) => drop(tokio::time::timeout(LOOK, woken).await),
                Err(cause) => {
                    tracing::warn!(%cause, "merges can't be looked for");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    async fn run(&self, merge: Merge) {
        let id = merge.id.clone();
        let outcome = self.steps_of(merge).await;
        let Err(cause) = outcome else { return };
        let later =
            matches!(cause.code(), Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded);
        let noted = if later {
            tracing::warn!(merge = %id, %cause, "a merge waits, and is tried again");
            let (holder, until) = (self.holder.clone(), self.db.clock().now() + AGAIN);
            let given = self.db.write(move |tx| store::merge::give_back(tx, &id, &holder, until)).await;
            tokio::time::sleep(Duration::from_micros(AGAIN.unsigned_abs())).await;
            given
        } else {
            self.fail_present(&id, cause.message().to_owned()).await
        };
        if let Err(cause) = noted {
            tracing::warn!(%cause, "the state of a merge was not noted");
        }
    }

    async fn steps_of(&self, merge: Merge) -> Result<()> {
        let mut job = self.job(merge).await?;
        loop {
            let step = match job.merge.state {
                State::Gathering => gather::step(self, &mut job).await?,
                State::Making => make::step(self, &mut job).await?,
                State::Joining => join::run(self, &mut job).await?,
                State::Done | State::Failed | State::Cancelled => Step::End,
            };
            self.step();
            if matches!(step, Step::End) {
                return Ok(());
            }
        }
    }

    async fn job(&self, merge: Merge) -> Result<Job> {
        let template = self.cache.get(None, &merge.sha256).await?.letter()?;
        let id = merge.template.clone();
        // It may not be deleted while merges of it run.
        let stored = self.db.read_few(move |conn| resource::get::<StoredTemplate>(conn, &id)).await?;
        let declared = Declared::from_text(&stored.fields)?;
        let fields = |bytes: &[u8]| proto::Fields::decode(bytes).map_err(Error::internal);
        let (shared, sender) = (fields(&merge.fields)?, fields(&merge.sender)?);
        let photo = maker::shows_photo(&template, &declared)?;
        let locale = maker::locale("locale", &merge.locale)?;
        let maker = Maker::new(
            template,
            declared.fields()?,
            (&shared, &sender),
            locale,
            (&self.company, &self.zone),
            merge.create_time,
        )?;
        Ok(Job { merge, maker: Arc::new(maker), photo })
    }

    /// Ends a merge without letters, as far as it is by now.
    async fn fail_present(&self, id: &str, failure: String) -> Result<()> {
        let id = id.to_owned();
        let merge = self.db.read_few(move |conn| resource::find::<Merge>(conn, &id)).await?;
        match merge {
            Some(merge) if !merge.state.is_over() => self.fail(merge, failure).await.map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Ends a merge without letters.
    async fn fail(&self, mut merge: Merge, failure: String) -> Result<Step> {
        // One that was cancelled meanwhile, or that another process has, keeps its letters.
        let id = merge.id.clone();
        let present = self.db.read_few(move |conn| resource::find::<Merge>(conn, &id)).await?;
        let Some(state) = present.map(|merge| merge.state) else { return Ok(Step::End) };
        let still = Merge { state, ..merge.clone() };
        if state.is_over() || !self.advance(state, &still, |_| Ok(())).await? {
            return Ok(Step::End);
        }
        let id = merge.id.clone();
        while self.drop_letters(&id).await? {}
        (merge.state, merge.letters, merge.size) = (State::Failed, 0, 0);
        merge.failure = failure.chars().take(2_000).collect();
        self.advance(state, &merge, |_| Ok(())).await?;
        self.step();
        Ok(Step::End)
    }

    async fn drop_letters(&self, merge: &str) -> Result<bool> {
        let merge = merge.to_owned();
        self.db.write(move |tx| Ok(store::letter::drop_some(tx, &merge)? > 0)).await
    }

    /// Commits a step with how far the merge is. False when it is not ours any more, and then nothing is written.
    async fn advance(
        &self,
        before: State,
        merge: &Merge,
        also: impl Fn(&mut Tx<'_>) -> Result<()> + Send + 'static,
    ) -> Result<bool> {
        let (merge, holder) = (merge.clone(), self.holder.clone());
        let write = move |tx: &mut Tx<'_>| {
            tx.act_for(&merge.owner);
            if !store::merge::advance(tx, before, &merge, &holder)? {
                return Ok(false);
            }
            also(tx)?;
            if merge.state.is_over() {
                ended(tx, &merge);
                store::content::release(tx, &merge.sha256)?;
            }
            Ok(true)
        };
        self.db.write(write).await
    }

    /// Keeps the lease of a merge alive while work goes on that takes longer than it.
    async fn meanwhile<T>(&self, merge: &Merge, work: impl Future<Output = T>) -> Result<T> {
        tokio::pin!(work);
        loop {
            match tokio::time::timeout(SIGN_OF_LIFE, &mut work).await {
                Ok(done) => return Ok(done),
                Err(_) if self.advance(merge.state, merge, |_| Ok(())).await? => {}
                Err(_) => return Err(Error::new(Code::Cancelled, "CANCELLED", "the merge was cancelled")),
            }
        }
    }

    async fn sweep(&self) {
        loop {
            match self.db.write(store::merge::sweep).await {
                Ok(true) => {}
                Ok(false) => drop(tokio::time::timeout(LOOK, self.wake.notified()).await),
                Err(cause) => {
                    tracing::warn!(%cause, "letters of deleted merges can't be taken out");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }
}

/// Tells that a merge ended.
pub fn ended(tx: &mut Tx<'_>, merge: &Merge) {
    let state = i32::try_from(merge.state as i64).unwrap_or(0);
    let event = proto::MergeEnded { state, letter_count: merge.letters, failed_count: merge.failed };
    tx.publish(
        NewEvent::new("templating", merge.full_name(), &merge.guard(), &event).actor(merge.owner.clone()),
    );
}
