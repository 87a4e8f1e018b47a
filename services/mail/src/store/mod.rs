//! All SQL of mail, one file for each thing that it keeps.
//! Called by rpc, the sender, the events and the erasure.

pub mod count;
pub mod domain_limit;
pub mod erasure;
pub mod key;
pub mod lane;
pub mod lease;
pub mod mailing;
pub mod mark;
pub mod outgoing;
pub mod pace;
pub mod partner_moves;
pub mod suppression;
pub mod withdrawal;
pub mod worker;
