//! The tree of a rule: what the text means, one node for each thing that can be written. The proto has the same nodes.
//! Called by the parser, the printer, the checker and the RPCs.

use crate::domain::facts::{Decimal, Micros};

/// A node and where it stands in the text. Two are equal when they mean the same, wherever they stand.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub node: Node,
    /// Its first byte in the text and the one after its last; 0 and 0 for a tree that came without a text.
    pub span: (u32, u32),
}

/// What can be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `true`, `false`
    Bool(bool),
    /// `3`, `-1`
    Int(i64),
    /// `1250.00`: at most four digits after the point. An `Int` fits everywhere a decimal does.
    Decimal(Decimal),
    /// `"BE"`
    Text(String),
    /// `duration("30d")`, in microseconds; never negative, at most 200 years.
    Duration(i64),
    /// `timestamp("2026-01-31T00:00:00Z")`, of the years 1 to 9999.
    Timestamp(Micros),
    /// `now`: the instant of the evaluation.
    Now,
    /// `["BE", "FR"]`, of literals of one kind
    List(Vec<Expr>),
    /// `country`: a field of the partner, or a variable of `exists`, `all` or `filter`.
    Name(String),
    /// `o.state`: a field of a variable's record; `rfm.recency`
    Select {
        /// The variable, or `rfm`.
        of: String,
        /// The field.
        field: String,
    },
    /// `answers["questions/q1"]`: the choices made, a list of texts
    Answers(String),
    /// `a && b && c`; at least two
    And(Vec<Expr>),
    /// `a || b`; at least two
    Or(Vec<Expr>),
    /// `!a`
    Not(Box<Expr>),
    /// `a < b`
    Compare {
        /// How.
        how: Comparison,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// `"vip" in tags`, `country in ["BE", "FR"]`
    In {
        /// What is looked for.
        item: Box<Expr>,
        /// Where.
        of: Box<Expr>,
    },
    /// `city.startsWith("Br")`
    Match {
        /// The text that is looked at.
        text: Box<Expr>,
        /// How.
        how: Match,
        /// What it is compared with; a regular expression for `matches`.
        with: String,
    },
    /// `has(close_time)`: whether it is known
    Has(Box<Expr>),
    /// `calls.exists(c, c.result == "MISSED")`
    Quantify {
        /// How many must pass.
        how: Quantifier,
        /// A list.
        over: Box<Expr>,
        /// Name of one item in the test.
        variable: String,
        /// What it must pass.
        test: Box<Expr>,
    },
    /// `calls.filter(c, c.result == "MISSED")`: those that pass, a list
    Filter {
        /// A list.
        over: Box<Expr>,
        /// Name of one item in the test.
        variable: String,
        /// What it must pass.
        test: Box<Expr>,
    },
    /// `size(calls)`
    Size(Box<Expr>),
    /// `now - duration("30d")`, `o.close_time + duration("1d")`
    Shift {
        /// An instant.
        time: Box<Expr>,
        /// True for a minus.
        back: bool,
        /// By how many microseconds; printed as a duration.
        by: i64,
    },
    /// `in_segment("segments/x")`: whether the partner is a member there
    InSegment(String),
    /// `purchases.total("EUR", duration("180d"))`: posted sales less refunds in one currency, of the time up to now.
    Total {
        /// ISO 4217 code.
        currency: String,
        /// Only those after `now` less so many microseconds; all up to now when none.
        window: Option<i64>,
    },
}

/// `==` and the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The same comparison with its sides changed: `<` for `>`.
    pub fn turned(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            Comparison::Equal | Comparison::NotEqual => self,
        }
    }
}

/// How a text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// `startsWith`
    StartsWith,
    /// `endsWith`
    EndsWith,
    /// `contains`
    Contains,
    /// `matches`: a regular expression of the `regex` crate, found anywhere in the text
    Matches,
}

/// How many of a list must pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// `exists`: at least one
    Exists,
    /// `all`: each; true of an empty list
    All,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.node == other.node
    }
}

impl From<Node> for Expr {
    fn from(node: Node) -> Expr {
        Expr { node, span: (0, 0) }
    }
}
