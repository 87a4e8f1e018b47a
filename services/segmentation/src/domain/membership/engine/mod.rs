//! Keeps who is in which segment: facts in, joined and left out, each once.
//! Called by the service's events, tasks and RPCs, one caller at a time; it does no I/O and has no clock.

mod compute;
mod settle;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::clock::Clock;
use super::list::ContactList;
use super::{Definition, Error, Flip, Flips, graph};
use crate::domain::facts::columns::{Change, Columns};
use crate::domain::facts::{Facts, Field, FieldSet, Micros, Texts};
use crate::domain::rule::{Rule, Term};
use compute::{flat, merged};

/// Facts, segments and their members.
#[derive(Debug, Default)]
pub struct Engine {
    columns: Columns,
    lists: BTreeMap<String, List>,
    segments: Vec<Segment>,
    /// Places in `segments`.
    names: HashMap<Arc<str>, usize>,
    /// Places by level: each segment needs only those of levels before.
    levels: Vec<Vec<usize>>,
    clock: Clock,
}

#[derive(Debug)]
struct Segment {
    name: Arc<str>,
    definition: Definition,
    fields: FieldSet,
    needs: Vec<usize>,
    members: RoaringBitmap,
}

#[derive(Debug)]
struct List {
    list: ContactList,
    members: RoaringBitmap,
}

/// Why a partner is a member of a segment, or is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it is a member.
    pub member: bool,
    /// Lists that exclude it.
    pub excluded_by: Vec<String>,
    /// Lists that include it.
    pub included_by: Vec<String>,
    /// Parents, and whether it is a member there.
    pub parents: Vec<(String, bool)>,
    /// The rule, term by term; none when the segment has none.
    pub rule: Option<Term>,
}

impl Engine {
    /// Takes over a partner's facts without looking at segments; for the start, before `rebuild`.
    pub fn load(&mut self, partner: u32, facts: &Facts) {
        self.columns.put(partner, facts);
    }

    /// Takes over members as they were stored, without looking at rules; for the start, before `rebuild`. False when there is no such segment.
    pub fn load_members(&mut self, segment: &str, members: RoaringBitmap) -> bool {
        let found = self.names.get(segment).copied();
        if let Some(at) = found {
            self.segments[at].members = members;
        }
        found.is_some()
    }

    /// Defines segments and lists without evaluating them; for the start, before `rebuild`. The order has no meaning.
    ///
    /// # Errors
    /// Cycles, and names of what is not there.
    pub fn load_definitions(
        &mut self,
        lists: Vec<(String, ContactList)>,
        segments: Vec<(String, Definition)>,
    ) -> Result<(), Error> {
        for (name, list) in lists {
            self.lists.insert(name, List { list, members: RoaringBitmap::new() });
        }
        let all: BTreeMap<&str, &Definition> =
            segments.iter().map(|(name, definition)| (name.as_str(), definition)).collect();
        for (name, definition) in &segments {
            self.check(name, definition, &all)?;
        }
        for (name, definition) in segments {
            self.insert(&name, definition);
        }
        self.order(Micros::MIN);
        Ok(())
    }

    /// Evaluates everything anew and answers who joined and left since. `threads` work on it at once, 1 or more.
    pub fn rebuild(&mut self, now: Micros, threads: usize) -> Vec<Flips> {
        self.columns.shrink();
        for list in self.lists.values_mut() {
            list.members = list.list.members(&self.columns);
        }
        let mut all = Vec::new();
        for level in self.levels.clone() {
            let found = self.compute_all(&level, now, threads.max(1));
            for (at, members) in found {
                all.extend(self.replace(at, members));
            }
        }
        self.order(now);
        self.clock.reckon_all(&self.columns, now);
        all
    }

    /// Takes over parts of a partner's facts and answers which segments it joined and left.
    pub fn change(&mut self, partner: u32, changes: &[Change], now: Micros) -> Vec<Flip> {
        let all = !self.columns.has(partner);
        let changed = changes.iter().map(|change| self.columns.change(partner, change));
        let fields = changed.fold(FieldSet::default(), FieldSet::union);
        self.settle(partner, fields, all, now)
    }

    /// Takes over all facts of a partner and answers which segments it joined and left.
    pub fn put(&mut self, partner: u32, facts: &Facts, now: Micros) -> Vec<Flip> {
        let all = !self.columns.has(partner);
        let fields = self.columns.put(partner, facts);
        self.settle(partner, fields, all, now)
    }

