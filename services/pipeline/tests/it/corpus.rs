//! Every file of the fuzz corpus, through the same entry point as the fuzz target, changed a little too; and a second reader beside ours.

use std::path::PathBuf;

use kontor_pipeline::csv::{Encoding, Reader};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

fn corpus() -> Vec<Vec<u8>> {
    corpus_of("csv")
}

fn corpus_of(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the corpus").flatten().map(|it| it.path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// SplitMix64: the same texts in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % (end.max(1) as u64)).expect("it fits")
    }
}

const LIKELY: &[u8] = b"\"\"\",;\t|\r\n\n\0a \xE9\xC3\xFF\xFE\xD8";
/// Of an amount.
const DIGITS: &[u8] = b"0000123456789..,-+eE \nEURJPYKWD\xC3";

fn changed(files: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    changed_by(files, LIKELY, random)
}

fn changed_by(files: &[Vec<u8>], likely: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = files[random.below(files.len())].clone();
    for _ in 0..1 + random.below(5) {
        let (at, byte) = (random.below(bytes.len() + 1), likely[random.below(likely.len())]);
        match random.below(4) {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => {
                let other = &files[random.below(files.len())];
                let from = random.below(other.len());
                bytes.splice(at..at, other[from..].iter().copied());
            }
            _ if at < bytes.len() => bytes[at] = byte,
            _ => {}
        }
    }
    bytes
}

fn rounds() -> usize {
    std::env::var("KONTOR_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

#[test]
fn files_of_the_corpus_and_their_changes_do_no_harm() {
    let files = corpus();
    let (mut good, mut bad) = (0, 0);
    for file in &files {
        match targets::csv(file).1 {
            None => good += 1,
            Some(_) => bad += 1,
        }
    }
    assert!(good >= 5 && bad >= 7, "{good} and {bad}");
    let mut random = Random(15);
    for _ in 0..rounds() {
        targets::csv(&changed(&files, &mut random));
    }
}

#[test]
fn amounts_of_the_corpus_and_their_changes_are_taken_whole_or_refused() {
    let files = corpus_of("money");
    let taken: Vec<String> = files.iter().filter_map(|file| targets::money(file)).collect();
    for wanted in ["1250.00", "7.50", "500", "1.234", "1.2345", "999999999999999.99", "0", "12.30"] {
        assert!(taken.iter().any(|amount| amount == wanted), "{wanted} of {taken:?}");
    }
    assert!(files.len() > taken.len() + 15, "{} of {}", taken.len(), files.len());
    let (mut random, mut good) = (Random(17), 0);
    for _ in 0..rounds() * 10 {
        good += usize::from(targets::money(&changed_by(&files, DIGITS, &mut random)).is_some());
    }
    assert!(good > rounds() / 5, "only {good}");
}

/// What we take, the well-kept library reads the same way; it takes more.
#[test]
fn a_second_reader_agrees_on_all_that_is_taken() {
    let files = corpus();
    let mut random = Random(16);
    let mut agreed = 0;
    for _ in 0..rounds() {
        let bytes = changed(&files, &mut random);
        let delimiter = kontor_pipeline::csv::Delimiter::Comma;
        let mut ours = Vec::new();
        let mut take = |record: kontor_pipeline::csv::Record| ours.push(record.fields);
        let mut reader = Reader::new(Encoding::Utf8, Some(delimiter));
        let taken = reader.push(&bytes, &mut take).and_then(|()| reader.end(&mut take));
        if taken.is_err() || bytes.windows(4).any(|some| some == b"sep=") {
            continue;
        }
        let mut builder = csv::ReaderBuilder::new();
        let mut other = builder.has_headers(false).flexible(true).from_reader(&bytes[..]);
        let theirs: Vec<Vec<String>> = other
            .records()
            .map(|record| record.expect("UTF-8").iter().map(str::to_owned).collect())
            .filter(|fields: &Vec<String>| fields.iter().any(|field| !field.is_empty()))
            .collect();
        assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(&bytes));
        agreed += 1;
    }
    assert!(agreed > rounds() / 20, "only {agreed}");
}
