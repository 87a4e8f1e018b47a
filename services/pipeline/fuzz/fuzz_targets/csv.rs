//! Fuzz target: see `kontor_pipeline_fuzz::csv`.
//! Run by `cargo +nightly fuzz run csv`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kontor_pipeline_fuzz::csv(bytes);
});
