//! Sends what is due: leases messages, makes them, gives them to the relay over several connections, and notes what came of each.
//! Started by lib.rs; rpc wakes it. Several processes may do it for the same mailings.
//!
//! `keeper.rs` follows the clock, `prepare.rs` makes messages, `queue.rs` holds those that are ready, `deliver.rs` sends them.

mod connection;
mod deliver;
mod keeper;
pub mod message;
pub(crate) mod prepare;
mod queue;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kontor_kit::db::{Conn, Db};
use kontor_kit::{Result, id};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use connection::{Connection, Refusal, Trust};
pub(crate) use prepare::{Look, Senders, look};

use crate::domain::hours::Hours;
use crate::domain::mailing::Mailing;
use crate::domain::pace::pause;
use crate::domain::reply::Stage;
use crate::rpc::House;
use crate::store;
use crate::store::lease::Leased;
use crate::store::worker::Trouble;
use queue::{Job, Queue};

/// How often to look when nothing wakes us.
const LOOK: Duration = Duration::from_millis(200);
/// How often a sign of life is shown, and the clock of mailings is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Mailings that are leased for in one round.
const MAILINGS: usize = 50;
/// Messages that are made together.
const BATCH: i64 = crate::templates::AT_ONCE as i64;
/// The longest rest before something is written again.
const LONGEST_REST: Duration = Duration::from_secs(5);
/// A process that could not show a sign of life for so long sends nothing: another one may have its messages soon.
const SURE: Duration = Duration::from_secs(12);

/// Sends for as long as the process runs. Cheap to clone.
#[derive(Clone)]
pub struct Sender(Arc<Inner>);

struct Inner {
    house: House,
    /// Who has messages, in the database.
    holder: String,
    queue: Queue,
    /// Ids of the messages that this process has.
    held: Mutex<HashSet<String>>,
    wake: Notify,
    stop: CancellationToken,
    relay: Mutex<RelayState>,
    /// The mailings of the last rounds, whole: they are read again when their version is another one.
    known: Mutex<Vec<Arc<Mailing>>>,
    /// When a sign of life was shown last; none before the first one is written.
    alive: Mutex<Option<Instant>>,
}

/// Whether the relay can be used.
#[derive(Default)]
struct RelayState {
    failures: i64,
    until: Option<Instant>,
    /// What is told of it.
    trouble: Option<Trouble>,
}

impl Sender {
    /// Starts the work. It goes on a little when the process is asked to stop: what is on its way is finished.
    pub fn start(house: &House) -> Sender {
        let context = house.context.clone();
        let sender = Sender(Arc::new(Inner {
            house: house.clone(),
            holder: id::new(),
            queue: Queue::new(),
            held: Mutex::default(),
            wake: Notify::new(),
            stop: context.stop.clone(),
            relay: Mutex::default(),
            known: Mutex::default(),
            alive: Mutex::default(),
        }));
        let keeper = sender.clone();
        context.tasks.spawn(async move { keeper.keep().await });
        if house.settings.relay.is_some() {
            for _ in 0..house.settings.connections {
                let deliverer = sender.clone();
                context.tasks.spawn(async move { deliverer.deliver_all().await });
            }
            let leaser = sender.clone();
            context.tasks.spawn(async move { leaser.lease_all().await });
        }
        sender
    }

