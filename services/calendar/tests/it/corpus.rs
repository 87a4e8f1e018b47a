//! Every file of the fuzz corpus, through the same entry points as the fuzz targets: none may panic or be slow.
//! Run by cargo, in CI too.

use std::path::PathBuf;
use std::time::{Duration, Instant};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// Changed texts of each target; KONTOR_FUZZ_ROUNDS asks for more.
const ROUNDS: usize = 300;

fn each(folder: &str, run: fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the corpus is in the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(paths.len() >= 4, "{} has only {} files", folder.display(), paths.len());
    let files: Vec<Vec<u8>> =
        paths.iter().map(|path| std::fs::read(path).expect("a readable file")).collect();
    for (path, bytes) in paths.iter().zip(&files) {
        let start = Instant::now();
        run(bytes);
        assert!(start.elapsed() < Duration::from_secs(5), "{} took {:?}", path.display(), start.elapsed());
    }
    let rounds =
        std::env::var("KONTOR_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut random = Random(20_261_123);
    for _ in 0..rounds {
        let bytes = changed(&files, &mut random);
        let done = std::panic::catch_unwind(|| run(&bytes));
        assert!(
            done.is_ok(),
            "this text is to be put into the corpus: {:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

/// SplitMix64: the same texts in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(end.max(1)).expect("it fits"))
            .expect("it fits")
    }
}

/// A poor man's fuzzer for CI: a file of the corpus with bytes changed, and lines doubled, moved, cut or taken from another file.
fn changed(files: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    const LIKELY: &[u8] = b":;,=\"^\\TZPD-+0123456789 \0";
    let lines =
        |bytes: &[u8]| bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut text = lines(&files[random.below(files.len())]);
    for _ in 0..1 + random.below(4) {
        let at = random.below(text.len());
        let Some(line) = text.get(at).cloned() else { break };
        match random.below(6) {
            0 => text.insert(random.below(text.len()), line),
            1 => drop(text.remove(at)),
            2 => {
                let other = lines(&files[random.below(files.len())]);
                text.insert(at, other[random.below(other.len())].clone());
            }
            3 => {
                let other = lines(&files[random.below(files.len())]);
                text[at].clone_from(&other[random.below(other.len())]);
            }
            _ => {
                let place = random.below(line.len());
                text[at][place] = LIKELY[random.below(LIKELY.len())];
            }
        }
    }
    text.concat()
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

#[test]
fn messages_of_the_corpus_do_no_harm() {
    each("message", targets::message);
}
