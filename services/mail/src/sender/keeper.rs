//! What follows the clock: signs of life, messages of processes that are gone, mailings that begin, end by time, or are done.
//! Run by one task of each process; every step may be done by several without harm.

use std::time::{Duration, Instant};

use kontor_kit::Result;
use kontor_kit::db::Tx;
use kontor_kit::resource;

use super::{Sender, TICK};
use crate::domain::mailing::{Mailing, State};
use crate::{events, store};

/// How long a process that stops waits for what it has.
const PATIENCE: Duration = Duration::from_secs(30);

impl Sender {
    /// Works until the process stops.
    pub(super) async fn keep(&self) {
        while !self.0.stop.is_cancelled() {
            let begun = Instant::now();
            if let Err(cause) = self.tick(begun).await {
                tracing::warn!(%cause, "mailings can't be looked at");
            }
            let rest = TICK.saturating_sub(begun.elapsed());
            let _ = tokio::time::timeout(rest, self.0.stop.cancelled()).await;
        }
        let holder = self.0.holder.clone();
        // What is still on its way is this process' until then.
        let (stopped, mut shown) = (Instant::now(), Instant::now());
        while self.held_count() > 0 && stopped.elapsed() < PATIENCE {
            if shown.elapsed() >= TICK {
                let alive = holder.clone();
                let _ = self.db().write(move |tx| store::worker::alive(tx, &alive, None)).await;
                shown = Instant::now();
            }
            tokio::time::sleep(super::LOOK).await;
        }
        let _ = self.db().write(move |tx| store::worker::gone(tx, &holder)).await;
    }

    async fn tick(&self, begun: Instant) -> Result<()> {
        if self.0.house.settings.relay.is_some() {
            let (holder, trouble) = (self.0.holder.clone(), self.relay_trouble());
            let write = move |tx: &mut Tx<'_>| store::worker::alive(tx, &holder, trouble.as_ref());
            let processes = self.db().write(write).await?;
            self.is_alive(begun);
            self.0.queue.set_processes(processes);
            loop {
                let holder = self.0.holder.clone();
                if !self.db().write(move |tx| store::lease::take_back(tx, &holder)).await? {
                    break;
                }
            }
        }
        let now = self.now();
        for mailing in self.db().read_few(store::mailing::live).await? {
            if let Some(state) = mailing.by_the_clock(now) {
                self.set_state(mailing, state).await?;
                continue;
            }
            if mailing.state == State::Running && !mailing.keep_open {
                let id = mailing.id.clone();
                if !self.db().read_few(move |conn| store::count::is_open(conn, &id)).await? {
                    self.set_state(mailing, State::Completed).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes another state, unless somebody changed the mailing meanwhile.
    async fn set_state(&self, mailing: Mailing, state: State) -> Result<()> {
        let write = move |tx: &mut Tx<'_>| {
            let mut present: Mailing = resource::hold(tx, &mailing.id)?;
            if present.version != mailing.version {
                return Ok(());
            }
            // Somebody may have been added since.
            if state == State::Completed && store::count::is_open(tx, &present.id)? {
                return Ok(());
            }
            let now = tx.now();
            match state {
                State::Running => present.state = State::Running,
                state => present.end(state, now)?,
            }
            present.update_time = now;
            resource::update(tx, &mut present)?;
            events::state_changed(tx, &present);
            Ok(())
        };
        self.db().write(write).await?;
        self.wake();
        Ok(())
    }
}
