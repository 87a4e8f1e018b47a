//! Any bytes as a post of a cloud telephone system: no panic, no forged signature, order does not matter to the fold.
//! Run by `cargo +nightly fuzz run post` in `services/telephony`.
#![no_main]

use kontor_telephony::connectors::web::trial;
use kontor_telephony::domain::number::{NumberRules, Region};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let region = Region::parse("BE").expect("Belgium is a region");
    let rules = NumberRules { region, outside_prefix: "9".into(), internal_digits: 4 };
    trial::run(bytes, &rules, 1_795_424_400_000_000);
});
