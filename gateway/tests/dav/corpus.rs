//! Every file of the fuzz corpus, through the same entry points as the fuzz targets: none may panic or be slow.

use std::path::PathBuf;
use std::time::{Duration, Instant};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

fn each(folder: &str, mut run: impl FnMut(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let start = Instant::now();
        run(&bytes);
        assert!(start.elapsed() < Duration::from_secs(5), "{} took {:?}", path.display(), start.elapsed());
        files += 1;
    }
    assert!(files >= 5, "{} has only {files} files", folder.display());
}

#[test]
fn bodies_of_the_corpus_do_no_harm() {
    each("xml", targets::xml);
}

#[test]
fn paths_of_the_corpus_do_no_harm() {
    each("path", targets::path);
}

#[test]
fn headers_of_the_corpus_do_no_harm() {
    each("headers", targets::headers);
}

#[test]
fn queries_of_the_corpus_do_no_harm() {
    each("query", targets::query);
}

#[test]
fn if_headers_of_the_corpus_do_no_harm() {
    each("if_header", targets::if_header);
}

#[test]
fn uploads_of_the_corpus_do_no_harm() {
    each("upload", targets::upload);
}

#[test]
fn unsubscribe_bodies_of_the_corpus_do_no_harm() {
    each("unsubscribe", targets::unsubscribe);
}
