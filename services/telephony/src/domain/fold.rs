//! The fold: any order and any doubling of the same facts give the same state of a call.
//! Called by the store for each fact; every field only ever moves one way (least, greatest, set, flag).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::call::{Direction, Outcome, Transfer};
use super::fact::{CallFact, CallKey, DialStatus, FactKind, LegRef, Micros, OriginateFailure, Side};
use super::leg::{Few, Least, Leg, LegEnd, Most, Trust};
use super::number::{MAX_RAW_BYTES, Party, clip};

/// Most legs kept of one call.
pub const MAX_LEGS: usize = 64;
/// Most transfers kept of one call.
pub const MAX_TRANSFERS: usize = 32;
/// Most bridge entries, and as many exits, kept of one call.
pub const MAX_BRIDGE_STEPS: usize = 96;
/// Most answers kept of one call.
pub const MAX_ANSWERS: usize = 32;
/// Most queues kept of one call.
pub const MAX_QUEUES: usize = 16;
/// Longest id or name kept, in bytes; Asterisk's longest id has 149.
pub const MAX_ID_BYTES: usize = 160;

/// All that is kept of one call. Serialise it to store it; [`CallState::summary`] tells what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallState {
    pub(super) key: CallKey,
    #[serde(default)]
    pub(super) first: Least<Micros>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) found_first: Least<Micros>,
    #[serde(default)]
    pub(super) last: Most<Micros>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) legs: BTreeMap<String, Leg>,
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub(super) enters: Few<BridgeStep, MAX_BRIDGE_STEPS>,
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub(super) leaves: Few<BridgeStep, MAX_BRIDGE_STEPS>,
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub(super) answers: Few<Answer, MAX_ANSWERS>,
    #[serde(default, skip_serializing_if = "Most::is_none")]
    pub(super) unanswered: Most<(Micros, DialStatus)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) queues: BTreeMap<String, Queue>,
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub(super) transfers: Few<Transfer, MAX_TRANSFERS>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) originated: Least<(Micros, String, Option<Party>)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) originate_failed: Least<(Micros, String, Option<Party>, OriginateFailure)>,
    #[serde(default, skip_serializing_if = "Whole::is_empty")]
    pub(super) whole: Whole,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) over: Least<Micros>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) lost: Least<Micros>,
    #[serde(default)]
    pub(super) truncated: bool,
    /// A dialler's call: who is called outside is the first leg, and one of us joins once they have answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) outside_first: bool,
}

/// A leg entering or leaving a bridge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct BridgeStep {
    pub(super) time: Micros,
    pub(super) leg: String,
    pub(super) bridge: String,
}

/// A leg that was taken. Kept beside the legs, for the one that is taken may be the hundredth that rang.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) time: Micros,
    pub(super) leg: LegRef,
    /// True for the asker's own telephone of a click to call: that is no answer of the call.
    pub(super) own: bool,
}

/// What is kept of the stays in one queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) entered: Least<(Trust, Micros)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) connected: Least<Micros>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) abandoned: Least<Micros>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) left: Least<Micros>,
}

/// What was told for the call as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whole {
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) direction: Least<(Micros, Direction)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) from: Least<(Micros, Party)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) to: Least<(Micros, Party)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) ringing: Least<Micros>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) answered: Least<Micros>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) hung_up: Least<Micros>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(super) outcome: Least<(Micros, Outcome)>,
}

impl Whole {
    fn is_empty(&self) -> bool {
        *self == Whole::default()
    }
}

impl CallState {
    /// The state of a call of which nothing is known yet.
    pub fn new(key: CallKey) -> Self {
        CallState {
            key,
            first: Least::default(),
            found_first: Least::default(),
            last: Most::default(),
            legs: BTreeMap::new(),
            enters: Few::default(),
            leaves: Few::default(),
            answers: Few::default(),
            unanswered: Most::default(),
            queues: BTreeMap::new(),
            transfers: Few::default(),
            originated: Least::default(),
            originate_failed: Least::default(),
            whole: Whole::default(),
            over: Least::default(),
            lost: Least::default(),
            truncated: false,
            outside_first: false,
        }
    }

    /// The call that this is the state of.
    pub fn key(&self) -> &CallKey {
        &self.key
    }

    /// The time of the latest fact, for finding calls about which nothing was heard for long.
    pub fn last_time(&self) -> Micros {
        self.last.get().copied().unwrap_or_default()
    }

    /// The ids of the legs that have not ended, for catching up after a restart of Kontor.
    pub fn open_legs(&self) -> impl Iterator<Item = &str> {
        let closed = !(self.over.is_none() && self.lost.is_none());
        self.legs.iter().filter(move |(_, leg)| !closed && leg.ended.is_none()).map(|(id, _)| id.as_str())
    }

