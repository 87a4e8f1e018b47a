//! Tests of the DAV layer that need no service: XML, paths, headers, properties, and the answers given before any call.
//! Run by `cargo test -p kontor-gateway`.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod bodies;
mod conditions;
mod corpus;
mod filters;
mod hostile;
mod http_answers;
mod listings;
mod paths;
mod push;
mod settings;

use kontor_gateway::dav::xml::Writer;

/// What a writer holds, as text.
fn text(out: &Writer) -> String {
    String::from_utf8(out.as_bytes().to_vec()).unwrap()
}
