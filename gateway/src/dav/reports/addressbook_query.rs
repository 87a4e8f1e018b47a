//! CARDDAV:addressbook-query (RFC 6352 section 8.6): the service filters, this streams.
//! Called by REPORT on an address book.

use axum::body::Body;
use http::Response;
use kontor_proto::collection::v1::{CardFilter, QueryObjectsRequest};

use super::Run;
use crate::dav::contract_path;
use crate::dav::error::Failure;

/// Answers with the cards that match, at most `limit` unless 0.
pub async fn run(run: Run<'_>, filter: CardFilter, limit: i64) -> Result<Response<Body>, Failure> {
    let message = QueryObjectsRequest {
        path: Some(contract_path(run.location)),
        card_filter: Some(filter),
        ..QueryObjectsRequest::default()
    };
    run.query(message, limit).await
}
