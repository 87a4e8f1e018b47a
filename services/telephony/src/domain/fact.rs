//! Facts: what a telephone system said about one call, in words that all connectors share.
//! Made by the connectors, folded by [`super::fold::CallState`].

use serde::{Deserialize, Serialize};

use super::call::{Direction, Outcome, TransferKind};
use super::number::Party;

/// An instant in microseconds since 1970-01-01T00:00:00Z, as the database keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// Microseconds from `earlier` to this instant; 0 when this is the earlier one.
    pub fn since(self, earlier: Micros) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// This instant moved by so many microseconds; stops at the ends of the range.
    pub fn plus(self, micros: i64) -> Micros {
        Micros(self.0.saturating_add(micros))
    }
}

impl From<jiff::Timestamp> for Micros {
    fn from(time: jiff::Timestamp) -> Self {
        Micros(time.as_microsecond())
    }
}

impl From<Micros> for jiff::Timestamp {
    /// Instants outside the calendar (years -9999 to 9999) become its first or last one.
    fn from(time: Micros) -> Self {
        let nearest = if time.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::from_microsecond(time.0).unwrap_or(nearest)
    }
}

/// Which call: the connector that told of it and the telephone system's own id (Asterisk: Linkedid).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallKey {
    /// The connector's name.
    pub connector: String,
    /// The id of the call at that telephone system.
    pub call: String,
}

/// One thing that happened to one call. Doubling and order do not matter to the fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFact {
    /// The call.
    pub key: CallKey,
    /// When it happened, by the clock of the telephone system where it tells the time.
    pub time: Micros,
    /// What happened.
    pub kind: FactKind,
}

/// One leg of a call: one channel between the telephone system and a telephone or a trunk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegRef {
    /// The id of the leg (Asterisk: Uniqueid).
    pub id: String,
    /// The name of its channel, such as `PJSIP/alice-00000001`.
    pub channel: String,
    /// What is at its far end.
    pub side: Side,
}

/// What is at the far end of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The public network.
    Trunk,
    /// A telephone inside.
    Phone,
    /// A channel that only joins others (Asterisk: `Local/`): it talks, but nobody is there.
    Relay,
    /// A recorder or an announcer: it neither talks nor answers.
    Helper,
}

/// How dialling one leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialStatus {
    /// The leg was taken.
    Answered,
    /// It rang until the time was over.
    NoAnswer,
    /// The leg could not be reached.
    Failed,
    /// The leg was busy.
    Busy,
    /// The caller gave up, or another leg was taken first.
    Cancelled,
}

/// Why an originate failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginateFailure {
    /// The first leg was busy.
    Busy,
    /// Anything else: not there, not answered, not allowed.
    Other,
}

/// What happened. Leg facts come from systems that tell of legs, call facts from those that only tell of calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// A leg came to be, or was found open after a gap.
    LegStarted {
        /// The leg.
        leg: LegRef,
        /// True when the far end calls us, false when we call it.
        arriving: bool,
        /// True when it was found by asking, so that its time and party are second-hand.
        found: bool,
        /// Who is at its far end.
        party: Option<Party>,
        /// What the far end dialled.
        dialled: Option<Party>,
    },
    /// The telephone of the leg rings.
    LegRinging {
        /// The leg.
        leg: LegRef,
    },
    /// The leg is open for speech. That alone is no answer: queues and announcements open legs too.
    LegUp {
        /// The leg.
        leg: LegRef,
    },
    /// The telephone system began to dial a leg.
    Dialled {
        /// The leg that is dialled.
        leg: LegRef,
        /// The id of the leg that asked for it; none for a click to call.
        by: Option<String>,
        /// Who is at the far end of the dialled leg.
        party: Option<Party>,
        /// The number that was dialled.
        target: Option<Party>,
        /// True when it was found by asking, so that its time is a guess.
        found: bool,
    },
    /// Dialling a leg ended.
    DialEnded {
        /// The leg that was dialled.
        leg: LegRef,
        /// The id of the leg that asked for it; none for a click to call.
        by: Option<String>,
        /// How it ended.
        status: DialStatus,
    },
    /// A leg can now hear the other legs of a bridge.
    BridgeEntered {
        /// The leg.
        leg: LegRef,
        /// The id of the bridge.
        bridge: String,
    },
    /// A leg left a bridge.
    BridgeLeft {
        /// The leg.
        leg: LegRef,
        /// The id of the bridge.
        bridge: String,
    },
    /// A leg was hung up.
    LegEnded {
        /// The leg.
        leg: LegRef,
        /// The cause by ITU-T Q.850, where the system gives one.
        cause: Option<u16>,
    },
    /// A leg was found gone after a gap; when it ended is not known.
    LegLost {
        /// The id of the leg.
        leg: String,
    },
    /// A leg went on as part of another call.
    LegMoved {
        /// The id of the leg.
        leg: String,
        /// The id of the call that it joined.
        to: String,
    },
    /// The caller began to wait in a queue.
    QueueEntered {
        /// The queue's name.
        queue: String,
        /// True when it was found by asking, so that its time is a guess.
        found: bool,
    },
    /// The caller left a queue, for whatever reason.
    QueueLeft {
        /// The queue's name.
        queue: String,
    },
    /// The caller gave up waiting in a queue.
    QueueAbandoned {
        /// The queue's name.
        queue: String,
    },
    /// An agent took the caller out of a queue.
    AgentConnected {
        /// The queue's name.
        queue: String,
        /// The agent's leg.
        agent: LegRef,
    },
    /// Somebody handed the call on, and it worked.
    Transferred {
        /// With or without asking first.
        kind: TransferKind,
        /// The id of the leg that handed it on.
        by: String,
        /// To whom.
        to: Option<Party>,
    },
    /// A click to call reached its first leg.
    Originated {
        /// The id that the asker gave (Asterisk: ActionID).
        action: String,
        /// The number to be called next.
        target: Option<Party>,
    },
    /// A click to call did not reach its first leg.
    OriginateFailed {
        /// The id that the asker gave (Asterisk: ActionID).
        action: String,
        /// The number to be called next.
        target: Option<Party>,
        /// Why.
        reason: OriginateFailure,
    },
    /// Who calls whom, told for the call as a whole.
    Offered {
        /// Which way, where the system says so.
        direction: Option<Direction>,
        /// Who calls.
        from: Option<Party>,
        /// Who is called.
        to: Option<Party>,
    },
    /// The called party's telephone rings.
    Ringing,
    /// The called party took the call.
    Answered,
    /// The call is over.
    HungUp {
        /// How it ended, where the system says so.
        outcome: Option<Outcome>,
    },
    /// The telephone system itself says that all legs are gone (Asterisk: CEL LINKEDID_END).
    Over,
    /// The call cannot be followed any more: the telephone system was started anew.
    Lost,
}
