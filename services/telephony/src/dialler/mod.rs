//! The dialler: places calls of the lists where it was started, at the rate of their pacing. What follows when somebody answers stands in answered.rs, what came of a
//! call in over.rs.
//! Started by lib.rs; told of starts and stops by rpc/dialler.rs.

pub mod answered;
pub mod known;
pub mod look;
pub mod over;
mod place;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use kontor_kit::auth::Guard;
use kontor_kit::context::Context;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::outbox::NewEvent;
use kontor_kit::{Result, id, resource};
use kontor_proto::telephony::v1::{DiallerStarted, DiallerStopped};
use tokio::sync::Notify;

use self::look::Look;
use crate::domain::dialler::Dialler;
use crate::intake::{Intake, dial};
use crate::store;

/// How often it is looked how many calls may be placed.
const ROUND: Duration = Duration::from_millis(500);
/// How long a process that is gone holds up the others, in microseconds.
const LEASE_MICROS: i64 = 5_000_000;

/// Wakes the dialler of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Says that a dialler was started.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// What is the same for all lists.
#[derive(Clone)]
pub struct Desk {
    intake: Intake,
    /// Who we are in the lease.
    owner: String,
    /// The company's country and time zone.
    region: String,
    fallback: String,
    zone: TimeZone,
}

impl Desk {
    /// That of this process.
    pub fn new(context: &Context, intake: &Intake) -> Desk {
        Desk {
            intake: intake.clone(),
            owner: id::new(),
            region: context.company.region.clone(),
            fallback: context.company.time_zone.clone(),
            zone: context.zone(),
        }
    }

    /// What the dialler of a list is to do now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn look(&self, conn: &mut Conn<'_>, dialler: &Dialler, now: i64) -> Result<Look> {
        Look::read(conn, dialler, now, &self.zone)
    }
}

/// Places calls for as long as the process runs, where it was asked to.
pub fn start(context: &Context, intake: &Intake) -> Wake {
    let wake = Wake::default();
    let (desk, woken, stop) = (Desk::new(context, intake), wake.clone(), context.stop.clone());
    // not `context.spawn`: after the stop there is still something to give back
    context.tasks.spawn(async move {
        let mut holds = false;
        loop {
            match desk.round(holds).await {
                Ok(held) => holds = held,
                Err(cause) => tracing::warn!(cause = %cause, "call lists can't be dialled"),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(ROUND) => {}
                () = woken.0.notified() => {}
            }
        }
        if holds && let Err(cause) = desk.give_back().await {
            tracing::debug!(cause = %cause, "the right to dial was not given back");
        }
    });
    wake
}

impl Desk {
    /// Looks at all lists that are dialled. Tells whether this process places the calls.
    async fn round(&self, held: bool) -> Result<bool> {
        let lists = self.intake.db.read_few(store::dialler::running).await?;
        if lists.is_empty() {
            if held {
                self.give_back().await?;
            }
            return Ok(false);
        }
        let owner = self.owner.clone();
        let lease = move |tx: &mut Tx<'_>| lease(tx, &owner);
        if !self.intake.db.write(lease).await? {
            return Ok(false);
        }
        for list in lists {
            if let Err(cause) = self.list(list.clone()).await {
                tracing::warn!(list, cause = %cause, "a call list can't be dialled");
            }
        }
        Ok(true)
    }

    async fn list(&self, list: String) -> Result<()> {
        let (desk, id, now) = (self.clone(), list.clone(), self.intake.db.clock().now());
        let look = move |conn: &mut Conn<'_>| match resource::find::<Dialler>(conn, &id)? {
            Some(dialler) if dialler.running => desk.look(conn, &dialler, now).map(Some),
            _ => Ok(None),
        };
        let desk = self.clone();
        match self.intake.db.read(look).await? {
            None | Some(Look::Wait(_)) => Ok(()),
            Some(Look::Place(_)) => {
                let secret = store::lease::secret()?;
                self.intake.db.write(move |tx| place::run(tx, &desk, &list, &secret)).await
            }
            Some(Look::Stop(_)) => self.intake.db.write(move |tx| desk.stop_by_itself(tx, &list)).await,
        }
    }

    /// Stops it if there is still a reason to.
    fn stop_by_itself(&self, tx: &mut Tx<'_>, list: &str) -> Result<()> {
        let Some(mut dialler) = resource::hold_if_there::<Dialler>(tx, list)? else { return Ok(()) };
        let now = tx.now();
        match self.look(tx, &dialler, now)? {
            Look::Stop(reason) => stop(tx, &self.intake, &mut dialler, "", &reason),
            Look::Wait(_) | Look::Place(_) => Ok(()),
        }
    }

    async fn give_back(&self) -> Result<()> {
        let owner = self.owner.clone();
        self.intake.db.write(move |tx| store::dialler::release(tx, &owner)).await
    }
}

/// Takes or renews the right to place calls.
fn lease(tx: &mut Tx<'_>, owner: &str) -> Result<bool> {
    let until = tx.now() + LEASE_MICROS;
    store::dialler::lease(tx, owner, until)
}

/// Says that a dialler was started.
pub fn started(tx: &mut Tx<'_>, dialler: &Dialler) {
    let event = DiallerStarted { connector: format!("connectors/{}", dialler.connector) };
    let guard = Guard::new("", dialler.team.as_str());
    tx.publish(NewEvent::new("telephony", dialler.list_name(), &guard, &event).actor(&*dialler.user));
}

/// Stops a dialler that runs, and takes back what waits for the telephone system. `user` is empty when it stops by itself.
///
/// # Errors
/// Those of the database.
pub fn stop(tx: &mut Tx<'_>, intake: &Intake, dialler: &mut Dialler, user: &str, reason: &str) -> Result<()> {
    let now = tx.now();
    if !dialler.stop(user, reason, now) {
        return Ok(());
    }
    resource::update(tx, dialler)?;
    for call in store::dial::withdraw(tx, &dialler.list_name())? {
        let mut call = store::call::hold(tx, &call)?;
        dial::not_carried_out(
            tx,
            &mut call,
            intake.grace,
            "its dialler was stopped before it was sent",
            true,
        )?;
    }
    let event = DiallerStopped { reason: reason.to_owned() };
    let guard = Guard::new("", dialler.team.as_str());
    tx.publish(NewEvent::new("telephony", dialler.list_name(), &guard, &event).actor(user));
    Ok(())
}
