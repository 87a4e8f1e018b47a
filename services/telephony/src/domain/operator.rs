//! An operator of the call centre: the states and what may follow what, by hand, by the calls and by the clock.
//! Called by operators.rs (calls, clock) and rpc/operator.rs (by hand); kept by store/operator.rs.

use kontor_kit::{Error, Result};

/// How long an operator may give no sign of life outside a call, in microseconds.
pub const SILENCE_MICROS: i64 = 90 * 1_000_000;
/// Time for after-call work at first, in seconds.
pub const WRAP_SECONDS: i64 = 20;
/// Longest time for after-call work, in seconds.
pub const MAX_WRAP_SECONDS: i64 = 30 * 60;
/// Queues, and call lists, of one operator at most.
pub const MAX_SCOPES: usize = 50;
/// Longest reason of a break and longest name of a queue, in characters.
pub const TEXT: usize = 100;

/// Who lets a call of a dialler ring for so long without taking it is not there, in microseconds.
const NOT_THERE_MICROS: i64 = 10 * 1_000_000;
/// Why they are on a break then.
const NOT_THERE: &str = "a call of the dialler was not taken";

/// What an operator does. The numbers are those of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Not at work.
    Offline = 1,
    /// Waits for a call.
    Available = 2,
    /// A call rings.
    Ringing = 3,
    /// On a call.
    Talking = 4,
    /// After-call work.
    WrapUp = 5,
    /// On a break.
    Break = 6,
}

impl State {
    /// All states.
    pub const ALL: [State; 6] =
        [State::Offline, State::Available, State::Ringing, State::Talking, State::WrapUp, State::Break];

    /// By its number.
    pub fn from_number(number: i32) -> Option<State> {
        State::ALL.into_iter().find(|state| *state as i32 == number)
    }

    /// Its name, as the API has it without the prefix.
    pub fn word(self) -> &'static str {
        match self {
            State::Offline => "OFFLINE",
            State::Available => "AVAILABLE",
            State::Ringing => "RINGING",
            State::Talking => "TALKING",
            State::WrapUp => "WRAP_UP",
            State::Break => "BREAK",
        }
    }
}

/// The call that a state is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfCall {
    /// Id, or empty.
    pub call: String,
    /// Its queue, or empty.
    pub queue: String,
    /// Its call list: "callLists/{list}", or empty.
    pub call_list: String,
}

/// One operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Id: that of the user.
    pub id: String,
    /// Raised by each change but signs of life.
    pub version: i64,
    /// "teams/{team}", or empty.
    pub team: String,
    /// What they do.
    pub state: State,
    /// Why, on a break; kept through a call that was taken in it.
    pub reason: String,
    /// Since when, in microseconds since 1970 UTC, as all times here.
    pub since: i64,
    /// The call that the state is about.
    pub of: OfCall,
    /// When the wrap-up is over.
    pub due: Option<i64>,
    /// Last sign of life.
    pub seen: i64,
    /// Queues whose calls they take.
    pub queues: Vec<String>,
    /// "callLists/{list}" that they work on.
    pub call_lists: Vec<String>,
    /// Time for after-call work, in seconds.
    pub wrap_seconds: i64,
}

/// What a call does with an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It rings there, or the operator's own call rings at the other end.
    Rings,
    /// The operator speaks on it.
    Talks,
    /// Nothing any more, or it is over.
    Gone,
}

impl Operator {
    /// A user who never signed in.
    pub fn new(id: &str, team: &str, now: i64) -> Operator {
        Operator {
            id: id.to_owned(),
            version: 1,
            team: team.to_owned(),
            state: State::Offline,
            reason: String::new(),
            since: now,
            of: OfCall::default(),
            due: None,
            seen: now,
            queues: Vec::new(),
            call_lists: Vec::new(),
            wrap_seconds: WRAP_SECONDS,
        }
    }

    /// Whether a call has the operator.
    pub fn is_on_call(&self) -> bool {
        matches!(self.state, State::Ringing | State::Talking)
    }

