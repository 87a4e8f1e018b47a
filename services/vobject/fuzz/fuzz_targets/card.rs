//! Cards to the other version and back.
//! Run by `cargo fuzz run card`.
#![no_main]

#[path = "../../tests/it/outside.rs"]
#[allow(dead_code, reason = "each target uses one of the checks")]
mod outside;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| outside::check_card(bytes));
