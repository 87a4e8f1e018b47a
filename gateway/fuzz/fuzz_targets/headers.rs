//! Fuzz target: see `kontor_gateway_fuzz::headers`.
//! Run by `cargo +nightly fuzz run headers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_gateway_fuzz::headers(bytes));
