//! When rules must be looked at again though no fact changed: the next instant of each partner, and instants that concern all.
//! Called by the engine.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::domain::facts::Micros;
use crate::domain::facts::columns::Columns;
use crate::domain::facts::columns::cells::Cells;
use crate::domain::facts::columns::narrow::ABSENT;
use crate::domain::rule::Rule;
use crate::domain::rule::one::strikes;
use crate::domain::rule::plan::{Tick, shifted};

const NEVER: Micros = Micros::MAX;
/// Instants so far ahead are in order: a day. Of a million partners most are due later, and have no entry until then.
const NEAR: Micros = 86_400_000_000;

/// Due instants.
#[derive(Debug, Default)]
pub struct Clock {
    /// What strikes, and for which segments.
    ticks: BTreeMap<Tick, Vec<usize>>,
    /// The next instant of each partner at which one of the ticks strikes.
    due: Vec<Micros>,
    /// The same by instant, up to `horizon`. Entries that are not as in `due` are old ones.
    heap: BinaryHeap<Reverse<(Micros, u32)>>,
    horizon: Micros,
    /// Whether somebody may be due after it.
    is_more: bool,
    /// Instants that stand in rules, with the segments.
    literals: BTreeSet<(Micros, usize)>,
}

impl Clock {
    /// Learns the rules of all segments anew, when nothing is due at `now` any more. Their literals after `now` come up.
    pub fn set_rules<'r>(
        &mut self,
        rules: impl Iterator<Item = (usize, &'r Rule)>,
        columns: &Columns,
        now: Micros,
    ) {
        let known = std::mem::take(&mut self.ticks);
        self.literals.clear();
        for (segment, rule) in rules {
            for tick in rule.ticks() {
                self.ticks.entry(*tick).or_default().push(segment);
            }
            let coming = rule.literals().iter().filter(|instant| **instant > now);
            self.literals.extend(coming.map(|instant| (*instant, segment)));
        }
        // instants of ticks that went stay and find nothing when they come
        let new: Vec<Tick> = self.ticks.keys().filter(|tick| !known.contains_key(tick)).copied().collect();
        if !new.is_empty() {
            self.reckon_ticks(&new, columns, now);
        }
    }

    /// Reckons the next instant after `now` of all partners.
    pub fn reckon_all(&mut self, columns: &Columns, now: Micros) {
        self.due = vec![NEVER; columns.len()];
        let all: Vec<Tick> = self.ticks.keys().copied().collect();
        self.reckon_ticks(&all, columns, now);
    }

    /// Takes in when ticks strike after `now`, column by column.
    fn reckon_ticks(&mut self, ticks: &[Tick], columns: &Columns, now: Micros) {
        self.due.resize(columns.len(), NEVER);
        for tick in ticks {
            match tick.list {
                None => sooner(&mut self.due, columns.plain(tick.column), tick.after, now),
                Some(list) => {
                    let table = columns.list(list);
                    let cells = &table.cells[tick.column];
                    for (due, range) in self.due.iter_mut().zip(table.ranges()) {
                        range.for_each(|row| earlier(due, cells.number(row), tick.after, now));
                    }
                }
            }
        }
        self.put_in_order(now);
    }

    /// Puts those in order who are due up to a day after an instant.
    fn put_in_order(&mut self, from: Micros) {
        self.horizon = from.saturating_add(NEAR);
        self.is_more = self.due.iter().any(|due| *due > self.horizon && *due != NEVER);
        let near = self.due.iter().enumerate().filter(|(_, due)| **due <= self.horizon && **due != NEVER);
        self.heap = near.map(|(ord, due)| Reverse((*due, ord as u32))).collect::<Vec<_>>().into();
    }

    /// Reckons the next instant after `now` of one partner.
    pub fn reckon(&mut self, columns: &Columns, ord: u32, now: Micros) {
        let partner = columns.partner(ord);
        let mut next = NEVER;
        for tick in self.ticks.keys() {
            strikes(&partner, tick, |instant| {
                if instant > now {
                    next = next.min(instant);
                }
            });
        }
        let at = ord as usize;
        if at >= self.due.len() {
            self.due.resize(at + 1, NEVER);
        }
        if self.due[at] != next {
            self.due[at] = next;
            if next != NEVER && next <= self.horizon {
                self.heap.push(Reverse((next, ord)));
            } else {
                self.is_more |= next != NEVER;
            }
        }
        if self.heap.len() > 2 * self.due.len() + 1024 {
            let due = &self.due;
            self.heap.retain(|Reverse((instant, ord))| due[*ord as usize] == *instant);
        }
    }

    /// The segments that may have changed for a partner from its due instant up to now. None is due any more afterwards.
    pub fn take(&mut self, columns: &Columns, ord: u32, now: Micros) -> Vec<usize> {
        let Some(due) = self.due.get_mut(ord as usize).filter(|due| **due <= now) else {
            return Vec::new();
        };
        let since = std::mem::replace(due, NEVER);
        let partner = columns.partner(ord);
        let mut found = BTreeSet::new();
        for (tick, segments) in &self.ticks {
            let mut struck = false;
            strikes(&partner, tick, |instant| struck |= (since..=now).contains(&instant));
            if struck {
                found.extend(segments);
            }
        }
        found.into_iter().collect()
    }

    /// The next partner that is due by now.
    pub fn next_partner(&mut self, now: Micros) -> Option<u32> {
        if self.is_more && now > self.horizon {
            self.put_in_order(now);
        }
        while let Some(Reverse((instant, ord))) = self.heap.peek().copied() {
            if instant > now {
                return None;
            }
            self.heap.pop();
            if self.due[ord as usize] == instant {
                return Some(ord);
            }
        }
        None
    }

    /// Segments whose own instants have come by now.
    pub fn take_literals(&mut self, now: Micros) -> BTreeSet<usize> {
        let later = self.literals.split_off(&(now.saturating_add(1), 0));
        std::mem::replace(&mut self.literals, later).into_iter().map(|(_, segment)| segment).collect()
    }

    /// The next instant at which something is due.
    pub fn next(&mut self) -> Option<Micros> {
        self.forget_old();
        if self.is_more && self.heap.is_empty() {
            match self.due.iter().copied().min() {
                Some(soonest) if soonest != NEVER => self.put_in_order(soonest),
                _ => self.is_more = false,
            }
        }
        let partner = self.heap.peek().map(|Reverse((instant, _))| *instant);
        let literal = self.literals.first().map(|(instant, _)| *instant);
        [partner, literal].into_iter().flatten().min()
    }

    /// Drops old entries before the first that is as it was.
    fn forget_old(&mut self) {
        while let Some(Reverse((instant, ord))) = self.heap.peek().copied() {
            if self.due[ord as usize] == instant {
                break;
            }
            self.heap.pop();
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.due.capacity() * 8 + self.heap.capacity() * 16
    }
}

fn sooner(due: &mut [Micros], cells: &Cells, after: i64, now: Micros) {
    for (at, due) in due.iter_mut().enumerate() {
        earlier(due, cells.number(at), after, now);
    }
}

#[inline]
fn earlier(due: &mut Micros, value: i64, after: i64, now: Micros) {
    let instant = shifted(value, after);
    if value != ABSENT && instant > now && instant < *due {
        *due = instant;
    }
}
