//! Asterisk REST Interface (ARI): events over a WebSocket, questions and orders over REST, tried with Asterisk 16.
//! The keeper starts one [`session::Session`] for each configured one. What its events mean is told in the words of AMI: both
//! interfaces tell the same messages of the same bus, and the translation of those is the one that the recordings prove.

pub mod config;
pub mod event;
mod line;
mod link;
pub mod replay;
mod rest;
pub mod session;
pub mod translate;
