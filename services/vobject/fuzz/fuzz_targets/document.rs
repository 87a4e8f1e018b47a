//! Reads any bytes and checks what must hold for every text.
//! Run by `cargo fuzz run document`.
#![no_main]

#[path = "../../tests/it/invariants.rs"]
#[allow(dead_code, reason = "each target uses one of the checks")]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    invariants::check_document(bytes);
});
