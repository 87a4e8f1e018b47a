//! Connectors: one folder for each kind of telephone system. They turn what it says into facts.
//! The keeper runs the sessions; the service starts it.

pub mod ami;
pub mod ari;
pub mod backoff;
mod dialler;
pub mod failure;
pub mod freeswitch;
pub(crate) mod keeper;
pub mod plivo;
pub mod run;
pub mod session;
pub mod stream;
pub mod threecx;
pub mod twilio;
pub mod vonage;
pub mod web;
