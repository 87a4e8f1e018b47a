//! Letters from a compiled template: one a file, or many in one file.
//! Called by the service's merge jobs and previews.

mod join;
mod render;

pub use super::program::Letter;
pub use join::{JoinError, Joiner};
pub use render::{Rendered, Renderer};
