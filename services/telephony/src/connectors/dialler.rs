//! Carries clicks to call over to the telephone system: each goes onto the wire at most once, whatever stops in between.
//! Run by the keeper beside each session; `expire` by its rounds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kontor_kit::Result;
use kontor_kit::db::Tx;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::session::{Handle, Phase, Refusal, Status};
use crate::domain::entry::Entry;
use crate::intake::{Intake, dial};
use crate::store;
use crate::store::dial::{Dial, Taken};
use crate::store::dial_step::Step;

/// How often the database is asked for orders of other processes. Only PostgreSQL has other processes.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often is looked at what became of those that were sent.
const SETTLE: Duration = Duration::from_secs(2);
/// Orders taken at once; more wait for the next look.
const BATCH: i64 = 32;
/// Orders looked at again at once.
const GIVEN: i64 = 200;
/// Patience for the telephone system's word that it does it.
const ANSWER: Duration = Duration::from_secs(30);
/// How long after the ringing of the user's telephone a call of which nothing was heard is given up, in microseconds.
const UNHEARD_MICROS: i64 = 60_000_000;

/// Sends what waits for one connector.
pub(super) struct Dialler {
    pub(super) intake: Intake,
    /// Id of the connector.
    pub(super) connector: String,
    /// Who we are in the connector's lease.
    pub(super) owner: String,
    pub(super) handle: Handle,
    /// Whether other processes store orders too.
    pub(super) shared: bool,
    /// What was sent from here, by call.
    pub(super) sent: Sent,
}

/// Where an order is that was sent from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The session has it, and has not said what became of it.
    Open,
    /// The telephone system took it over the connection of this number.
    Taken(u64),
}

/// What was sent from here, by call.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent(Arc<Mutex<HashMap<String, Way>>>);

