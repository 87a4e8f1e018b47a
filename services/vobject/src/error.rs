//! The one error of this crate: what is wrong and on which line.
//! Returned by every reader here; the gateway turns it into the right DAV precondition.

use std::fmt;

/// The result of everything that can fail in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong with a calendar or card text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The physical line, counted from 1; 0 when the value was read without its document.
    pub line: usize,
    /// What is wrong.
    pub kind: Kind,
}

/// What can be wrong with a calendar or card text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are named by the doc of their variant")]
pub enum Kind {
    /// More bytes than the limit.
    TooLarge { bytes: usize, limit: usize },
    /// More of a thing (lines, components, parameters, ...) than the limit.
    TooMany { what: &'static str, limit: usize },
    /// Components nested deeper than the limit.
    TooDeep { limit: usize },
    /// A control byte other than tab and line ends.
    ControlByte(u8),
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A line that begins with white space but continues nothing.
    ContinuesNothing,
    /// A line without the colon that ends its name and parameters.
    NoColon(String),
    /// A property or parameter name that is empty or has a character that no name may have.
    BadName(String),
    /// A quoted parameter value that is not closed; holds the property's name.
    UnterminatedQuote(String),
    /// A property that stands outside of every component.
    OutsideComponent(String),
    /// END without the BEGIN it needs; `open` is empty when nothing is open.
    UnexpectedEnd { found: String, open: String },
    /// A component without END.
    NotClosed(String),
    /// No component at all.
    NoComponent,
    /// A value that is not of its type: `what` is the type, `value` the text.
    BadValue { what: &'static str, value: String },
    /// A thing that must be there and is not.
    Missing(&'static str),
    /// Work, such as the expansion of a recurrence, that costs more than its budget.
    OverBudget(&'static str),
}

impl Error {
    /// An error on a physical line, counted from 1.
    pub fn at(line: usize, kind: Kind) -> Error {
        Error { line, kind }
    }

    /// An error in a value that is read without its document.
    pub fn new(kind: Kind) -> Error {
        Error { line: 0, kind }
    }

    /// A value that is not of its type; `what` names the type as in "date".
    pub fn value(what: &'static str, value: &str) -> Error {
        Error::new(Kind::BadValue { what, value: clip(value) })
    }

    /// The same error with its line, if it has none yet.
    #[must_use]
    pub fn on(mut self, line: usize) -> Error {
        if self.line == 0 {
            self.line = line;
        }
        self
    }
}

/// Cuts a text for an error message, so that a huge value does not become a huge message.
pub(crate) fn clip(text: &str) -> String {
    const CHARACTERS: usize = 60;
    match text.char_indices().nth(CHARACTERS) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::TooLarge { bytes, limit } => {
                write!(f, "text of {bytes} bytes is over the limit of {limit}")
            }
            Kind::TooMany { what, limit } => write!(f, "more than {limit} {what}"),
            Kind::TooDeep { limit } => write!(f, "components nested deeper than {limit}"),
            Kind::ControlByte(byte) => write!(f, "control byte 0x{byte:02x}"),
            Kind::NotUtf8 => write!(f, "bytes are not utf-8"),
            Kind::ContinuesNothing => write!(f, "continuation line without a line before it"),
            Kind::NoColon(text) => write!(f, "no colon in {text:?}"),
            Kind::BadName(name) => write!(f, "bad name {name:?}"),
            Kind::UnterminatedQuote(name) => write!(f, "quote of a parameter of {name} is not closed"),
            Kind::OutsideComponent(name) => write!(f, "property {name} stands outside of a component"),
            Kind::UnexpectedEnd { found, open } if open.is_empty() => write!(f, "END:{found} without BEGIN"),
            Kind::UnexpectedEnd { found, open } => write!(f, "END:{found} while {open} is open"),
            Kind::NotClosed(name) => write!(f, "component {name} is not closed"),
            Kind::NoComponent => write!(f, "no component"),
            Kind::BadValue { what, value } => write!(f, "{value:?} is not a {what}"),
            Kind::Missing(what) => write!(f, "{what} is missing"),
            Kind::OverBudget(what) => write!(f, "{what} costs more than its budget"),
        }
    }
}

impl std::error::Error for Error {}
