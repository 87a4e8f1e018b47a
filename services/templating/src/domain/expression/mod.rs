//! One core of expressions for all spellings of fields: a small language of paths, operators and filters that cannot run code.
//! Parsed when a template is compiled, run by the machine for each letter. Grammar and caps: docs/adr/0024-letters.md.

mod arithmetic;
mod check;
mod eval;
mod filter;
mod lexer;
mod merge;
mod parse;
mod show;

pub use check::Kinds;
pub use eval::{Context, Slot, Val};
pub use filter::{Case, Filter};
pub use merge::MergeName;
pub use parse::{Scope, parse, parse_for};
pub use show::show;

use super::value::Value;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A value as it is.
    Literal(Value),
    /// A path such as `partner.name`.
    Path(Path),
    /// A name of Word's or LibreOffice's own mail merge, which may be written in other ways than the path.
    Merge(MergeName),
    /// An element of a list by number, or a field by a computed name.
    Index(Box<Expr>, Box<Expr>),
    /// A field of a computed record.
    Member(Box<Expr>, Box<str>),
    /// `not a`
    Not(Box<Expr>),
    /// `-a`
    Negate(Box<Expr>),
    /// `a + b`
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `a if b else c`, in the order b, a, c.
    Choose(Box<[Expr; 3]>),
    /// `a | filter(b)`
    Filter(Box<Expr>, Filter, Vec<Expr>),
    /// Texts one after the other.
    Concat(Vec<Expr>),
    /// `salutation(person)`
    Salutation(Box<Expr>),
    /// `today()`
    Today,
    /// `now()`
    Now,
    /// Word's comparison: numbers as numbers, texts with `*` and `?`.
    WordCompare(Operator, Box<Expr>, Box<Expr>),
    /// The number of the letter, from 1.
    RecordNumber,
}

/// A path from a root.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Where it begins.
    pub root: Root,
    /// The names behind the root.
    pub steps: Vec<Box<str>>,
    /// As it is written.
    pub text: Box<str>,
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The letter's data.
    Record,
    /// The variable of a loop.
    Local(usize),
    /// `loop`: what a loop says of itself.
    Loop(usize),
}

/// The operators with two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Add,
    Subtract,
    Join,
    Multiply,
    Divide,
    Remainder,
}
