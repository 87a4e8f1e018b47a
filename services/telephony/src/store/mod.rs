//! All SQL of telephony.
//! Called by rpc/, the intake and the tasks.

pub mod call;
pub mod connector;
pub mod erasure;
pub mod partner_moves;
pub mod pop;
pub mod refusal;
pub mod state;