    /// Whether a call of a list ("callLists/{list}") may be given to them now.
    pub fn is_free_for(&self, call_list: &str) -> bool {
        self.state == State::Available && self.call_lists.iter().any(|own| own == call_list)
    }

    fn enter(&mut self, state: State, of: OfCall, now: i64) {
        self.state = state;
        self.of = of;
        self.since = now;
        self.due = (state == State::WrapUp).then(|| now + self.wrap_seconds * 1_000_000);
    }

    /// Sets the state by hand.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a state that only calls make; FAILED_PRECONDITION with reason TRANSITION_NOT_ALLOWED.
    pub fn set(&mut self, to: State, reason: &str, now: i64) -> Result<()> {
        match to {
            State::Available | State::Break | State::Offline => {}
            _ => {
                let message = format!("{} comes from the calls: give AVAILABLE, BREAK or OFFLINE", to.word());
                return Err(Error::invalid("state", message));
            }
        }
        if self.is_on_call() && to != State::Offline {
            let message = format!(
                "{} can't follow {}: it ends with calls/{}; OFFLINE is possible",
                to.word(),
                self.state.word(),
                self.of.call
            );
            return Err(Error::precondition("TRANSITION_NOT_ALLOWED", message));
        }
        self.seen = now;
        reason.clone_into(&mut self.reason);
        self.enter(to, OfCall::default(), now);
        Ok(())
    }

    /// What a call does. Only who is signed in is concerned; answers whether anything changed.
    pub fn hear(&mut self, part: Part, of: &OfCall, now: i64) -> bool {
        let same = self.of.call == of.call;
        match (part, self.state) {
            (_, State::Offline) => return false,
            (Part::Rings, State::Available) => self.enter(State::Ringing, of.clone(), now),
            // A second call does not end the first.
            (Part::Talks, State::Talking) => return false,
            (Part::Talks, _) => self.enter(State::Talking, of.clone(), now),
            (Part::Gone, State::Ringing) if same => self.enter(State::Available, OfCall::default(), now),
            (Part::Gone, State::Talking) if same => self.hang_up(now),
            _ => return false,
        }
        self.seen = now;
        true
    }

    /// A dialler's call that was given to them is over, and they did not take it. Who let it ring for long is on a break, or the next who answers would be dropped for
    /// them too. Answers whether that is so.
    pub fn miss(&mut self, call: &str, now: i64) -> bool {
        let rang = self.state == State::Ringing && self.of.call == call;
        if !rang || now - self.since < NOT_THERE_MICROS {
            return false;
        }
        NOT_THERE.clone_into(&mut self.reason);
        self.enter(State::Break, OfCall::default(), now);
        true
    }

    fn hang_up(&mut self, now: i64) {
        if !self.reason.is_empty() {
            self.enter(State::Break, OfCall::default(), now);
        } else if self.wrap_seconds == 0 {
            self.enter(State::Available, OfCall::default(), now);
        } else {
            let of = std::mem::take(&mut self.of);
            self.enter(State::WrapUp, of, now);
        }
    }

