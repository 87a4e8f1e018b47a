//! Call lists and their entries between protobuf and domain.
//! Called by the other files here.

use kontor_kit::mask::Mask;
use kontor_kit::resource::Stored;
use kontor_kit::{Error, Result, clock};
use kontor_proto::telephony::v1 as proto;

use crate::domain::call_list::{CallList, SECOND, State};
use crate::domain::hours::{Hours, Span};
use crate::domain::list_entry::{ListEntry, Outcome, Reason};
use crate::domain::zones;
use crate::events::duration;

/// Fields that an update may name.
pub const FIELDS: [&str; 11] = [
    "display_name",
    "priority",
    "state",
    "max_tries",
    "busy_retry_delay",
    "no_answer_retry_delay",
    "calling_hours",
    "any_hour",
    "lease_duration",
    "min_ring_seconds",
    "region",
];

/// A list as callers see it.
pub fn list(list: &CallList) -> proto::CallList {
    let hours = list.hours.days().map(|(weekday, span)| {
        let (start, end) = span.texts();
        proto::CallingHours { weekday, start, end }
    });
    proto::CallList {
        name: list.name(),
        display_name: list.display_name.clone(),
        team: list.team.clone(),
        priority: list.priority,
        state: list.state as i32,
        max_tries: list.max_tries,
        busy_retry_delay: Some(duration(list.busy_delay)),
        no_answer_retry_delay: Some(duration(list.no_answer_delay)),
        calling_hours: hours.collect(),
        any_hour: list.hours.any,
        lease_duration: Some(duration(list.lease)),
        min_ring_seconds: Some(list.min_ring_seconds),
        region: list.region.clone(),
        etag: list.etag(),
        create_time: Some(clock::to_proto(list.create_time)),
        update_time: Some(clock::to_proto(list.update_time)),
    }
}

/// Fields that a message has set.
pub fn fields_set(given: &proto::CallList) -> Vec<&'static str> {
    let set = [
        ("display_name", !given.display_name.is_empty()),
        ("priority", given.priority != 0),
        ("state", given.state != 0),
        ("max_tries", given.max_tries != 0),
        ("busy_retry_delay", given.busy_retry_delay.is_some()),
        ("no_answer_retry_delay", given.no_answer_retry_delay.is_some()),
        ("calling_hours", !given.calling_hours.is_empty()),
        ("any_hour", given.any_hour),
        ("lease_duration", given.lease_duration.is_some()),
        ("min_ring_seconds", given.min_ring_seconds.is_some()),
        ("region", !given.region.is_empty()),
    ];
    set.into_iter().filter(|(_, set)| *set).map(|(field, _)| field).collect()
}

/// Takes over the fields of the mask. What is not set there goes back to what is usual.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn read(given: &proto::CallList, mask: &Mask, to: &mut CallList) -> Result<()> {
    let usual = CallList::new(String::new(), String::new(), 0);
    let length = |given: Option<&prost_types::Duration>, usual: i64| given.map_or(usual, micros);
    if mask.has("display_name") {
        to.display_name = given.display_name.trim().to_owned();
    }
    if mask.has("priority") {
        to.priority = given.priority;
    }
    if mask.has("state") {
        let state = State::of(given.state.into()).filter(|state| *state != State::Deleted);
        to.state = state.ok_or_else(|| Error::invalid("call_list.state", "use ACTIVE, PAUSED or ENDED"))?;
    }
    if mask.has("max_tries") {
        to.max_tries = if given.max_tries == 0 { usual.max_tries } else { given.max_tries };
    }
    if mask.has("busy_retry_delay") {
        to.busy_delay = length(given.busy_retry_delay.as_ref(), usual.busy_delay);
    }
    if mask.has("no_answer_retry_delay") {
        to.no_answer_delay = length(given.no_answer_retry_delay.as_ref(), usual.no_answer_delay);
    }
    if mask.has("calling_hours") {
        to.hours = hours(&given.calling_hours)?.with_any(to.hours.any);
    }
    if mask.has("any_hour") {
        to.hours.any = given.any_hour;
    }
    if mask.has("lease_duration") {
        to.lease = length(given.lease_duration.as_ref(), usual.lease);
    }
    if mask.has("min_ring_seconds") {
        to.min_ring_seconds = given.min_ring_seconds.unwrap_or(usual.min_ring_seconds);
    }
    if mask.has("region") {
        to.region = given.region.to_uppercase();
    }
    Ok(())
}

fn micros(length: &prost_types::Duration) -> i64 {
    length.seconds.saturating_mul(SECOND).saturating_add(i64::from(length.nanos) / 1_000)
}

fn hours(given: &[proto::CallingHours]) -> Result<Hours> {
    if given.is_empty() {
        return Ok(Hours::default());
    }
    let mut hours = Hours::none();
    for (place, day) in given.iter().enumerate() {
        let wrong = |message: String| Error::invalid(format!("call_list.calling_hours[{place}]"), message);
        let span = Span::parse(&day.start, &day.end).map_err(wrong)?;
        hours.set(day.weekday, span).map_err(wrong)?;
    }
    Ok(hours)
}

