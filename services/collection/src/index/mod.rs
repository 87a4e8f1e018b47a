//! What the engine notes of an object beside its bytes, so that queries need not read them: times and lookup values.
//! Made by the services' hooks in `prepare`; written by `store::occurrence`, read by `store::query`.

mod calendar;
mod card;
mod span;

pub use calendar::calendar_error;
pub(crate) use calendar::wall;
pub use card::card_error;
pub(crate) use card::{fold, indexed};
pub(crate) use span::REACH;
pub use span::Span;

/// The rows that the engine keeps of one object. Instants are microseconds UTC; floating times stand as if their wall were UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Nothing begins before it.
    pub first: i64,
    /// Nothing ends after it; `i64::MAX` when it never ends.
    pub last: i64,
    /// Whether some of its times are floating or days.
    pub floating: bool,
    /// Whether the rows don't tell all: occurrences outside of the range below, or lookup values that were left out.
    pub partial: bool,
    /// From here on all occurrences are among the spans ...
    pub expanded_from: i64,
    /// ... up to here.
    pub expanded_to: i64,
    /// Occurrences.
    pub spans: Vec<Span>,
    /// Values that filters look for.
    pub lookups: Vec<Lookup>,
}

/// A folded value of a card's property.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lookup {
    /// 1 EMAIL, 2 TEL, 3 FN, 4 N, 5 NICKNAME, 6 ORG.
    pub kind: i64,
    /// Folded text.
    pub value: String,
}

impl Index {
    /// An index of something without times.
    fn timeless() -> Index {
        Index {
            first: 0,
            last: 0,
            floating: false,
            partial: false,
            expanded_from: i64::MIN,
            expanded_to: i64::MAX,
            spans: Vec::new(),
            lookups: Vec::new(),
        }
    }
}
