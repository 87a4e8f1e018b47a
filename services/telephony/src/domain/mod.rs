//! Pure rules and types of telephony: numbers, facts about calls and their fold into one call.
//! Called by the connectors (which make facts), the store (which keeps state) and the RPCs.

pub mod call;
pub mod fact;
pub mod fold;
pub mod leg;
pub mod number;
pub mod summary;
mod talk;
pub mod webhook;