/// An entry as callers see it; `fallback` is the time zone of numbers of no country.
pub fn entry(entry: &ListEntry, fallback: &str) -> proto::CallListEntry {
    let leased = entry.is_leased();
    proto::CallListEntry {
        name: entry.full_name(),
        number: entry.number.clone(),
        e164: entry.e164.clone(),
        extension: entry.extension.clone(),
        partner: entry.partner.clone(),
        display_name: entry.display_name.clone(),
        priority: entry.priority,
        state: entry.state as i32,
        due_time: entry.due.map(clock::to_proto),
        tries: entry.tries,
        last_reason: entry.reason.map_or(0, |reason| reason as i32),
        outcome_time: entry.outcome_time.map(clock::to_proto),
        cancel_reason: entry.cancel.map_or(0, |cancel| cancel as i32),
        owner: entry.owner().to_owned(),
        call_back: entry.call_back.is_some(),
        operator: entry.operator.clone(),
        lease_expire_time: entry.ready.filter(|_| leased).map(clock::to_proto),
        dial_time: entry.dial_time.map(clock::to_proto),
        opportunity: entry.opportunity.clone(),
        call: entry.call.clone(),
        note: entry.note.clone(),
        time_zones: match entry.e164.as_str() {
            "" => Vec::new(),
            e164 => zones::names(zones::of_number(e164, fallback)).map(str::to_owned).collect(),
        },
        etag: entry.etag(),
        create_time: Some(clock::to_proto(entry.create_time)),
        update_time: Some(clock::to_proto(entry.update_time)),
    }
}

/// How a call went, as an operator told it.
///
/// # Errors
/// INVALID_ARGUMENT naming outcome, reason or call_back_time.
pub fn outcome(request: &proto::RecordOutcomeRequest) -> Result<Outcome> {
    use proto::CallListOutcome;
    let outcome = match CallListOutcome::try_from(request.outcome) {
        Ok(CallListOutcome::Held) => Outcome::Held,
        Ok(CallListOutcome::Cancelled) => Outcome::Cancelled,
        Ok(CallListOutcome::NotHeld) => return not_held(request),
        Ok(CallListOutcome::Unspecified) | Err(_) => {
            return Err(Error::invalid("outcome", "use HELD, NOT_HELD or CANCELLED"));
        }
    };
    if request.reason != 0 {
        return Err(Error::invalid("reason", "only NOT_HELD has one"));
    }
    must_have_no_time(request)?;
    Ok(outcome)
}

fn not_held(request: &proto::RecordOutcomeRequest) -> Result<Outcome> {
    let reason =
        Reason::of(request.reason.into()).filter(|reason| !matches!(reason, Reason::Lost | Reason::Dropped));
    let reason = reason
        .ok_or_else(|| Error::invalid("reason", "say why the call was not held: BUSY, NO_ANSWER, ..."))?;
    if reason != Reason::CallBack {
        must_have_no_time(request)?;
        return Ok(Outcome::NotHeld(reason));
    }
    let time = request.call_back_time.as_ref();
    let time = time.ok_or_else(|| Error::invalid("call_back_time", "say when to call back"))?;
    Ok(Outcome::CallBack { time: clock::from_proto(time), personal: request.personal_call_back })
}

fn must_have_no_time(request: &proto::RecordOutcomeRequest) -> Result<()> {
    if request.call_back_time.is_some() || request.personal_call_back {
        return Err(Error::invalid(
            "call_back_time",
            "only NOT_HELD with the reason CALL_BACK has a call-back",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kontor_proto::telephony::v1::{CallListEntryState, CallListState, CallOutcomeReason, CancelReason};

    use super::*;
    use crate::domain::list_entry::{Cancel, State as EntryState};

    #[test]
    fn kept_numbers_are_those_of_the_proto() {
        for number in 1..=3 {
            assert!(
                State::of(number).is_some()
                    && CallListState::try_from(i32::try_from(number).unwrap()).is_ok()
            );
        }
        for number in 1..=5 {
            assert!(EntryState::of(number).is_some());
        }
        assert_eq!(EntryState::Cancelled as i32, CallListEntryState::Cancelled as i32);
        assert_eq!(EntryState::Dialling as i32, CallListEntryState::Dialling as i32);
        assert_eq!(State::Ended as i32, CallListState::Ended as i32);
        assert_eq!(Reason::Lost as i32, CallOutcomeReason::Lost as i32);
        assert_eq!(Reason::Dropped as i32, CallOutcomeReason::Dropped as i32);
        assert_eq!(Reason::DoNotCall as i32, CallOutcomeReason::DoNotCall as i32);
        assert_eq!(Reason::CallBack as i32, CallOutcomeReason::CallBack as i32);
        assert_eq!(Reason::Machine as i32, CallOutcomeReason::AnsweringMachine as i32);
        assert_eq!(Cancel::Erased as i32, CancelReason::Erased as i32);
        assert_eq!(Cancel::MaxAttempts as i32, CancelReason::MaxAttempts as i32);
        assert_eq!(Cancel::Refused as i32, CancelReason::Refused as i32);
    }
}