impl Sent {
    fn with<T>(&self, job: impl FnOnce(&mut HashMap<String, Way>) -> T) -> T {
        job(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Dialler {
    /// Works until it is dropped.
    pub(super) async fn run(self) {
        let dialler = Arc::new(self);
        let mut status = dialler.handle.status();
        let mut sending = JoinSet::new();
        loop {
            let connection = status.wait_for(|status| status.phase == Phase::Connected).await;
            // without a session its keeper drops us
            let Some(connection) = connection.ok().map(|status| status.connections) else {
                return std::future::pending().await;
            };
            dialler.serve(connection, &mut status, &mut sending).await;
        }
    }

    /// Serves one connection until it is lost. What is being stored is stored to its end.
    async fn serve(
        self: &Arc<Self>,
        connection: u64,
        status: &mut watch::Receiver<Status>,
        sending: &mut JoinSet<()>,
    ) {
        let mut woken = self.intake.dials.watch();
        let mut looks = interval(if self.shared { LOOK_AGAIN } else { SETTLE });
        let mut settles = interval(SETTLE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        settles.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let settles_now = tokio::select! {
                biased;
                _ = status.wait_for(|it| it.phase != Phase::Connected || it.connections != connection) => return,
                _ = settles.tick() => true,
                _ = looks.tick() => false,
                Ok(()) = woken.changed() => false,
                Some(_) = sending.join_next() => continue,
            };
            let outcome = if settles_now {
                self.settle(connection).await
            } else {
                self.send(connection, sending).await
            };
            if let Err(cause) = outcome {
                tracing::warn!(connector = self.connector, cause = %cause, "clicks to call can't be sent");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    async fn send(self: &Arc<Self>, connection: u64, sending: &mut JoinSet<()>) -> Result<()> {
        let connector = self.connector.clone();
        let (step, call) = self
            .intake
            .db
            .read_few(move |conn| {
                Ok((store::dial_step::waits(conn, &connector)?, store::dial::waits(conn, &connector)?))
            })
            .await?;
        // first those for whom somebody holds the line
        if step {
            self.send_on(sending).await?;
        }
        if !call {
            return Ok(());
        }
        let (connector, owner, intake) = (self.connector.clone(), self.owner.clone(), self.intake.clone());
        let take = move |tx: &mut Tx<'_>| {
            let Taken { orders, withheld } = store::dial::take(tx, &connector, &owner, BATCH)?;
            tx.act_for(&format!("connectors/{connector}"));
            for dial in withheld {
                store::dial::close(tx, &dial.call)?;
                give_up(tx, &intake, &dial.call, "the number is not to be called", true)?;
            }
            Ok(orders)
        };
        let taken = self.intake.db.write(take).await?;
        self.intake.wake.notify_one();
        for dial in taken {
            self.sent.with(|sent| sent.insert(dial.call.clone(), Way::Open));
            let dialler = self.clone();
            sending.spawn(async move { dialler.send_one(dial, connection).await });
        }
        Ok(())
    }

    /// Sends on whoever answered a dialler: to an operator, or away.
    async fn send_on(self: &Arc<Self>, sending: &mut JoinSet<()>) -> Result<()> {
        let (connector, owner) = (self.connector.clone(), self.owner.clone());
        let taken = self.intake.db.write(move |tx| store::dial_step::take(tx, &connector, &owner)).await?;
        for step in taken {
            let dialler = self.clone();
            sending.spawn(async move { dialler.send_step(step).await });
        }
        Ok(())
    }

    async fn send_step(&self, step: Step) {
        let answer =
            timeout(ANSWER, self.handle.send_on(&step.external_id, &step.context, &step.exten)).await;
        let call = step.call.clone();
        let outcome = match answer {
            Ok(Err(Refusal::NotSent(_))) => {
                self.intake.db.write(move |tx| store::dial_step::add(tx, &step)).await
            }
            // who is not there any more has hung up, which events tell
            Ok(Err(cause)) => {
                tracing::info!(call, cause = %cause.words(), "who answered a dialler was not sent on");
                Ok(())
            }
            Ok(Ok(())) | Err(_) => Ok(()),
        };
        if let Err(cause) = outcome {
            tracing::warn!(call, cause = %cause, "what became of somebody who answered a dialler was not written");
        }
    }

    /// From here on it is sent once or never. An answer that is lost is made good by `settle`.
    async fn send_one(&self, dial: Dial, connection: u64) {
        let call = dial.call.clone();
        let answer = timeout(ANSWER, self.handle.place(&dial.order)).await;
        let outcome = match &answer {
            Ok(Err(Refusal::NotSent(words))) => {
                tracing::debug!(call, words, "a click to call waits again");
                self.intake.db.write(move |tx| store::dial::put_back(tx, &dial)).await
            }
            Ok(Err(Refusal::Refused(words))) => self.refused(dial, words).await,
            // events tell how it goes on; while no answer came it may still be there
            Ok(Ok(()) | Err(Refusal::Lost(_))) | Err(_) => Ok(()),
        };
        if let Err(cause) = outcome {
            tracing::warn!(call, cause = %cause, "what became of a click to call was not written");
        }
        self.sent.with(|sent| match answer_is_there(&answer) {
            true => sent.insert(call, Way::Taken(connection)),
            false => sent.remove(&call),
        });
    }

    async fn refused(&self, dial: Dial, words: &str) -> Result<()> {
        let words = format!("the telephone system refused: {words}");
        let (intake, connector) = (self.intake.clone(), self.connector.clone());
        let written = self.intake.db.write(move |tx| {
            tx.act_for(&format!("connectors/{connector}"));
            let is_open = store::dial::close(tx, &dial.call)?;
            if is_open { give_up(tx, &intake, &dial.call, &words, true) } else { Ok(()) }
        });
        written.await?;
        self.intake.wake.notify_one();
        Ok(())
    }

    /// Looks at those that were sent. The session has caught up: the telephone system tells of those that are there, and the others are not.
    async fn settle(&self, connection: u64) -> Result<()> {
        let connector = self.connector.clone();
        let given = self.intake.db.read_few(move |conn| store::dial::given(conn, &connector, GIVEN)).await?;
        let ways = self.sent.with(|sent| {
            sent.retain(|call, way| *way == Way::Open || given.iter().any(|dial| dial.call == *call));
            sent.clone()
        });
        let settled: Vec<(Dial, bool)> = given
            .into_iter()
            .filter(|dial| ways.get(&dial.call) != Some(&Way::Open))
            .map(|dial| {
                let is_ours = ways.get(&dial.call) == Some(&Way::Taken(connection));
                (dial, is_ours)
            })
            .collect();
        if settled.is_empty() {
            return Ok(());
        }
        let (intake, connector) = (self.intake.clone(), self.connector.clone());
        let written = self.intake.db.write(move |tx| {
            tx.act_for(&format!("connectors/{connector}"));
            settled.iter().try_for_each(|(dial, is_ours)| settle_one(tx, &intake, dial, *is_ours))
        });
        written.await?;
        self.intake.wake.notify_one();
        Ok(())
    }
}

/// Whether the telephone system took it, or may still take it: its answer is late.
fn answer_is_there<E>(answer: &std::result::Result<std::result::Result<(), Refusal>, E>) -> bool {
    matches!(answer, Ok(Ok(())) | Err(_))
}

fn settle_one(tx: &mut Tx<'_>, intake: &Intake, dial: &Dial, is_ours: bool) -> Result<()> {
    let call = match store::call::hold(tx, &dial.call) {
        Err(cause) if cause.is_not_found() => None,
        found => Some(found?),
    };
    let told = |call: &Entry| call.is_ended() || call.record.as_ref().is_none_or(|it| it.has_legs());
    if call.as_ref().is_none_or(told) {
        store::dial::close(tx, &dial.call)?;
        return Ok(());
    }
    let ring = i64::try_from(dial.order.ring.as_micros()).unwrap_or(0);
    let unheard = tx.now() > dial.until.saturating_add(ring).saturating_add(UNHEARD_MICROS);
    if is_ours && !unheard {
        return Ok(());
    }
    let words = if is_ours {
        "the telephone system took it, but nothing was heard of the call"
    } else {
        "the connection to the telephone system broke just then: whether anything rang is not known, and there is no such call now"
    };
    if store::dial::close(tx, &dial.call)? { give_up(tx, intake, &dial.call, words, false) } else { Ok(()) }
}

fn give_up(tx: &mut Tx<'_>, intake: &Intake, call: &str, words: &str, for_sure: bool) -> Result<()> {
    let mut call = store::call::hold(tx, call)?;
    dial::not_carried_out(tx, &mut call, intake.grace, words, for_sure)
}

/// Ends those that no telephone system took in time.
///
/// # Errors
/// Those of the database.
pub(super) async fn expire(intake: &Intake) -> Result<()> {
    let now = intake.db.clock().now();
    let overdue = intake.db.read_few(move |conn| store::dial::overdue(conn, now, GIVEN)).await?;
    if overdue.is_empty() {
        return Ok(());
    }
    let keep = intake.clone();
    let expired = intake.db.write(move |tx| {
        for (call, connector) in &overdue {
            if store::dial::expire(tx, call)? {
                let live = store::state::get(tx, connector)?;
                let how = if live.description.is_empty() { "not connected" } else { &live.description };
                let words = format!("the telephone system did not take it in time: {how}");
                tx.act_for(&format!("connectors/{connector}"));
                give_up(tx, &keep, call, &words, true)?;
            }
        }
        Ok(())
    });
    expired.await?;
    intake.wake.notify_one();
    Ok(())
}
