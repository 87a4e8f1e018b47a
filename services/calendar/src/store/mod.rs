//! All SQL of the calendar: typed rows beside the engine's objects, users, partners of meetings, occurrences in a range.
//! Called by rpc, events, tasks and the hook.

pub mod attachments;
pub mod availability;
pub mod busy;
pub mod calendars;
pub mod call_backs;
pub mod erasure;
pub mod heard;
pub mod items;
pub mod next_steps;
pub mod occurrences;
pub mod overview;
pub mod pending;
pub mod people;
pub mod proposals;
pub mod subscriptions;
