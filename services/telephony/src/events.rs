//! What telephony publishes of calls: that one began, that it ended (once each), and that it was other than said. And what it hears of partners.
//! Called by the intake, the tasks and rpc/call.rs inside their transactions; `listen` by lib.rs.

use kontor_kit::auth::Guard;
use kontor_kit::clock;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::{NewEvent, is, payload};
use kontor_proto::directory::v1::{PartnerMerged, PartnerUnmerged};
use kontor_proto::telephony::v1::{CallCorrected, CallEnded, CallStarted};
use kontor_proto::r#type::v1::Event;
use prost::{Message, Name};

use crate::domain::entry::{Announced, Entry};
use crate::store::partner_moves;

/// Hears of merges of partners for as long as the process runs: calls go along, and come back when a merge is taken back.
pub fn listen(context: &Context, db: &Db) {
    let wants = |event: &Event| is::<PartnerMerged>(event) || is::<PartnerUnmerged>(event);
    context.bus.listen_for(context, "directory", "telephony.partners", db.clone(), wants, |tx, event| {
        if let Some(merged) = payload::<PartnerMerged>(event) {
            partner_moves::merged(tx, &event.subject, &merged.survivor)
        } else if let Some(unmerged) = payload::<PartnerUnmerged>(event) {
            partner_moves::unmerged(tx, &event.subject, &unmerged.survivor)
        } else {
            Ok(())
        }
    });
}

/// Says that the call began, unless that was said.
pub fn began(tx: &mut Tx<'_>, call: &mut Entry) {
    if call.announced == Announced::Nothing {
        let started = CallStarted { direction: call.direction, number: call.number.clone() };
        tx.publish(event(call, &started));
        call.announced = Announced::Began;
    }
}

/// Says how the call ended; the first time as its end, later as a correction, and nothing when that is what was said.
pub fn ended(tx: &mut Tx<'_>, call: &mut Entry) {
    let saying = saying(call);
    if call.announced == Announced::Ended {
        if call.said != saying {
            let ended = facts(call);
            let corrected = CallCorrected {
                direction: ended.direction,
                outcome: ended.outcome,
                number: ended.number,
                talk_duration: ended.talk_duration,
                start_time: ended.start_time,
                opportunity: ended.opportunity,
                wait_duration: ended.wait_duration,
                queue: ended.queue,
                connector: ended.connector,
                user: ended.user,
                previous: before(&call.said),
            };
            tx.publish(event(call, &corrected));
        }
    } else {
        began(tx, call);
        tx.publish(event(call, &facts(call)));
        call.announced = Announced::Ended;
    }
    call.said = saying;
}

/// Takes what was said of the call's end as true: nobody is told that an erased call has no number any more.
pub fn set_said(call: &mut Entry) {
    if call.announced == Announced::Ended {
        call.said = saying(call);
    }
}

/// Whether what was said of the call's end is still so.
pub fn said_is_true(call: &Entry) -> bool {
    call.announced == Announced::Ended && call.said == saying(call)
}

/// All that an event about the end says: its payload, and the partner and user around it.
fn saying(call: &Entry) -> Vec<u8> {
    let mut bytes = facts(call).encode_to_vec();
    bytes.push(0);
    bytes.extend_from_slice(call.partner.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(call.user.as_bytes());
    bytes
}

/// What was said last, as it was said.
fn before(said: &[u8]) -> Option<CallEnded> {
    // Neither of the two names behind it has a zero byte.
    let mut parts = said.rsplitn(3, |byte| *byte == 0);
    CallEnded::decode(parts.nth(2)?).ok()
}

fn facts(call: &Entry) -> CallEnded {
    let waited = call.answer.or(call.end).map(|until| until.saturating_sub(call.start).max(0));
    CallEnded {
        direction: call.direction,
        outcome: call.outcome,
        number: call.number.clone(),
        talk_duration: call.talk.map(duration),
        start_time: Some(clock::to_proto(call.start)),
        opportunity: call.opportunity.clone(),
        wait_duration: waited.map(duration),
        queue: call.queue.clone(),
        connector: connector_name(&call.connector),
        user: call.user.clone(),
    }
}

fn connector_name(id: &str) -> String {
    if id.is_empty() { String::new() } else { format!("connectors/{id}") }
}

/// Everyone in the company may see calls, so everyone may see their events.
fn event<P: Message + Name>(call: &Entry, payload: &P) -> NewEvent {
    let actor = if call.user.is_empty() && !call.connector.is_empty() {
        connector_name(&call.connector)
    } else {
        call.user.clone()
    };
    NewEvent::new("telephony", call.name(), &Guard::company(), payload).partner(&call.partner).actor(actor)
}

/// Microseconds as the protobuf form.
pub fn duration(micros: i64) -> prost_types::Duration {
    prost_types::Duration {
        seconds: micros / 1_000_000,
        nanos: i32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0),
    }
}
