//! Who is in which segment, kept as facts and time change: definitions as a graph, a bitmap each, joined and left once.
//! Called by the service's events and RPCs; the clock is passed in.

pub mod chunk;
mod clock;
pub mod engine;
mod graph;
pub mod list;
pub mod sets;

use std::sync::Arc;

use roaring::RoaringBitmap;

pub use engine::{Engine, Explanation};
pub use list::ContactList;

use super::rule::Rule;

/// How a segment is made. Excluded partners are never members, included ones always; all others are when they are members of all parents and fit the
/// rule. Without parents and rule there are only the included ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definition {
    /// What a member must fit.
    pub rule: Option<Rule>,
    /// Segments in which a member must be: "segments/{segment}".
    pub parents: Vec<String>,
    /// Lists whose partners are members whatever the rule says: "lists/{list}".
    pub include: Vec<String>,
    /// Lists whose partners are no members.
    pub exclude: Vec<String>,
}

/// Why a segment or list can't be saved or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It would stand on itself: from it along what it needs, back to it.
    Cycle(Vec<String>),
    /// It names a segment or list that is not there.
    Unknown(String),
    /// Segments that need it.
    Needed(Vec<String>),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Cycle(path) => write!(f, "the segment would need itself: {}", path.join(" -> ")),
            Error::Unknown(name) => write!(f, "there is no {name}"),
            Error::Needed(by) => write!(f, "it is needed by {}", by.join(", ")),
        }
    }
}

impl std::error::Error for Error {}

/// One partner joined or left one segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flip {
    /// "segments/{segment}"
    pub segment: Arc<str>,
    /// The partner's number.
    pub partner: u32,
    /// False when it left.
    pub joined: bool,
}

/// Who joined and left one segment at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Flips {
    /// "segments/{segment}"
    pub segment: Arc<str>,
    /// Who joined.
    pub joined: RoaringBitmap,
    /// Who left.
    pub left: RoaringBitmap,
}
