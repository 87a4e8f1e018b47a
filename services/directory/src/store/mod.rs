//! All SQL of the directory.
//! Called by rpc, events and admin.

pub mod card;
pub mod consent;
pub mod contact;
pub mod credential;
pub mod erasure;
pub mod erasure_steps;
pub mod merge;
pub mod partner;
pub mod team;
pub mod timeline;
pub mod user;
