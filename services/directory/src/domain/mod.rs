//! The rules of the directory: pure, with clock and ids handed in.
//! Called by rpc, store and events.

pub mod consent;
pub mod contact;
pub mod credential;
pub mod erasure;
pub mod history;
pub mod limit;
pub mod merge;
pub mod partner;
pub mod sign_in_cache;
pub mod team;
pub mod user;
