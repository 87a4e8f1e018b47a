//! All SQL of telephony.
//! Called by rpc/, the intake and the tasks.

pub mod call;
pub mod call_list;
pub mod connector;
<<<<<<< HEAD
pub mod dial;
=======
pub mod do_not_call;
pub mod entry_import;
>>>>>>> lists
pub mod erasure;
pub mod lease;
pub mod list_entry;
pub mod partner_moves;
pub mod pop;
pub mod state;
