//! Regular expressions of rules, kept small: the matcher is linear in the text, and its size is bounded here.
//! Called by the checker.

use regex::{Regex, RegexBuilder};

/// Most characters of a pattern.
const LENGTH_CAP: usize = 500;
/// Most patterns of a rule.
const PATTERNS_CAP: usize = 10;
/// Most bytes of a compiled pattern.
const SIZE_CAP: usize = 256 * 1024;

/// Reads a pattern, the `count`-th of its rule.
pub fn read(pattern: &str, count: usize) -> Result<Regex, String> {
    if count > PATTERNS_CAP {
        return Err(format!("the rule has more than {PATTERNS_CAP} patterns"));
    }
    if pattern.chars().count() > LENGTH_CAP {
        return Err(format!("a pattern has at most {LENGTH_CAP} characters"));
    }
    let built =
        RegexBuilder::new(pattern).size_limit(SIZE_CAP).dfa_size_limit(SIZE_CAP).nest_limit(20).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern becomes too large; repeat less".to_owned(),
        // the library's text has several lines, the last one says what is wrong
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or("").trim().trim_start_matches("error: ").to_owned();
            format!("the pattern can't be read: {last}")
        }
    })
}