    /// Says that there is something to do.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    fn db(&self) -> &Db {
        &self.0.house.db
    }

    fn now(&self) -> i64 {
        self.db().clock().now()
    }

    /// Whether others know that this process is there: only then are messages its own.
    fn is_sure(&self) -> bool {
        let alive = self.0.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.is_some_and(|shown| shown.elapsed() < SURE)
    }

    /// A sign of life was written that was begun at this instant. The first one lets messages be leased.
    fn is_alive(&self, since: Instant) {
        let before = self.0.alive.lock().unwrap_or_else(PoisonError::into_inner).replace(since);
        if before.is_none() {
            self.wake();
        }
    }

    /// Leases and makes messages until the process stops, then gives back what is not on its way.
    async fn lease_all(&self) {
        let most = self.most();
        let mut looked = Instant::now();
        while !self.0.stop.is_cancelled() {
            if looked.elapsed() >= TICK && self.is_sure() {
                looked = Instant::now();
                if let Err(cause) = self.find_lost().await {
                    tracing::warn!(%cause, "messages that nobody has can't be looked for");
                }
            }
            let room = most - self.held_count();
            let leased = if room < most / 3 || !self.is_sure() || self.relay_pause().is_some() {
                Ok(false)
            } else {
                self.lease(room.min(BATCH)).await
            };
            let is_more = leased.unwrap_or_else(|cause| {
                tracing::warn!(%cause, "messages can't be leased");
                false
            });
            if !is_more {
                let stopped = self.0.stop.cancelled();
                let _ = tokio::time::timeout(LOOK, async {
                    tokio::select! { () = self.0.wake.notified() => {}, () = stopped => {} }
                })
                .await;
            }
        }
        let left = self.0.queue.close();
        let now = self.now();
        self.give_back(left.into_iter().map(|job| job.leased).collect(), now).await;
    }

    /// Gives back what the database says that this process has and it has not: the answer to the commit of its lease was lost, or the task that made it broke off.
    /// Called by who leases and by nobody else, so nothing is leased meanwhile; and what was noted meanwhile is not this process' any more.
    async fn find_lost(&self) -> Result<()> {
        let (held, holder) = (self.held().clone(), self.0.holder.clone());
        let mut lost = self.db().read_few(move |conn| store::lease::held(conn, &holder)).await?;
        lost.retain(|id| !held.contains(id));
        if lost.is_empty() {
            return Ok(());
        }
        tracing::info!(count = lost.len(), "messages whose lease was lost are given back");
        let holder = self.0.holder.clone();
        self.db().write(move |tx| store::lease::give_back_lost(tx, &holder, &lost)).await
    }

    fn held(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages this process has.
    fn held_count(&self) -> i64 {
        i64::try_from(self.held().len()).unwrap_or(i64::MAX)
    }

    /// Leases messages of all mailings that run, by turns. True when there may be more.
    async fn lease(&self, room: i64) -> Result<bool> {
        let (zone, now) = (self.0.house.context.zone(), self.now());
        let turn = usize::try_from(now / 1_000_000).unwrap_or(0);
        let may_go = move |end: Option<i64>, hours: Option<Hours>| {
            end.is_none_or(|end| end > now) && hours.is_none_or(|hours| hours.is_open(&zone, now))
        };
        let known = self.known().clone();
        let read =
            move |conn: &mut Conn<'_>| store::mailing::ready(conn, now, (turn, MAILINGS), may_go, &known);
        let running = self.db().read(read).await?;
        self.now_known(&running);
        if running.is_empty() {
            return Ok(false);
        }
        let share = (room / i64::try_from(running.len()).unwrap_or(1)).max(1);
        let (mut is_more, mut left) = (false, room);
        for mailing in running {
            let most = share.min(left);
            if most <= 0 {
                break;
            }
            let (wanted, holder) = (mailing.clone(), self.0.holder.clone());
            let defaults = self.0.house.settings.defaults;
            let write = move |tx: &mut kontor_kit::db::Tx<'_>| {
                store::lease::take(tx, &wanted, &holder, defaults, most)
            };
            let leased = self.db().write(write).await?;
            if leased.is_empty() {
                continue;
            }
            is_more = true;
            let count = i64::try_from(leased.len()).unwrap_or(0);
            left -= count;
            self.held().extend(leased.iter().map(|it| it.row.id.clone()));
            let (sender, tasks) = (self.clone(), self.0.house.context.tasks.clone());
            let ids: Vec<String> = leased.iter().map(|it| it.row.id.clone()).collect();
            let made = tasks.spawn(async move { sender.prepare(mailing, leased).await });
            let sender = self.clone();
            // Of a task that broke off nothing came into the queue: that is its last step.
            tasks.spawn(async move {
                if made.await.is_err() {
                    sender.let_go(&ids);
                }
            });
        }
        Ok(is_more)
    }

    /// Keeps those of this round, and before them as many others as there is room for.
    fn now_known(&self, running: &[Arc<Mailing>]) {
        let mut known = self.known();
        known.retain(|old| running.iter().all(|new| new.id != old.id));
        known.extend(running.iter().cloned());
        let old = known.len().saturating_sub(MAILINGS);
        known.drain(..old);
    }

    fn known(&self) -> MutexGuard<'_, Vec<Arc<Mailing>>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages that a process has at once.
    fn most(&self) -> i64 {
        (i64::try_from(self.0.house.settings.connections).unwrap_or(1) * 12).max(64)
    }

    /// These messages are not this process' any more.
    fn let_go<'a>(&self, ids: impl IntoIterator<Item = &'a String>) {
        let held = {
            let mut held = self.held();
            ids.into_iter().for_each(|id| {
                held.remove(id);
            });
            i64::try_from(held.len()).unwrap_or(i64::MAX)
        };
        // Not for each one that goes: who leases waits for room for some.
        if self.most() - held >= self.most() / 3 {
            self.wake();
        }
    }

    /// Gives messages back that are not sent now.
    async fn give_back(&self, leased: Vec<Leased>, due: i64) {
        if leased.is_empty() {
            return;
        }
        let ids: Vec<String> = leased.iter().map(|it| it.row.id.clone()).collect();
        let holder = self.0.holder.clone();
        let written = self.until_written(move |tx| store::lease::give_back(tx, &holder, &leased, due)).await;
        if let Err(cause) = written {
            tracing::warn!(%cause, "messages come back when their lease ends");
        }
        self.let_go(&ids);
    }

    /// Writes, again and again until the database takes it: what the relay took must not be sent once more. The row is this process' until then.
    async fn until_written<T: Send + 'static>(
        &self,
        job: impl Fn(&mut kontor_kit::db::Tx<'_>) -> Result<T> + Send + Clone + 'static,
    ) -> Result<T> {
        let (mut rest, begun) = (LOOK, Instant::now());
        loop {
            match self.db().write(job.clone()).await {
                // Also a process that stops gives a full writer some moments.
                Err(cause) if !self.0.stop.is_cancelled() || begun.elapsed() < LONGEST_REST => {
                    tracing::warn!(%cause, "what came of messages is written again");
                    tokio::time::sleep(rest).await;
                    rest = (rest * 2).min(LONGEST_REST);
                }
                outcome => return outcome,
            }
        }
    }

    /// How long the relay is left alone.
    fn relay_pause(&self) -> Option<Duration> {
        let relay = self.0.relay.lock().unwrap_or_else(PoisonError::into_inner);
        relay.until?.checked_duration_since(Instant::now())
    }

    /// The relay can't be used. How long it is left alone, in microseconds.
    fn relay_failed(&self, refusal: &Refusal) -> i64 {
        let mut relay = self.0.relay.lock().unwrap_or_else(PoisonError::into_inner);
        if relay.until.is_none_or(|until| until <= Instant::now()) {
            relay.failures += 1;
            // A relay is tried sooner than a domain: 2 seconds first, five minutes at most.
            let micros = (pause(relay.failures, luck()) / 15).min(300_000_000);
            relay.until = Some(Instant::now() + Duration::from_micros(micros.unsigned_abs()));
            // What is said of a recipient or a message may name people.
            let is_general = matches!(refusal.stage, Stage::Connection | Stage::Sender);
            let words = if is_general { refusal.words.as_str() } else { "" };
            let code = refusal.code;
            tracing::warn!(failures = relay.failures, code, words, "the relay can't be used");
            let now = self.now();
            let since = relay.trouble.as_ref().map_or(now, |trouble| trouble.since);
            relay.trouble = Some(Trouble { words: told(code, words), since, until: now + micros });
        }
        let left = relay.until.and_then(|until| until.checked_duration_since(Instant::now()));
        i64::try_from(left.unwrap_or_default().as_micros()).unwrap_or(0)
    }

    /// Why the relay can't be used; none when it works.
    fn relay_trouble(&self) -> Option<Trouble> {
        self.0.relay.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    fn relay_works(&self) {
        *self.0.relay.lock().unwrap_or_else(PoisonError::into_inner) = RelayState::default();
    }
}

/// What the relay said, for people.
fn told(code: i32, words: &str) -> String {
    match (code, words) {
        (0, "") => "the line to the relay broke".to_owned(),
        (0, words) => format!("the relay can't be used: {words}"),
        (code, words) => format!("the relay can't be used: {code} {words}").trim_end().to_owned(),
    }
}

/// Any number, for pauses that differ.
fn luck() -> u64 {
    u64::from_le_bytes(kontor_kit::secret::random())
}
