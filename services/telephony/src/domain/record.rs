//! All that is known of one call from a telephone system: the fold, and beside it what only whole-call systems tell.
//! Called by the intake for each item; kept as JSON in the call's row.

use serde::{Deserialize, Serialize};

use super::call::{self, Direction, Outcome, State, TransferKind};
use super::fact::{CallFact, CallKey, FactKind, Micros, OriginateFailure, Side};
use super::fold::CallState;
use super::leg::{Few, Least};
use super::number::{Party, clip};
use super::skew;

/// Longest name of a caller that is kept, in bytes.
const NAME_BYTES: usize = 400;
/// Longest words about a click to call that was not carried out, in bytes.
const TROUBLE_BYTES: usize = 400;
/// Most extensions that are kept as having rung.
const RANG: usize = 32;

/// A fact, and what a whole-call system says beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The fact.
    pub fact: CallFact,
    /// Name of the caller.
    pub caller_name: Option<String>,
    /// Extension of the user concerned.
    pub extension: Option<String>,
}

impl From<CallFact> for Item {
    fn from(fact: CallFact) -> Self {
        Item { fact, caller_name: None, extension: None }
    }
}

/// What is kept of one call. Any order and any doubling of the same items give the same record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    state: CallState,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    caller_name: Least<(Micros, String)>,
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    rang: Few<String, RANG>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    answered_by: Least<(Micros, String)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    concerns: Least<(Micros, String)>,
    /// Why a click to call was not carried out, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    /// Entry of a call list that a click to call is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list_entry: Option<String>,
    /// Who was to be connected once a dialler's call was answered: "users/{user}", or empty when nobody was free. None before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connects: Option<String>,
    /// It was asked for although the number is not to be called.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overrides_do_not_call: bool,
    /// How far the telephone system's clock was behind when its first news of the call came, in microseconds: all its news is moved by it, so that
    /// order and doubling still do not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    behind: Option<i64>,
}

/// One side of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// As the telephone system gave it.
    pub number: String,
    /// E.164, or empty.
    pub e164: String,
    /// Name, or empty.
    pub name: String,
}

/// A transfer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// Microseconds since 1970 UTC.
    pub time: i64,
    /// To which extension or number.
    pub to: String,
    /// Without asking first.
    pub blind: bool,
}

/// The call as people see it. Lengths are there once they are final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Which way.
    pub direction: Option<Direction>,
    /// Where it stands.
    pub state: State,
    /// How it ended; none while it lasts and when nothing tells it.
    pub outcome: Option<Outcome>,
    /// Who called.
    pub caller: End,
    /// Who was called first.
    pub callee: End,
    /// The outside party: E.164 where there is one, else as given; empty for an internal call.
    pub number: String,
    /// The outside party in E.164, or empty.
    pub e164: String,
    /// Extension of the user who had the call.
    pub extension: Option<String>,
    /// Begin.
    pub start: Micros,
    /// When it was answered.
    pub answer: Option<Micros>,
    /// When it was over.
    pub end: Option<Micros>,
    /// How long it rang, in microseconds.
    pub ring: Option<u64>,
    /// How long people could talk, in microseconds.
    pub talk: Option<u64>,
    /// Queue, or empty.
    pub queue: String,
    /// Transfers, in order.
    pub transfers: Vec<Handover>,
}

impl Record {
    /// Nothing is known yet.
    pub fn new(key: CallKey) -> Self {
        Record {
            state: CallState::new(key),
            caller_name: Least::default(),
            rang: Few::default(),
            answered_by: Least::default(),
            concerns: Least::default(),
            trouble: None,
            list_entry: None,
            connects: None,
            overrides_do_not_call: false,
            behind: None,
        }
    }

    /// A click to call of the user of an extension, at the moment in which it is asked for.
    pub fn asked(key: CallKey, time: Micros, extension: &str, to: &Party, list_entry: &str) -> Self {
        let from = Some(Party::Internal(extension.to_owned()));
        let outside = matches!(to, Party::Number(_));
        let direction = Some(if outside { Direction::Outbound } else { Direction::Internal });
        let kind = FactKind::Offered { direction, from, to: Some(to.clone()) };
        let fact = CallFact { key: key.clone(), time, kind };
        let mut record = Record::new(key);
        record.learn(&Item { fact, caller_name: None, extension: Some(extension.to_owned()) });
        record.list_entry = Some(list_entry.to_owned()).filter(|entry| !entry.is_empty());
        record
    }

    /// A call that a dialler places for an entry of a call list, at the moment in which it is stored.
    pub fn placed(key: CallKey, time: Micros, to: &Party, list_entry: &str) -> Self {
        let kind =
            FactKind::Offered { direction: Some(Direction::Outbound), from: None, to: Some(to.clone()) };
        let fact = CallFact { key: key.clone(), time, kind };
        let mut record = Record::new(key);
        record.state.outside_first = true;
        record.learn(&fact.into());
        record.list_entry = Some(list_entry.to_owned());
        record
    }

