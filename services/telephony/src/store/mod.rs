//! All SQL of telephony.
//! Called by rpc/, the intake and the tasks.

pub mod call;
pub mod call_list;
pub mod connector;
pub mod dial;
pub mod dial_step;
pub mod dialler;
pub mod do_not_call;
pub mod entry_import;
pub mod erasure;
pub mod figure;
pub mod lease;
pub mod lease_together;
pub mod list_entry;
pub mod operator;
pub mod pacing;
pub mod partner_moves;
pub mod pop;
pub mod refusal;
pub mod state;
