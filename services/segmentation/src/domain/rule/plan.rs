//! A checked rule as the evaluators read it: names resolved, kinds known, literals in the form of the facts.
//! Made by the checker; called by the evaluators.

use std::collections::BTreeSet;

use regex::Regex;

use super::tree::{Comparison, Quantifier};
use crate::domain::facts::{List, Micros, Texts};

/// A statement about one partner, and inside of lists about the items that are bound.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Const(bool),
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    /// A flag is set.
    Flag(Place),
    /// A number or an instant is known, or a text is not empty.
    Has(Place),
    Number {
        left: Number,
        how: Comparison,
        right: Number,
    },
    NumberIn {
        item: Number,
        of: BTreeSet<i64>,
    },
    Text {
        of: Place,
        passes: Words,
    },
    /// A choice is in a list of texts.
    Member {
        choice: String,
        of: Bag,
    },
    Quantify {
        how: Quantifier,
        over: Over,
        test: Box<Test>,
    },
    /// Counted in `Checked::segments`.
    Segment(usize),
}

/// A plain value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A field of the partner, counted in `Partner::COLUMNS`.
    Partner(usize),
    /// A field of the record that is bound at a level.
    Record { level: usize, list: List, column: usize },
    /// The text that is bound at a level.
    Item { level: usize },
}

/// A number, an amount or an instant.
#[derive(Debug, Clone)]
pub(crate) enum Number {
    Const(i64),
    /// The instant of the evaluation and so many microseconds.
    Now(i64),
    /// A field and so many microseconds, which only instants have.
    Field(Place, i64),
    /// How many items of a list pass.
    Size(Box<Over>),
    /// Posted sales less refunds.
    Total {
        currency: String,
        window: Option<i64>,
    },
}

/// What a text must be.
#[derive(Debug, Clone)]
pub(crate) enum Words {
    Is(String),
    IsNot(String),
    OneOf(BTreeSet<String>),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Matches(Regex),
}

impl Words {
    pub fn pass(&self, text: &str) -> bool {
        match self {
            Words::Is(word) => text == word,
            Words::IsNot(word) => text != word,
            Words::OneOf(words) => words.contains(text),
            Words::StartsWith(word) => text.starts_with(word.as_str()),
            Words::EndsWith(word) => text.ends_with(word.as_str()),
            Words::Contains(word) => text.contains(word.as_str()),
            Words::Matches(pattern) => pattern.is_match(text),
        }
    }
}

/// A list of the partner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Bag {
    Texts(Texts),
    /// The choices made in the answer to a question.
    Answers(String),
    Records(List),
}

/// A list and what its items must pass to be counted. All tests see the item at `level`.
#[derive(Debug, Clone)]
pub(crate) struct Over {
    pub bag: Bag,
    pub level: usize,
    pub filters: Vec<Test>,
}

/// A field whose value makes a test change by time alone: at the value and `after` microseconds more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Tick {
    /// The list that the field is in; none for a field of the partner.
    pub list: Option<List>,
    pub column: usize,
    pub after: i64,
}

/// Whether two numbers compare so; an absent one only by `!=`.
pub(crate) fn compare(left: Option<i64>, how: Comparison, right: Option<i64>) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return how == Comparison::NotEqual;
    };
    match how {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
    }
}

/// What a test and a list name of the items bound around them, one bit a level.
pub(crate) fn levels(test: &Test) -> u32 {
    match test {
        Test::Const(_) | Test::Segment(_) | Test::Member { .. } => 0,
        Test::And(parts) | Test::Or(parts) => parts.iter().fold(0, |all, part| all | levels(part)),
        Test::Not(inner) => levels(inner),
        Test::Flag(place) | Test::Has(place) | Test::Text { of: place, .. } => place_level(*place),
        Test::Number { left, right, .. } => number_levels(left) | number_levels(right),
        Test::NumberIn { item, .. } => number_levels(item),
        Test::Quantify { over, test, .. } => over_levels(over) | (levels(test) & !(1 << over.level)),
    }
}

fn place_level(place: Place) -> u32 {
    match place {
        Place::Partner(_) => 0,
        Place::Record { level, .. } | Place::Item { level } => 1 << level,
    }
}

pub(crate) fn number_levels(number: &Number) -> u32 {
    match number {
        Number::Const(_) | Number::Now(_) | Number::Total { .. } => 0,
        Number::Field(place, _) => place_level(*place),
        Number::Size(over) => over_levels(over),
    }
}

fn over_levels(over: &Over) -> u32 {
    over.filters.iter().fold(0, |all, filter| all | levels(filter)) & !(1 << over.level)
}

/// An instant kept within what all evaluators can add to.
pub(crate) fn shifted(time: Micros, by: i64) -> Micros {
    time.saturating_add(by)
}
