//! The rules of the pipeline: pure, with clock and ids handed in.
//! Called by rpc, store and events.

pub mod assignment;
pub mod forecast;
pub mod lead;
pub mod money;
pub mod next_step;
pub mod opportunity;
pub mod pipeline;
pub mod plan;
pub mod score;
pub mod solver;
pub mod text;
