//! Any lines as events of ARI: no panic, and order does not matter to the fold.
//! Run by `cargo +nightly fuzz run ari` in `services/telephony`.
#![no_main]

use std::collections::BTreeMap;

use kontor_telephony::connectors::ari::config::{Rules, Trunks};
use kontor_telephony::connectors::ari::replay::replay;
use kontor_telephony::domain::fact::{CallFact, CallKey, Micros};
use kontor_telephony::domain::fold::CallState;
use kontor_telephony::domain::number::{NumberRules, Region};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let region = Region::parse("FR").expect("France is a region");
    let numbers = NumberRules { region, outside_prefix: "9".into(), internal_digits: 3 };
    let trunks =
        Trunks { channel_prefixes: vec!["PJSIP/trunk-".into()], contexts: vec!["from-trunk".into()] };
    let now = Micros(1_796_100_000_000_000);
    if let Ok(facts) = replay(&Rules { numbers, trunks }, text, now) {
        let states = fold(facts.iter());
        assert_eq!(states, fold(facts.iter().rev().chain(&facts)));
        for state in states.values() {
            state.summary(now, 3_000_000);
        }
    }
});

fn fold<'a>(facts: impl Iterator<Item = &'a CallFact>) -> BTreeMap<CallKey, CallState> {
    let mut states = BTreeMap::new();
    for fact in facts {
        let state = states.entry(fact.key.clone()).or_insert_with(|| CallState::new(fact.key.clone()));
        state.apply(fact);
    }
    states
}
