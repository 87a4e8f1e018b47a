//! The company calendar: calendars, events and tasks over the collection engine, and their recurrences.
//! Started by the composing binary through `start`.

pub mod domain;
mod rpc;
