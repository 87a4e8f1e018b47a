//! LibreOffice's documents: content, styles with headers, the manifest, and what a joined file needs.
//! `compile` is called by `Template::compile`.

mod compile;
mod condition;
mod fields;
mod join;
mod text;

pub(crate) use compile::compile;
pub(crate) use join::Joint;
