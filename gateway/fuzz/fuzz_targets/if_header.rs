//! Fuzz target: see `kontor_gateway_fuzz::if_header`.
//! Run by `cargo +nightly fuzz run if_header`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kontor_gateway_fuzz::if_header(bytes));
