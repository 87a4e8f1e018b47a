//! Calls and events between protobuf and domain.
//! Called by the other files here.

use kontor_kit::resource::Stored;
use kontor_kit::{Error, Result, clock};
use kontor_proto::telephony::v1 as proto;

use crate::domain::call::{Direction, Outcome};
use crate::domain::entry::{Entry, number};
use crate::domain::record::End;
use crate::domain::told::{Kind, Told};
use crate::events::duration;

/// A call as callers see it.
pub fn call(call: &Entry) -> proto::Call {
    let transfers = call.transfers.iter().map(|transfer| proto::Transfer {
        transfer_time: Some(clock::to_proto(transfer.time)),
        to: transfer.to.clone(),
        blind: transfer.blind,
    });
    proto::Call {
        name: call.name(),
        connector: connector_name(&call.connector),
        external_id: call.external_id.clone(),
        direction: call.direction,
        state: call.state,
        outcome: call.outcome,
        caller: Some(party(&call.caller)),
        callee: Some(party(&call.callee)),
        partner: call.partner.clone(),
        partner_candidates: call.candidates.clone(),
        opportunity: call.opportunity.clone(),
        user: call.user.clone(),
        start_time: Some(clock::to_proto(call.start)),
        answer_time: call.answer.map(clock::to_proto),
        end_time: call.end.map(clock::to_proto),
        ring_duration: call.ring.map(duration),
        talk_duration: call.talk.map(duration),
        queue: call.queue.clone(),
        transfers: transfers.collect(),
        note: call.note.clone(),
        etag: call.etag(),
        failure: failure(call),
        call_list_entry: call
            .record
            .as_ref()
            .map(|record| record.list_entry().to_owned())
            .unwrap_or_default(),
        overrides_do_not_call: call.record.as_ref().is_some_and(|record| record.overrides_do_not_call()),
    }
}

fn failure(call: &Entry) -> String {
    let outcome =
        [Outcome::Busy, Outcome::Failed].into_iter().find(|it| number::outcome(*it) == call.outcome);
    let words = call.record.as_ref().filter(|_| call.is_ended()).and_then(|record| record.failure(outcome));
    words.unwrap_or_default().to_owned()
}

fn party(end: &End) -> proto::Party {
    proto::Party { number: end.number.clone(), e164: end.e164.clone(), display_name: end.name.clone() }
}

fn connector_name(id: &str) -> String {
    if id.is_empty() { String::new() } else { format!("connectors/{id}") }
}

/// An event as a gRPC caller sent it. Times outside the calendar and unknown numbers of enumerations are refused.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn told(event: proto::CallEvent) -> Result<Told> {
    let unknown =
        |field: &str, number: i32| Error::invalid(field, format!("{number} is not one of its values"));
    let kind = match proto::CallEventKind::try_from(event.kind) {
        Ok(proto::CallEventKind::Unspecified) => None,
        Ok(proto::CallEventKind::Ringing) => Some(Kind::Ringing),
        Ok(proto::CallEventKind::Answered) => Some(Kind::Answered),
        Ok(proto::CallEventKind::Hungup) => Some(Kind::HungUp),
        Ok(proto::CallEventKind::Transferred) => Some(Kind::Transferred),
        Err(_) => return Err(unknown("kind", event.kind)),
    };
    let direction = match proto::CallDirection::try_from(event.direction) {
        Ok(proto::CallDirection::Unspecified) => None,
        Ok(proto::CallDirection::Inbound) => Some(Direction::Inbound),
        Ok(proto::CallDirection::Outbound) => Some(Direction::Outbound),
        Ok(proto::CallDirection::Internal) => Some(Direction::Internal),
        Err(_) => return Err(unknown("direction", event.direction)),
    };
    let outcome = match proto::CallOutcome::try_from(event.outcome) {
        Ok(proto::CallOutcome::Unspecified) => None,
        Ok(proto::CallOutcome::Answered) => Some(Outcome::Answered),
        Ok(proto::CallOutcome::Missed) => Some(Outcome::Missed),
        Ok(proto::CallOutcome::NoAnswer) => Some(Outcome::NoAnswer),
        Ok(proto::CallOutcome::Busy) => Some(Outcome::Busy),
        Ok(proto::CallOutcome::Abandoned) => Some(Outcome::Abandoned),
        Ok(proto::CallOutcome::Failed) => Some(Outcome::Failed),
        Err(_) => return Err(unknown("outcome", event.outcome)),
    };
    Ok(Told {
        call_id: event.call_id,
        kind,
        time: event.event_time.as_ref().map(clock::from_proto),
        direction,
        from: event.from,
        to: event.to,
        from_name: event.from_name,
        outcome,
        extension: event.extension,
        transfer_to: event.transfer_to,
        queue: event.queue,
    })
}

#[cfg(test)]
mod tests {
    use kontor_proto::telephony::v1::{CallDirection, CallOutcome, CallState};

    use super::*;
    use crate::domain::call::State;

    #[test]
    fn kept_numbers_are_those_of_the_proto() {
        assert_eq!(number::direction(Direction::Inbound), CallDirection::Inbound as i32);
        assert_eq!(number::direction(Direction::Outbound), CallDirection::Outbound as i32);
        assert_eq!(number::direction(Direction::Internal), CallDirection::Internal as i32);
        assert_eq!(number::state(State::Ringing), CallState::Ringing as i32);
        assert_eq!(number::state(State::Answered), CallState::Answered as i32);
        assert_eq!(number::state(State::Ended), CallState::Ended as i32);
        let outcomes = [
            (Outcome::Answered, CallOutcome::Answered),
            (Outcome::Transferred, CallOutcome::Answered),
            (Outcome::Missed, CallOutcome::Missed),
            (Outcome::NoAnswer, CallOutcome::NoAnswer),
            (Outcome::Busy, CallOutcome::Busy),
            (Outcome::Abandoned, CallOutcome::Abandoned),
            (Outcome::Failed, CallOutcome::Failed),
            (Outcome::Unknown, CallOutcome::Unspecified),
        ];
        for (outcome, wanted) in outcomes {
            assert_eq!(number::outcome(outcome), wanted as i32, "{outcome:?}");
        }
    }
}
