//! Word's documents: which parts are letters' text, and what each of their elements needs.
//! `compile` is called by `Template::compile`.

mod compile;
mod fields;
mod instruction;
mod lists;
mod pictures;
mod relations;
mod section;
mod word;

pub(crate) use compile::compile;
pub(crate) use lists::Lists;
pub(crate) use relations::{END as RELATIONS_END, decoded, push_relation};
