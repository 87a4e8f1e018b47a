//! T1: what ARI tells gives the call that AMI gives of the same call, in any order.
//! `recorded` and the helpers are used by the other files of this folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kontor_telephony::connectors::ami;
use kontor_telephony::connectors::ami::config::{Rules, Trunks};
use kontor_telephony::connectors::ari::replay::replay;
use kontor_telephony::domain::call::{Call, Outcome, State};
use kontor_telephony::domain::fact::{CallFact, Micros};
use kontor_telephony::domain::fold::CallState;
use kontor_telephony::domain::number::{NumberRules, Region};
use kontor_telephony::domain::summary::GRACE_MICROS;

/// Long after the last recording.
pub const LATER: Micros = Micros(1_796_100_000_000_000);
/// ARI tells milliseconds, and each interface looks at the clock when it writes an event down: on a busy machine that is some of them later.
const NEAR_MICROS: u64 = 50_000;

pub const SCENES: [(&str, Outcome); 11] = [
    ("answered", Outcome::Answered),
    ("missed", Outcome::Missed),
    ("noanswer", Outcome::NoAnswer),
    ("busy", Outcome::Busy),
    ("queue_ok", Outcome::Answered),
    ("queue_abandon", Outcome::Abandoned),
    ("click", Outcome::Answered),
    ("click_busy", Outcome::Failed),
    ("rest", Outcome::Answered),
    ("rest_busy", Outcome::Failed),
    ("transfer", Outcome::Transferred),
];

pub fn recorded(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/asterisk/ari");
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn rules() -> Rules {
    let region = Region::parse("FR").expect("France is a region");
    let numbers = NumberRules { region, outside_prefix: "9".into(), internal_digits: 3 };
    Rules { numbers, trunks: Trunks { channel_prefixes: vec!["PJSIP/trunk-".into()], contexts: Vec::new() } }
}

pub fn fold<'a>(facts: impl IntoIterator<Item = &'a CallFact>) -> BTreeMap<String, CallState> {
    let mut states: BTreeMap<String, CallState> = BTreeMap::new();
    for fact in facts {
        let state = states.entry(fact.key.call.clone()).or_insert_with(|| CallState::new(fact.key.clone()));
        state.apply(fact);
    }
    states
}

pub fn calls<'a>(facts: impl IntoIterator<Item = &'a CallFact>) -> Vec<Call> {
    fold(facts).values().map(|state| state.summary(LATER, GRACE_MICROS)).collect()
}

fn by_ari(scene: &str) -> Vec<CallFact> {
    replay(&rules(), &recorded(&format!("{scene}.ari")), LATER).expect("a recording can be read")
}

fn by_ami(scene: &str) -> Vec<CallFact> {
    let text = recorded(&format!("{scene}.ami")).replace('\n', "\r\n");
    let banner = "Asterisk Call Manager/5.0.4\r\n".to_owned() + &text;
    let decoder = ami::wire::Decoder::new();
    ami::replay::replay(decoder, &rules(), banner.as_bytes(), usize::MAX, LATER).expect("it can be read")
}

fn only(mut calls: Vec<Call>, what: &str) -> Call {
    assert_eq!(calls.len(), 1, "{what}: {calls:#?}");
    calls.remove(0)
}

#[test]
fn t1_ari_and_ami_of_the_same_calls_agree() {
    for (scene, outcome) in SCENES {
        let (mut ari, mut ami) = (only(calls(&by_ari(scene)), scene), only(calls(&by_ami(scene)), scene));
        if scene == "rest_busy" {
            // what was ordered by REST and not taken, AMI only sees as a telephone that was not taken
            ami.outcome = ari.outcome;
        }
        if scene.ends_with("_busy") {
            // whom it was to call is not told by ARI; the stored click knows it
            for call in [&mut ari, &mut ami] {
                (call.direction, call.remote, call.dialled, call.originate) = (None, None, None, None);
            }
        }
        if scene == "rest" {
            // AMI has no OriginateResponse for it
            (ari.originate, ami.originate) = (None, None);
        }
        assert_eq!((ari.state, ari.outcome), (State::Ended, Some(outcome)), "{scene}: {ari:#?}");
        assert_eq!(ami.outcome, Some(outcome), "{scene}: {ami:#?}");
        let what = |call: &Call| {
            let queue = call.queue.as_ref().map(|it| (it.name.clone(), it.connected, it.abandoned));
            let transfers: Vec<_> =
                call.transfers.iter().map(|it| (it.kind, it.by.clone(), it.to.clone())).collect();
            (
                (call.key.call.clone(), call.direction, call.remote.clone(), call.dialled.clone()),
                (call.locals.clone(), queue, transfers, call.originate.clone()),
                (call.settled, call.end_estimated, call.truncated),
            )
        };
        assert_eq!(what(&ari), what(&ami), "{scene}");
        let near = |one: Option<Micros>, other: Option<Micros>| {
            let apart = one.unwrap_or_default().0.abs_diff(other.unwrap_or_default().0);
            assert!(apart <= NEAR_MICROS, "{scene}: {one:?} {other:?}");
        };
        near(Some(ari.start_time), Some(ami.start_time));
        near(ari.answer_time, ami.answer_time);
        near(ari.end_time, ami.end_time);
        let micros = |micros: u64| Some(Micros(i64::try_from(micros).expect("a short call")));
        near(micros(ari.ring_micros), micros(ami.ring_micros));
        near(micros(ari.talk_micros), micros(ami.talk_micros));
        let wait = |call: &Call| micros(call.queue.as_ref().map_or(0, |queue| queue.wait_micros));
        near(wait(&ari), wait(&ami));
    }
}

#[test]
fn t1_events_of_ari_give_one_call_in_any_order_and_doubled() {
    let mut seed = 1_u64;
    for (scene, _) in SCENES {
        let facts = by_ari(scene);
        let right = fold(&facts);
        for _ in 0..20 {
            let mut shuffled: Vec<&CallFact> = facts.iter().chain(&facts).collect();
            for at in (1..shuffled.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                shuffled.swap(at, usize::try_from(seed >> 33).expect("31 bits") % (at + 1));
            }
            assert_eq!(fold(shuffled), right, "{scene}");
        }
    }
}

#[test]
fn t1_calls_stay_one_where_ari_conf_does_not_show_them() {
    for (scene, outcome) in SCENES {
        let text = recorded(&format!("{scene}.ari")).replace("CHANNEL(linkedid)", "CHANNEL(language)");
        let facts = replay(&rules(), &text, LATER).expect("a recording can be read");
        let right = only(calls(&by_ari(scene)), scene);
        // a leg that began by itself has left its call for the one that dialled it: that one is nobody's call
        let call = calls(&facts).into_iter().find(|call| call.key.call == right.key.call).expect(scene);
        assert_eq!((call.outcome, call.direction), (Some(outcome), right.direction), "{scene}: {call:#?}");
        assert_eq!((call.ring_micros, call.talk_micros), (right.ring_micros, right.talk_micros), "{scene}");
    }
}
