//! XML as an office program wrote it: a compact tree over the source whose untouched nodes give back their very bytes.
//! Called by the compilers of DOCX and ODT.

mod escape;
mod tree;

pub use escape::{push_escaped, unescape};
pub(crate) use tree::attribute_span;
pub use tree::{Document, Element, Id, Node};
