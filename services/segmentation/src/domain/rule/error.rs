//! What is wrong with a rule, and where.
//! Called by the parser and the checker; the RPCs turn it into INVALID_ARGUMENT.

use std::fmt;

/// A place in the text of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Character in the line, from 1.
    pub column: u32,
    /// Byte in the text, from 0.
    pub offset: u32,
}

/// A rule that can't be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Where.
    pub at: Position,
    /// How many bytes of the text are meant; 0 at the end.
    pub length: u32,
    /// What is wrong: "no field `contry`".
    pub what: String,
    /// What would fit there, nearest first: "country"; at most five.
    pub fits: Vec<String>,
}

/// An error at a place of a text, given by its first byte and the one after its last.
pub(super) fn error(text: &str, span: (u32, u32), what: impl Into<String>) -> Error {
    let before = text.get(..span.0 as usize).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
    let at = Position { line, column, offset: span.0 };
    Error { at, length: span.1.saturating_sub(span.0), what: what.into(), fits: Vec::new() }
}

impl Error {
    /// With what would fit.
    pub(super) fn fits(mut self, fits: impl IntoIterator<Item = impl Into<String>>) -> Error {
        self.fits = fits.into_iter().map(Into::into).take(5).collect();
        self
    }
}

/// The names nearest to a misspelt one, nearest first; none that has little in common with it.
pub(super) fn nearest(wrong: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let wrong: Vec<char> = wrong.to_lowercase().chars().take(40).collect();
    let mut found: Vec<(usize, String)> = names
        .into_iter()
        .map(|name| (distance(&wrong, &name.to_lowercase().chars().collect::<Vec<_>>()), name))
        .filter(|(distance, name)| *distance <= (name.len().max(wrong.len()) / 3).max(wrong.len().min(4) / 2))
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().take(5).map(|(_, name)| name).collect()
}

/// Levenshtein's distance.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row[right.len()]
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.at.line, self.at.column, self.what)?;
        if !self.fits.is_empty() {
            write!(f, "; fits: {}", self.fits.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
