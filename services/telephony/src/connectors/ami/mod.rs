//! Asterisk Manager Interface (AMI), tried with Asterisk 16 and 22: bytes to messages to facts.
//! The service starts one [`session::Session`] for each configured Asterisk.

pub mod action;
pub mod config;
mod line;
mod link;
pub mod message;
pub mod replay;
pub mod session;
mod tracker;
pub mod translate;
pub mod wire;
