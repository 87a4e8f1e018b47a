//! Fuzz target: see `kontor_gateway_fuzz::path`.
//! Run by `cargo +nightly fuzz run path`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_gateway_fuzz::path(bytes));
