//! Background work: says that calls ended, gives up silent ones, looks partners up that could not be found at once, ends leases of call lists.
//! Started by lib.rs; the time of each step is in the call's row, so a restart or another process goes on.

use std::time::Duration;

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::Tx;
use kontor_kit::resource;

use crate::dialler::over;
use crate::domain::call_list::CallList;
use crate::domain::entry::{Entry, Match};
use crate::intake::Intake;
use crate::operators::{self, Involved};
use crate::{events, list_events, store};

/// Calls in one transaction.
const BATCH: i64 = 200;
/// Call lists that are looked at in one round.
const LISTS: i64 = 100;
/// Longest pause: another process may have written.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long ids of posts are remembered, in microseconds: longer than their tokens are good.
const POSTS_MICROS: i64 = 4 * crate::connectors::vonage::WINDOW_SECONDS * 1_000_000;
/// How long pops are remembered, in microseconds: a telephone does not ring for a day.
const POPS_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// Starts all of it.
pub fn start(context: &Context, intake: &Intake) {
    context.spawn(close(intake.clone(), context.company.time_zone.clone()));
    context.spawn(link(intake.clone()));
    context.spawn(forget(intake.clone()));
    context.spawn(end_leases(intake.clone(), context.company.time_zone.clone()));
    context.spawn(forget_posts(intake.clone()));
    if matches!(context.storage, kontor_kit::db::Storage::Postgres(_)) {
        context.spawn(intake.hub.clone().follow(intake.db.clone()));
    }
}

async fn close(intake: Intake, zone: String) {
    loop {
        let pause = match close_due(&intake, &zone).await {
            Ok(pause) => pause,
            Err(cause) => {
                tracing::warn!(cause = %cause, "calls can't be closed");
                Duration::from_secs(2)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = intake.wake.notified() => {}
        }
    }
}

/// Closes what is due and tells how long to wait for the next.
async fn close_due(intake: &Intake, zone: &str) -> Result<Duration> {
    let now = intake.db.clock().now();
    let (ids, next) = intake.db.read(move |conn| store::call::due(conn, now, BATCH)).await?;
    if ids.is_empty() {
        let wait =
            next.map_or(LOOK_AGAIN, |next| Duration::from_micros(next.saturating_sub(now).unsigned_abs()));
        return Ok(wait.clamp(Duration::from_millis(5), LOOK_AGAIN));
    }
    let zone = zone.to_owned();
    intake
        .db
        .write(move |tx| {
            for id in &ids {
                close_one(tx, id, &zone)?;
            }
            Ok(())
        })
        .await?;
    Ok(Duration::ZERO)
}

/// Says how the call ended, or that it was other than said. One that is still open has been silent for too long.
fn close_one(tx: &mut Tx<'_>, id: &str, zone: &str) -> Result<()> {
    let now = tx.now();
    let mut call = match store::call::hold(tx, id) {
        Err(cause) if cause.code() == tonic::Code::NotFound => return Ok(()),
        found => found?,
    };
    if call.due.is_none_or(|due| due > now) {
        // another process was here first
        return Ok(());
    }
    if !call.is_ended() {
        call.give_up(now);
    }
    events::ended(tx, &mut call);
    call.due = None;
    resource::update(tx, &mut call)?;
    over::over(tx, &call, zone)?;
    operators::follow(tx, &call, &Involved::default())
}

async fn link(intake: Intake) {
    loop {
        if let Err(cause) = link_due(&intake).await {
            tracing::warn!(cause = %cause, "partners of calls can't be looked up");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn link_due(intake: &Intake) -> Result<()> {
    let now = intake.db.clock().now();
    let waiting = intake.db.read(move |conn| store::call::to_link(conn, now, 50)).await?;
    for (id, e164) in waiting {
        let found = intake.peers.find_now(&e164).await.ok();
        let (job_id, job_e164) = (id.clone(), e164.clone());
        intake.db.write(move |tx| link_one(tx, &job_id, &job_e164, found.as_ref())).await?;
    }
    Ok(())
}

fn link_one(tx: &mut Tx<'_>, id: &str, e164: &str, found: Option<&Match>) -> Result<()> {
    let now = tx.now();
    let mut call: Entry = store::call::hold(tx, id)?;
    if call.link_time.is_none() || call.e164 != e164 {
        return Ok(());
    }
    match found {
        Some(found) => call.link(found, now),
        None => call.link_later(now),
    }
    if call.is_ended() && call.due.is_none() {
        events::ended(tx, &mut call);
    }
    resource::update(tx, &mut call)
}

async fn forget(intake: Intake) {
    loop {
        let forgot = intake.db.write(|tx| {
            let before = tx.now() - POPS_MICROS;
            store::dial::forget(tx, before)?;
            store::pop::forget(tx, before)
        });
        if let Err(cause) = forgot.await {
            tracing::warn!(cause = %cause, "old pops can't be forgotten");
        }
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
}

/// Ends leases that have expired and queues what is due, list by list, so that it is told also where nobody takes calls.
async fn end_leases(intake: Intake, zone: String) {
    loop {
        if let Err(cause) = end_due_leases(&intake, &zone).await {
            tracing::warn!(cause = %cause, "leases of call lists can't be ended");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn end_due_leases(intake: &Intake, zone: &str) -> Result<()> {
    let now = intake.db.clock().now();
    let lists = intake.db.read(move |conn| store::call_list::overdue(conn, now, LISTS)).await?;
    for id in lists {
        let zone = zone.to_owned();
        let work = move |tx: &mut Tx<'_>| {
            let list: CallList = resource::get(tx, &id)?;
            for (entry, happened) in store::lease::bring_due(tx, &list, &zone)? {
                list_events::happened(tx, &list, &entry, "", happened);
            }
            Ok(())
        };
        intake.db.write(work).await?;
    }
    Ok(())
}
/// In small parts: there may be a hundred of them a second.
async fn forget_posts(intake: Intake) {
    loop {
        let forgot = intake.db.write(|tx| {
            let before = tx.now() - POSTS_MICROS;
            store::refusal::forget(tx, before)
        });
        match forgot.await {
            Ok(500) => continue,
            Ok(_) => {}
            Err(cause) => tracing::warn!(cause = %cause, "ids of old posts can't be forgotten"),
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}
