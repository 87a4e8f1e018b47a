//! Telephony: calls from telephone systems, folded into one call each, and the call centre.
//! Composed by the `kontor` binary.

pub mod connectors;
pub mod domain;
