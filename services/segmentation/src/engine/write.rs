//! Writes who joined and who left, with their events, in the transaction that says how far the engine is. One process does it, by a lease.
//! Called by work.rs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};

use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::outbox::NewEvent;
use kontor_kit::{Result, resource};
use kontor_proto::segmentation::v1::{PartnerJoinedSegment, PartnerLeftSegment, SegmentRebuilt};
use roaring::RoaringBitmap;

use super::Live;
use crate::domain::membership::{Engine, Flip, Flips};
use crate::domain::segment::Segment;
use crate::store;

/// Segments that are caught up with in one transaction.
const PART: usize = 20;
/// Segments whose definitions changed since, at most: far more than there are.
const CHANGED: i64 = 100_000;
/// Flips that are told one by one when lists changed. More are told as one, as when the definition changed.
const TOLD: u64 = 10_000;

/// Why many flipped at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The definition of a segment changed: one event for all.
    Definition,
    /// Its lists changed: an event for each.
    Lists,
}

/// What a round of the engine has to be written of.
#[derive(Clone, Debug, Default)]
pub(super) struct Writing {
    /// Single ones, in order.
    flips: Vec<Flip>,
    /// Many at once, by segment: who joined, who left.
    rebuilt: BTreeMap<Arc<str>, (RoaringBitmap, RoaringBitmap)>,
    /// Segments that were saved, with or without flips.
    saved: BTreeSet<String>,
    /// Segments that were deleted.
    deleted: BTreeSet<String>,
    /// Sizes after it.
    sizes: HashMap<String, u64>,
    /// Members after it, of those that are written anew.
    members: HashMap<String, RoaringBitmap>,
}

impl Writing {
    pub(super) fn is_empty(&self) -> bool {
        self.flips.is_empty() && self.rebuilt.is_empty() && self.saved.is_empty() && self.deleted.is_empty()
    }

    pub(super) fn flipped(&mut self, flips: Vec<Flip>) {
        self.flips.extend(flips);
    }

    pub(super) fn rebuilt(&mut self, all: Vec<Flips>, cause: Cause) {
        for Flips { segment, joined, left } in all {
            if cause == Cause::Lists && joined.len() + left.len() <= TOLD {
                let flip = |partner, joined| Flip { segment: segment.clone(), partner, joined };
                self.flips.extend(joined.iter().map(|partner| flip(partner, true)));
                self.flips.extend(left.iter().map(|partner| flip(partner, false)));
                continue;
            }
            let (all_joined, all_left) = self.rebuilt.entry(segment).or_default();
            // Who joined and left again in one round did neither.
            let (back, gone) = (&*all_left & &joined, &*all_joined & &left);
            *all_joined |= joined;
            *all_left |= left;
            *all_joined -= &(&back | &gone);
            *all_left -= &(back | gone);
        }
    }

    pub(super) fn saved(&mut self, name: &str) {
        self.deleted.remove(name);
        self.saved.insert(name.to_owned());
    }

    pub(super) fn deleted(&mut self, name: &str) {
        self.saved.remove(name);
        self.deleted.insert(name.to_owned());
    }

    /// Notes sizes and members as they are at the end of the round.
    pub(super) fn measure(&mut self, engine: &Engine) {
        for name in self.flips.iter().map(|flip| &flip.segment) {
            if !self.sizes.contains_key(&**name) {
                self.sizes.insert(name.to_string(), engine.members(name).map_or(0, RoaringBitmap::len));
            }
        }
        let rebuilt = self.rebuilt.keys().map(|name| name.to_string());
        for name in rebuilt.chain(self.saved.iter().cloned()) {
            let members = engine.members(&name).cloned().unwrap_or_default();
            self.members.insert(name, members);
        }
    }
}

fn id_of(name: &str) -> &str {
    name.strip_prefix("segments/").unwrap_or(name)
}

