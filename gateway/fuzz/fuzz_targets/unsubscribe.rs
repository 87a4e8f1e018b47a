//! Fuzz target: see `kontor_gateway_fuzz::unsubscribe`.
//! Run by `cargo +nightly fuzz run unsubscribe`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_gateway_fuzz::unsubscribe(bytes));
