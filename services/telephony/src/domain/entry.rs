//! A call as it is kept: what people see, whose partner it is, and what was said of it in events.
//! Called by the intake, the tasks and rpc/call.rs; kept by store/call.rs.

use super::fact::Micros;
use super::record::{End, Handover, Record, View};

/// How long to wait after the last news of an ended call before saying that it ended, unless configured.
pub const GRACE_MICROS: i64 = super::summary::GRACE_MICROS as i64;
/// How long an open call may be silent until it is given up, in microseconds: a day.
pub const SILENCE_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// What was published of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Announced {
    /// Nothing yet.
    Nothing = 0,
    /// That it began.
    Began = 1,
    /// That it ended.
    Ended = 2,
}

/// Numbers of `state` in the API and in the row.
pub mod state {
    /// Ringing.
    pub const RINGING: i32 = 1;
    /// Talking.
    pub const ANSWERED: i32 = 2;
    /// Over.
    pub const ENDED: i32 = 3;
}

/// One call. Enumerations are kept as the API's numbers.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Id.
    pub id: String,
    /// Raised by each change.
    pub version: i64,
    /// Id of the connector; empty when logged by hand.
    pub connector: String,
    /// The telephone system's id; empty when logged by hand.
    pub external_id: String,
    /// CallDirection.
    pub direction: i32,
    /// CallState.
    pub state: i32,
    /// CallOutcome.
    pub outcome: i32,
    /// Who called.
    pub caller: End,
    /// Who was called first.
    pub callee: End,
    /// The outside party, as in events.
    pub number: String,
    /// The outside party in E.164, or empty.
    pub e164: String,
    /// "partners/{id}", or empty.
    pub partner: String,
    /// When several partners have the number.
    pub candidates: Vec<String>,
    /// "opportunities/{id}", or empty.
    pub opportunity: String,
    /// "users/{user}", or empty.
    pub user: String,
    /// The user's team: its leaders may change the call.
    pub team: String,
    /// Microseconds since 1970 UTC, as all times here.
    pub start: i64,
    /// When it was answered.
    pub answer: Option<i64>,
    /// When it was over.
    pub end: Option<i64>,
    /// How long it rang, in microseconds.
    pub ring: Option<i64>,
    /// How long people could talk, in microseconds.
    pub talk: Option<i64>,
    /// Queue, or empty.
    pub queue: String,
    /// Transfers, in order.
    pub transfers: Vec<Handover>,
    /// Free text.
    pub note: String,
    /// What was published.
    pub announced: Announced,
    /// What the last CallEnded or CallCorrected said.
    pub said: Vec<u8>,
    /// A person chose the partner: the number does not change it any more.
    pub partner_by_hand: bool,
    /// A person chose the opportunity.
    pub opportunity_by_hand: bool,
    /// When to look at it again: to say that it ended or was other than said, or to give it up.
    pub due: Option<i64>,
    /// The E.164 that the partner was looked up for.
    pub linked_e164: String,
    /// When to look the partner up again.
    pub link_time: Option<i64>,
    /// How often that failed.
    pub link_tries: i64,
    /// The fold; none when logged by hand.
    pub record: Option<Record>,
}

/// Who has a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// "partners/{id}" of all that have it.
    pub partners: Vec<String>,
    /// The one open opportunity of the one partner.
    pub opportunity: String,
    /// False when the opportunities could not be asked for.
    pub complete: bool,
}

/// Tries to look a partner up until the call stays unknown.
const LINK_TRIES: i64 = 60;

impl Entry {
    /// A call of which nothing is known yet.
    pub fn new(id: String, connector: &str, external_id: &str, record: Option<Record>) -> Self {
        Entry {
            id,
            version: 1,
            connector: connector.to_owned(),
            external_id: external_id.to_owned(),
            direction: 0,
            state: state::RINGING,
            outcome: 0,
            caller: End::default(),
            callee: End::default(),
            number: String::new(),
            e164: String::new(),
            partner: String::new(),
            candidates: Vec::new(),
            opportunity: String::new(),
            user: String::new(),
            team: String::new(),
            start: 0,
            answer: None,
            end: None,
            ring: None,
            talk: None,
            queue: String::new(),
            transfers: Vec::new(),
            note: String::new(),
            announced: Announced::Nothing,
            said: Vec::new(),
            partner_by_hand: false,
            opportunity_by_hand: false,
            due: None,
            linked_e164: String::new(),
            link_time: None,
            link_tries: 0,
            record,
        }
    }

