//! All partners: the members of whole segments.
//! Called by the engine for previews, saved segments and rebuilds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roaring::RoaringBitmap;

use super::Engine;
use crate::domain::facts::Micros;
use crate::domain::membership::{Definition, Flip, Flips};
use crate::domain::rule::scan::scan;

impl Engine {
    /// All who belong to a segment, by the memberships in others as they are.
    pub(super) fn compute(&self, definition: &Definition, now: Micros) -> RoaringBitmap {
        let mut members = match &definition.rule {
            Some(rule) => scan(&self.columns, rule, now, &|segment| self.members(segment)),
            None if definition.parents.is_empty() => RoaringBitmap::new(),
            None => self.columns.present().to_bitmap(),
        };
        let of_list = |list: &String| self.lists.get(list).map(|list| &list.members);
        definition
            .parents
            .iter()
            .filter_map(|parent| self.members(parent))
            .for_each(|parent| members &= parent);
        definition.include.iter().filter_map(of_list).for_each(|list| members |= list);
        definition.exclude.iter().filter_map(of_list).for_each(|list| members -= list);
        members.optimize();
        members
    }

    /// Computes segments that do not need each other, in several threads.
    pub(super) fn compute_all(
        &self,
        places: &[usize],
        now: Micros,
        threads: usize,
    ) -> Vec<(usize, RoaringBitmap)> {
        let one = |at: &usize| (*at, self.compute(&self.segments[*at].definition, now));
        if threads == 1 || places.len() < 2 {
            return places.iter().map(one).collect();
        }
        let next = AtomicUsize::new(0);
        let work = || {
            let mut found = Vec::new();
            while let Some(at) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                found.push(one(at));
            }
            found
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            // a worker ends early only by a panic, which goes on here
            let found = workers.into_iter().map(|worker| worker.join());
            found.flat_map(|found| found.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    }

    /// Takes over members and answers who joined and left, when anybody did.
    pub(super) fn replace(&mut self, at: usize, members: RoaringBitmap) -> Option<Flips> {
        let segment = &mut self.segments[at];
        let joined = &members - &segment.members;
        let left = &segment.members - &members;
        segment.members = members;
        let flips = Flips { segment: segment.name.clone(), joined, left };
        (!flips.joined.is_empty() || !flips.left.is_empty()).then_some(flips)
    }

    /// Computes some segments anew, those that use some lists, and those that need one that changed.
    pub(super) fn recompute(
        &mut self,
        mut places: BTreeSet<usize>,
        lists: BTreeSet<String>,
        now: Micros,
    ) -> Vec<Flips> {
        let mut all = Vec::new();
        if places.is_empty() && lists.is_empty() {
            return all;
        }
        let mut moved = BTreeSet::new();
        for at in self.levels.concat() {
            let segment = &self.segments[at];
            let Definition { include, exclude, .. } = &segment.definition;
            let touched = places.remove(&at)
                || segment.needs.iter().any(|needed| moved.contains(needed))
                || include.iter().chain(exclude).any(|list| lists.contains(list));
            if touched {
                let members = self.compute(&self.segments[at].definition, now);
                if let Some(flips) = self.replace(at, members) {
                    moved.insert(at);
                    all.push(flips);
                }
            }
        }
        all
    }
}

/// Flips one by one.
pub(super) fn flat(all: Vec<Flips>) -> Vec<Flip> {
    let one = |segment: &Arc<str>, partner, joined| Flip { segment: segment.clone(), partner, joined };
    let mut flips = Vec::new();
    for Flips { segment, joined, left } in all {
        flips.extend(joined.iter().map(|partner| one(&segment, partner, true)));
        flips.extend(left.iter().map(|partner| one(&segment, partner, false)));
    }
    flips
}

/// What happened before and after as one: who joined and left again did neither.
pub(super) fn merged(before: Vec<Flip>, after: Vec<Flips>) -> Vec<Flips> {
    let mut all: BTreeMap<Arc<str>, (RoaringBitmap, RoaringBitmap)> = BTreeMap::new();
    let mut add = |segment: Arc<str>, joined: &RoaringBitmap, left: &RoaringBitmap| {
        let (all_joined, all_left) = all.entry(segment).or_default();
        let back = &*all_left & joined;
        let gone = &*all_joined & left;
        *all_joined |= joined;
        *all_left |= left;
        *all_joined -= &back;
        *all_joined -= &gone;
        *all_left -= back;
        *all_left -= gone;
    };
    for Flip { segment, partner, joined } in before {
        let one = RoaringBitmap::from_iter([partner]);
        let none = RoaringBitmap::new();
        if joined { add(segment, &one, &none) } else { add(segment, &none, &one) }
    }
    for Flips { segment, joined, left } in after {
        add(segment, &joined, &left);
    }
    let all = all.into_iter().map(|(segment, (joined, left))| Flips { segment, joined, left });
    all.filter(|flips| !flips.joined.is_empty() || !flips.left.is_empty()).collect()
}
