//! Tests of the rule language, its evaluators and the memberships that stand on them.
//! Run by cargo.

mod agree;
mod corpus;
mod database;
mod dice;
mod examples;
mod language;
mod membership;
mod totals;
