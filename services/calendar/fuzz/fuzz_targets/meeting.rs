//! Fuzz target: see `kontor_calendar_fuzz::meeting`.
//! Run by `cargo +nightly fuzz run meeting`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_calendar_fuzz::meeting(bytes));
