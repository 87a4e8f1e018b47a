//! The token in the `Authorization` header of 3CX's posts: its template can send a fixed header, but sign nothing.
//! Called by rpc/ingest.rs before anything else is done with the post.

use kontor_kit::Result;

use crate::connectors::web::fields::Fields;
use crate::connectors::web::{Post, same, unsigned, wrong_signature};

/// Checks the token and reads the fields: JSON, XML or a form, as the content type says.
///
/// # Errors
/// UNAUTHENTICATED when the token is missing or wrong; INVALID_ARGUMENT naming the body.
pub fn verify(token: &str, post: &Post<'_>) -> Result<Fields> {
    post.check_size()?;
    let given =
        post.header("authorization").ok_or_else(|| unsigned("the header authorization is missing"))?;
    let (scheme, given) = given.split_once(' ').unwrap_or(("", given));
    if !(scheme.is_empty() || scheme.eq_ignore_ascii_case("bearer")) {
        return Err(unsigned("authorization: it is not `Bearer TOKEN`"));
    }
    if !same(given.trim(), token) {
        return Err(wrong_signature("authorization: it is not the token of this connector"));
    }
    let kind = post.header("content-type").unwrap_or_default().to_ascii_lowercase();
    if kind.contains("xml") {
        Fields::xml(post.body)
    } else if kind.contains("form-urlencoded") {
        Fields::form(post.body)
    } else {
        Fields::json(post.body)
    }
}