    /// Resource name.
    pub fn name(&self) -> String {
        format!("calls/{}", self.id)
    }

    /// Whether it is over.
    pub fn is_ended(&self) -> bool {
        self.state == state::ENDED
    }

    /// Whether it was made by one of us to outside.
    pub fn is_outbound(&self) -> bool {
        self.direction == number::direction(super::call::Direction::Outbound)
    }

    /// Takes over what the record says at `now`.
    pub fn show(&mut self, view: View) {
        let micros = |length: u64| i64::try_from(length).unwrap_or(i64::MAX);
        self.direction = view.direction.map_or(0, number::direction);
        self.state = number::state(view.state);
        self.outcome = view.outcome.map_or(0, number::outcome);
        self.caller = view.caller;
        self.callee = view.callee;
        self.number = view.number;
        self.e164 = view.e164;
        self.start = view.start.0;
        self.answer = view.answer.map(|time| time.0);
        self.end = view.end.map(|time| time.0);
        self.ring = view.ring.map(micros);
        self.talk = view.talk.map(micros);
        self.queue = view.queue;
        self.transfers = view.transfers;
    }

    /// Sets when to look at it again, after news at `now`.
    pub fn plan(&mut self, now: i64, grace: i64, said_is_true: bool) {
        self.due = match (self.announced, self.is_ended()) {
            (Announced::Ended, true) if said_is_true => None,
            (_, true) => Some(now.saturating_add(grace)),
            (_, false) => Some(now.saturating_add(SILENCE_MICROS)),
        };
    }

    /// Ends an open call of which nothing was heard for very long. `now` is used for nothing but the view.
    pub fn give_up(&mut self, now: i64) {
        if let Some(record) = &mut self.record {
            record.give_up();
            let view = record.view(Micros(now));
            self.show(view);
        }
    }

    /// Whether the number waits to be looked up.
    pub fn wants_link(&self) -> bool {
        !self.partner_by_hand && !self.e164.is_empty() && self.linked_e164 != self.e164
    }

    /// Takes over who has the number.
    pub fn link(&mut self, found: &Match, now: i64) {
        if !self.partner_by_hand {
            let one = (found.partners.len() == 1).then(|| found.partners[0].clone());
            self.candidates = if one.is_some() { Vec::new() } else { found.partners.clone() };
            self.partner = one.unwrap_or_default();
        }
        if !self.opportunity_by_hand {
            self.opportunity = found.opportunity.clone();
        }
        self.linked_e164 = self.e164.clone();
        self.link_time = None;
        if found.complete {
            self.link_tries = 0;
        } else {
            self.link_later(now);
        }
    }

    /// Looks the number up again later: after 1 s, then with growing pauses up to 5 minutes.
    pub fn link_later(&mut self, now: i64) {
        let seconds = 1_i64 << self.link_tries.clamp(0, 8);
        self.link_tries += 1;
        self.link_time = (self.link_tries <= LINK_TRIES).then_some(now + seconds * 1_000_000);
    }
}

/// The API's numbers of the fold's words; the test in rpc/convert.rs holds them to the proto.
pub mod number {
    use super::super::call::{Direction, Outcome, State};

    /// CallDirection.
    pub fn direction(direction: Direction) -> i32 {
        match direction {
            Direction::Inbound => 1,
            Direction::Outbound => 2,
            Direction::Internal => 3,
        }
    }

    /// CallState.
    pub fn state(state: State) -> i32 {
        match state {
            State::Ringing => super::state::RINGING,
            State::Answered => super::state::ANSWERED,
            State::Ended => super::state::ENDED,
        }
    }

    /// CallOutcome. That an end was missed and nothing tells how it was has no number: 0.
    pub fn outcome(outcome: Outcome) -> i32 {
        match outcome {
            Outcome::Answered | Outcome::Transferred => 1,
            Outcome::Missed => 2,
            Outcome::NoAnswer => 3,
            Outcome::Busy => 4,
            Outcome::Abandoned => 5,
            Outcome::Failed => 6,
            Outcome::Unknown => 0,
        }
    }
}
