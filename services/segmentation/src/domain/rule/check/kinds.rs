//! What the parts of a rule are, in the checker's eyes and in words.
//! Called by the checker.

use super::super::plan::{Bag, Number, Over, Place};
use crate::domain::facts::{Kind, List, Texts};

/// What an expression is, besides a test.
pub(super) enum Typed {
    /// Of a kind, at a place.
    Plain(Kind, Place, &'static [&'static str]),
    Number(Kind, Number),
    Text(String),
    Bool(bool),
    Duration,
    List(Over),
    Items,
    Record(List),
    Test,
}

impl Typed {
    /// What it is, with an article.
    pub fn name(&self) -> String {
        match self {
            Typed::Plain(kind, ..) | Typed::Number(kind, _) => article(*kind).to_owned(),
            Typed::Text(_) => article(Kind::Text).to_owned(),
            Typed::Bool(_) | Typed::Test => article(Kind::Bool).to_owned(),
            Typed::Duration => "a duration".to_owned(),
            Typed::List(over) => match &over.bag {
                Bag::Records(list) => format!("a list of {}", list.name()),
                Bag::Texts(_) | Bag::Answers(_) => "a list of strings".to_owned(),
            },
            Typed::Items => "a list".to_owned(),
            Typed::Record(list) => format!("a record of {}", list.name()),
        }
    }
}

/// The number in it, when it is one.
pub(super) fn number(typed: Typed) -> Option<(Kind, Number)> {
    match typed {
        Typed::Number(kind, number) => Some((kind, number)),
        Typed::Plain(kind @ (Kind::Int | Kind::Decimal | Kind::Time), place, _) => {
            Some((kind, Number::Field(place, 0)))
        }
        _ => None,
    }
}

/// A list in words.
pub(super) fn bag_name(bag: &Bag) -> String {
    match bag {
        Bag::Texts(texts) => Texts::name(*texts).to_owned(),
        Bag::Answers(question) => format!("answers[{question:?}]"),
        Bag::Records(list) => list.name().to_owned(),
    }
}

/// What a value of a kind looks like.
pub(super) fn suggest(name: &str) -> Vec<&'static str> {
    match name {
        "an int" => vec!["3"],
        "a decimal" => vec!["1250.00"],
        "a timestamp" => vec!["now - duration(\"30d\")", "timestamp(\"2026-01-31T00:00:00Z\")"],
        "a string" => vec!["\"...\""],
        "a bool" => vec!["true", "false"],
        _ => Vec::new(),
    }
}

/// How something that is no bool becomes one.
pub(super) fn suggest_test(typed: &Typed) -> Vec<&'static str> {
    match typed {
        Typed::Plain(Kind::Text, ..) => vec!["== \"...\"", "in [\"...\"]"],
        Typed::Plain(..) | Typed::Number(..) => vec!["== ...", "< ...", "> ..."],
        Typed::List(_) => vec!["size(...) > 0", ".exists(x, ...)"],
        _ => Vec::new(),
    }
}

/// A kind with its article.
pub(super) fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "a bool",
        Kind::Int => "an int",
        Kind::Decimal => "a decimal",
        Kind::Time => "a timestamp",
        Kind::Text => "a string",
    }
}
