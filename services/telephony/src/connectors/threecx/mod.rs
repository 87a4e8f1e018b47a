//! 3CX: the reports that its CRM template sends, one for each call at its end.
//! Called by rpc/ingest.rs.

mod token;
mod translate;

pub use token::verify;
pub use translate::items;