    /// Forgets a partner and answers which segments it left.
    pub fn remove(&mut self, partner: u32, now: Micros) -> Vec<Flip> {
        if !self.columns.has(partner) {
            return Vec::new();
        }
        self.columns.remove(partner);
        self.settle(partner, FieldSet::default(), true, now)
    }

    /// Works off what is due by now, at most so many partners. Answers who joined and left, and whether more is due.
    pub fn tick(&mut self, now: Micros, most: usize) -> (Vec<Flip>, bool) {
        let literals = self.clock.take_literals(now);
        let mut all = flat(self.recompute(literals, BTreeSet::new(), now));
        for _ in 0..most {
            let Some(partner) = self.clock.next_partner(now) else {
                return (all, false);
            };
            all.extend(self.settle(partner, FieldSet::default(), false, now));
        }
        let more = self.next_due().is_some_and(|due| due <= now);
        (all, more)
    }

    /// The next instant at which `tick` has work.
    pub fn next_due(&mut self) -> Option<Micros> {
        self.clock.next()
    }

    /// Makes or changes a segment, and answers who joined and left it and those that need it.
    ///
    /// # Errors
    /// A cycle, or a name of what is not there. Nothing is changed then.
    pub fn save_segment(
        &mut self,
        name: &str,
        definition: Definition,
        now: Micros,
    ) -> Result<Vec<Flips>, Error> {
        self.check(name, &definition, &BTreeMap::from([(name, &definition)]))?;
        let before = self.tick(now, usize::MAX).0;
        let at = self.insert(name, definition);
        self.order(now);
        let found = self.recompute(BTreeSet::from([at]), BTreeSet::new(), now);
        Ok(merged(before, found))
    }

    /// Whether a segment could be saved so.
    ///
    /// # Errors
    /// As `save_segment`.
    pub fn check_segment(&self, name: &str, definition: &Definition) -> Result<(), Error> {
        self.check(name, definition, &BTreeMap::from([(name, definition)]))
    }

    /// Deletes a segment and answers who left it. Nobody, when it is not there.
    ///
    /// # Errors
    /// Others need it.
    pub fn delete_segment(&mut self, name: &str, now: Micros) -> Result<Vec<Flips>, Error> {
        let Some(at) = self.names.get(name).copied() else {
            return Ok(Vec::new());
        };
        let needed = self.segments.iter().filter(|other| other.needs.contains(&at));
        let needed: Vec<String> = needed.map(|other| other.name.to_string()).collect();
        if !needed.is_empty() {
            return Err(Error::Needed(needed));
        }
        let before = self.tick(now, usize::MAX).0;
        let left = self.replace(at, RoaringBitmap::new());
        self.segments.remove(at);
        self.names =
            self.segments.iter().enumerate().map(|(at, segment)| (segment.name.clone(), at)).collect();
        self.order(now);
        Ok(merged(before, left.into_iter().collect()))
    }

    /// Makes or changes a list, and answers who joined and left the segments that use it.
    pub fn save_list(&mut self, name: &str, list: ContactList, now: Micros) -> Vec<Flips> {
        let members = list.members(&self.columns);
        self.lists.insert(name.to_owned(), List { list, members });
        self.recompute(BTreeSet::new(), BTreeSet::from([name.to_owned()]), now)
    }

    /// Deletes a list.
    ///
    /// # Errors
    /// Segments need it.
    pub fn delete_list(&mut self, name: &str) -> Result<(), Error> {
        let uses = |definition: &Definition| {
            definition.include.iter().chain(&definition.exclude).any(|used| used == name)
        };
        let needed = self.segments.iter().filter(|segment| uses(&segment.definition));
        let needed: Vec<String> = needed.map(|segment| segment.name.to_string()).collect();
        if !needed.is_empty() {
            return Err(Error::Needed(needed));
        }
        self.lists.remove(name);
        Ok(())
    }

    /// Who would be a member of a segment that is not saved.
    ///
    /// # Errors
    /// Names of what is not there.
    pub fn preview(&self, definition: &Definition, now: Micros) -> Result<RoaringBitmap, Error> {
        self.check("", definition, &BTreeMap::from([("", definition)]))?;
        Ok(self.compute(definition, now))
    }

    /// The members of a segment.
    pub fn members(&self, segment: &str) -> Option<&RoaringBitmap> {
        self.names.get(segment).map(|at| &self.segments[*at].members)
    }

    /// How a segment is made.
    pub fn definition(&self, segment: &str) -> Option<&Definition> {
        self.names.get(segment).map(|at| &self.segments[*at].definition)
    }

    /// The segments that a partner is in.
    pub fn segments_of(&self, partner: u32) -> Vec<Arc<str>> {
        let found = self.segments.iter().filter(|segment| segment.members.contains(partner));
        found.map(|segment| segment.name.clone()).collect()
    }

