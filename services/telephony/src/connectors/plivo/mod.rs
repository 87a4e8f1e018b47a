//! Plivo: its callbacks of calls and of dialled legs, and their signature.
//! Called by rpc/ingest.rs.

mod signature;
mod translate;

pub use signature::verify;
pub use translate::items;