    /// Whether a leg is who a dialler called, whatever its channel looks like.
    pub(super) fn is_outside(&self, leg: &str) -> bool {
        self.outside_first && leg == self.key.call
    }

    /// Learns a fact; true when that changed anything. A fact about another call changes nothing.
    pub fn apply(&mut self, fact: &CallFact) -> bool {
        if fact.key != self.key {
            return false;
        }
        let time = fact.time;
        let first = match fact.kind {
            FactKind::LegLost { .. } | FactKind::Lost => false,
            FactKind::LegStarted { found: true, .. }
            | FactKind::Dialled { found: true, .. }
            | FactKind::QueueEntered { found: true, .. } => self.found_first.learn(time),
            _ => self.first.learn(time),
        };
        let last = self.last.learn(time);
        self.apply_kind(time, &fact.kind) | first | last
    }

    fn apply_kind(&mut self, time: Micros, kind: &FactKind) -> bool {
        use FactKind as K;
        match kind {
            K::LegStarted { leg, arriving, found, party, dialled } => {
                self.start_leg(time, leg, *arriving, *found, party.as_ref(), dialled.as_ref())
            }
            K::LegRinging { leg } => self.leg(Trust::Later, time, leg, |kept| kept.ringing.learn(time)),
            K::LegUp { leg } => self.leg(Trust::Later, time, leg, |kept| kept.up.learn(time)),
            K::Dialled { leg, by, party, target, found } => {
                self.dial((Trust::of(*found), time), leg, by.as_deref(), party.as_ref(), target.as_ref())
            }
            K::DialEnded { leg, by, status } => self.end_dial(time, leg, by.is_none(), *status),
            K::BridgeEntered { leg, bridge } => self.enter(time, leg, bridge),
            K::BridgeLeft { leg, bridge } => self.leave(time, leg, bridge),
            K::LegEnded { leg, cause } => {
                let end = LegEnd { estimated: false, time, cause: *cause };
                self.leg(Trust::Later, time, leg, |kept| kept.ended.learn(end))
            }
            K::LegLost { leg } => self.close_leg(leg, LegEnd { estimated: true, time, cause: None }),
            K::LegMoved { leg, to: _ } => self.close_leg(leg, LegEnd { estimated: false, time, cause: None }),
            K::QueueEntered { queue, found } => {
                self.queue(queue, |kept| kept.entered.learn((Trust::of(*found), time)))
            }
            K::QueueLeft { queue } => self.queue(queue, |kept| kept.left.learn(time)),
            K::QueueAbandoned { queue } => self.queue(queue, |kept| kept.abandoned.learn(time)),
            K::AgentConnected { queue, agent } => {
                let answer = Answer { time, leg: short_leg(agent), own: false };
                self.queue(queue, |kept| kept.connected.learn(time))
                    | self.answers.learn(answer, &mut self.truncated)
            }
            K::Transferred { kind, by, to } => {
                let transfer = Transfer { time, kind: *kind, by: short(by), to: to.as_ref().map(bounded) };
                self.transfers.learn(transfer, &mut self.truncated)
            }
            K::Originated { action, target } => {
                self.originated.learn((time, short(action), target.as_ref().map(bounded)))
            }
            K::OriginateFailed { action, target, reason } => {
                let failed = (time, short(action), target.as_ref().map(bounded), *reason);
                self.originate_failed.learn(failed)
            }
            K::Offered { .. } | K::Ringing | K::Answered | K::HungUp { .. } => self.whole.learn(time, kind),
            K::Over => self.over.learn(time),
            K::Lost => self.lost.learn(time),
        }
    }

    fn start_leg(
        &mut self,
        time: Micros,
        leg: &LegRef,
        arriving: bool,
        found: bool,
        party: Option<&Party>,
        dialled: Option<&Party>,
    ) -> bool {
        let trust = Trust::of(found);
        self.leg(trust, time, leg, |kept| {
            let mut changed = kept.started.learn((trust, time)) | (arriving && !kept.arriving);
            kept.arriving |= arriving;
            if let Some(party) = party {
                changed |= kept.party.learn((trust, time, bounded(party)));
            }
            if let Some(dialled) = dialled {
                changed |= kept.wanted.learn((trust, time, bounded(dialled)));
            }
            changed
        })
    }

    fn dial(
        &mut self,
        (trust, time): (Trust, Micros),
        leg: &LegRef,
        by: Option<&str>,
        party: Option<&Party>,
        target: Option<&Party>,
    ) -> bool {
        self.leg(Trust::Later, time, leg, |kept| {
            let mut changed = kept.dialled.learn((trust, time, by.map(short)));
            if let Some(party) = party {
                changed |= kept.party.learn((Trust::Later, time, bounded(party)));
            }
            if let Some(target) = target {
                changed |= kept.wanted.learn((Trust::Later, time, bounded(target)));
            }
            changed
        })
    }

