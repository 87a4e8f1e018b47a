//! Working hours and absences of any text.
//! Run by `cargo fuzz run availability`.
#![no_main]

#[path = "../../tests/it/outside.rs"]
#[allow(dead_code, reason = "each target uses one of the checks")]
mod outside;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| outside::check_availability(bytes));
