//! Tests of the whole crate from outside: random texts, the fuzz corpus, and a second reader.
//! Run by cargo, in CI too.

mod corpus;
mod invariants;
mod outside;
mod random;
mod second_reader;
