//! Numbers that follow from a seed, so that a run can be repeated, and the last steps of a run for who has to read a failure.
//! Called by the other files of this folder.

use std::collections::{BTreeMap, VecDeque};

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and good enough to choose steps.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end` - 1.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a small number");
        usize::try_from(self.next() % end).expect("smaller than a usize")
    }

    /// True so many times of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Steps that are kept for the report.
const KEPT: usize = 40;

/// Tells the seed and the last steps when the run fails.
pub struct Log {
    seed: u64,
    step: usize,
    last: VecDeque<String>,
    /// How often each kind of step had each outcome.
    tally: BTreeMap<String, usize>,
}

impl Log {
    pub fn new(seed: u64) -> Log {
        Log { seed, step: 0, last: VecDeque::new(), tally: BTreeMap::new() }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A new step begins.
    pub fn begin(&mut self) {
        self.step += 1;
    }

    pub fn note(&mut self, what: String) {
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(format!("{}: {what}", self.step));
    }

    /// Adds to the last line, whose second word is what was done.
    pub fn outcome(&mut self, what: impl std::fmt::Display) {
        if let Some(last) = self.last.back_mut() {
            let verb = last.split(' ').nth(2).unwrap_or_default();
            *self.tally.entry(format!("{verb} {what}")).or_default() += 1;
            *last = format!("{last} -> {what}");
        }
    }

    /// What was done how often, so that a reader sees that nothing was left out.
    pub fn tally(&self) -> String {
        let lines: Vec<String> = self.tally.iter().map(|(what, count)| format!("{what}: {count}")).collect();
        lines.join(", ")
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        eprintln!("the last steps of the model's run with seed {}:", self.seed);
        for line in &self.last {
            eprintln!("  {line}");
        }
        eprintln!(
            "replay it with: KONTOR_MODEL_SEED={} KONTOR_MODEL_STEPS={} cargo test -p kontor-tests --test scenarios model::seeded",
            self.seed, self.step
        );
    }
}
