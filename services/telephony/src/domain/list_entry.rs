//! An entry of a call list: from open over leased and dialled to held or cancelled, with tries, retries and call-backs.
//! Called by rpc/dispatch.rs, rpc/list_entry.rs and the store of leases; kept by store/list_entry.rs.

use jiff::Timestamp;
use kontor_kit::{Error, Result};
use sha2::{Digest, Sha256};

use super::call_list::{CallList, SECOND};
use super::zones;

pub use super::list_outcome::{CallBack, Cancel, Happened, Outcome, Reason, State};

/// How long a lease holds once the number was dialled, unless it is renewed.
pub const TALK_LEASE: i64 = 30 * 60 * SECOND;
/// How far ahead a call-back may be.
const CALL_BACK_AHEAD: i64 = 366 * 86_400 * SECOND;

/// A number of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// Id of the list.
    pub list: String,
    /// As it came.
    pub number: String,
    /// In E.164; empty once it was erased.
    pub e164: String,
    /// Behind the number, or empty.
    pub extension: String,
    /// "partners/{id}", or empty.
    pub partner: String,
    /// Name for people.
    pub display_name: String,
    /// 0 to 9, 9 first.
    pub priority: i32,
    /// Where it stands.
    pub state: State,
    /// It may be leased as far as its time goes: it is open, and what it waited for has come.
    pub queued: bool,
    /// When to look at it next: it is due, or its lease expires. None when it is closed. Microseconds since 1970 UTC, as all times here.
    pub ready: Option<i64>,
    /// When it is to be called.
    pub due: Option<i64>,
    /// Calls that were not held.
    pub tries: i32,
    /// Why the last call was not held.
    pub reason: Option<Reason>,
    /// When an outcome was last told.
    pub outcome_time: Option<i64>,
    /// Why it was cancelled.
    pub cancel: Option<Cancel>,
    /// The call-back that was agreed.
    pub call_back: Option<CallBack>,
    /// Who has the lease or had the last one: "users/{user}"; empty for a dialler.
    pub operator: String,
    /// From which the token of the lease is made; empty without one.
    pub secret: String,
    /// When it was last dialled.
    pub dial_time: Option<i64>,
    /// "opportunities/{id}", or empty.
    pub opportunity: String,
    /// "calls/{id}", or empty.
    pub call: String,
    /// Free text.
    pub note: String,
    /// Key of the time zones that the number may be in.
    pub zone_key: i64,
    /// When it came into the list.
    pub create_time: i64,
    /// Last change.
    pub update_time: i64,
}

impl ListEntry {
    /// The token of its lease. The secret does not leave the database, so one token tells nothing of another one.
    pub fn token(&self) -> String {
        let digest = Sha256::digest(format!("{}/{}", self.secret, self.id));
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whose personal call-back it is; empty when everybody may call.
    pub fn owner(&self) -> &str {
        self.call_back.as_ref().filter(|it| it.personal).map_or("", |it| it.operator.as_str())
    }

    /// "callLists/{list}/entries/{entry}".
    pub fn full_name(&self) -> String {
        format!("callLists/{}/entries/{}", self.list, self.id)
    }

    /// Whether a lease holds, dialled or not.
    pub fn is_leased(&self) -> bool {
        matches!(self.state, State::Leased | State::Dialling)
    }

    /// Whether it is not called any more.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Held | State::Cancelled)
    }

    /// Checks that the token is that of the lease, which still holds.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason LEASE_LOST, or with DO_NOT_CALL when that took it away.
    pub fn must_be_held_by(&self, token: &str, now: i64) -> Result<()> {
        let own = !self.secret.is_empty() && token == self.token();
        if own && self.is_leased() && self.ready.is_some_and(|until| until > now) {
            return Ok(());
        }
        if own && self.cancel == Some(Cancel::DoNotCall) {
            return Err(do_not_call(&self.full_name()));
        }
        let message =
            format!("{} is not leased by this token, or no longer: take the next call", self.full_name());
        Err(Error::precondition("LEASE_LOST", message))
    }

