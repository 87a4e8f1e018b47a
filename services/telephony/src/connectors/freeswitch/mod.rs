//! FreeSWITCH: its event socket (mod_event_socket), bytes to frames to events to facts, and posts of mod_json_cdr.
//! The service starts one [`session::Session`] for each configured FreeSWITCH; posts come through rpc/ingest.rs.

pub mod cdr;
mod command;
pub mod config;
pub mod event;
mod line;
mod link;
pub mod listing;
pub mod replay;
pub mod session;
mod tracker;
pub mod translate;
pub mod wire;
