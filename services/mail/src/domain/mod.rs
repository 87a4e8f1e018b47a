//! The rules of mass mail: pure, without a database, a network or a clock of its own.
//! Called by rpc, the store and the sender.

pub mod address;
pub mod basis;
pub mod header;
pub mod hours;
pub mod keys;
pub mod mailing;
pub mod pace;
pub mod recipient;
pub mod relay;
pub mod reply;
pub mod suppression;

pub use address::{Address, Mailbox};
