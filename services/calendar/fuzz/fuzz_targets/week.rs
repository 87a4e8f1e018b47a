//! Fuzz target: see `kontor_calendar_fuzz::week`.
//! Run by `cargo +nightly fuzz run week`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_calendar_fuzz::week(bytes));
