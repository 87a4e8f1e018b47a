//! Regular expressions of rules, kept small: the matcher is linear in the text, and its size is bounded here.
//! Called by the checker.

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
/// Most bytes of one as a whole automaton, and of what is needed to make it: that bounds the time too.
const WHOLE_CAP: usize = 64 * 1024;

/// A pattern for a scan of very many short texts: as a whole automaton it passes over them five times as fast as the library, which makes its
/// automaton as it goes. It is made for one scan and kept by none, so a rule costs no memory for it.
pub(super) struct Whole<'a> {
    regex: &'a Regex,
    automaton: Option<DFA<Vec<u32>>>,
}

impl<'a> Whole<'a> {
    pub fn new(regex: &'a Regex) -> Whole<'a> {
        let limits = Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(WHOLE_CAP))
            .determinize_size_limit(Some(WHOLE_CAP));
        let automaton = Builder::new()
            .configure(limits)
            .thompson(thompson::Config::new().nfa_size_limit(Some(WHOLE_CAP)))
            .build(regex.as_str());
        // One that is too large, or looks for word boundaries in any script, is left to the library.
        Whole { regex, automaton: automaton.ok() }
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
            let regex = read(text, 1).expect("a pattern");
            let pattern = Whole::new(&regex);
            if pattern.automaton.is_some() {
                whole += 1;
            } else {
                left += 1;
            }
            for found in texts {
                assert_eq!(pattern.is_match(found), regex.is_match(found), "{text:?} in {found:?}");
            }
        }
        assert!(whole > 8 && left > 0, "{whole} automata, {left} left to the library");
    }

    #[test]
    fn one_that_would_be_a_large_automaton_is_left_to_the_library() {
        let regex = read("(a|b)*a(a|b){12}", 1).expect("a pattern");
        let pattern = Whole::new(&regex);
        assert!(pattern.automaton.is_none());
        assert!(pattern.is_match("abbbbbbbbbbbb") && !pattern.is_match("bbbbbbbbbbbbb"));
    }
}
