//! Vonage: its voice events, and the token that signs them.
//! Called by rpc/ingest.rs.

mod signature;
mod translate;

pub use signature::{WINDOW_SECONDS, verify};
pub use translate::items;
