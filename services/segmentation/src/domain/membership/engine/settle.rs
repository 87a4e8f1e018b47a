//! One partner: which segments a change touches, and whether the partner belongs there.
//! Called by the engine for changes of facts and for what is due.

use std::collections::BTreeSet;

use super::{Engine, Segment};
use crate::domain::facts::{Field, FieldSet, Micros, Texts};
use crate::domain::membership::{Definition, Flip};

/// What happened to a partner that makes segments be looked at again.
struct Touched {
    fields: FieldSet,
    lists: BTreeSet<String>,
    segments: Vec<usize>,
    /// It came or went: everything is looked at.
    all: bool,
}

impl Engine {
    /// Looks at the segments that a partner's change touches, those that others need first.
    pub(super) fn settle(&mut self, partner: u32, fields: FieldSet, all: bool, now: Micros) -> Vec<Flip> {
        let lists = self.settle_lists(partner, fields, all);
        let segments = self.clock.take(&self.columns, partner, now);
        let touched = Touched { fields, lists, segments, all };
        let mut flips = Vec::new();
        let mut moved: Vec<usize> = Vec::new();
        let known = self.columns.has(partner);
        for level in 0..self.levels.len() {
            for place in 0..self.levels[level].len() {
                let at = self.levels[level][place];
                if !touched.touches(at, &self.segments[at], &moved) {
                    continue;
                }
                let joined = known && self.belongs(&self.segments[at].definition, partner, now);
                let segment = &mut self.segments[at];
                let changed =
                    if joined { segment.members.insert(partner) } else { segment.members.remove(partner) };
                if changed {
                    moved.push(at);
                    flips.push(Flip { segment: segment.name.clone(), partner, joined });
                }
            }
        }
        self.clock.reckon(&self.columns, partner, now);
        flips
    }

    /// Keeps a partner's place in the lists. Answers the lists where it changed.
    pub(super) fn settle_lists(&mut self, partner: u32, fields: FieldSet, all: bool) -> BTreeSet<String> {
        let (emails, phones) = (Field::Texts(Texts::Emails), Field::Texts(Texts::Phones));
        let mut changed = BTreeSet::new();
        if !all && !fields.contains(emails) && !fields.contains(phones) {
            return changed;
        }
        let known = self.columns.has(partner);
        for (name, list) in &mut self.lists {
            let stands = known && list.list.contains(&self.columns, partner);
            if if stands { list.members.insert(partner) } else { list.members.remove(partner) } {
                changed.insert(name.clone());
            }
        }
        changed
    }

    /// Whether a partner with facts belongs to a segment, by the memberships in others as they are.
    pub(super) fn belongs(&self, definition: &Definition, partner: u32, now: Micros) -> bool {
        if definition.exclude.iter().any(|list| self.in_list(list, partner)) {
            return false;
        }
        if definition.include.iter().any(|list| self.in_list(list, partner)) {
            return true;
        }
        if definition.rule.is_none() && definition.parents.is_empty() {
            return false;
        }
        let view = self.columns.partner(partner);
        let member = |segment: &str| self.is_member(segment, partner);
        definition.parents.iter().all(|parent| member(parent))
            && definition.rule.as_ref().is_none_or(|rule| rule.holds_for(&view, now, &member))
    }
}

impl Touched {
    fn touches(&self, at: usize, segment: &Segment, moved: &[usize]) -> bool {
        let Definition { include, exclude, .. } = &segment.definition;
        self.all
            || segment.fields.meets(self.fields)
            || self.segments.contains(&at)
            || (!moved.is_empty() && segment.needs.iter().any(|needed| moved.contains(needed)))
            || (!self.lists.is_empty() && include.iter().chain(exclude).any(|list| self.lists.contains(list)))
    }
}
