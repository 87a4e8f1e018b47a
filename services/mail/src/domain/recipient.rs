//! A message that waits, is on its way or is done: a row of the queue of outgoing mail.
//! Called by rpc, the store and the sender.

/// What kind of message it is. The mail gateway will have others.
pub const MAILING: i64 = 1;

/// What became of it. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It waits.
    Pending = 1,
    /// A process has it.
    Sending = 2,
    /// The relay took it.
    Sent = 3,
    /// It is tried again.
    Deferred = 4,
    /// Refused for good.
    Failed = 5,
    /// Its address or domain is suppressed.
    Suppressed = 6,
    /// Without consent.
    NoConsent = 7,
    /// Without an address.
    NoAddress = 8,
    /// Another one has its address.
    Duplicate = 9,
    /// It can't be made.
    NotMade = 10,
    /// Taken off.
    Removed = 11,
}

impl State {
    /// All, with their names in the API.
    pub const ALL: [(State, &'static str); 11] = [
        (State::Pending, "PENDING"),
        (State::Sending, "SENDING"),
        (State::Sent, "SENT"),
        (State::Deferred, "DEFERRED"),
        (State::Failed, "FAILED"),
        (State::Suppressed, "SUPPRESSED"),
        (State::NoConsent, "NO_CONSENT"),
        (State::NoAddress, "NO_ADDRESS"),
        (State::Duplicate, "DUPLICATE"),
        (State::NotMade, "NOT_MADE"),
        (State::Removed, "REMOVED"),
    ];

    /// Of the number in the database.
    pub fn of(number: i64) -> Option<State> {
        State::ALL.into_iter().find(|(state, _)| *state as i64 == number).map(|(state, _)| state)
    }

    /// Whether it may still be sent.
    pub fn is_waiting(self) -> bool {
        matches!(self, State::Pending | State::Sending | State::Deferred)
    }
}

/// A row of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Id: a UUIDv7, so their order is that in which they were added.
    pub id: String,
    /// Id of the mailing.
    pub mailing: String,
    /// "partners/{id}", or empty.
    pub partner: String,
    /// Where it goes; empty when there is no address.
    pub address: String,
    /// Its domain.
    pub domain: String,
    /// Message-ID, with its angle brackets.
    pub message_id: String,
    /// What became of it.
    pub state: State,
    /// Why, for people.
    pub reason: String,
    /// The relay's last reply code, or 0.
    pub reply_code: i32,
    /// Not before.
    pub due: i64,
    /// How often it was tried.
    pub tries: i64,
    /// When it was tried first, or 0.
    pub first_time: i64,
    /// When the state became what it is.
    pub update_time: i64,
    /// When the person unsubscribed by it.
    pub unsubscribe_time: Option<i64>,
}
