//! Fuzz target: see `kontor_gateway_fuzz::query`.
//! Run by `cargo +nightly fuzz run query`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_gateway_fuzz::query(bytes));