    /// Whether a dialler placed it.
    pub fn is_placed(&self) -> bool {
        self.state.outside_first
    }

    /// Whether somebody answered a dialler, and it was not decided yet who is connected.
    pub fn wants_operator(&self, view: &View) -> bool {
        self.is_placed() && self.connects.is_none() && view.state == State::Answered
    }

    /// Says who is to be connected: "users/{user}", or empty when nobody is free.
    pub fn connect(&mut self, user: &str) {
        self.connects = Some(user.to_owned());
    }

    /// Who is to take the telephone, and has not yet: "users/{user}".
    pub fn connects(&self) -> Option<&str> {
        self.connects.as_deref().filter(|user| !user.is_empty() && !self.state.met_phone())
    }

    /// Whether something was ordered of which nothing rang, for sure.
    pub fn never_rang(&self) -> bool {
        self.trouble.is_some() && !self.has_legs() && !self.state.whole.hung_up.is_none()
    }

    /// Notes that it was asked for although the number is not to be called.
    pub fn override_do_not_call(&mut self) {
        self.overrides_do_not_call = true;
    }

    /// Whether it was asked for although the number is not to be called.
    pub fn overrides_do_not_call(&self) -> bool {
        self.overrides_do_not_call
    }

    /// Ends a click to call that was not carried out: for sure, or because nothing is known of it any more.
    pub fn not_carried_out(&mut self, time: Micros, words: &str, for_sure: bool) {
        let key = self.state.key().clone();
        let kind =
            if for_sure { FactKind::HungUp { outcome: Some(Outcome::Failed) } } else { FactKind::Lost };
        self.state.apply(&CallFact { key, time, kind });
        self.trouble.get_or_insert_with(|| clip(words, TROUBLE_BYTES).to_owned());
    }

    /// Entry of a call list that a click to call is for, or empty.
    pub fn list_entry(&self) -> &str {
        self.list_entry.as_deref().unwrap_or_default()
    }

    /// The call list of that entry: "callLists/{list}", or empty.
    pub fn call_list(&self) -> String {
        let list = self.list_entry().split_once("/entries/").map(|(list, _)| list);
        list.filter(|list| list.starts_with("callLists/")).unwrap_or_default().to_owned()
    }

    /// Whether the telephone system told of a leg.
    pub fn has_legs(&self) -> bool {
        !self.state.legs.is_empty()
    }

    /// Why a click to call could not be set up, in words; none for other calls and while it lasts.
    pub fn failure(&self, outcome: Option<Outcome>) -> Option<&str> {
        if let Some(words) = self.trouble.as_deref() {
            return Some(words);
        }
        let (.., reason) = self.state.originate_failed.get()?;
        match (outcome, reason) {
            _ if self.is_placed() => None,
            (Some(Outcome::Busy), OriginateFailure::Busy) => Some("the user's own telephone was busy"),
            (Some(Outcome::Failed), _) => {
                Some("the user's own telephone was not taken or could not be reached")
            }
            _ => None,
        }
    }

    /// Whether it is known how far the telephone system's clock was behind when the call began.
    pub fn has_clock(&self) -> bool {
        self.behind.is_some()
    }

    /// Says how far the telephone system's clock is behind, in microseconds. Only the first time counts.
    pub fn set_clock(&mut self, behind: i64) {
        self.behind.get_or_insert(behind);
    }

    /// Learns an item; true when that changed anything.
    pub fn learn(&mut self, item: &Item) -> bool {
        let mut fact = item.fact.clone();
        if skew::is_told(&fact.kind) {
            fact.time = fact.time.plus(self.behind.unwrap_or(0));
        }
        let time = fact.time;
        let mut changed = self.state.apply(&fact);
        if let Some(name) = &item.caller_name {
            changed |= self.caller_name.learn((time, clip(name, NAME_BYTES).to_owned()));
        }
        let Some(extension) = &item.extension else { return changed };
        changed |= self.concerns.learn((time, extension.clone()));
        let mut truncated = false;
        match item.fact.kind {
            FactKind::Ringing => changed |= self.rang.learn(extension.clone(), &mut truncated),
            FactKind::Answered => changed |= self.answered_by.learn((time, extension.clone())),
            _ => {}
        }
        changed
    }

    /// Gives the call up: nothing was heard of it for very long.
    pub fn give_up(&mut self) -> bool {
        let key = self.state.key().clone();
        self.state.apply(&CallFact { key, time: self.state.last_time(), kind: FactKind::Lost })
    }

    /// The legs that have not ended, for catching up.
    pub fn open_legs(&self) -> impl Iterator<Item = &str> {
        self.state.open_legs()
    }

