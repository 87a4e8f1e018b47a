//! Connectors: one folder for each kind of telephone system. They turn what it says into facts.
//! The keeper runs the sessions; the service starts it.

pub mod ami;
pub(crate) mod keeper;
pub mod plivo;
pub mod threecx;
pub mod twilio;
pub mod vonage;
pub mod web;
