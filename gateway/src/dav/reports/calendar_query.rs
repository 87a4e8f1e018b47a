//! CALDAV:calendar-query (RFC 4791 section 7.8): the service filters, this streams.
//! Called by REPORT on a calendar.

use axum::body::Body;
use http::Response;
use kontor_proto::collection::v1::{ComponentFilter, QueryObjectsRequest};

use super::Run;
use crate::dav::contract_path;
use crate::dav::error::Failure;

/// Answers with the objects that match, at most `limit` unless 0.
pub async fn run(
    mut run: Run<'_>,
    filter: ComponentFilter,
    time_zone: String,
    limit: i64,
) -> Result<Response<Body>, Failure> {
    run.time_zone.clone_from(&time_zone);
    let message = QueryObjectsRequest {
        path: Some(contract_path(run.location)),
        component_filter: Some(filter),
        time_zone,
        ..QueryObjectsRequest::default()
    };
    run.query(message, limit).await
}
