//! The rules of the pipeline: pure, with clock and ids handed in.
//! Called by rpc, store and events.

pub mod assignment;
pub mod lead;
pub mod money;
pub mod opportunity;
pub mod pipeline;
pub mod solver;
pub mod text;
