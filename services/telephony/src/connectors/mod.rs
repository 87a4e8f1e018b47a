//! Connectors: one folder for each kind of telephone system. They turn what it says into facts.
//! The keeper runs the sessions; the service starts it.

pub mod ami;
pub mod backoff;
mod dialler;
pub mod freeswitch;
pub(crate) mod keeper;
pub mod plivo;
pub mod session;
pub mod threecx;
pub mod twilio;
pub mod vonage;
pub mod web;
