//! Fuzz target: see `kontor_calendar_fuzz::message`.
//! Run by `cargo +nightly fuzz run message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_calendar_fuzz::message(bytes));
