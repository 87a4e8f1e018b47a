//! Any bytes as a post of mod_json_cdr: no panic, and a fault names its field.
//! Run by `cargo +nightly fuzz run cdr` in `services/telephony`.
#![no_main]

use kontor_telephony::connectors::freeswitch::cdr::Cdr;
use kontor_telephony::connectors::freeswitch::config::{Rules, Trunks};
use kontor_telephony::domain::number::{NumberRules, Region};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let region = Region::parse("FR").expect("France is a region");
    let numbers = NumberRules { region, outside_prefix: "9".into(), internal_digits: 3 };
    let trunks =
        Trunks { channel_prefixes: vec!["sofia/external/".into()], contexts: vec!["public".into()] };
    let rules = Rules { numbers, trunks };
    match Cdr::read(bytes).and_then(|cdr| cdr.facts("pbx", &rules, 1_795_430_000_000_000)) {
        Ok(facts) => assert!(!facts.is_empty()),
        Err(cause) => assert!(cause.field().is_some()),
    }
});
