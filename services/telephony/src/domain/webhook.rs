//! Facts from systems that only tell of whole calls: ringing, answered, hung up.
//! Called by the webhook connectors and the gRPC method that takes call events.

use super::call::{Direction, Outcome};
use super::fact::{CallFact, CallKey, FactKind, Micros};
use super::number::Party;

/// One event about a whole call, as a webhook or a gRPC caller tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The call.
    pub key: CallKey,
    /// When it happened.
    pub time: Micros,
    /// What happened.
    pub phase: Phase,
    /// Which way, where the sender says so.
    pub direction: Option<Direction>,
    /// Who calls.
    pub from: Option<Party>,
    /// Who is called.
    pub to: Option<Party>,
    /// How it ended; only looked at when hung up.
    pub outcome: Option<Outcome>,
}

/// What happened to a whole call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It was begun, but nothing rings yet.
    Started,
    /// The called telephone rings.
    Ringing,
    /// The called party took it.
    Answered,
    /// It is over.
    HungUp,
}

impl WebhookEvent {
    /// The facts in this event: at most two.
    pub fn facts(self) -> Vec<CallFact> {
        let WebhookEvent { key, time, phase, direction, from, to, outcome } = self;
        let mut facts = Vec::with_capacity(2);
        if phase == Phase::Started || direction.is_some() || from.is_some() || to.is_some() {
            let kind = FactKind::Offered { direction, from, to };
            facts.push(CallFact { key: key.clone(), time, kind });
        }
        let kind = match phase {
            Phase::Started => return facts,
            Phase::Ringing => FactKind::Ringing,
            Phase::Answered => FactKind::Answered,
            Phase::HungUp => FactKind::HungUp { outcome },
        };
        facts.push(CallFact { key, time, kind });
        facts
    }
}
