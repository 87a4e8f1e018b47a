//! Keeps who is in which segment: facts in, joined and left out, each once.
//! Called by the service's events, tasks and RPCs, one caller at a time; it does no I/O and has no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::clock::Clock;
use super::list::ContactList;
use super::{Definition, Error, Flip, Flips, graph};
use crate::domain::facts::columns::{Change, Columns};
use crate::domain::facts::{Facts, Field, FieldSet, Micros, Texts};
use crate::domain::rule::scan::scan;
use crate::domain::rule::{Rule, Term};

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

/// What happened to a partner that makes segments be looked at again.
struct Touched {
    fields: FieldSet,
    lists: BTreeSet<String>,
    segments: Vec<usize>,
    /// It came or went: everything is looked at.
    all: bool,
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
        let members = self.segments.iter().map(|segment| segment.members.statistics());
        let members: u64 = members
            .map(|s| s.n_bytes_array_containers + s.n_bytes_run_containers + s.n_bytes_bitset_containers)
            .sum();
        self.columns.bytes() + members as usize + self.clock.bytes()
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

    /// Whether a partner with facts belongs to a segment, by the memberships in others as they are.
    fn belongs(&self, definition: &Definition, partner: u32, now: Micros) -> bool {
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

    /// All who belong to a segment, by the memberships in others as they are.
    fn compute(&self, definition: &Definition, now: Micros) -> RoaringBitmap {
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
    fn compute_all(&self, places: &[usize], now: Micros, threads: usize) -> Vec<(usize, RoaringBitmap)> {
        let one = |at: &usize| (*at, self.compute(&self.segments[*at].definition, now));
        if threads == 1 || places.len() < 2 {
            return places.iter().map(one).collect();
        }
        let next = std::sync::atomic::AtomicUsize::new(0);
        let work = || {
            let mut found = Vec::new();
            while let Some(at) = places.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
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
    fn replace(&mut self, at: usize, members: RoaringBitmap) -> Option<Flips> {
        let segment = &mut self.segments[at];
        let joined = &members - &segment.members;
        let left = &segment.members - &members;
        segment.members = members;
        let flips = Flips { segment: segment.name.clone(), joined, left };
        (!flips.joined.is_empty() || !flips.left.is_empty()).then_some(flips)
    }

    /// Computes some segments anew, those that use some lists, and those that need one that changed.
    fn recompute(&mut self, mut places: BTreeSet<usize>, lists: BTreeSet<String>, now: Micros) -> Vec<Flips> {
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

    /// Looks at the segments that a partner's change touches, those that others need first.
    fn settle(&mut self, partner: u32, fields: FieldSet, all: bool, now: Micros) -> Vec<Flip> {
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
    fn settle_lists(&mut self, partner: u32, fields: FieldSet, all: bool) -> BTreeSet<String> {
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

fn flat(all: Vec<Flips>) -> Vec<Flip> {
    let one = |segment: &Arc<str>, partner, joined| Flip { segment: segment.clone(), partner, joined };
    let mut flips = Vec::new();
    for Flips { segment, joined, left } in all {
        flips.extend(joined.iter().map(|partner| one(&segment, partner, true)));
        flips.extend(left.iter().map(|partner| one(&segment, partner, false)));
    }
    flips
}

/// What happened before and after as one: who joined and left again did neither.
fn merged(before: Vec<Flip>, after: Vec<Flips>) -> Vec<Flips> {
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
