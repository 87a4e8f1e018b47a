//! Calls told as a whole, by webhooks or over gRPC: out of order, doubled, or in part.
//! Feature row T1.

use kontor_telephony::domain::call::{Call, Direction, Outcome, State};
use kontor_telephony::domain::fact::{CallFact, CallKey, Micros};
use kontor_telephony::domain::number::Party;
use kontor_telephony::domain::webhook::{Phase, WebhookEvent};

use crate::recordings::{LATER, calls, fold, rules};

fn event(phase: Phase, seconds: i64) -> WebhookEvent {
    let key = CallKey { connector: "cloud".into(), call: "CA1".into() };
    let from = rules().numbers.caller("+33145551234");
    let to = rules().numbers.caller("101");
    let direction = Some(Direction::Inbound);
    WebhookEvent { key, time: Micros(seconds * 1_000_000), phase, direction, from, to, outcome: None }
}

fn one(events: impl IntoIterator<Item = WebhookEvent>) -> Call {
    let facts: Vec<CallFact> = events.into_iter().flat_map(WebhookEvent::facts).collect();
    let mut calls = calls(&fold(&facts));
    assert_eq!(calls.len(), 1);
    calls.remove(0)
}

#[test]
fn ringing_answered_and_hung_up_in_any_order_and_doubled_give_one_call() {
    let events = [event(Phase::Ringing, 10), event(Phase::Answered, 15), event(Phase::HungUp, 75)];
    let wanted = one(events.clone());
    assert_eq!((wanted.state, wanted.outcome), (State::Ended, Some(Outcome::Answered)));
    assert_eq!((wanted.ring_time_seconds(), wanted.talk_time_seconds()), (5.0, 60.0));
    assert_eq!(wanted.remote.as_ref().and_then(Party::e164), Some("+33145551234"));
    assert_eq!(wanted.locals.first().and_then(|it| it.extension.as_deref()), Some("101"));
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let doubled = order.iter().chain(&order).map(|at| events[*at].clone());
        assert_eq!(one(doubled), wanted, "{order:?}");
    }
}

#[test]
fn unanswered_call_is_missed_when_it_came_in_and_no_answer_when_it_went_out() {
    let unanswered = [event(Phase::Ringing, 10), event(Phase::HungUp, 30)];
    let missed = one(unanswered.clone());
    assert_eq!(
        (missed.outcome, missed.ring_micros, missed.talk_micros),
        (Some(Outcome::Missed), 20_000_000, 0)
    );
    let out = unanswered.map(|it| WebhookEvent { direction: Some(Direction::Outbound), ..it });
    assert_eq!(one(out).outcome, Some(Outcome::NoAnswer));
}

#[test]
fn outcome_told_with_the_end_counts_unless_somebody_answered() {
    let busy = WebhookEvent { outcome: Some(Outcome::Busy), ..event(Phase::HungUp, 12) };
    assert_eq!(one([event(Phase::Ringing, 10), busy.clone()]).outcome, Some(Outcome::Busy));
    assert_eq!(one([event(Phase::Answered, 11), busy]).outcome, Some(Outcome::Answered));
}

#[test]
fn call_without_its_end_goes_on_and_a_late_event_still_counts() {
    let open = one([event(Phase::Started, 9), event(Phase::Ringing, 10)]);
    assert_eq!((open.state, open.outcome, open.settled), (State::Ringing, None, false));
    let open = one([event(Phase::Answered, 12)]);
    assert_eq!((open.state, open.outcome), (State::Answered, Some(Outcome::Answered)));
    assert!(open.talk_micros > 0 && open.end_time.is_none());
}

#[test]
fn call_is_settled_only_after_the_grace_period() {
    let facts: Vec<_> = [event(Phase::Ringing, 10), event(Phase::HungUp, 30)]
        .into_iter()
        .flat_map(WebhookEvent::facts)
        .collect();
    let states = fold(&facts);
    let state = states.values().next().expect("one call");
    assert!(!state.summary(Micros(32_000_000), 3_000_000).settled);
    assert!(state.summary(Micros(33_000_000), 3_000_000).settled);
    assert!(state.summary(LATER, 3_000_000).settled);
}

#[test]
fn direction_follows_from_the_parties_when_nobody_tells_it() {
    let untold = |from: &str, to: &str| {
        let (from, to) = (rules().numbers.caller(from), rules().numbers.caller(to));
        one([WebhookEvent { direction: None, from, to, ..event(Phase::Ringing, 1) }]).direction
    };
    assert_eq!(untold("+33145551234", "101"), Some(Direction::Inbound));
    assert_eq!(untold("101", "0145551234"), Some(Direction::Outbound));
    assert_eq!(untold("101", "102"), Some(Direction::Internal));
    assert_eq!(untold("+33145551234", "+33145559876"), None);
}