    fn end_dial(&mut self, time: Micros, leg: &LegRef, sourceless: bool, status: DialStatus) -> bool {
        let own = sourceless && leg.side != Side::Trunk && !self.is_outside(&leg.id);
        let mut changed = self.leg(Trust::Later, time, leg, |kept| kept.dial_end.learn((time, status)));
        if status == DialStatus::Answered {
            changed |= self.answers.learn(Answer { time, leg: short_leg(leg), own }, &mut self.truncated);
        } else if !own {
            changed |= self.unanswered.learn((time, status));
        }
        changed
    }

    fn enter(&mut self, time: Micros, leg: &LegRef, bridge: &str) -> bool {
        let step = BridgeStep { time, leg: short(&leg.id), bridge: short(bridge) };
        self.leg(Trust::Later, time, leg, |_| false) | self.enters.learn(step, &mut self.truncated)
    }

    fn leave(&mut self, time: Micros, leg: &LegRef, bridge: &str) -> bool {
        let step = BridgeStep { time, leg: short(&leg.id), bridge: short(bridge) };
        self.leg(Trust::Later, time, leg, |_| false) | self.leaves.learn(step, &mut self.truncated)
    }

    /// Learns about a leg, making room for it where there is none yet.
    fn leg(
        &mut self,
        trust: Trust,
        time: Micros,
        leg: &LegRef,
        learn: impl FnOnce(&mut Leg) -> bool,
    ) -> bool {
        let named = short_leg(leg);
        let known = self.legs.contains_key(&named.id);
        let kept = self.legs.entry(named.id.clone()).or_default();
        let changed = kept.see(trust, time, &named) | learn(kept) | !known;
        self.shed_legs(&named.id, known) && changed
    }

    fn close_leg(&mut self, leg: &str, end: LegEnd) -> bool {
        let id = short(leg);
        let known = self.legs.contains_key(&id);
        let changed = self.legs.entry(id.clone()).or_default().ended.learn(end);
        self.shed_legs(&id, known) && changed
    }

    /// Lets go of the greatest id but never of the first leg; true when something is different from before.
    fn shed_legs(&mut self, learnt: &str, known: bool) -> bool {
        if self.legs.len() <= MAX_LEGS {
            return true;
        }
        let news = !self.truncated;
        self.truncated = true;
        let first_leg = short(&self.key.call);
        let last = self.legs.keys().rev().find(|id| **id != first_leg).cloned();
        let shed = last.and_then(|id| self.legs.remove_entry(&id));
        known || news || shed.is_none_or(|(id, _)| id != learnt)
    }

    fn queue(&mut self, name: &str, learn: impl FnOnce(&mut Queue) -> bool) -> bool {
        let name = short(name);
        let known = self.queues.contains_key(&name);
        let mut changed = learn(self.queues.entry(name.clone()).or_default()) | !known;
        if self.queues.len() > MAX_QUEUES {
            let news = !self.truncated;
            self.truncated = true;
            changed = self.queues.pop_last().is_none_or(|(shed, _)| shed != name) || news;
        }
        changed
    }
}

impl Whole {
    fn learn(&mut self, time: Micros, kind: &FactKind) -> bool {
        match kind {
            FactKind::Offered { direction, from, to } => {
                let direction = direction.is_some_and(|it| self.direction.learn((time, it)));
                let from = from.as_ref().is_some_and(|it| self.from.learn((time, bounded(it))));
                let to = to.as_ref().is_some_and(|it| self.to.learn((time, bounded(it))));
                direction | from | to
            }
            FactKind::Ringing => self.ringing.learn(time),
            FactKind::Answered => self.answered.learn(time),
            FactKind::HungUp { outcome } => {
                let ended = self.hung_up.learn(time);
                outcome.is_some_and(|it| self.outcome.learn((time, it))) | ended
            }
            _ => false,
        }
    }
}

fn short(text: &str) -> String {
    clip(text, MAX_ID_BYTES).to_owned()
}

fn short_leg(leg: &LegRef) -> LegRef {
    LegRef { id: short(&leg.id), channel: short(&leg.channel), side: leg.side }
}

/// Numbers are bounded where they are read; other text may come from anywhere.
fn bounded(party: &Party) -> Party {
    match party {
        Party::Number(_) => party.clone(),
        Party::Internal(text) => Party::Internal(clip(text, MAX_RAW_BYTES).to_owned()),
        Party::Unknown(text) => Party::Unknown(clip(text, MAX_RAW_BYTES).to_owned()),
    }
}
