//! Reads the recordings and folds facts into calls.
//! Called by all tests here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kontor_telephony::connectors::ami::config::{Rules, Trunks};
use kontor_telephony::connectors::ami::message::{Message, is_wanted};
use kontor_telephony::connectors::ami::translate::Translator;
use kontor_telephony::domain::call::Call;
use kontor_telephony::domain::fact::{CallFact, Micros};
use kontor_telephony::domain::fold::CallState;
use kontor_telephony::domain::number::{NumberRules, Region};
use kontor_telephony::domain::summary::GRACE_MICROS;

/// Both versions, each with its banner.
pub const VERSIONS: [&str; 2] = ["16", "22"];
pub const SCENARIOS: [&str; 8] =
    ["answered", "missed", "noanswer", "queue_ok", "queue_abandon", "click", "xfer", "orig_fail"];
/// Long after the last recording.
pub const LATER: Micros = Micros(1_795_430_000_000_000);

pub fn text(version: &str, name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/asterisk");
    let path = folder.join(version).join(format!("{name}.txt"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The messages of a scenario; each ends with a line end.
pub fn messages(version: &str, name: &str) -> Vec<String> {
    let text = text(version, name);
    let events = text.split("\n\n").filter(|message| message.starts_with("Event: "));
    events
        .filter(|it| !it.starts_with("Event: FullyBooted"))
        .map(|it| format!("{}\n", it.trim_end()))
        .collect()
}

pub fn rules() -> Rules {
    let region = Region::parse("FR").expect("France is a region");
    let numbers = NumberRules { region, outside_prefix: "9".into(), internal_digits: 3 };
    let trunks = Trunks { channel_prefixes: vec!["PJSIP/trunk-".into()], contexts: Vec::new() };
    Rules { numbers, trunks }
}

/// The facts of messages in that order.
pub fn facts<'a>(messages: impl IntoIterator<Item = &'a String>, rules: Rules) -> Vec<CallFact> {
    let mut translator = Translator::new("office", rules, &[]);
    let mut facts = Vec::new();
    for message in messages {
        if is_wanted(message.as_bytes()) {
            translator.translate(&Message::read(message.as_bytes()), LATER, &mut facts);
        }
    }
    translator.flush(Micros(i64::MAX), &mut facts);
    facts
}

/// Folds facts; each state goes through JSON now and then, as it does in the store.
pub fn fold<'a>(facts: impl IntoIterator<Item = &'a CallFact>) -> BTreeMap<String, CallState> {
    let mut states: BTreeMap<String, CallState> = BTreeMap::new();
    for fact in facts {
        let state = states.entry(fact.key.call.clone()).or_insert_with(|| CallState::new(fact.key.clone()));
        state.apply(fact);
    }
    let stored = |state: CallState| {
        let json = serde_json::to_string(&state).expect("a state can be stored");
        assert!(json.len() < 16_000, "a small call has a small state: {} bytes", json.len());
        let read: CallState = serde_json::from_str(&json).expect("a stored state can be read");
        assert_eq!(read, state);
        read
    };
    states.into_iter().map(|(call, state)| (call, stored(state))).collect()
}

/// The settled calls, in order of their start.
pub fn calls(states: &BTreeMap<String, CallState>) -> Vec<Call> {
    let mut calls: Vec<_> = states.values().map(|state| state.summary(LATER, GRACE_MICROS)).collect();
    calls.sort_by_key(|call| call.start_time);
    calls
}

/// Random numbers that come again with their seed (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}
