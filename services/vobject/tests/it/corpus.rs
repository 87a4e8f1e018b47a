//! Every file of the fuzz corpus goes through the reader and the patcher.
//! Run by cargo, in CI too.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::invariants::{check_document, check_patch};
use crate::outside;

type Check = fn(&[u8]);

/// Targets of `fuzz/` whose names of files say nothing: each runs what its target runs.
const OUTSIDE: [(&str, Check); 4] = [
    ("expand", outside::check_expand),
    ("availability", outside::check_availability),
    ("zone", outside::check_zone),
    ("card", outside::check_card),
];

fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let files = files_of(&["document", "patch"]);
    assert!(files.len() >= 20, "the corpus has only {} files", files.len());
    files
}

fn files_of(targets: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut files: Vec<PathBuf> = targets
        .iter()
        .flat_map(|target| std::fs::read_dir(corpus.join(target)).expect("the corpus is in the repository"))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
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

#[test]
fn objects_of_outsiders_in_the_corpus_do_no_harm() {
    for (target, check) in OUTSIDE {
        let files = files_of(&[target]);
        assert!(files.len() >= 5, "{target} has only {} files", files.len());
        for (path, bytes) in files {
            let start = std::time::Instant::now();
            check(&bytes);
            let took = start.elapsed();
            assert!(took < std::time::Duration::from_secs(5), "{} took {took:?}", path.display());
        }
    }
}

/// One change of some bytes: where, what, and which byte comes in.
type Cut = (prop::sample::Index, u8, prop::sample::Index);

/// The bytes with some of them changed, doubled or cut.
fn changed(mut bytes: Vec<u8>, changes: Vec<Cut>) -> Vec<u8> {
    const LIKELY: &[u8] = b"\r\n \t:;,=\"^\\.BENDX\0\xc3\xa4\xff0123456789TZP-";
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
    bytes
}

fn changes() -> impl Strategy<Value = Vec<Cut>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<prop::sample::Index>()), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A poor man's fuzzer for CI: corpus files with some bytes changed, doubled or cut.
    #[test]
    fn changed_corpus_files_break_nothing(file in any::<prop::sample::Index>(), changes in changes()) {
        let bytes = changed(file.get(&files()).1.clone(), changes);
        check_document(&bytes);
        check_patch(&bytes, "X-NEW", "a\nb");
    }

    /// The same for what reports and free/busy work on.
    #[test]
    fn changed_objects_of_outsiders_do_no_harm(
        target in 0..OUTSIDE.len(),
        file in any::<prop::sample::Index>(),
        changes in changes(),
    ) {
        let (folder, check) = OUTSIDE[target];
        check(&changed(file.get(&files_of(&[folder])).1.clone(), changes));
    }
}