impl Live {
    /// Writes a round.
    pub(super) async fn write(&self, writing: Writing, done: i64) -> Result<()> {
        let (live, writing, known) = (self.clone(), Arc::new(writing), self.known_beside());
        let beside = self
            .0
            .db
            .write(move |tx| {
                store::engine::advance(tx, &live.0.holder, done)?;
                let day = live.day(tx.now());
                write_all(tx, &writing, &day, &known)
            })
            .await?;
        let full: Vec<String> = beside
            .iter()
            .filter(|(_, count)| *count > store::member::DELTAS)
            .map(|(name, _)| name.clone())
            .collect();
        self.note_beside(beside);
        for name in full {
            let members =
                self.0.engine.read().unwrap_or_else(PoisonError::into_inner).members(&name).cloned();
            let (Some(members), live, id) = (members, self.clone(), id_of(&name).to_owned()) else {
                continue;
            };
            let write = self.0.db.write(move |tx| {
                store::engine::advance(tx, &live.0.holder, done)?;
                store::member::write(tx, &id, &members)
            });
            write.await?;
            self.note_beside(vec![(name, 0)]);
        }
        Ok(())
    }

    fn known_beside(&self) -> HashMap<String, usize> {
        self.0.beside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_beside(&self, counts: Vec<(String, usize)>) {
        self.0.beside.lock().unwrap_or_else(PoisonError::into_inner).extend(counts);
    }

    /// Writes what differs from what is written: what another process, or this one before it ended, left undone. In parts, so that no other write waits long.
    pub(super) async fn catch_up(&self, cursor: i64) -> Result<()> {
        // Another process may have written since.
        self.0.beside.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let stored = self.0.db.read(stored).await?;
        let done = stored.done;
        let mut parts = {
            let engine = self.0.engine.read().unwrap_or_else(PoisonError::into_inner);
            difference(&engine, stored)
        };
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            self.write(part, done).await?;
        }
        self.write(last, cursor).await
    }
}

/// Up to where memberships are written, and what is written of each segment; those that are there; those whose definitions changed since.
struct Stored {
    done: i64,
    members: BTreeMap<String, RoaringBitmap>,
    live: BTreeSet<String>,
    changed: BTreeSet<String>,
}

fn stored(conn: &mut Conn<'_>) -> Result<Stored> {
    let mut members = BTreeMap::new();
    for id in store::member::segments(conn)? {
        members.insert(super::segment_name(&id), store::member::stored(conn, &id)?);
    }
    let done = store::engine::state(conn)?.done;
    let changed = store::engine::changed_segments(conn, done, CHANGED)?;
    let changed = changed.iter().map(|id| super::segment_name(id));
    let live = store::segment::all_live(conn)?.into_iter().map(|segment| segment.full_name());
    Ok(Stored { done, members, live: live.collect(), changed: changed.collect() })
}

/// Whether a segment builds on one of these.
fn builds_on(engine: &Engine, name: &str, these: &BTreeSet<String>) -> bool {
    engine.definition(name).is_some_and(|definition| {
        let named = definition.rule.iter().flat_map(|rule| rule.segments());
        definition.parents.iter().chain(named).any(|needed| these.contains(needed))
    })
}

/// In parts, each of some segments.
fn difference(engine: &Engine, stored: Stored) -> Vec<Writing> {
    let mut old = stored.members;
    let (mut differ, mut saved) = (BTreeMap::new(), BTreeSet::new());
    let mut moved = stored.changed;
    for name in &stored.live {
        let Some(members) = engine.members(name) else { continue };
        let before = old.remove(name);
        if before.is_none() {
            saved.insert(name);
            moved.insert(name.clone());
        }
        let before = before.unwrap_or_default();
        let (joined, left) = (members - &before, &before - members);
        if !joined.is_empty() || !left.is_empty() {
            differ.insert(name, Flips { segment: name.as_str().into(), joined, left });
        }
    }
    // What follows from a changed definition is told as such.
    loop {
        // Also by way of one whose own difference is written already.
        let follows = |name: &&String| !moved.contains(*name) && builds_on(engine, name, &moved);
        let more: Vec<String> = stored.live.iter().filter(follows).cloned().collect();
        if more.is_empty() {
            break;
        }
        moved.extend(more);
    }
    let all: BTreeSet<&String> = differ.keys().copied().chain(saved.iter().copied()).collect();
    let all: Vec<&String> = all.into_iter().collect();
    let mut parts = Vec::new();
    for names in all.chunks(PART) {
        let mut writing = Writing::default();
        for name in names {
            if saved.contains(*name) {
                writing.saved(name);
            }
            let cause = if moved.contains(*name) { Cause::Definition } else { Cause::Lists };
            writing.rebuilt(differ.remove(*name).into_iter().collect(), cause);
        }
        writing.measure(engine);
        parts.push(writing);
    }
    if !old.is_empty() {
        let mut writing = Writing::default();
        old.into_keys().for_each(|gone| writing.deleted(&gone));
        parts.push(writing);
    }
    parts
}

