//! One call as people see it: who, which way, how it ended and how long it took.
//! Made by [`super::fold::CallState::summary`]; read by the store, the RPCs and the events.

use serde::{Deserialize, Serialize};

use super::fact::{CallKey, DialStatus, Micros};
use super::number::Party;

/// One call, computed from all facts so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The connector and the telephone system's id.
    pub key: CallKey,
    /// Which way; none while nothing tells it.
    pub direction: Option<Direction>,
    /// The party outside; none for an internal call, and while nothing tells it.
    pub remote: Option<Party>,
    /// What the caller dialled, such as the direct number or the queue's extension.
    pub dialled: Option<Party>,
    /// The parties inside, in the order in which they joined.
    pub locals: Vec<LocalParty>,
    /// Ringing, answered or ended.
    pub state: State,
    /// True when the call has ended and the grace period is over; later facts still change it.
    pub settled: bool,
    /// How it ended or, while it lasts, [`Outcome::Answered`] once somebody took it.
    pub outcome: Option<Outcome>,
    /// The first thing that happened.
    pub start_time: Micros,
    /// When the called party took it.
    pub answer_time: Option<Micros>,
    /// When the last leg ended.
    pub end_time: Option<Micros>,
    /// True when the end was missed and its time is when that was noticed.
    pub end_estimated: bool,
    /// How long the called party's telephone rang, in microseconds.
    pub ring_micros: u64,
    /// How long two parties could speak, in microseconds, without the ringing of a transfer.
    pub talk_micros: u64,
    /// The queue in which the caller waited last.
    pub queue: Option<QueueVisit>,
    /// How it was handed on, in time order.
    pub transfers: Vec<Transfer>,
    /// The click to call that began it.
    pub originate: Option<Originate>,
    /// True when there were more legs or steps than are kept.
    pub truncated: bool,
}

impl Call {
    /// How long the called party's telephone rang, in seconds and fractions.
    pub fn ring_time_seconds(&self) -> f64 {
        seconds(self.ring_micros)
    }

    /// How long two parties could speak, in seconds and fractions.
    pub fn talk_time_seconds(&self) -> f64 {
        seconds(self.talk_micros)
    }
}

fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

/// Which way a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From outside to us.
    Inbound,
    /// From us to outside.
    Outbound,
    /// Between two of us.
    Internal,
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody took it yet; this includes waiting in a queue.
    Ringing,
    /// Somebody took it.
    Answered,
    /// It is over.
    Ended,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Somebody took it.
    Answered,
    /// Somebody took it and handed it on.
    Transferred,
    /// The caller gave up before anybody took it.
    Missed,
    /// It rang until the time was over, or we gave up calling.
    NoAnswer,
    /// The caller gave up waiting in a queue.
    Abandoned,
    /// The called party was busy.
    Busy,
    /// The called party could not be reached.
    Failed,
    /// The end was missed and nothing tells how it was.
    Unknown,
}

impl Outcome {
    /// Whether a person took the call.
    pub fn is_answered(self) -> bool {
        matches!(self, Outcome::Answered | Outcome::Transferred)
    }
}

/// One telephone inside that took part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalParty {
    /// Its extension, such as `101`; none when the system gave none.
    pub extension: Option<String>,
    /// Its channel, such as `PJSIP/alice-00000001`; empty when only the call as a whole was told.
    pub channel: String,
    /// Whether this telephone took the call or made it.
    pub answered: bool,
    /// How dialling it ended, where it was dialled.
    pub dial_status: Option<DialStatus>,
}

impl LocalParty {
    /// The device of the channel, such as `PJSIP/alice`.
    pub fn device(&self) -> &str {
        self.channel.rsplit_once('-').map_or(&self.channel, |(device, _)| device)
    }
}

/// One stay in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueVisit {
    /// The queue's name.
    pub name: String,
    /// How long the caller waited, in microseconds, up to the agent, the end or now.
    pub wait_micros: u64,
    /// Whether an agent took the caller.
    pub connected: bool,
    /// Whether the caller gave up.
    pub abandoned: bool,
}

/// One handing-on of a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Transfer {
    /// When.
    pub time: Micros,
    /// With or without asking first.
    pub kind: TransferKind,
    /// The id of the leg that handed it on.
    pub by: String,
    /// To whom.
    pub to: Option<Party>,
}

/// How a call is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Without asking.
    Blind,
    /// After asking.
    Attended,
}

/// The ids of a click to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originate {
    /// The id that the asker gave (Asterisk: ActionID).
    pub action: String,
    /// The id of the first leg (Asterisk: ChannelId); none when no leg came to be.
    pub channel: Option<String>,
}
