//! Posts of mod_json_cdr alone, and beside the event socket: the same calls, however often they are posted.

use kontor_telephony::connectors::freeswitch::cdr::Cdr;
use kontor_telephony::connectors::freeswitch::replay::replay;
use kontor_telephony::domain::call::{Call, Direction, Outcome};
use kontor_telephony::domain::fact::CallFact;
use kontor_telephony::domain::number::Party;

use crate::scenes::{LATER, bytes, calls, fold, folder, of, rules};

fn facts(name: &str) -> Vec<CallFact> {
    let body = std::fs::read(folder("cdr").join(name)).expect("a seed");
    Cdr::read(&body).and_then(|cdr| cdr.facts("replay", &rules(), LATER.0)).expect("facts")
}

fn only(facts: &[CallFact]) -> Call {
    let mut found = calls(&fold(facts));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[test]
fn the_record_of_the_first_leg_tells_who_called_and_how_it_ended() {
    let cases = [
        ("answered_a", Direction::Inbound, "+33145551234", Outcome::Answered, 2_010),
        ("form", Direction::Inbound, "+33145551234", Outcome::Answered, 2_010),
        ("base64", Direction::Inbound, "+33145551234", Outcome::Answered, 2_010),
        ("one_flow", Direction::Inbound, "+33145551234", Outcome::Answered, 2_010),
        ("missed_a", Direction::Inbound, "+33145551234", Outcome::Missed, 0),
        ("noanswer_a", Direction::Inbound, "+33145551234", Outcome::NoAnswer, 0),
    ];
    for (name, direction, remote, outcome, talk) in cases {
        let call = only(&facts(name));
        assert_eq!((call.direction, call.outcome), (Some(direction), Some(outcome)), "{name}: {call:#?}");
        assert_eq!(call.remote.as_ref().and_then(Party::e164), Some(remote), "{name}");
        assert_eq!((call.talk_micros / 1_000, call.end_estimated), (talk, false), "{name}");
        assert_eq!(
            call.dialled.as_ref().map(Party::raw),
            Some("100"),
            "as it was dialled, not as it was passed on"
        );
    }
}

#[test]
fn records_of_both_legs_and_the_events_are_one_call_in_any_order() {
    let mut all = replay(&rules(), &bytes("answered"), usize::MAX, LATER).expect("facts");
    let events = only(&all);
    let records: Vec<CallFact> = [facts("answered_b"), facts("answered_a"), facts("answered_b")].concat();
    let call = only(&records);
    assert_eq!((call.ring_micros / 1_000, call.locals.len()), (1_010, 1), "{call:#?}");
    all.extend(records);
    let together = only(&all);
    of("answered").check(&together, "with its records");
    assert_eq!((together.start_time, together.answer_time), (events.start_time, events.answer_time));
    all.reverse();
    assert_eq!(only(&all), together);
}
