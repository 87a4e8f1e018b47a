//! Patches any text that can be read and checks that nothing else changes.
//! Run by `cargo fuzz run patch`.
#![no_main]

#[path = "../../tests/it/invariants.rs"]
#[allow(dead_code, reason = "each target uses one of the checks")]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // The end of the input is the new value, the rest is the text.
    let (text, value) = bytes.split_at(bytes.len() - bytes.len().min(16) / 2);
    invariants::check_patch(text, "SUMMARY", &String::from_utf8_lossy(value));
});
