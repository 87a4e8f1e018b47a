//! Fuzz target: see `kontor_gateway_fuzz::upload`.
//! Run by `cargo +nightly fuzz run upload`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_gateway_fuzz::upload(bytes));
