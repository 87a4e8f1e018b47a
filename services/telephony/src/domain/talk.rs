//! When at least two legs could hear each other: the talk of a call from its bridges.
//! Called by [`super::summary`]; bounded by the number of bridge steps that a state keeps.

use std::collections::{BTreeMap, BTreeSet};

use super::fact::{Micros, Side};
use super::fold::CallState;

/// The stretches of time in which somebody talked, without overlap, in time order.
pub(super) struct Talk(Vec<(Micros, Micros)>);

/// One step in or out of a bridge; a leg's end leaves them all.
type Step<'a> = (Micros, bool, &'a str, Option<&'a str>);

impl Talk {
    /// Reads the talk from the bridges; what is still open lasts until `until`.
    pub(super) fn of(state: &CallState, until: Micros) -> Talk {
        let mut stretches = Vec::new();
        let mut bridges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut since = None;
        for (time, leaving, leg, bridge) in steps(state) {
            match (leaving, bridge) {
                (false, Some(bridge)) => {
                    bridges.entry(bridge).or_default().insert(leg);
                }
                (true, Some(bridge)) => {
                    bridges.get_mut(bridge).map(|legs| legs.remove(leg));
                }
                (_, None) => bridges.values_mut().for_each(|legs| {
                    legs.remove(leg);
                }),
            }
            let talking = bridges.values().any(|legs| legs.len() >= 2);
            match since {
                None if talking => since = Some(time),
                Some(start) if !talking => {
                    stretches.push((start, time));
                    since = None;
                }
                _ => {}
            }
        }
        stretches.extend(since.map(|start| (start, until.max(start))));
        Talk(stretches)
    }

    /// When the talk began.
    pub(super) fn start(&self) -> Option<Micros> {
        self.0.first().map(|(start, _)| *start)
    }

    /// Whether nobody talked.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long the talk was, in microseconds.
    pub(super) fn micros(&self) -> u64 {
        self.0.iter().map(|(start, end)| end.since(*start)).sum()
    }
}

/// When a second leg was first heard of in the same bridge, whoever had left by then. After a gap the bridge may be
/// found, by a clock a little off, just when it ends: nobody seems to have talked, but they have.
pub(super) fn meeting(state: &CallState) -> Option<Micros> {
    let mut bridges: BTreeMap<&str, BTreeMap<&str, Micros>> = BTreeMap::new();
    for step in state.enters.iter().chain(state.leaves.iter()).filter(|step| counts(state, &step.leg)) {
        let first = bridges.entry(&step.bridge).or_default().entry(&step.leg).or_insert(step.time);
        *first = step.time.min(*first);
    }
    let second = |legs: &BTreeMap<&str, Micros>| {
        let mut times: Vec<_> = legs.values().copied().collect();
        times.sort_unstable();
        times.get(1).copied()
    };
    bridges.values().filter_map(second).min()
}

/// Whether somebody can be at the far end: recorders and announcers are in bridges too.
fn counts(state: &CallState, leg: &str) -> bool {
    state.legs.get(leg).is_none_or(|leg| leg.side() != Side::Helper)
}

fn steps(state: &CallState) -> Vec<Step<'_>> {
    let ended = |leg: &str| state.legs.get(leg).and_then(|leg| leg.ended.get());
    // after a gap a leg may be found in a bridge that, by the other clock, it has already left
    let alive = |leg: &str, time: Micros| ended(leg).is_none_or(|end| end.estimated || time < end.time);
    let enters = state.enters.iter().filter(|step| counts(state, &step.leg) && alive(&step.leg, step.time));
    let mut steps: Vec<Step<'_>> = enters
        .map(|step| (step.time, false, step.leg.as_str(), Some(step.bridge.as_str())))
        .chain(state.leaves.iter().map(|it| (it.time, true, it.leg.as_str(), Some(it.bridge.as_str()))))
        .collect();
    let ends = state.legs.iter().filter_map(|(id, leg)| leg.ended.get().map(|end| (id, end.time)));
    steps.extend(ends.map(|(id, time)| (time, true, id.as_str(), None)));
    steps.sort_unstable();
    steps
}
