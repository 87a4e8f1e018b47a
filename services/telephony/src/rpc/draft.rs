//! A call logged by hand: checked and made into an entry. The number alone finds the partner.
//! Called by rpc/call.rs.

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result, clock, id};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::{CallDirection, CallOutcome};

use crate::domain::call::{Direction, Outcome};
use crate::domain::entry::{Entry, number, state};
use crate::domain::number::{MAX_RAW_BYTES, PhoneNumber, Region};
use crate::domain::record::End;

/// Longest note, in characters.
pub const NOTE: usize = 100_000;
/// How far ahead of our clock a call may begin, in microseconds: a day.
const AHEAD_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// Longest call, in microseconds: a longer one is a typing mistake.
const WEEK_MICROS: i64 = 7 * 24 * 3_600 * 1_000_000;

/// Makes the entry of a call that `caller` logs at `now`. Partner and opportunity are not looked at yet.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn read(given: &proto::Call, caller: &Caller, region: &str, now: i64) -> Result<Entry> {
    let mut call = Entry::new(id::new(), "", "", None);
    let inbound = match CallDirection::try_from(given.direction) {
        Ok(CallDirection::Inbound) => true,
        Ok(CallDirection::Outbound) => false,
        _ => return Err(Error::invalid("call.direction", "give INBOUND or OUTBOUND")),
    };
    call.direction = number::direction(if inbound { Direction::Inbound } else { Direction::Outbound });
    call.state = state::ENDED;
    call.outcome = outcome(given.outcome)?;
    call.caller = end(given.caller.as_ref(), "call.caller", inbound, region)?;
    call.callee = end(given.callee.as_ref(), "call.callee", !inbound, region)?;
    let outside = if inbound { &call.caller } else { &call.callee };
    call.e164 = outside.e164.clone();
    call.number = outside.e164.clone();
    times(given, &mut call, now)?;
    check_note(&given.note)?;
    call.note.clone_from(&given.note);
    call.user = caller.name();
    call.team = caller.first_team();
    Ok(call)
}

/// Checks a note.
///
/// # Errors
/// INVALID_ARGUMENT naming it.
pub fn check_note(note: &str) -> Result<()> {
    if note.chars().count() > NOTE || note.contains('\0') {
        return Err(Error::invalid("call.note", format!("use at most {NOTE} characters, without NUL")));
    }
    Ok(())
}

fn outcome(given: i32) -> Result<i32> {
    match CallOutcome::try_from(given) {
        Ok(CallOutcome::Unspecified) => Ok(number::outcome(Outcome::Answered)),
        Ok(_) => Ok(given),
        Err(_) => Err(Error::invalid("call.outcome", format!("{given} is not one of its values"))),
    }
}

/// The outside party needs a number; ours is kept as it is given.
fn end(given: Option<&proto::Party>, field: &str, outside: bool, region: &str) -> Result<End> {
    let given = given.cloned().unwrap_or_default();
    let raw = if given.number.trim().is_empty() { given.e164.trim() } else { given.number.trim() };
    if raw.len() > MAX_RAW_BYTES || raw.chars().any(char::is_control) {
        let message = format!("a number has at most {MAX_RAW_BYTES} bytes and no control characters");
        return Err(Error::invalid(format!("{field}.number"), message));
    }
    if given.display_name.chars().count() > 200 || given.display_name.chars().any(char::is_control) {
        let message = "use at most 200 characters on one line";
        return Err(Error::invalid(format!("{field}.display_name"), message));
    }
    let mut end = End { number: raw.to_owned(), e164: String::new(), name: given.display_name };
    if outside {
        let region = Region::parse(region).map_err(|cause| Error::invalid("region", cause))?;
        let number = PhoneNumber::parse(raw, region);
        let number = number.map_err(|cause| Error::invalid(format!("{field}.number"), cause))?;
        number.e164().clone_into(&mut end.e164);
    }
    Ok(end)
}

/// Times that are not given follow from those that are.
fn times(given: &proto::Call, call: &mut Entry, now: i64) -> Result<()> {
    let start = given.start_time.as_ref().map_or(now, clock::from_proto);
    if start < 0 || start > now.saturating_add(AHEAD_MICROS) {
        return Err(Error::invalid("call.start_time", "it is before 1970 or more than a day ahead"));
    }
    let ring = micros(given.ring_duration.as_ref(), "call.ring_duration")?;
    let talk = micros(given.talk_duration.as_ref(), "call.talk_duration")?;
    let answered = call.outcome == number::outcome(Outcome::Answered);
    let told_end = given.end_time.as_ref().map(clock::from_proto);
    let told_answer = given.answer_time.as_ref().map(clock::from_proto).filter(|_| answered);
    let answer = answered.then(|| told_answer.unwrap_or(start.saturating_add(ring.unwrap_or(0))));
    let end = told_end.unwrap_or(match answer {
        Some(answer) => answer.saturating_add(talk.unwrap_or(0)),
        None => start.saturating_add(ring.unwrap_or(0)),
    });
    if answer.is_some_and(|answer| answer < start) {
        return Err(Error::invalid("call.answer_time", "it is before start_time"));
    }
    if end < answer.unwrap_or(start) {
        return Err(Error::invalid("call.end_time", "it is before the call was answered or began"));
    }
    if end.saturating_sub(start) > WEEK_MICROS {
        return Err(Error::invalid("call.end_time", "it is more than a week after start_time"));
    }
    call.start = start;
    call.answer = answer;
    call.end = Some(end);
    call.ring = Some(answer.unwrap_or(end) - start);
    call.talk = answer.map(|answer| end - answer);
    Ok(())
}

fn micros(duration: Option<&prost_types::Duration>, field: &str) -> Result<Option<i64>> {
    let Some(duration) = duration else { return Ok(None) };
    let micros = duration.seconds.saturating_mul(1_000_000).saturating_add(i64::from(duration.nanos) / 1_000);
    if !(0..=WEEK_MICROS).contains(&micros) {
        return Err(Error::invalid(field, "it is negative or longer than a week"));
    }
    Ok(Some(micros))
}
