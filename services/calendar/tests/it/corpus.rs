//! Every file of the fuzz corpus, through the same entry points as the fuzz targets: none may panic or be slow.
//! Run by cargo, in CI too.

use std::path::PathBuf;
use std::time::{Duration, Instant};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

fn each(folder: &str, run: fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is in the repository") {
        let path = entry.expect("a readable folder").path();
        let bytes = std::fs::read(&path).expect("a readable file");
        let start = Instant::now();
        run(&bytes);
        assert!(start.elapsed() < Duration::from_secs(5), "{} took {:?}", path.display(), start.elapsed());
        files += 1;
    }
    assert!(files >= 4, "{} has only {files} files", folder.display());
}

#[test]
fn meetings_of_the_corpus_do_no_harm() {
    each("meeting", targets::meeting);
}

#[test]
fn series_of_the_corpus_do_no_harm() {
    each("series", targets::series);
}

#[test]
fn working_hours_of_the_corpus_do_no_harm() {
    each("week", targets::week);
}
