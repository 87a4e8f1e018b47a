//! Operators follow their calls and the clock: each change writes the row, the stretch of time and the event in one transaction.
//! Called by the intake and the tasks for each call that changed, by rpc/operator.rs, and by lib.rs (`start`).

use std::collections::BTreeMap;
use std::time::Duration;

use kontor_kit::Result;
use kontor_kit::audit::{Action, Entry as Line};
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::NewEvent;
use kontor_kit::resource::{self, Stored};
use kontor_proto::telephony::v1::OperatorStateChanged;

use crate::domain::entry::Entry;
use crate::domain::figure;
use crate::domain::operator::{OfCall, Operator, Part, SILENCE_MICROS, State};
use crate::events::duration;
use crate::store;

/// Operators in one transaction of the clock, and stretches in one of forgetting.
const BATCH: i64 = 200;
const FORGET: i64 = 500;
/// How often the clock is looked at.
const ROUND: Duration = Duration::from_millis(500);

/// Starts what the clock does with operators.
pub fn start(context: &Context, db: &Db) {
    context.spawn(clock(db.clone()));
    context.spawn(forget(db.clone()));
}

/// The users whom a call has at this moment, as "users/{user}".
#[derive(Default)]
pub struct Involved {
    /// At whom it rings.
    pub ringing: Vec<String>,
    /// Who speaks on it.
    pub talking: Vec<String>,
}

/// Lets operators follow a call that changed.
///
/// # Errors
/// Those of the database.
pub fn follow(tx: &mut Tx<'_>, call: &Entry, involved: &Involved) -> Result<()> {
    let gone = store::operator::on_call(tx, &call.id)?;
    // By id, so that two transactions hold the same rows in the same order.
    let mut parts: BTreeMap<String, Part> = gone.into_iter().map(|id| (id, Part::Gone)).collect();
    for (users, part) in [(&involved.ringing, Part::Rings), (&involved.talking, Part::Talks)] {
        let ids = users.iter().filter_map(|user| user.strip_prefix("users/"));
        parts.extend(ids.map(|id| (id.to_owned(), part)));
    }
    let of = of_call(&call.id, &call.queue);
    for (id, part) in parts {
        let Some(before) = store::operator::hold(tx, &id)? else { continue };
        let mut operator = before.clone();
        let now = tx.now();
        if !operator.hear(part, &of, now) {
            continue;
        }
        if part == Part::Gone
            && let Some((other, queue)) = store::operator::other_call(tx, &format!("users/{id}"), &call.id)?
        {
            operator.hear(Part::Talks, &of_call(&other, &queue), now);
        }
        change(tx, Some(&before), &mut operator, "")?;
    }
    Ok(())
}

/// Notes that a dialler's call is over that this user ("users/{user}") was to take, and did not.
///
/// # Errors
/// Those of the database.
pub fn missed(tx: &mut Tx<'_>, call: &Entry, user: &str) -> Result<()> {
    let id = user.strip_prefix("users/").unwrap_or(user);
    let Some(before) = store::operator::hold(tx, id)? else { return Ok(()) };
    let mut operator = before.clone();
    if operator.miss(&call.id, tx.now()) { change(tx, Some(&before), &mut operator, "") } else { Ok(()) }
}

/// The call as a state of an operator is about it.
pub fn of_call(call: &str, queue: &str) -> OfCall {
    let (queue, call_list) = figure::queue_or_list(queue);
    OfCall { call: call.to_owned(), queue: queue.to_owned(), call_list: call_list.to_owned() }
}

/// Writes an operator whose state changed, with the stretch and the event. `actor` is who did it by hand, or empty.
///
/// # Errors
/// Those of the database; ABORTED.
pub fn change(tx: &mut Tx<'_>, before: Option<&Operator>, after: &mut Operator, actor: &str) -> Result<()> {
    match before {
        Some(_) => resource::update(tx, after)?,
        None => resource::insert(tx, after)?,
    }
    store::operator::begin_period(tx, after, actor)?;
    let (was, since, of) = match before {
        Some(before) => (before.state, before.since, before.of.clone()),
        None => (State::Offline, after.since, OfCall::default()),
    };
    let call = if after.of.call.is_empty() { String::new() } else { format!("calls/{}", after.of.call) };
    let changed = OperatorStateChanged {
        state: after.state as i32,
        break_reason: after.reason.clone(),
        call,
        previous_state: was as i32,
        previous_duration: Some(duration(after.since.saturating_sub(since).max(0))),
        previous_queue: of.queue,
        previous_call_list: of.call_list,
    };
    let guard = store::operator::guard(after);
    if !actor.is_empty() {
        let line =
            Line::new(Action::Update, after.name(), &guard).field("state", was.word(), after.state.word());
        let reason = before.map_or("", |before| before.reason.as_str());
        tx.audit(line.field("break_reason", reason, after.reason.as_str()));
    }
    tx.publish(NewEvent::new("telephony", after.name(), &guard, &changed).actor(actor));
    Ok(())
}

async fn clock(db: Db) {
    loop {
        if let Err(cause) = tick(&db).await {
            tracing::warn!(cause = %cause, "the states of operators can't be kept");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        tokio::time::sleep(ROUND).await;
    }
}

async fn tick(db: &Db) -> Result<()> {
    let now = db.clock().now();
    let due = db.read(move |conn| store::operator::due(conn, now, now - SILENCE_MICROS, BATCH)).await?;
    if due.is_empty() {
        return Ok(());
    }
    db.write(move |tx| {
        for id in &due {
            // Another process may have been here first.
            let Some(before) = store::operator::hold(tx, id)? else { continue };
            let mut operator = before.clone();
            if operator.tick(tx.now()) {
                change(tx, Some(&before), &mut operator, "")?;
            }
        }
        Ok(())
    })
    .await
}

async fn forget(db: Db) {
    loop {
        let forgot = db.write(|tx| {
            let before = tx.now() - store::operator::KEEP_MICROS;
            store::operator::forget_periods(tx, before, FORGET)
        });
        match forgot.await {
            Ok(count) if count == FORGET.unsigned_abs() => continue,
            Ok(_) => {}
            Err(cause) => tracing::warn!(cause = %cause, "old states of operators can't be forgotten"),
        }
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
}