    /// Checks that its lease is this operator's ("users/{user}"), and holds.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason LEASE_LOST.
    pub fn must_be_of(&self, operator: &str, now: i64) -> Result<()> {
        let own = !operator.is_empty() && self.operator == operator;
        if own && self.is_leased() && self.ready.is_some_and(|until| until > now) {
            return Ok(());
        }
        let message = format!("{} is not leased by you now", self.full_name());
        Err(Error::precondition("LEASE_LOST", message))
    }

    /// Makes it an operator's. For a dialler that finds one when somebody has answered.
    pub fn bind(&mut self, operator: &str, now: i64) {
        operator.clone_into(&mut self.operator);
        self.update_time = now;
    }

    /// Marks that the number is being dialled, at most once a lease.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason TRANSITION_NOT_ALLOWED or OUTSIDE_CALLING_HOURS.
    pub fn start_dial(&mut self, list: &CallList, fallback: &str, now: i64) -> Result<Happened> {
        self.must_be(&[State::Leased], "dialled")?;
        self.must_be_calling_hours(list, fallback, now)?;
        self.state = State::Dialling;
        self.dial_time = Some(now);
        self.ready = Some(now + TALK_LEASE);
        self.update_time = now;
        Ok(Happened::Dialled)
    }

    /// Renews the lease and tells until when it holds.
    pub fn extend(&mut self, list: &CallList, now: i64) -> i64 {
        let length = if self.state == State::Dialling { TALK_LEASE } else { list.lease };
        let until = self.ready.unwrap_or(now).max(now + length);
        self.ready = Some(until);
        self.update_time = now;
        until
    }

    /// Gives it back undialled.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason TRANSITION_NOT_ALLOWED.
    pub fn release(&mut self, expired: bool, now: i64) -> Result<Happened> {
        self.must_be(&[State::Leased], "given back")?;
        let operator = std::mem::take(&mut self.operator);
        self.open_at(self.due.unwrap_or(now), now);
        Ok(Happened::Released { operator, expired })
    }

    /// Ends a lease that has expired. One that was dialled used up a try.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason TRANSITION_NOT_ALLOWED when there is none.
    pub fn expire(&mut self, list: &CallList, fallback: &str, now: i64) -> Result<Vec<Happened>> {
        if self.state == State::Leased {
            return Ok(vec![self.release(true, now)?]);
        }
        self.must_be(&[State::Dialling], "expired")?;
        Ok(self.not_held(list, fallback, Reason::Lost, now))
    }

    /// Takes how the call went.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason TRANSITION_NOT_ALLOWED, NOT_DIALLED, RINGING_TOO_SHORT or OUTSIDE_CALLING_HOURS;
    /// INVALID_ARGUMENT naming call_back_time.
    pub fn record(
        &mut self,
        list: &CallList,
        fallback: &str,
        outcome: Outcome,
        operator: &str,
        now: i64,
    ) -> Result<Vec<Happened>> {
        let word = match outcome {
            Outcome::Held => "held",
            Outcome::Cancelled => "cancelled",
            Outcome::NotHeld(_) | Outcome::CallBack { .. } => "not held",
        };
        self.must_be(&[State::Leased, State::Dialling], word)?;
        if outcome == Outcome::Cancelled {
            return self.cancel(Cancel::ByHand, now);
        }
        let Some(dialled) = self.dial_time.filter(|_| self.state == State::Dialling) else {
            let message = format!("{} was not dialled yet: call StartDial first", self.full_name());
            return Err(Error::precondition("NOT_DIALLED", message));
        };
        match outcome {
            Outcome::Held => Ok(self.held(now)),
            Outcome::NotHeld(reason) => {
                if reason == Reason::NoAnswer && now - dialled < i64::from(list.min_ring_seconds) * SECOND {
                    let message = format!("let it ring for {} seconds", list.min_ring_seconds);
                    return Err(Error::precondition("RINGING_TOO_SHORT", message));
                }
                Ok(self.not_held(list, fallback, reason, now))
            }
            Outcome::CallBack { time, personal } => {
                if time <= now || time - now > CALL_BACK_AHEAD {
                    return Err(Error::invalid("call_back_time", "use a time from now on within a year"));
                }
                self.must_be_calling_hours(list, fallback, time)?;
                let planned = CallBack { operator: operator.to_owned(), personal };
                Ok(self.call_back_at(planned, time, now))
            }
            Outcome::Cancelled => Ok(Vec::new()),
        }
    }