    /// What the clock does: the wrap-up is over, or nothing was heard for too long. Answers whether anything changed.
    pub fn tick(&mut self, now: i64) -> bool {
        let silent = now - self.seen >= SILENCE_MICROS;
        match (self.state, self.due) {
            (State::Offline | State::Ringing | State::Talking, _) => false,
            // As of when it was over: whoever looks late does not make it longer.
            (State::WrapUp, Some(due)) if due <= now => {
                self.enter(State::Available, OfCall::default(), due);
                true
            }
            _ if silent => {
                self.reason.clear();
                self.enter(State::Offline, OfCall::default(), now);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn of(call: &str) -> OfCall {
        OfCall { call: call.to_owned(), queue: "support".to_owned(), call_list: String::new() }
    }

    fn at_work() -> Operator {
        let mut operator = Operator::new("anna", "teams/sales", 0);
        operator.set(State::Available, "", 0).expect("anybody may sign in");
        operator
    }

    #[test]
    fn a_call_rings_is_answered_and_wrapped_up() {
        let mut anna = at_work();
        assert!(anna.hear(Part::Rings, &of("1"), SECOND));
        assert_eq!((anna.state, anna.since), (State::Ringing, SECOND));
        assert!(anna.hear(Part::Talks, &of("1"), 2 * SECOND));
        assert!(!anna.hear(Part::Talks, &of("1"), 3 * SECOND), "told twice is told once");
        assert!(!anna.hear(Part::Gone, &of("2"), 4 * SECOND), "another call's end");
        assert!(anna.hear(Part::Gone, &of("1"), 10 * SECOND));
        assert_eq!((anna.state, anna.of.queue.as_str()), (State::WrapUp, "support"));
        assert!(!anna.tick(29 * SECOND));
        assert!(anna.tick(35 * SECOND) && anna.state == State::Available && anna.of == OfCall::default());
        assert_eq!(anna.since, 30 * SECOND);
    }

    #[test]
    fn a_call_that_is_not_answered_leaves_nothing_to_wrap_up() {
        let mut anna = at_work();
        anna.hear(Part::Rings, &of("1"), SECOND);
        anna.hear(Part::Gone, &of("1"), 2 * SECOND);
        assert_eq!(anna.state, State::Available);
    }

    #[test]
    fn who_does_not_take_a_diallers_call_is_on_a_break() {
        let mut anna = at_work();
        anna.hear(Part::Rings, &of("1"), SECOND);
        assert!(!anna.miss("1", 10 * SECOND), "the caller hung up soon");
        assert!(!anna.miss("2", 20 * SECOND), "another call");
        assert!(anna.miss("1", 11 * SECOND));
        assert_eq!((anna.state, anna.of.call.as_str()), (State::Break, ""));
        assert!(anna.set(State::Available, "", 12 * SECOND).is_ok() && anna.reason.is_empty());
    }

    #[test]
    fn who_takes_a_call_in_the_break_goes_back_to_it() {
        let mut anna = at_work();
        anna.set(State::Break, "lunch", SECOND).expect("a break");
        assert!(!anna.hear(Part::Rings, &of("1"), 2 * SECOND));
        assert!(anna.hear(Part::Talks, &of("1"), 3 * SECOND));
        anna.hear(Part::Gone, &of("1"), 4 * SECOND);
        assert_eq!((anna.state, anna.reason.as_str()), (State::Break, "lunch"));
    }

    #[test]
    fn a_call_can_only_be_left_by_signing_out() {
        for part in [Part::Rings, Part::Talks] {
            let mut anna = at_work();
            anna.hear(part, &of("1"), SECOND);
            for to in [State::Available, State::Break] {
                let refused = anna.set(to, "", SECOND).expect_err("not now");
                assert_eq!(refused.reason(), "TRANSITION_NOT_ALLOWED");
            }
            anna.set(State::Offline, "", SECOND).expect("always possible");
            assert!(!anna.hear(Part::Talks, &of("2"), SECOND), "the calls of who is not at work are theirs");
        }
        let refused = at_work().set(State::Talking, "", 0).expect_err("calls make it");
        assert_eq!(refused.field(), Some("state"));
    }

    #[test]
    fn silence_ends_all_but_a_call() {
        for state in [State::Available, State::Break] {
            let mut anna = at_work();
            anna.set(state, "", 0).expect("allowed");
            assert!(!anna.tick(SILENCE_MICROS - 1) && anna.tick(SILENCE_MICROS));
            assert_eq!(anna.state, State::Offline);
        }
        let mut anna = at_work();
        anna.hear(Part::Talks, &of("1"), 0);
        assert!(!anna.tick(100 * SILENCE_MICROS));
        // The end of a call is a sign of life: somebody hung up.
        anna.hear(Part::Gone, &of("1"), 100 * SILENCE_MICROS);
        assert!(!anna.tick(100 * SILENCE_MICROS + SECOND));
    }
}
