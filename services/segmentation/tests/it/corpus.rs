//! Every file of the fuzz corpus, and changed ones, goes through what the fuzz target runs.
//! Run by cargo, in CI too.

use std::path::Path;

use kontor_segmentation::domain::rule::Rule;

use crate::dice::Dice;

/// The same as `fuzz/fuzz_targets/rule.rs`.
fn check_rule(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    match Rule::parse(text) {
        Ok(rule) => {
            let printed = rule.to_string();
            let back = Rule::parse(&printed).expect("a printed rule reads back");
            assert_eq!(back, rule, "{printed}");
            true
        }
        Err(error) => {
            let (start, end) = (error.at.offset as usize, (error.at.offset + error.length) as usize);
            assert!(text.get(start..end).is_some(), "{error}: {text}");
            false
        }
    }
}

#[test]
fn every_corpus_file_is_read_or_refused_as_its_name_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/rule");
    let mut dice = Dice(7);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus is in the repository") {
        let path = entry.expect("a readable folder").path();
        let bytes = std::fs::read(&path).expect("a readable file");
        let bad = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bad"));
        assert_ne!(check_rule(&bytes), bad, "{}", path.display());
        count += 1;
        for _ in 0..200 {
            let mut changed = bytes.clone();
            let at = dice.roll(changed.len());
            match dice.roll(3) {
                0 => changed.truncate(at),
                1 => changed[at] = *dice.one(&[&b'(', &b'"', &b'!', &b'.', &b'&', &b'\\', &b'-', &0xff]),
                _ => drop(changed.remove(at)),
            }
            check_rule(&changed);
        }
    }
    assert!(count >= 15, "the corpus has only {count} files");
}
