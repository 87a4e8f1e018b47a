//! Each seed of the fuzz target, run as a normal test.
//! The same checks as in `fuzz/fuzz_targets/ami.rs`.

use std::path::PathBuf;

use kontor_telephony::connectors::ami::replay::replay;
use kontor_telephony::connectors::ami::wire::Decoder;

use crate::recordings::{LATER, calls, fold, rules};

#[test]
fn each_seed_of_the_fuzz_target_runs() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/ami");
    let seeds: Vec<_> = std::fs::read_dir(folder).expect("the seeds are there").flatten().collect();
    assert!(seeds.len() >= 8, "only {} seeds", seeds.len());
    let mut some = 0;
    for seed in seeds {
        let bytes = std::fs::read(seed.path()).expect("a seed can be read");
        let whole = replay(Decoder::new(), &rules(), &bytes, usize::MAX, LATER);
        let cut = replay(Decoder::new(), &rules(), &bytes, 1, LATER);
        assert_eq!(whole, cut, "{}", seed.path().display());
        if let Ok(facts) = whole {
            let states = fold(&facts);
            assert_eq!(fold(facts.iter().rev()), states, "{}", seed.path().display());
            some += calls(&states).len();
        }
    }
    assert!(some >= 5, "the seeds hold only {some} calls");
}
