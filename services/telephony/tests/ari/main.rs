//! The ARI connector against calls of a real Asterisk that were recorded through AMI and ARI at once, and against an Asterisk played over TCP.
//! Run by `cargo nextest run -p kontor-telephony`.

mod agree;
mod corpus;
mod cut;
#[expect(dead_code, reason = "orders are tried in tests/it/ari.rs")]
mod server;
