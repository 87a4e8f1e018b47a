//! The rules of calendars: pure, with clock and ids passed in.
//! Called by rpc, events, tasks and the hook of the collection engine.

pub mod attachment;
pub mod availability;
pub mod busy;
pub mod call_back;
pub mod change;
pub mod color;
pub mod deadline;
pub mod erasure;
pub mod event;
pub mod feed;
pub mod index;
pub mod meeting;
pub mod next_step;
pub mod overview;
pub mod scheduling;
mod series;
pub mod split;
pub mod task;
pub mod text;
pub mod time;