    /// Extensions whose telephones ring now.
    pub fn ringing(&self) -> Vec<String> {
        let legs = self.state.legs.values().filter(|leg| {
            leg.side() == Side::Phone && !leg.ringing.is_none() && leg.up.is_none() && leg.ended.is_none()
        });
        let of_legs = legs.filter_map(|leg| leg.party.get().and_then(|(_, _, party)| party.internal()));
        let mut found: Vec<String> = of_legs.map(str::to_owned).chain(self.rang.iter().cloned()).collect();
        // a system without extensions in its events still says whom it calls
        let whole = &self.state.whole;
        if found.is_empty() && !whole.ringing.is_none() {
            let called = whole.to.get().and_then(|(_, party)| party.internal());
            found.extend(called.map(str::to_owned));
        }
        found.sort();
        found.dedup();
        found
    }

    /// Extensions that speak on the call now: those whose telephones are open; of a system that only tells of whole calls, the one who answered.
    pub fn talking(&self, view: &View) -> Vec<String> {
        if view.state != State::Answered {
            return Vec::new();
        }
        let mut phones = self.state.legs.values().filter(|leg| leg.side() == Side::Phone).peekable();
        if phones.peek().is_none() {
            return view.extension.iter().cloned().collect();
        }
        let open = phones.filter(|leg| !leg.up.is_none() && leg.ended.is_none());
        let parties = open.filter_map(|leg| leg.party.get().and_then(|(_, _, party)| party.internal()));
        let mut found: Vec<String> = parties.map(str::to_owned).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Whether enough is known to say that the call began: an outgoing call looks like an internal one at first.
    pub fn has_begun(&self, view: &View) -> bool {
        view.state != State::Ringing
            || match view.direction {
                Some(Direction::Inbound) => true,
                Some(Direction::Outbound) => !view.number.is_empty(),
                Some(Direction::Internal) => !self.state.whole.ringing.is_none(),
                None => false,
            }
    }

    /// The call as it looks at `now`.
    pub fn view(&self, now: Micros) -> View {
        let call = self.state.summary(now, 0);
        let ended = call.state == State::Ended;
        let (caller, callee) = self.ends(&call);
        let remote = call.remote.as_ref();
        let e164 = remote.and_then(Party::e164).unwrap_or_default().to_owned();
        let raw = remote.map(Party::raw).unwrap_or_default();
        View {
            direction: call.direction,
            state: call.state,
            outcome: call.outcome.filter(|_| ended),
            caller,
            callee,
            number: if e164.is_empty() { raw.to_owned() } else { e164.clone() },
            e164,
            extension: self.extension(&call),
            start: call.start_time,
            answer: call.answer_time,
            end: call.end_time,
            ring: (ended || call.answer_time.is_some()).then_some(call.ring_micros),
            talk: (ended && call.answer_time.is_some()).then_some(call.talk_micros),
            queue: call.queue.map(|queue| queue.name).unwrap_or_else(|| self.call_list()),
            transfers: call.transfers.iter().map(handover).collect(),
        }
    }

    fn ends(&self, call: &call::Call) -> (End, End) {
        let whole = &self.state.whole;
        let from = || whole.from.get().map(|(_, party)| end(party));
        let to = || whole.to.get().map(|(_, party)| end(party));
        let remote = || call.remote.as_ref().map(end);
        let dialled = || call.dialled.as_ref().map(end);
        let local = || {
            let number = call.locals.iter().find_map(|local| local.extension.clone())?;
            Some(End { number, ..End::default() })
        };
        let (caller, callee) = match call.direction {
            Some(Direction::Inbound) => (from().or_else(remote), dialled().or_else(local)),
            Some(Direction::Outbound) => (from().or_else(local), remote()),
            Some(Direction::Internal) => (from().or_else(local), dialled()),
            None => (from(), to()),
        };
        let mut caller = caller.unwrap_or_default();
        caller.name = self.caller_name.get().map(|(_, name)| name.clone()).unwrap_or_default();
        (caller, callee.unwrap_or_default())
    }

    /// Whose call it is: who answered it or made it; else whose telephone rang.
    fn extension(&self, call: &call::Call) -> Option<String> {
        let told = self.answered_by.get().map(|(_, extension)| extension.clone());
        let taken = call.locals.iter().filter(|local| local.answered).find_map(|it| it.extension.clone());
        let concerned = || self.concerns.get().map(|(_, extension)| extension.clone());
        let rang = || call.locals.iter().find_map(|local| local.extension.clone());
        told.or(taken).or_else(concerned).or_else(rang)
    }
}

fn end(party: &Party) -> End {
    End {
        number: party.raw().to_owned(),
        e164: party.e164().unwrap_or_default().to_owned(),
        name: String::new(),
    }
}

fn handover(transfer: &call::Transfer) -> Handover {
    Handover {
        time: transfer.time.0,
        to: transfer.to.as_ref().map(Party::raw).unwrap_or_default().to_owned(),
        blind: transfer.kind == TransferKind::Blind,
    }
}
