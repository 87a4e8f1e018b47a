//! All SQL of the directory.
//! Called by rpc, events and admin.

pub mod credential;
pub mod team;
pub mod timeline;
pub mod user;
