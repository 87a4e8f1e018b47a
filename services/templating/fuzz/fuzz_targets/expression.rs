//! Any text as an expression: no panic, and a position where it is none.
//! Run by `cargo +nightly fuzz run expression` in `services/templating`.
#![no_main]

use kontor_templating::domain::Problem;
use kontor_templating::domain::expression::{Scope, parse, parse_for};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let scope = Scope::default();
    for found in [parse(text, 0, &scope).map(|_| ()), parse_for(text, 0, &scope).map(|_| ())] {
        if let Err(Problem::Syntax { at, .. }) = found {
            assert!(at <= text.chars().count());
        }
    }
});
