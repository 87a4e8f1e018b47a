//! The rule language: text and tree, checked once, read by three evaluators that agree.
//! Called by the membership engine, the store and the RPCs.

pub mod error;
pub mod tree;

pub use error::{Error, Position};
pub use tree::{Comparison, Expr, Match, Node, Quantifier};
