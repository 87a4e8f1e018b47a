//! Each seed of the fuzz target `post`, and each of them changed a little, run as a normal test.
//! `KONTOR_FUZZ_ROUNDS` says how many changed ones.

use std::path::PathBuf;

use kontor_telephony::connectors::web::trial;
use kontor_telephony::domain::number::{NumberRules, Region};

const NOW: i64 = kontor_testbed::MONDAY;

#[test]
fn each_seed_of_the_fuzz_target_post_runs_and_so_do_changed_ones() {
    let rules =
        NumberRules { region: Region::parse("BE").unwrap(), outside_prefix: "9".into(), internal_digits: 4 };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/post");
    let seeds = std::fs::read_dir(folder).unwrap().flatten().map(|seed| std::fs::read(seed.path()).unwrap());
    let seeds: Vec<Vec<u8>> = seeds.collect();
    assert!(seeds.len() >= 30, "only {} seeds", seeds.len());
    let facts: usize = seeds.iter().map(|seed| trial::run(seed, &rules, NOW)).sum();
    assert!(facts >= 70, "the seeds hold only {facts} facts");
    let rounds =
        std::env::var("KONTOR_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3_000);
    // a small generator with a fixed seed
    let mut state = 11_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    for _ in 0..rounds {
        let mut bytes = seeds[random(seeds.len())].clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            match random(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, b"&=<>{}\"%+.\0\xff09"[random(14)]),
                2 if !bytes.is_empty() => {
                    bytes.remove(at);
                }
                3 => {
                    let other = &seeds[random(seeds.len())];
                    let from = random(other.len());
                    bytes.extend_from_slice(&other[from..]);
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << random(8);
                    }
                }
            }
        }
        trial::run(&bytes, &rules, NOW);
    }
}
