//! Connectors: one folder for each kind of telephone system. They turn what it says into facts.
//! Started by the telephony service for each configured connector.

pub mod ami;
