//! Counts for the wallboard, from telephony's own events and once for each: calls that are over, after-call work, outcomes of call lists.
//! Started by lib.rs; what it adds up is read by board.rs and rpc/pacing.rs.

use std::time::Duration;

use jiff::tz::TimeZone;
use kontor_kit::Result;
use kontor_kit::clock;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::{is, payload};
use kontor_proto::telephony::v1::{
    CallCorrected, CallEnded, CallListEntryHeld, CallListEntryNotHeld, OperatorState, OperatorStateChanged,
};
use kontor_proto::r#type::v1::Event;

use crate::domain::figure::{self, Counts, OverCall, Span, at};
use crate::store;
use crate::store::figure::Sums;

/// How long short buckets are kept, in microseconds: two days. The window that they are for is an hour.
const SHORT_KEPT: i64 = 2 * DAY;
/// How long days are kept, in microseconds.
const DAYS_KEPT: i64 = 40 * DAY;
const DAY: i64 = 24 * 3_600 * 1_000_000;
/// Rows that are forgotten in one transaction.
const FORGET: i64 = 500;

/// Counts events for as long as the process runs.
pub fn start(context: &Context, db: &Db) {
    let zone = context.zone();
    let count = move |tx: &mut Tx<'_>, event: &Event| take(tx, event, &zone);
    context.bus.listen_for(context, "telephony", "telephony.figures", db.clone(), wants, count);
    context.spawn(forget(db.clone()));
}

fn wants(event: &Event) -> bool {
    is::<CallEnded>(event)
        || is::<CallCorrected>(event)
        || is::<OperatorStateChanged>(event)
        || is::<CallListEntryHeld>(event)
        || is::<CallListEntryNotHeld>(event)
}

fn take(tx: &mut Tx<'_>, event: &Event, zone: &TimeZone) -> Result<()> {
    let mut sums = Sums::new();
    let occurred = event.occur_time.as_ref().map_or(0, clock::from_proto);
    if let Some(ended) = payload::<CallEnded>(event) {
        call(&mut sums, &ended, 1, zone);
    } else if let Some(corrected) = payload::<CallCorrected>(event) {
        // What was said before goes, wherever it was counted.
        if let Some(previous) = &corrected.previous {
            call(&mut sums, previous, -1, zone);
        }
        call(&mut sums, &now_said(corrected), 1, zone);
    } else if let Some(changed) = payload::<OperatorStateChanged>(event) {
        if changed.previous_state() == OperatorState::WrapUp {
            let wrap = Counts::default().with(at::WRAP, micros(changed.previous_duration.as_ref()));
            let scopes = figure::scopes(&changed.previous_queue, &changed.previous_call_list);
            add(&mut sums, occurred, &scopes, &wrap, 1, zone);
        }
    } else if let Some(held) = payload::<CallListEntryHeld>(event) {
        let scopes = figure::scopes("", &held.call_list);
        add(&mut sums, occurred, &scopes, &Counts::one(at::HELD), 1, zone);
    } else if let Some(not_held) = payload::<CallListEntryNotHeld>(event) {
        let scopes = figure::scopes("", &not_held.call_list);
        add(&mut sums, occurred, &scopes, &Counts::one(at::NOT_HELD), 1, zone);
    }
    store::figure::add(tx, &sums)
}

fn now_said(corrected: CallCorrected) -> CallEnded {
    CallEnded {
        direction: corrected.direction,
        outcome: corrected.outcome,
        number: corrected.number,
        talk_duration: corrected.talk_duration,
        start_time: corrected.start_time,
        opportunity: corrected.opportunity,
        wait_duration: corrected.wait_duration,
        queue: corrected.queue,
        connector: corrected.connector,
        user: corrected.user,
    }
}

/// Calls logged by hand are not the telephone system's.
fn call(sums: &mut Sums, said: &CallEnded, times: i64, zone: &TimeZone) {
    if said.connector.is_empty() {
        return;
    }
    let over = OverCall {
        direction: said.direction,
        outcome: said.outcome,
        wait: micros(said.wait_duration.as_ref()),
        talk: micros(said.talk_duration.as_ref()),
        has_user: !said.user.is_empty(),
    };
    let (queue, call_list) = figure::queue_or_list(&said.queue);
    let start = said.start_time.as_ref().map_or(0, clock::from_proto);
    add(sums, start, &figure::scopes(queue, call_list), &figure::of_call(&over), times, zone);
}

fn add(sums: &mut Sums, time: i64, scopes: &[String], counts: &Counts, times: i64, zone: &TimeZone) {
    for span in [Span::Short, Span::Day] {
        let bucket = figure::bucket(span, time, zone);
        for scope in scopes {
            sums.entry((span, bucket, scope.clone())).or_default().add(counts, times);
        }
    }
}

fn micros(duration: Option<&prost_types::Duration>) -> i64 {
    duration.map_or(0, |it| it.seconds.saturating_mul(1_000_000).saturating_add(i64::from(it.nanos) / 1_000))
}

async fn forget(db: Db) {
    loop {
        let forgot = db.write(|tx| {
            let now = tx.now();
            let short = store::figure::forget(tx, Span::Short, now - SHORT_KEPT, FORGET)?;
            Ok(short + store::figure::forget(tx, Span::Day, now - DAYS_KEPT, FORGET)?)
        });
        match forgot.await {
            Ok(count) if count >= FORGET.unsigned_abs() => continue,
            Ok(_) => {}
            Err(cause) => tracing::warn!(cause = %cause, "old counts of the board can't be forgotten"),
        }
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
}