    /// Why a partner is in a segment or not. None when there is no such segment.
    pub fn explain(&self, segment: &str, partner: u32, now: Micros) -> Option<Explanation> {
        let segment = &self.segments[*self.names.get(segment)?];
        let definition = &segment.definition;
        let standing = |lists: &[String]| {
            let found = lists.iter().filter(|list| self.in_list(list, partner));
            found.cloned().collect::<Vec<String>>()
        };
        let parents =
            definition.parents.iter().map(|parent| (parent.clone(), self.is_member(parent, partner)));
        let view = self.columns.partner(partner);
        let explained =
            |rule: &Rule| rule.explain_for(&view, now, &|segment| self.is_member(segment, partner));
        let known = self.columns.has(partner);
        Some(Explanation {
            member: known && self.belongs(definition, partner, now),
            excluded_by: standing(&definition.exclude),
            included_by: standing(&definition.include),
            parents: parents.collect(),
            rule: definition.rule.as_ref().filter(|_| known).map(explained),
        })
    }

    /// Facts in columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Bytes held by facts, members and due instants, about.
    pub fn bytes(&self) -> usize {
        self.columns.bytes() + self.members_bytes() + self.clock.bytes()
    }

    /// Bytes held by members, about: two for a value of a sparse container, 8 KiB for a dense one, four for a run.
    pub fn members_bytes(&self) -> usize {
        let members = self.segments.iter().map(|segment| segment.members.statistics());
        let bytes = members.map(|it| {
            let sparse = u64::from(it.n_values_array_containers) * 2;
            sparse + u64::from(it.n_bitset_containers) * 8_192 + it.n_bytes_run_containers
        });
        bytes.sum::<u64>() as usize
    }

    fn check(
        &self,
        name: &str,
        definition: &Definition,
        new: &BTreeMap<&str, &Definition>,
    ) -> Result<(), Error> {
        let known = |needed: &str| new.contains_key(needed) || self.names.contains_key(needed);
        if let Some(missing) = graph::needs(definition).into_iter().find(|needed| !known(needed)) {
            return Err(Error::Unknown(missing.to_owned()));
        }
        let mut lists = definition.include.iter().chain(&definition.exclude);
        if let Some(missing) = lists.find(|list| !self.lists.contains_key(*list)) {
            return Err(Error::Unknown(missing.clone()));
        }
        let mut all: BTreeMap<&str, &Definition> =
            self.segments.iter().map(|segment| (&*segment.name, &segment.definition)).collect();
        all.extend(new);
        graph::cycle(name, &all).map_or(Ok(()), |path| Err(Error::Cycle(path)))
    }

    fn insert(&mut self, name: &str, definition: Definition) -> usize {
        let mut fields = definition.rule.as_ref().map(Rule::fields).unwrap_or_default();
        if !definition.include.is_empty() || !definition.exclude.is_empty() {
            fields.insert(Field::Texts(Texts::Emails));
            fields.insert(Field::Texts(Texts::Phones));
        }
        if let Some(at) = self.names.get(name).copied() {
            self.segments[at].definition = definition;
            self.segments[at].fields = fields;
            return at;
        }
        let name: Arc<str> = name.into();
        let segment = Segment {
            name: name.clone(),
            definition,
            fields,
            needs: Vec::new(),
            members: RoaringBitmap::new(),
        };
        self.segments.push(segment);
        self.names.insert(name, self.segments.len() - 1);
        self.segments.len() - 1
    }

    /// Finds the order of evaluation and tells the clock of the rules.
    fn order(&mut self, now: Micros) {
        for at in 0..self.segments.len() {
            let needs = graph::needs(&self.segments[at].definition);
            let needs = needs.into_iter().filter_map(|needed| self.names.get(needed).copied()).collect();
            self.segments[at].needs = needs;
        }
        let needs: Vec<Vec<usize>> = self.segments.iter().map(|segment| segment.needs.clone()).collect();
        self.levels = graph::levels(&needs);
        let rules = self.segments.iter().enumerate();
        let rules = rules.filter_map(|(at, segment)| Some((at, segment.definition.rule.as_ref()?)));
        self.clock.set_rules(rules, &self.columns, now);
    }

    fn is_member(&self, segment: &str, partner: u32) -> bool {
        self.members(segment).is_some_and(|members| members.contains(partner))
    }

    fn in_list(&self, list: &str, partner: u32) -> bool {
        self.lists.get(list).is_some_and(|list| list.members.contains(partner))
    }
}