/// Writes all of it. Answers how many changes stand beside the chunks of the segments now, at most; `known` says how many did.
fn write_all(
    tx: &mut Tx<'_>,
    writing: &Writing,
    day: &str,
    known_beside: &HashMap<String, usize>,
) -> Result<Vec<(String, usize)>> {
    let mut by_segment: BTreeMap<&str, Vec<(u32, bool)>> = BTreeMap::new();
    for flip in &writing.flips {
        by_segment.entry(&flip.segment).or_default().push((flip.partner, flip.joined));
    }
    let mut known: HashMap<String, Option<Segment>> = HashMap::new();
    tell_flips(tx, &writing.flips, &mut known)?;
    let mut beside = Vec::new();
    for (name, flips) in &by_segment {
        let size = writing.sizes.get(*name).copied().unwrap_or(0);
        store::member::flip(tx, id_of(name), day, flips, size)?;
        if !writing.members.contains_key(*name) && !writing.deleted.contains(*name) {
            let count = match known_beside.get(*name) {
                Some(before) => before + flips.len(),
                None => store::member::beside(tx, id_of(name))?,
            };
            beside.push(((*name).to_owned(), count));
        }
    }
    beside.extend(writing.members.keys().chain(&writing.deleted).map(|name| (name.clone(), 0)));
    for (name, members) in &writing.members {
        let flips = writing.rebuilt.get(name.as_str());
        let counts = flips.map_or((0, 0), |(joined, left)| (joined.len(), left.len()));
        if !writing.deleted.contains(name) {
            store::member::replace(tx, id_of(name), day, counts, members)?;
        }
        if counts != (0, 0) {
            tell_rebuilt(tx, name, counts, members.len(), &mut known)?;
        }
    }
    for name in &writing.deleted {
        store::member::forget(tx, id_of(name))?;
    }
    Ok(beside)
}

fn segment<'k>(
    tx: &mut Tx<'_>,
    name: &str,
    known: &'k mut HashMap<String, Option<Segment>>,
) -> Result<Option<&'k Segment>> {
    if !known.contains_key(name) {
        let found = resource::find(tx, id_of(name))?;
        known.insert(name.to_owned(), found);
    }
    Ok(known.get(name).and_then(Option::as_ref))
}

fn guard(segment: Option<&Segment>) -> (Guard, String) {
    // A definition that is gone has nobody who may see it.
    segment.map_or((Guard::administrators(), String::new()), |it| (it.guard(), it.display_name.clone()))
}

fn tell_flips(tx: &mut Tx<'_>, flips: &[Flip], known: &mut HashMap<String, Option<Segment>>) -> Result<()> {
    let ords: BTreeSet<u32> = flips.iter().map(|flip| flip.partner).collect();
    let ords: Vec<u32> = ords.into_iter().collect();
    let names: HashMap<u32, String> = ords.iter().copied().zip(store::partner::names(tx, &ords)?).collect();
    for flip in flips {
        let (guard, display_name) = guard(segment(tx, &flip.segment, known)?);
        let event = if flip.joined {
            NewEvent::new("segmentation", &*flip.segment, &guard, &PartnerJoinedSegment { display_name })
        } else {
            NewEvent::new("segmentation", &*flip.segment, &guard, &PartnerLeftSegment { display_name })
        };
        tx.publish(event.partner(names.get(&flip.partner).cloned().unwrap_or_default()));
    }
    Ok(())
}

fn tell_rebuilt(
    tx: &mut Tx<'_>,
    name: &str,
    (joined, left): (u64, u64),
    size: u64,
    known: &mut HashMap<String, Option<Segment>>,
) -> Result<()> {
    let (guard, display_name) = guard(segment(tx, name, known)?);
    let rebuilt = SegmentRebuilt {
        display_name,
        joined_count: joined as i64,
        left_count: left as i64,
        size: size as i64,
    };
    tx.publish(NewEvent::new("segmentation", name, &guard, &rebuilt));
    Ok(())
}
