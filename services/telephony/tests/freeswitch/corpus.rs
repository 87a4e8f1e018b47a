//! Each seed of the fuzz targets, run as a normal test, whole, cut into chunks, and changed a little.
//! The same checks as in `fuzz/fuzz_targets/freeswitch.rs`.

use kontor_telephony::connectors::freeswitch::cdr::Cdr;
use kontor_telephony::connectors::freeswitch::replay::replay;

use crate::scenes::{LATER, calls, fold, folder, rules};

fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder(name)).expect("the seeds are there").flatten();
    let seeds = entries.map(|entry| {
        (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("a seed"))
    });
    seeds.collect()
}

/// How many changed texts are tried of each seed.
fn rounds() -> u64 {
    std::env::var("KONTOR_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// The seed with a few bytes changed, cut out or doubled; the same in each run.
fn changed(seed: &[u8], round: u64) -> Vec<u8> {
    let mut state = round.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (below.max(1) as u64)).unwrap_or(0)
    };
    let mut bytes = seed.to_vec();
    for _ in 0..1 + next(4) {
        let at = next(bytes.len());
        let to = (at + next(40)).min(bytes.len());
        match next(3) {
            0 if !bytes.is_empty() => bytes[at] = b"\0\n:\"{}[],%=+x0\xff"[next(15)],
            1 => drop(bytes.drain(at..to)),
            _ => {
                bytes.splice(at..at, seed[..to.min(seed.len())].iter().rev().take(20).copied()).for_each(drop)
            }
        }
    }
    bytes
}

fn check_stream(bytes: &[u8], what: &str) -> usize {
    let whole = replay(&rules(), bytes, usize::MAX, LATER);
    assert_eq!(whole, replay(&rules(), bytes, 7, LATER), "{what}");
    let Ok(facts) = whole else { return 0 };
    let states = fold(&facts);
    assert_eq!(fold(facts.iter().rev().chain(&facts)), states, "{what}");
    calls(&states).len()
}

#[test]
fn each_seed_of_the_event_socket_runs() {
    let seeds = seeds("freeswitch");
    assert!(seeds.len() >= 18, "only {} seeds", seeds.len());
    let some: usize = seeds.iter().map(|(name, bytes)| check_stream(bytes, name)).sum();
    assert!(some >= 25, "the seeds hold only {some} calls");
    for (name, bytes) in seeds.iter().filter(|(name, _)| name != "wire") {
        for round in 0..rounds() {
            check_stream(&changed(bytes, round), &format!("{name} changed {round}"));
        }
    }
}

fn check_record(bytes: &[u8], what: &str) -> bool {
    let facts = Cdr::read(bytes).and_then(|cdr| cdr.facts("pbx", &rules(), LATER.0));
    match facts {
        Ok(facts) => {
            let states = fold(&facts);
            assert_eq!(fold(facts.iter().rev().chain(&facts)), states, "{what}");
            assert_eq!(calls(&states).len(), 1, "{what}");
            true
        }
        Err(cause) => {
            assert!(cause.field().is_some() && !cause.message().is_empty(), "{what}: {cause}");
            false
        }
    }
}

#[test]
fn each_seed_of_the_records_runs() {
    let seeds = seeds("cdr");
    let good = seeds.iter().filter(|(name, bytes)| check_record(bytes, name)).count();
    assert!(good >= 8 && good < seeds.len(), "{good} of {}", seeds.len());
    for (name, bytes) in &seeds {
        for round in 0..rounds() * 5 {
            check_record(&changed(bytes, round), &format!("{name} changed {round}"));
        }
    }
}
