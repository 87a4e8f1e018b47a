//! The rules of the pipeline: pure, with clock and ids handed in.
//! Called by rpc, store and events.

pub mod assignment;
pub mod csv;
pub use kontor_kit::currency;
pub mod decimal;
pub mod duplicate;
pub mod exchange;
pub mod forecast;
pub mod import;
pub mod lead;
pub mod merge;
pub mod money;
pub mod next_step;
pub mod opportunity;
pub mod pipeline;
pub mod plan;
pub mod score;
pub mod solver;
pub mod summary;
pub mod text;
pub mod worth;
