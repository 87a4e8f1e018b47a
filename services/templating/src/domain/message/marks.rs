//! Tags in a source, before anything else reads it: each becomes a mark of characters that no source may have, so that what stands in a tag
//! (`{{ a < b }}`) can't confuse a reader of HTML, and so that fields survive MJML.
//! Called by the compilers of all formats of messages.

use std::sync::Arc;

use crate::domain::expression::{Expr, Scope, parse};
use crate::domain::finding::{Finding, Place, Problem, shorten};
use crate::domain::limits::Limits;
use crate::domain::markup::{Word, word};

/// Begins a mark; the tag's number follows.
pub(super) const BEGIN: char = '\u{e000}';
/// Ends a mark.
pub(super) const END: char = '\u{e001}';
/// Findings that are kept: of more nobody reads.
const FINDINGS: usize = 1_000;
/// Bytes of a tag at most.
const LONGEST: usize = 4_096;

/// The tags of a message, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Marks {
    part: Arc<str>,
    /// What each tag does, by its number, and the number of its place.
    pub(super) words: Vec<(Word, u32)>,
    /// Where the tags are.
    pub(super) places: Vec<Place>,
    /// What is wrong, as far as it is kept.
    pub(super) findings: Vec<Finding>,
    told: usize,
}

impl Marks {
    /// None yet, in a part of the message: "html".
    pub(super) fn new(part: &str) -> Marks {
        Marks { part: part.into(), words: Vec::new(), places: Vec::new(), findings: Vec::new(), told: 0 }
    }

    /// Whether this is its part.
    pub(super) fn is_part(&self, part: &str) -> bool {
        *self.part == *part
    }

    /// How often something wrong was noted, kept or not.
    pub(super) fn told(&self) -> usize {
        self.told
    }

    /// Notes what is wrong on a line.
    pub(super) fn wrong(&mut self, line: u32, tag: &str, problem: Problem) {
        self.told += 1;
        if self.findings.len() < FINDINGS {
            let place = Place { part: self.part.clone(), paragraph: line, tag: shorten(tag) };
            self.findings.push(Finding { place, problem });
        }
    }

    /// Notes what is wrong at a tag.
    pub(super) fn wrong_at(&mut self, place: u32, problem: Problem) {
        self.told += 1;
        if self.findings.len() < FINDINGS {
            let place = self.places[place as usize].clone();
            self.findings.push(Finding { place, problem });
        }
    }

    /// Reads an expression of a tag; a wrong one is noted and gives nothing.
    pub(super) fn expr(&mut self, text: &str, offset: usize, scope: &Scope, place: u32) -> Option<Expr> {
        match parse(text, offset, scope) {
            Ok(expr) => Some(expr),
            Err(problem) => {
                self.wrong_at(place, problem);
                None
            }
        }
    }

    /// Puts marks in the places of the tags. In HTML and MJML (`is_markup`) what stands in a tag may be written with references.
    pub(super) fn mark(&mut self, source: &str, is_markup: bool, limits: &Limits) -> String {
        let mut out = String::with_capacity(source.len());
        let (mut rest, mut line, mut in_style) = (source, 1, false);
        let signs: &[char] = if is_markup { &['{', '<', '\n', BEGIN, END] } else { &['{', '\n', BEGIN, END] };
        while let Some(at) = rest.find(signs) {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let sign = rest.chars().next().unwrap_or('{');
            if sign == '<' {
                in_style = is_style(rest, in_style);
            }
            line += u32::from(sign == '\n');
            let end_mark = match rest.as_bytes().get(1) {
                Some(b'{') if sign == '{' => "}}",
                Some(b'%') if sign == '{' => "%}",
                // In a style `{#` begins a rule for an id.
                Some(b'#') if sign == '{' && !in_style => "#}",
                _ => {
                    if sign == BEGIN || sign == END {
                        let why = format!("the character U+{:04X} has no meaning in text", u32::from(sign));
                        self.wrong(line, "", Problem::Markup(why));
                    } else {
                        out.push(sign);
                    }
                    rest = &rest[sign.len_utf8()..];
                    continue;
                }
            };
            if self.places.len() >= limits.tags {
                self.wrong(line, "", Problem::Limit(format!("more than {} tags", limits.tags)));
                return out;
            }
            let near = &rest[2..floor(rest, LONGEST)];
            let Some(length) = near.find(end_mark) else {
                self.wrong(line, rest, Problem::Unfinished);
                return out;
            };
            let whole = &rest[..length + 4];
            self.tag(whole, end_mark, line, is_markup, &mut out);
            line += whole.matches('\n').count() as u32;
            rest = &rest[length + 4..];
        }
        out.push_str(rest);
        out
    }

