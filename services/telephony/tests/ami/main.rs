//! The AMI connector against recordings of real Asterisks: exact calls, any order, doubled, cut in the middle.
//! Run by `cargo nextest run -p kontor-telephony`.

mod corpus;
mod cut;
mod expected;
mod gap;
mod order;
mod properties;
mod recordings;
mod server;
mod webhook;
