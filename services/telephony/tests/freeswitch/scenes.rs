//! The seeds of the fuzz target as scenes, and what each of them is.
//! Used by the other files here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kontor_telephony::connectors::freeswitch::config::{Rules, Trunks};
use kontor_telephony::connectors::freeswitch::replay::replay;
use kontor_telephony::domain::call::{Call, Direction, Outcome};
use kontor_telephony::domain::fact::{CallFact, CallKey, Micros};
use kontor_telephony::domain::fold::CallState;
use kontor_telephony::domain::number::{NumberRules, Party, Region};
use kontor_telephony::domain::summary::GRACE_MICROS;

/// Long after the last scene.
pub const LATER: Micros = Micros(1_795_430_000_000_000);

pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name)
}

pub fn bytes(scene: &str) -> Vec<u8> {
    let path = folder("freeswitch").join(scene);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The frames of a scene, each whole.
pub fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let head = rest.windows(2).position(|pair| pair == b"\n\n").expect("a head") + 2;
        let text = String::from_utf8_lossy(&rest[..head]);
        let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
        let (frame, behind) = rest.split_at(head + length);
        frames.push(frame.to_vec());
        rest = behind;
    }
    frames
}

pub fn rules() -> Rules {
    let region = Region::parse("FR").expect("France is a region");
    let numbers = NumberRules { region, outside_prefix: "9".into(), internal_digits: 3 };
    let trunks = Trunks { channel_prefixes: vec!["sofia/external/".into()], contexts: vec!["public".into()] };
    Rules { numbers, trunks }
}

pub fn fold<'a>(facts: impl IntoIterator<Item = &'a CallFact>) -> BTreeMap<CallKey, CallState> {
    let mut states = BTreeMap::new();
    for fact in facts {
        let state = states.entry(fact.key.clone()).or_insert_with(|| CallState::new(fact.key.clone()));
        state.apply(fact);
    }
    states
}

/// The calls in order of their beginning.
pub fn calls(states: &BTreeMap<CallKey, CallState>) -> Vec<Call> {
    let mut calls: Vec<_> = states.values().map(|state| state.summary(LATER, GRACE_MICROS)).collect();
    calls.sort_by_key(|call| call.start_time);
    calls
}

pub fn replayed(bytes: &[u8]) -> Vec<Call> {
    calls(&fold(&replay(&rules(), bytes, usize::MAX, LATER).expect("an event socket")))
}

/// What a scene is. Times are milliseconds.
pub struct Expected {
    pub scene: &'static str,
    direction: Direction,
    remote: Option<&'static str>,
    /// Extension and whether it took part.
    locals: &'static [(&'static str, bool)],
    outcome: Outcome,
    ring: u64,
    talk: u64,
    queue: Option<&'static str>,
    transfer_to: Option<&'static str>,
}

const IN: Direction = Direction::Inbound;
const OUT: Direction = Direction::Outbound;
const CALLER: Option<&str> = Some("+33145551234");
const PARTNER: Option<&str> = Some("+33145559876");

