//! All SQL of telephony.
//! Called by rpc/, the intake and the tasks.

pub mod call;
pub mod connector;
pub mod erasure;
pub mod figure;
pub mod operator;
pub mod pacing;
pub mod partner_moves;
pub mod pop;
pub mod state;
