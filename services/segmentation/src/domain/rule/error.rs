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