#[rustfmt::skip]
pub const TABLE: [Expected; 11] = [
    Expected { scene: "answered", direction: IN, remote: CALLER, locals: &[("101", true)], outcome: Outcome::Answered, ring: 1_010, talk: 2_000, queue: None, transfer_to: None },
    Expected { scene: "missed", direction: IN, remote: CALLER, locals: &[("101", false)], outcome: Outcome::Missed, ring: 2_010, talk: 0, queue: None, transfer_to: None },
    Expected { scene: "noanswer", direction: IN, remote: CALLER, locals: &[("101", false)], outcome: Outcome::NoAnswer, ring: 8_000, talk: 0, queue: None, transfer_to: None },
    Expected { scene: "busy", direction: OUT, remote: PARTNER, locals: &[("101", false)], outcome: Outcome::Busy, ring: 1_000, talk: 0, queue: None, transfer_to: None },
    Expected { scene: "early", direction: OUT, remote: PARTNER, locals: &[("101", true)], outcome: Outcome::Answered, ring: 2_000, talk: 3_000, queue: None, transfer_to: None },
    Expected { scene: "click", direction: OUT, remote: PARTNER, locals: &[("101", true)], outcome: Outcome::Answered, ring: 1_000, talk: 1_500, queue: None, transfer_to: None },
    Expected { scene: "blind", direction: IN, remote: CALLER, locals: &[("101", true), ("102", true)], outcome: Outcome::Transferred, ring: 950, talk: 5_000, queue: None, transfer_to: Some("102") },
    Expected { scene: "attended", direction: IN, remote: CALLER, locals: &[("101", true), ("102", true)], outcome: Outcome::Transferred, ring: 950, talk: 7_980, queue: None, transfer_to: Some("102") },
    Expected { scene: "queue_abandon", direction: IN, remote: CALLER, locals: &[], outcome: Outcome::Abandoned, ring: 0, talk: 0, queue: Some("noagents"), transfer_to: None },
    Expected { scene: "queue_ok", direction: IN, remote: CALLER, locals: &[("101", true)], outcome: Outcome::Answered, ring: 1_000, talk: 3_500, queue: Some("support"), transfer_to: None },
    Expected { scene: "plain", direction: OUT, remote: PARTNER, locals: &[("101", true)], outcome: Outcome::Answered, ring: 1_000, talk: 1_500, queue: None, transfer_to: None },
];

pub fn of(scene: &str) -> &'static Expected {
    TABLE.iter().find(|row| row.scene == scene).unwrap_or_else(|| panic!("no row for {scene}"))
}

impl Expected {
    /// Checks a call against this row, with `what` in front of each complaint.
    pub fn check(&self, call: &Call, what: &str) {
        let what = format!("{} {what}: {call:#?}", self.scene);
        assert_eq!((call.direction, call.outcome), (Some(self.direction), Some(self.outcome)), "{what}");
        assert!(call.settled && !call.end_estimated && !call.truncated, "{what}");
        assert_eq!(call.remote.as_ref().and_then(Party::e164), self.remote, "{what}");
        let locals: Vec<_> =
            call.locals.iter().map(|it| (it.extension.as_deref().unwrap_or("none"), it.answered)).collect();
        assert_eq!(locals, self.locals, "{what}");
        let lengths = (call.ring_micros / 1_000, call.talk_micros / 1_000);
        assert_eq!(lengths, (self.ring, self.talk), "{what}");
        assert_eq!(call.queue.as_ref().map(|queue| queue.name.as_str()), self.queue, "{what}");
        let to = call.transfers.first().and_then(|transfer| transfer.to.as_ref());
        assert_eq!(to.map(Party::raw), self.transfer_to, "{what}");
    }
}

#[test]
fn each_scene_is_exactly_its_call() {
    for row in &TABLE {
        let found = replayed(&bytes(row.scene));
        // the consultation of an attended transfer is a call of its own
        let wanted = if row.scene == "attended" { 2 } else { 1 };
        assert_eq!(found.len(), wanted, "{}: {found:#?}", row.scene);
        row.check(&found[0], "");
    }
}

#[test]
fn doubled_scenes_are_the_same_calls() {
    for row in &TABLE {
        let doubled: Vec<u8> = frames(&bytes(row.scene)).into_iter().flat_map(|it| it.repeat(2)).collect();
        row.check(&replayed(&doubled)[0], "doubled");
    }
}

#[test]
fn a_click_to_call_that_fails_and_one_of_somebody_else() {
    let found = replayed(&bytes("click_failed"));
    assert_eq!((found.len(), found[0].outcome), (1, Some(Outcome::Failed)), "{found:#?}");
    let originate = found[0].originate.clone().expect("a click to call");
    assert_eq!(originate.action, found[0].key.call);
    // a job of which we know nothing is not ours: no call comes of it
    let last = frames(&bytes("click_failed")).pop().expect("a frame");
    assert_eq!(replayed(&last), []);
}

#[test]
fn channels_that_are_found_are_calls_that_go_on() {
    let found = replayed(&bytes("found"));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!((found[0].direction, found[0].outcome), (Some(IN), Some(Outcome::Answered)));
    assert_eq!(found[0].locals.len(), 1);
    assert_eq!((found[1].outcome, found[1].end_time), (None, None));
}
