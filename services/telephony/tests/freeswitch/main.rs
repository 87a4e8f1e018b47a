//! The FreeSWITCH connector against event sockets written by hand after its documents: exact calls, doubled, cut in the middle, and garbage.
//! Run by `cargo nextest run -p kontor-telephony`. There is no recording of a real one among these texts.

mod corpus;
mod cut;
mod records;
mod scenes;
mod server;