    /// Takes how a dialler's call went that no operator had.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason TRANSITION_NOT_ALLOWED when it is not being dialled.
    pub fn dialled_in_vain(
        &mut self,
        list: &CallList,
        fallback: &str,
        reason: Reason,
        now: i64,
    ) -> Result<Vec<Happened>> {
        self.must_be(&[State::Dialling], "not held")?;
        Ok(self.not_held(list, fallback, reason, now))
    }

    /// Gives it back when the telephone system did not take the order: nothing rang, so that is no try. Not at once again, for the next order may go the same way.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason TRANSITION_NOT_ALLOWED when it is not being dialled.
    pub fn never_rang(&mut self, again: i64, now: i64) -> Result<Happened> {
        self.must_be(&[State::Dialling], "given back")?;
        let operator = std::mem::take(&mut self.operator);
        self.open_at(self.due.unwrap_or(now).max(again), now);
        Ok(Happened::Released { operator, expired: false })
    }

    fn held(&mut self, now: i64) -> Vec<Happened> {
        self.state = State::Held;
        self.reason = None;
        self.close(now);
        let ended = self.end_call_back();
        [Happened::Held].into_iter().chain(ended).collect()
    }

    fn not_held(&mut self, list: &CallList, fallback: &str, reason: Reason, now: i64) -> Vec<Happened> {
        self.tries += 1;
        self.reason = Some(reason);
        self.outcome_time = Some(now);
        let mut happened = vec![Happened::NotHeld { operator: self.operator.clone(), reason }];
        let often_enough = (self.tries >= list.max_tries).then_some(Cancel::MaxAttempts);
        if let Some(cancel) = reason.cancels().or(often_enough) {
            happened.extend(self.cancel_now(cancel, now));
            return happened;
        }
        let delay = if reason == Reason::Busy { list.busy_delay } else { list.no_answer_delay };
        let zones = zones::read(zones::of_number(&self.e164, fallback));
        // a list that never opens keeps its entries; nothing is leased from it
        let due = list.hours.next(&zones, now + delay).unwrap_or(now + delay);
        self.operator.clear();
        self.open_at(due, now);
        if self.call_back.is_some() {
            happened.push(Happened::CallBackMoved);
        }
        happened
    }

    fn call_back_at(&mut self, planned: CallBack, time: i64, now: i64) -> Vec<Happened> {
        self.reason = Some(Reason::CallBack);
        self.outcome_time = Some(now);
        let mut happened =
            vec![Happened::NotHeld { operator: self.operator.clone(), reason: Reason::CallBack }];
        let before = self.call_back.replace(planned);
        self.operator.clear();
        self.open_at(time, now);
        match before {
            Some(before) if Some(&before) == self.call_back.as_ref() => {
                happened.push(Happened::CallBackMoved)
            }
            Some(before) => happened
                .extend([Happened::CallBackEnded { operator: before.operator }, Happened::CallBackPlanned]),
            None => happened.push(Happened::CallBackPlanned),
        }
        happened
    }

    /// Cancels it, whoever has it.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason TRANSITION_NOT_ALLOWED when it is closed.
    pub fn cancel(&mut self, cancel: Cancel, now: i64) -> Result<Vec<Happened>> {
        self.must_be(&[State::Open, State::Leased, State::Dialling], "cancelled")?;
        Ok(self.cancel_now(cancel, now))
    }

