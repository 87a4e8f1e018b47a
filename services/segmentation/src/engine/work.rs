//! Keeps the engine up: reads the log, looks at what it names, works off what is due by time, and has it written when this process writes.
//! Spawned by `Live::start`.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kontor_kit::db::Conn;
use kontor_kit::resource;
use kontor_kit::{Error, Result};

use super::load::{self, definition};
use super::write::{Cause, Writing};
use super::{Live, list_names, segment_name};
use crate::domain::facts::Facts;
use crate::domain::membership::{ContactList, Engine};
use crate::domain::segment::Segment;
use crate::store;
use crate::store::engine::Entry;

/// Entries of the log that are looked at together.
const BATCH: i64 = 1_000;
/// Partners that are due by time and looked at together.
const DUE: usize = 2_000;
/// How often the log is looked at when nothing wakes us: another process may have written.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Entries of the log that are kept for processes that are slow.
const KEPT: i64 = 200_000;

/// What an entry of the log says, read from the tables.
enum News {
    Partner(u32, Option<Box<Facts>>),
    Segment {
        id: String,
        segment: Option<Box<Segment>>,
        lists: Box<(ContactList, ContactList)>,
        definition: bool,
    },
}

impl Live {
    pub(super) async fn run(self) {
        loop {
            let cause = match self.follow().await {
                Ok(never) => match never {},
                Err(cause) => cause,
            };
            // What is in memory may be ahead of what could be written: begin anew from the tables.
            tracing::warn!(cause = %cause, "segments are loaded anew");
            self.0.writes.send_replace(false);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible> {
        let now = self.0.db.clock().now();
        let (engine, mut cursor) = load::engine(&self.0.db, now).await?;
        *self.0.engine.write().unwrap_or_else(PoisonError::into_inner) = engine;
        self.0.generation.fetch_add(1, Ordering::Release);
        let mut leased = self.take_lease(cursor, true).await?;
        self.0.reached.send_replace(Some(cursor));
        loop {
            if leased.elapsed() > Duration::from_micros(store::engine::LEASE as u64 / 3) {
                leased = self.take_lease(cursor, !self.is_writing()).await?;
            }
            if let Some(pause) = self.step(&mut cursor).await? {
                let _ = tokio::time::timeout(pause, self.0.wake.notified()).await;
            }
        }
    }

    /// Takes or renews the lease; who gets it anew writes what others left undone.
    async fn take_lease(&self, cursor: i64, anew: bool) -> Result<tokio::time::Instant> {
        let holder = self.0.holder.clone();
        let lease = self.0.db.write(move |tx| {
            let has = store::engine::lease(tx, &holder)?;
            if has {
                store::engine::trim(tx, KEPT)?;
            }
            Ok(has)
        });
        let has = lease.await?;
        if has && anew {
            self.catch_up(cursor).await?;
        }
        self.0.writes.send_replace(has);
        Ok(tokio::time::Instant::now())
    }

    /// One round. Answers how long to wait then; none when there is more.
    async fn step(&self, cursor: &mut i64) -> Result<Option<Duration>> {
        let from = *cursor;
        let (news, last) = self.0.db.read(move |conn| read(conn, from)).await?;
        let (now, live) = (self.0.db.clock().now(), self.clone());
        let applied = tokio::task::spawn_blocking(move || {
            let mut engine = live.0.engine.write().unwrap_or_else(PoisonError::into_inner);
            apply(&mut engine, news, now)
        });
        let (writing, more_due, due) = applied.await.map_err(Error::internal)??;
        if !writing.is_empty() {
            self.0.generation.fetch_add(1, Ordering::Release);
        }
        if self.is_writing() && (!writing.is_empty() || last > from) {
            self.write(writing, last).await?;
        }
        *cursor = last;
        self.0.reached.send_replace(Some(last));
        if more_due || last - from >= BATCH {
            return Ok(None);
        }
        let until = due.map(|due| Duration::from_micros(due.saturating_sub(now).max(1_000) as u64));
        Ok(Some(until.map_or(LOOK_AGAIN, |until| until.min(LOOK_AGAIN))))
    }
}

/// What stands behind a number of the log, and the last number of it.
fn read(conn: &mut Conn<'_>, from: i64) -> Result<(Vec<News>, i64)> {
    let entries = store::engine::after(conn, from, BATCH)?;
    if entries.first().is_some_and(|(first, _)| *first != from + 1) {
        return Err(Error::unavailable("the log of changes is not kept so long"));
    }
    let last = entries.last().map_or(from, |(last, _)| *last);
    let mut news: Vec<News> = Vec::new();
    let mut partners: BTreeSet<u32> = BTreeSet::new();
    for (_, entry) in entries {
        let (id, definition) = match entry {
            Entry::Partner(ord) => {
                partners.insert(ord);
                continue;
            }
            Entry::Segment(id) => (id, true),
            Entry::Lists(id) => (id, false),
        };
        read_partners(conn, &mut partners, &mut news)?;
        let segment = resource::find(conn, &id)?.map(Box::new);
        let lists = Box::new(store::entry::lists(conn, &id)?);
        news.push(News::Segment { id, segment, lists, definition });
    }
    read_partners(conn, &mut partners, &mut news)?;
    Ok((news, last))
}

fn read_partners(conn: &mut Conn<'_>, ords: &mut BTreeSet<u32>, news: &mut Vec<News>) -> Result<()> {
    let wanted: Vec<u32> = std::mem::take(ords).into_iter().collect();
    let mut found = store::read::some(conn, &wanted)?.into_iter().peekable();
    for ord in wanted {
        let facts = found.next_if(|(next, _)| *next == ord).map(|(_, facts)| Box::new(facts));
        news.push(News::Partner(ord, facts));
    }
    Ok(())
}

/// Takes news into the engine. Answers what is to be written, whether more is due by time, and when the next is.
fn apply(engine: &mut Engine, news: Vec<News>, now: i64) -> Result<(Writing, bool, Option<i64>)> {
    let mut writing = Writing::default();
    let (flips, more) = engine.tick(now, DUE);
    writing.flipped(flips);
    for one in news {
        match one {
            News::Partner(ord, Some(facts)) => writing.flipped(engine.put(ord, &facts, now)),
            News::Partner(ord, None) => writing.flipped(engine.remove(ord, now)),
            News::Segment { id, segment, lists, definition } => {
                apply_segment(engine, &mut writing, &id, segment.map(|it| *it), *lists, definition, now)?;
            }
        }
    }
    writing.measure(engine);
    Ok((writing, more, engine.next_due()))
}

fn apply_segment(
    engine: &mut Engine,
    writing: &mut Writing,
    id: &str,
    segment: Option<Segment>,
    (included, excluded): (ContactList, ContactList),
    is_definition: bool,
    now: i64,
) -> Result<()> {
    let (name, (of_included, of_excluded)) = (segment_name(id), list_names(id));
    let internal = |cause: crate::domain::membership::Error| Error::internal(format!("{name}: {cause}"));
    // What is due by time happened before, and is told of each partner for itself.
    loop {
        let (flips, more) = engine.tick(now, DUE);
        writing.flipped(flips);
        if !more {
            break;
        }
    }
    let Some(segment) = segment.filter(|segment| segment.delete_time.is_none()) else {
        writing.rebuilt(engine.delete_segment(&name, now).map_err(internal)?, Cause::Definition);
        engine.delete_list(&of_included).map_err(internal)?;
        engine.delete_list(&of_excluded).map_err(internal)?;
        writing.deleted(&name);
        return Ok(());
    };
    writing.rebuilt(engine.save_list(&of_included, included, now), Cause::Lists);
    writing.rebuilt(engine.save_list(&of_excluded, excluded, now), Cause::Lists);
    if is_definition {
        let flips = engine.save_segment(&name, definition(&segment)?, now).map_err(internal)?;
        writing.rebuilt(flips, Cause::Definition);
        writing.saved(&name);
    }
    Ok(())
}
