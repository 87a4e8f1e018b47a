//! Regular expressions of rules, kept small: the matcher is linear in the text, and its size is bounded here.
//! Called by the checker.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use regex_automata::Input;
use regex_automata::dfa::dense::{Builder, Config, DFA};
use regex_automata::dfa::{Automaton, StartKind};
use regex_automata::nfa::thompson;

/// Most characters of a pattern.
const LENGTH_CAP: usize = 500;
/// Most patterns of a rule.
const PATTERNS_CAP: usize = 10;
/// Most bytes of a compiled pattern.
const SIZE_CAP: usize = 256 * 1024;

/// A regular expression, found anywhere in a text. Most are also whole automata, which pass over the million short texts of a preview three times as
/// fast as the library, that makes its automaton as it goes.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    automaton: Option<Arc<DFA<Vec<u32>>>>,
}

impl Pattern {
    fn new(regex: Regex) -> Pattern {
        let limits = Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(SIZE_CAP))
            .determinize_size_limit(Some(SIZE_CAP));
        let automaton = Builder::new()
            .configure(limits)
            .thompson(thompson::Config::new().nfa_size_limit(Some(SIZE_CAP)))
            .build(regex.as_str());
        // One that is too large, or looks for word boundaries in any script, is left to the library.
        Pattern { regex, automaton: automaton.ok().map(Arc::new) }
    }

    /// Whether the text has it.
    pub fn is_match(&self, text: &str) -> bool {
        let found = self.automaton.as_ref().map(|all| all.try_search_fwd(&Input::new(text).earliest(true)));
        match found {
            Some(Ok(found)) => found.is_some(),
            _ => self.regex.is_match(text),
        }
    }
}

/// Reads a pattern, the `count`-th of its rule.
pub fn read(pattern: &str, count: usize) -> Result<Pattern, String> {
    if count > PATTERNS_CAP {
        return Err(format!("the rule has more than {PATTERNS_CAP} patterns"));
    }
    if pattern.chars().count() > LENGTH_CAP {
        return Err(format!("a pattern has at most {LENGTH_CAP} characters"));
    }
    let built =
        RegexBuilder::new(pattern).size_limit(SIZE_CAP).dfa_size_limit(SIZE_CAP).nest_limit(20).build();
    built.map(Pattern::new).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern becomes too large; repeat less".to_owned(),
        // the library's text has several lines, the last one says what is wrong
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or("").trim().trim_start_matches("error: ").to_owned();
            format!("the pattern can't be read: {last}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_automaton_finds_what_the_library_finds() {
        let texts = [
            "",
            "Partner 1077 of Ypern",
            "partner 77",
            "PARTNER ß77 of",
            "été",
            "a\nb",
            "aaaa",
            "ς Σ",
            "x y",
            "\u{212a}",
        ];
        let (mut whole, mut left) = (0, 0);
        for text in [
            "(?i)partner .*77 of",
            "^$",
            "^a+$",
            "(?m)^b$",
            "[à-ü]",
            "\\d{2,4}",
            "\\bof\\b",
            "(?i)σ",
            "(?i)k",
            "a|b|",
            ".",
            "(?s).b",
            "\\w+ \\w+",
        ] {
            let pattern = read(text, 1).expect("a pattern");
            if pattern.automaton.is_some() {
                whole += 1
            } else {
                left += 1
            }
            for found in texts {
                assert_eq!(pattern.is_match(found), pattern.regex.is_match(found), "{text:?} in {found:?}");
            }
        }
        assert!(whole > 8 && left > 0, "{whole} automata, {left} left to the library");
    }

    #[test]
    fn one_that_would_be_a_large_automaton_is_left_to_the_library() {
        let pattern = read("(a|b)*a(a|b){12}", 1).expect("a pattern");
        assert!(pattern.automaton.is_none());
        assert!(pattern.is_match("abbbbbbbbbbbb") && !pattern.is_match("bbbbbbbbbbbbb"));
    }
}
