//! Any text as a rule: no panic, what is taken reads back as it is printed, an error's place is in the text.
//! Run by `cargo +nightly fuzz run rule` in `services/segmentation`.
#![no_main]

use kontor_segmentation::domain::rule::Rule;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Rule::parse(text) {
        Ok(rule) => assert_eq!(Rule::parse(&rule.to_string()).as_ref(), Ok(&rule)),
        Err(error) => {
            let (start, end) = (error.at.offset as usize, (error.at.offset + error.length) as usize);
            assert!(text.get(start..end).is_some(), "{error}");
        }
    }
});
