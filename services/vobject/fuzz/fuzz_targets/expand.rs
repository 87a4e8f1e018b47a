//! Calendar data in the forms of reports: instances, limited sets, limited free-busy.
//! Run by `cargo fuzz run expand`.
#![no_main]

#[path = "../../tests/it/outside.rs"]
#[allow(dead_code, reason = "each target uses one of the checks")]
mod outside;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| outside::check_expand(bytes));
