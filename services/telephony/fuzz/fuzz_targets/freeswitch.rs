//! Any bytes as an event socket of a FreeSWITCH: no panic, chunks do not matter, order does not matter to the fold.
//! Run by `cargo +nightly fuzz run freeswitch` in `services/telephony`.
#![no_main]

use std::collections::BTreeMap;

use kontor_telephony::connectors::freeswitch::config::{Rules, Trunks};
use kontor_telephony::connectors::freeswitch::replay::replay;
use kontor_telephony::domain::fact::{CallFact, CallKey, Micros};
use kontor_telephony::domain::fold::CallState;
use kontor_telephony::domain::number::{NumberRules, Region};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let region = Region::parse("FR").expect("France is a region");
    let numbers = NumberRules { region, outside_prefix: "9".into(), internal_digits: 3 };
    let trunks =
        Trunks { channel_prefixes: vec!["sofia/external/".into()], contexts: vec!["public".into()] };
    let rules = Rules { numbers, trunks };
    let now = Micros(1_795_430_000_000_000);
    let whole = replay(&rules, bytes, usize::MAX, now);
    assert_eq!(whole, replay(&rules, bytes, 3, now));
    if let Ok(facts) = whole {
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
