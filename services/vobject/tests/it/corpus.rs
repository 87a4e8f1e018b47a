//! Every file of the fuzz corpus goes through the reader and the patcher.
//! Run by cargo, in CI too.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::invariants::{check_document, check_patch};

fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut files: Vec<PathBuf> = ["document", "patch"]
        .iter()
        .flat_map(|target| std::fs::read_dir(corpus.join(target)).expect("the corpus is in the repository"))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(files.len() >= 20, "the corpus has only {} files", files.len());
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("a readable file"))).collect()
}

/// The names say what must come out: a file that begins with `bad` is refused, every other is read.
#[test]
fn every_corpus_file_is_read_or_refused_as_its_name_says() {
    for (path, bytes) in files() {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        assert_eq!(check_document(&bytes), !name.starts_with("bad"), "{name}");
        check_patch(&bytes, "SUMMARY", "new, value");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A poor man's fuzzer for CI: corpus files with some bytes changed, doubled or cut.
    #[test]
    fn changed_corpus_files_break_nothing(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<prop::sample::Index>()), 1..12),
    ) {
        const LIKELY: &[u8] = b"\r\n \t:;,=\"^\\.BENDX\0\xc3\xa4\xff0";
        let files = files();
        let mut bytes = file.get(&files).1.clone();
        for (place, what, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let (at, byte) = (place.index(bytes.len()), *byte.get(LIKELY));
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        check_document(&bytes);
        check_patch(&bytes, "X-NEW", "a\nb");
    }
}
