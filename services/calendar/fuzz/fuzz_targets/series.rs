//! Fuzz target: see `kontor_calendar_fuzz::series`.
//! Run by `cargo +nightly fuzz run series`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_calendar_fuzz::series(bytes));
