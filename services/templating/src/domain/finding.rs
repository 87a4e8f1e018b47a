//! What is wrong with a template or with a letter, and where: part, paragraph and the tag's text (row L3).
//! Made everywhere in this crate; the service shows them to the template's author.

use std::fmt;
use std::sync::Arc;

/// Where something stands in a template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file inside of the package, such as `word/document.xml`. Empty: the package as a whole.
    pub part: Arc<str>,
    /// The paragraph's number in its part, counted from 1, those in tables and text boxes too. 0: not in a paragraph.
    pub paragraph: u32,
    /// The tag as it is written, shortened. Empty: no tag.
    pub tag: Arc<str>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub problem: Problem,
}

/// The kinds of wrong things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// No field has this name.
    UnknownField {
        /// The name as it is written.
        name: String,
        /// The nearest name that exists.
        nearest: Option<String>,
    },
    /// A `for` or `if` without its end.
    Unclosed,
    /// An `endfor`, `endif`, `else` or `elif` without its beginning.
    Unopened,
    /// A tag that begins with `{{` or `{%` and does not end in its paragraph.
    Unfinished,
    /// A block that begins in one cell, list, text box or paragraph and ends in another where that cannot be.
    CrossesBorder(String),
    /// A tag that is no expression. `at` is the position in the tag's text, in characters from 0.
    Syntax {
        /// Position in characters.
        at: usize,
        /// What was expected.
        why: String,
    },
    /// A value that does not fit what is done with it.
    WrongType(String),
    /// HTML or MJML that mail programs drop, move or don't understand.
    Markup(String),
    /// The file is no DOCX or ODT, or a broken one.
    Package(String),
    /// Something that a template may not hold: macros, a DOCTYPE, encryption.
    Refused(String),
    /// A cap was reached.
    Limit(String),
}

impl Finding {
    /// A finding about the package as a whole or about one of its files.
    pub fn in_part(part: &str, problem: Problem) -> Self {
        Self { place: Place { part: part.into(), ..Place::default() }, problem }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        if !self.part.is_empty() {
            write!(out, "{}", self.part)?;
            comma = ", ";
        }
        if self.paragraph > 0 {
            write!(out, "{comma}paragraph {}", self.paragraph)?;
            comma = ", ";
        }
        if !self.tag.is_empty() {
            write!(out, "{comma}{}", self.tag)?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        if !place.is_empty() {
            write!(out, "{place}: ")?;
        }
        write!(out, "{}", self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField { name, nearest: Some(nearest) } => {
                write!(out, "there is no field {name}; the nearest is {nearest}")
            }
            Self::UnknownField { name, nearest: None } => write!(out, "there is no field {name}"),
            Self::Unclosed => write!(out, "the block is not closed"),
            Self::Unopened => write!(out, "no block is open here that this tag belongs to"),
            Self::Unfinished => write!(out, "the tag does not end in its paragraph"),
            Self::CrossesBorder(why)
            | Self::WrongType(why)
            | Self::Markup(why)
            | Self::Package(why)
            | Self::Refused(why) => write!(out, "{why}"),
            Self::Syntax { at, why } => write!(out, "at character {at}: {why}"),
            Self::Limit(what) => write!(out, "too large: {what}"),
        }
    }
}

impl std::error::Error for Finding {}

/// Shortens a tag for a place: a tag may hold a whole chapter by mistake.
pub(crate) fn shorten(tag: &str) -> Arc<str> {
    match tag.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &tag[..end]).into(),
        None => tag.into(),
    }
}

/// The candidate nearest to a name, when it is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let most = (wanted.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(away, _)| *away <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or changed.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(200).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(200).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let cost = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
