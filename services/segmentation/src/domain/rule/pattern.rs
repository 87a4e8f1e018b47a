//! Regular expressions of rules, kept small: the matcher is linear in the text, and its size is bounded here.
//! Called by the checker.

use regex::{Regex, RegexBuilder};
use regex_automata::Input;
use regex_automata::dfa::dense::{Builder, Config, DFA};
use regex_automata::dfa::{Automaton, StartKind};
use regex_automata::nfa::thompson;
use regex_syntax::ParserBuilder;

/// Most characters of a pattern.
const LENGTH_CAP: usize = 500;
/// Most patterns of a rule.
const PATTERNS_CAP: usize = 10;
/// Most groups of a pattern in each other.
const NEST_CAP: u32 = 20;
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

/// Why a pattern can't be taken.
#[derive(Debug)]
pub struct Wrong {
    /// What is wrong.
    pub what: String,
    /// The bytes of the pattern that are meant, the first and the one after the last; all of it when none.
    pub bytes: Option<(usize, usize)>,
}

/// Reads a pattern, the `count`-th of its rule.
pub fn read(pattern: &str, count: usize) -> Result<Regex, Wrong> {
    let all = |what: String| Wrong { what, bytes: None };
    if count > PATTERNS_CAP {
        return Err(all(format!("the rule has more than {PATTERNS_CAP} patterns")));
    }
    if pattern.chars().count() > LENGTH_CAP {
        return Err(all(format!("a pattern has at most {LENGTH_CAP} characters")));
    }
    let built =
        RegexBuilder::new(pattern).size_limit(SIZE_CAP).dfa_size_limit(SIZE_CAP).nest_limit(NEST_CAP).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => all("the pattern becomes too large; repeat less".to_owned()),
        // the library's error is a text; its reader knows the place too
        _ => {
            let (what, span) = match ParserBuilder::new().nest_limit(NEST_CAP).build().parse(pattern) {
                Err(regex_syntax::Error::Parse(error)) => (error.kind().to_string(), Some(*error.span())),
                Err(regex_syntax::Error::Translate(error)) => (error.kind().to_string(), Some(*error.span())),
                _ => ("it is none".to_owned(), None),
            };
            let bytes = span.map(|span| (span.start.offset, span.end.offset));
            Wrong { what: format!("the pattern can't be read: {what}"), bytes }
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
