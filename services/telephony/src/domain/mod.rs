//! Pure rules and types of telephony: numbers, facts about calls and their fold into one call, connectors.
//! Called by the connectors (which make facts), the intake, the store (which keeps state) and the RPCs.

pub mod address;
pub mod call;
pub mod call_back;
pub mod call_list;
pub mod cloud;
pub mod connector;
pub mod dial;
pub mod dialler;
pub mod do_not_call;
pub mod entry;
pub mod entry_import;
pub mod erasure;
pub mod fact;
pub mod figure;
pub mod fold;
pub mod hours;
pub mod leg;
pub mod list_entry;
pub mod list_outcome;
pub mod number;
pub mod operator;
pub mod pacing;
pub mod post;
pub mod record;
pub mod simulation;
pub mod skew;
pub mod summary;
mod talk;
pub mod told;
pub mod webhook;
pub mod zones;