    fn tag(&mut self, whole: &str, end_mark: &str, line: u32, is_markup: bool, out: &mut String) {
        let inner = &whole[2..whole.len() - 2];
        let read = if is_markup { decoded(inner) } else { inner.to_owned() };
        self.places.push(Place { part: self.part.clone(), paragraph: line, tag: shorten(whole) });
        let place = (self.places.len() - 1) as u32;
        match word(&read, end_mark) {
            Ok(Word::Comment) => {}
            Ok(Word::Next(_)) => {
                let why = "a message has one recipient: there is no next record".to_owned();
                self.wrong_at(place, Problem::WrongType(why));
            }
            Ok(word) => {
                out.push(BEGIN);
                out.push_str(&self.words.len().to_string());
                out.push(END);
                self.words.push((word, place));
            }
            Err(problem) => self.wrong_at(place, problem),
        }
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Whether a style goes on behind this `<`.
fn is_style(rest: &str, before: bool) -> bool {
    let begins = |name: &str| rest.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name));
    if before {
        !(begins("</style") || begins("</mj-style"))
    } else {
        begins("<style") || begins("<mj-style")
    }
}

/// A piece of a text with marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'s> {
    /// As it is.
    Text(&'s str),
    /// A tag, by its number.
    Tag(u32),
}

/// The pieces of a text with marks.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        if at > 0 {
            found.push(Piece::Text(&rest[..at]));
        }
        rest = &rest[at + BEGIN.len_utf8()..];
        let Some(end) = rest.find(END) else { break };
        found.extend(rest[..end].parse().ok().map(Piece::Tag));
        rest = &rest[end + END.len_utf8()..];
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

/// Whether a text has a mark in it.
pub(super) fn has_tag(text: &str) -> bool {
    text.contains(BEGIN)
}

/// A text with its references read: numbers, and the names that texts of messages have. Others stay as they are.
pub(super) fn decoded(text: &str) -> String {
    const NAMES: [(&str, char); 26] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", '\u{a0}'),
        ("copy", '©'),
        ("reg", '®'),
        ("trade", '™'),
        ("euro", '€'),
        ("pound", '£'),
        ("ndash", '–'),
        ("mdash", '—'),
        ("hellip", '…'),
        ("laquo", '«'),
        ("raquo", '»'),
        ("lsquo", '‘'),
        ("rsquo", '’'),
        ("ldquo", '“'),
        ("rdquo", '”'),
        ("bdquo", '„'),
        ("bull", '•'),
        ("middot", '·'),
        ("rarr", '→'),
        ("zwnj", '\u{200c}'),
        ("shy", '\u{ad}'),
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        let found = end.and_then(|end| {
            let name = &rest[1..end];
            let number = match name.strip_prefix('#') {
                Some(digits) => match digits.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => digits.parse().ok(),
                },
                None => NAMES.iter().find(|(known, _)| *known == name).map(|(_, c)| u32::from(*c)),
            };
            let known =
                number.and_then(char::from_u32).filter(|c| !c.is_control() && *c != BEGIN && *c != END);
            known.map(|c| (c, end))
        });
        match found {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}
