//! Any text as a path of the tree of documents, and as a name in it: no panic, and nothing beyond its caps.
//! Run by `cargo +nightly fuzz run path` in `services/templating`.
#![no_main]

use kontor_templating::domain::tree;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(segments) = tree::segments(text) {
        assert!(segments.iter().all(|it| !it.is_empty() && *it != "." && *it != ".." && !it.contains('/')));
        if let Some(parent) = tree::parent(text) {
            assert!(tree::segments(parent).is_ok());
        }
    }
    let _ = tree::template_name(text);
    let named = tree::with_id(text, "id");
    assert_eq!(tree::id_in(&named), Some("id"));
    assert!(!named.contains(['/', '\\']) && tree::segments(&named).is_ok());
});
