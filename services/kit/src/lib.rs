//! How a Kontor service runs: database, links, units, outbox and bus, auth, pages, masks, errors.
//! Every service and the gateway stand on this crate; it knows none of them.

pub mod audit;
pub mod auth;
pub mod bus;
pub mod changes;
pub mod clock;
pub mod context;
pub mod currency;
pub mod db;
pub mod erase;
pub mod error;
pub mod filter;
pub mod id;
pub mod layer;
pub mod link;
pub mod mask;
pub mod meter;
pub mod near;
pub mod outbox;
pub mod page;
pub mod phone;
mod records;
pub mod replay;
pub mod resource;
pub mod routes;
pub mod secret;
pub mod slots;
pub mod tags;
pub mod trace;
pub mod unit;
pub mod window;

pub use error::{Error, Result};
