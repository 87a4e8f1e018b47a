//! All SQL of templating, one file for each thing that it keeps.
//! Called by rpc, the merges and the erasure.

pub mod content;
pub mod erasure;
pub mod file;
pub mod letter;
pub mod lock;
pub mod merge;
pub mod row;
pub mod template;
