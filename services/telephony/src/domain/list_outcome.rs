//! How calls of a list go: states of an entry, why a call was not held, why an entry is given up, and what a step brought about.
//! Called by list_entry.rs, which has the rules.

/// Where an entry stands. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits to be called.
    Open = 1,
    /// An operator has it.
    Leased = 2,
    /// It is being dialled or spoken with.
    Dialling = 3,
    /// Somebody was spoken with.
    Held = 4,
    /// It is not called any more.
    Cancelled = 5,
}

impl State {
    /// Of its number.
    pub fn of(number: i64) -> Option<State> {
        [State::Open, State::Leased, State::Dialling, State::Held, State::Cancelled]
            .into_iter()
            .find(|state| *state as i64 == number)
    }

    /// For sentences.
    pub(super) fn word(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Leased => "leased",
            State::Dialling => "being dialled",
            State::Held => "held",
            State::Cancelled => "cancelled",
        }
    }
}

/// Why a call was not held. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Busy.
    Busy = 1,
    /// Nobody answered.
    NoAnswer = 2,
    /// An answering machine.
    Machine = 3,
    /// The call could not be set up.
    Failed = 4,
    /// Somebody wants to be called at another time.
    CallBack = 5,
    /// Somebody else's number.
    WrongNumber = 6,
    /// Does not want to talk.
    Refused = 7,
    /// Never wants to be called again.
    DoNotCall = 8,
    /// The operator was lost in the middle.
    Lost = 9,
    /// Somebody answered a dialler and met nobody.
    Dropped = 10,
}

impl Reason {
    /// Of its number.
    pub fn of(number: i64) -> Option<Reason> {
        use Reason::{
            Busy, CallBack, DoNotCall, Dropped, Failed, Lost, Machine, NoAnswer, Refused, WrongNumber,
        };
        [Busy, NoAnswer, Machine, Failed, CallBack, WrongNumber, Refused, DoNotCall, Lost, Dropped]
            .into_iter()
            .find(|reason| *reason as i64 == number)
    }

    /// Why an entry is cancelled by it, at once.
    pub(super) fn cancels(self) -> Option<Cancel> {
        match self {
            Reason::WrongNumber => Some(Cancel::WrongNumber),
            Reason::Refused => Some(Cancel::Refused),
            Reason::DoNotCall => Some(Cancel::DoNotCall),
            _ => None,
        }
    }
}

/// Why an entry is not called any more. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// By a person.
    ByHand = 1,
    /// Tried often enough.
    MaxAttempts = 2,
    /// On the company's list.
    DoNotCall = 3,
    /// Somebody else's number.
    WrongNumber = 4,
    /// Did not want to talk.
    Refused = 5,
    /// Its partner was erased.
    Erased = 6,
}

impl Cancel {
    /// Of its number.
    pub fn of(number: i64) -> Option<Cancel> {
        use Cancel::{ByHand, DoNotCall, Erased, MaxAttempts, Refused, WrongNumber};
        [ByHand, MaxAttempts, DoNotCall, WrongNumber, Refused, Erased]
            .into_iter()
            .find(|cancel| *cancel as i64 == number)
    }
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The conversation took place.
    Held,
    /// It did not.
    NotHeld(Reason),
    /// It is to be tried again at this instant, by everybody or by the operator only.
    CallBack {
        /// Microseconds since 1970 UTC.
        time: i64,
        /// By the operator only.
        personal: bool,
    },
    /// It is not to be called any more.
    Cancelled,
}

/// What a step brought about, for the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A lease ended before the number was dialled.
    Released {
        /// Who had it.
        operator: String,
        /// By itself.
        expired: bool,
    },
    /// The number is being dialled.
    Dialled,
    /// The conversation took place.
    Held,
    /// It did not.
    NotHeld {
        /// Who called.
        operator: String,
        /// Why.
        reason: Reason,
    },
    /// It is not called any more.
    Cancelled(Cancel),
    /// A call-back was agreed.
    CallBackPlanned,
    /// It is at another time.
    CallBackMoved,
    /// It is over.
    CallBackEnded {
        /// Whose it was.
        operator: String,
    },
}

/// A call-back that was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBack {
    /// Who agreed to it: "users/{user}".
    pub operator: String,
    /// Only they get it.
    pub personal: bool,
}
