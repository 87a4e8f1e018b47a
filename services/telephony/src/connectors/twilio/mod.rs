//! Twilio: its status callbacks, and their signature.
//! Called by rpc/ingest.rs.

mod signature;
mod translate;

pub use signature::verify;
pub use translate::items;
