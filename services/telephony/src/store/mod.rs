//! All SQL of telephony.
//! Called by rpc/, the intake and the tasks.

pub mod call;
pub mod call_list;
pub mod connector;
pub mod do_not_call;
pub mod entry_import;
pub mod erasure;
pub mod lease;
pub mod list_entry;
pub mod partner_moves;
pub mod pop;
pub mod state;
