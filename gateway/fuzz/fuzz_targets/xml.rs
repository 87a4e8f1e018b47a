//! Fuzz target: see `kontor_gateway_fuzz::xml`.
//! Run by `cargo +nightly fuzz run xml`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_gateway_fuzz::xml(bytes));