    fn cancel_now(&mut self, cancel: Cancel, now: i64) -> Vec<Happened> {
        self.state = State::Cancelled;
        self.cancel = Some(cancel);
        // who was told the token of a lease that is gone may be told why
        let secret = std::mem::take(&mut self.secret);
        self.close(now);
        if cancel == Cancel::DoNotCall {
            self.secret = secret;
        }
        let ended = self.end_call_back();
        [Happened::Cancelled(cancel)].into_iter().chain(ended).collect()
    }

    /// Calls it at another time.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason OUTSIDE_CALLING_HOURS; INVALID_ARGUMENT naming entry.due_time.
    pub fn move_to(&mut self, list: &CallList, fallback: &str, due: i64, now: i64) -> Result<Vec<Happened>> {
        if due - now > CALL_BACK_AHEAD {
            return Err(Error::invalid("entry.due_time", "use a time within a year"));
        }
        let due = due.max(now);
        if self.call_back.is_some() {
            self.must_be_calling_hours(list, fallback, due)?;
        }
        if self.due == Some(due) {
            return Ok(Vec::new());
        }
        self.open_at(due, now);
        Ok(self.call_back.iter().map(|_| Happened::CallBackMoved).collect())
    }

    /// Gives a call-back to somebody, or with an empty name to everybody.
    pub fn give_to(&mut self, owner: &str, now: i64) -> Vec<Happened> {
        if self.owner() == owner {
            return Vec::new();
        }
        let before = self.call_back.take();
        let operator = match (&before, owner) {
            (Some(before), "") => before.operator.clone(),
            (_, owner) => owner.to_owned(),
        };
        self.call_back = Some(CallBack { operator, personal: !owner.is_empty() });
        self.update_time = now;
        let ended = before.map(|before| Happened::CallBackEnded { operator: before.operator });
        ended.into_iter().chain([Happened::CallBackPlanned]).collect()
    }

    fn open_at(&mut self, due: i64, now: i64) {
        self.state = State::Open;
        self.secret.clear();
        self.due = Some(due);
        self.ready = Some(due);
        self.queued = due <= now;
        self.update_time = now;
    }

    fn close(&mut self, now: i64) {
        self.secret.clear();
        self.due = None;
        self.ready = None;
        self.queued = false;
        self.outcome_time = Some(now);
        self.update_time = now;
    }

    fn end_call_back(&mut self) -> Option<Happened> {
        self.call_back.take().map(|ended| Happened::CallBackEnded { operator: ended.operator })
    }

    fn must_be(&self, states: &[State], wanted: &str) -> Result<()> {
        if states.contains(&self.state) {
            return Ok(());
        }
        let message = format!("{} is {}, so it can't be {wanted}", self.full_name(), self.state.word());
        Err(Error::precondition("TRANSITION_NOT_ALLOWED", message))
    }

    /// Checks that `time` is calling hours at the number.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason OUTSIDE_CALLING_HOURS and the metadata "next_time".
    fn must_be_calling_hours(&self, list: &CallList, fallback: &str, time: i64) -> Result<()> {
        let zones = zones::read(zones::of_number(&self.e164, fallback));
        let next = list.hours.next(&zones, time);
        if next == Some(time) {
            return Ok(());
        }
        let next = next.and_then(|next| Timestamp::from_microsecond(next).ok());
        let when = next
            .map_or("there are none within two weeks".to_owned(), |next| format!("the next are from {next}"));
        let message = format!("it is outside of the calling hours of {}: {when}", self.full_name());
        let error = Error::precondition("OUTSIDE_CALLING_HOURS", message);
        Err(next.into_iter().fold(error, |error, next| error.with("next_time", next.to_string())))
    }
}

/// FAILED_PRECONDITION with reason DO_NOT_CALL.
pub fn do_not_call(name: &str) -> Error {
    Error::precondition("DO_NOT_CALL", format!("the number of {name} is not to be called"))
}
