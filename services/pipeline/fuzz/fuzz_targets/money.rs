//! Fuzz target: see `kontor_pipeline_fuzz::money`.
//! Run by `cargo +nightly fuzz run money`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kontor_pipeline_fuzz::money(bytes);
});
