//! Keeps the RFM scores up to date: anew some moments after purchases came, and each day, since a window moves.
//! Started by lib.rs; the scores are facts, so rules follow.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::Db;

use crate::domain::rfm;
use crate::engine::Live;
use crate::store;
use crate::store::rfm::Settings;

/// How often to look, and the shortest pause between two computations.
const LOOK: Duration = Duration::from_millis(300);
/// A computation may take a part of the time: after one of a second, the next comes after this many.
const REST: u32 = 20;
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Computes for as long as the process runs and is the one that writes.
pub fn start(context: &Context, db: &Db, live: &Live) {
    let (db, live, company) = (db.clone(), live.clone(), context.company.currency.clone());
    context.spawn(async move {
        loop {
            let begun = Instant::now();
            if live.is_writing() {
                match compute(&db, &live, &company).await {
                    Ok(true) => live.wake(),
                    Ok(false) => {}
                    Err(cause) => tracing::warn!(cause = %cause, "scores can't be computed"),
                }
            }
            tokio::time::sleep(LOOK.max(begun.elapsed() * REST)).await;
        }
    });
}

/// What the scores look at: the currency, and from when on.
pub fn span(settings: &Settings, company: &str, now: i64) -> (String, i64) {
    let code = if settings.currency.is_empty() { company } else { &settings.currency };
    let from = if settings.window_days == 0 { i64::MIN } else { now - settings.window_days * DAY };
    (code.to_owned(), from)
}

/// Computes the scores when they are not those of now. True when some changed.
async fn compute(db: &Db, live: &Live, company: &str) -> Result<bool> {
    let (dirty, done, time) = db.read_few(store::rfm::state).await?;
    let now = db.clock().now();
    let is_new_day = now.div_euclid(DAY) != time.div_euclid(DAY);
    if dirty == done && (!is_new_day || dirty == 0) {
        return Ok(false);
    }
    let company = company.to_owned();
    let (bought, old) = db
        .read(move |conn| {
            let (code, from) = span(&store::rfm::settings(conn)?, &company, now);
            let bought = store::purchase::bought(conn, None, &code, from, now + 1)?;
            Ok((bought, store::rfm::scores(conn)?))
        })
        .await?;
    let scores = rfm::score(&bought);
    let mut new: BTreeMap<u32, _> = bought.iter().map(|it| it.ord).zip(scores).collect();
    let mut changed = Vec::new();
    for (ord, old) in old {
        match new.remove(&ord) {
            Some(new) if new == old => {}
            other => changed.push((ord, other)),
        }
    }
    changed.extend(new.into_iter().map(|(ord, scores)| (ord, Some(scores))));
    let any = !changed.is_empty();
    for part in changed.chunks(store::rfm::BATCH) {
        // Another process has taken over, and computes them from what is so then.
        if !live.is_writing() {
            return Ok(any);
        }
        let part = part.to_vec();
        db.write(move |tx| store::rfm::set(tx, &part)).await?;
        // What changes meanwhile waits behind one part in the log, not behind all of them. An engine that is slow or not loaded holds nothing up for ever.
        let _ = live.settled().await;
    }
    if live.is_writing() {
        db.write(move |tx| store::rfm::done(tx, dirty)).await?;
    }
    Ok(any)
}
