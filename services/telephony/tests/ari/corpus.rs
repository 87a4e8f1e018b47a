//! Each seed of the fuzz target, run as a normal test.
//! The same checks as in `fuzz/fuzz_targets/ari.rs`.

use std::path::PathBuf;

use kontor_telephony::connectors::ari::replay::replay;

use crate::agree::{LATER, calls, fold, rules};

#[test]
fn each_seed_of_the_fuzz_target_runs() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/ari");
    let seeds: Vec<_> = std::fs::read_dir(folder).expect("the seeds are there").flatten().collect();
    assert!(seeds.len() >= 8, "only {} seeds", seeds.len());
    let (mut some, mut refused) = (0, 0);
    for seed in seeds {
        let bytes = std::fs::read(seed.path()).expect("a seed can be read");
        match replay(&rules(), &String::from_utf8_lossy(&bytes), LATER) {
            Ok(facts) => {
                assert_eq!(fold(facts.iter().rev().chain(&facts)), fold(&facts), "{}", seed.path().display());
                some += calls(&facts).len();
            }
            Err(_) => refused += 1,
        }
    }
    assert!(some >= 5 && refused >= 3, "{some} calls, {refused} refused");
}
