//! Pure rules and types of telephony: numbers, facts about calls and their fold into one call, connectors.
//! Called by the connectors (which make facts), the intake, the store (which keeps state) and the RPCs.

pub mod address;
pub mod call;
pub mod cloud;
pub mod connector;
pub mod entry;
pub mod erasure;
pub mod fact;
pub mod fold;
pub mod leg;
pub mod number;
pub mod post;
pub mod record;
pub mod skew;
pub mod summary;
mod talk;
pub mod told;
pub mod webhook;
