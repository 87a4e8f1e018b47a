//! DELETE of an object or of a whole collection.
//! Called by the table of methods.

use axum::body::Body;
use http::{Response, StatusCode};
use kontor_proto::collection::v1::{DeleteCollectionRequest, DeleteObjectRequest};
use tonic::{Code, Status};

use crate::dav::error::Failure;
use crate::dav::methods::push;
use crate::dav::path::{self, Place};
use crate::dav::{Call, contract_path, empty, if_header};

/// Answers DELETE with 204.
pub async fn run(call: &Call<'_>) -> Result<Response<Body>, Failure> {
    match call.place {
        Place::Object(location, name) => {
            let message = DeleteObjectRequest {
                path: Some(contract_path(location)),
                name: name.clone(),
                silent: wants_no_reply(call.headers),
                silent_registrations: push::silent(call.headers),
                conditions: Some(if_header::conditions(call, None).await?),
            };
            let answer = call.dav.near(location.kind).delete_object(call.request(message)).await;
            answer.map_err(|status| refused(call, &status, &location.href()))?;
        }
        Place::Collection(location) => {
            if_header::check_collection(call).await?;
            let message = DeleteCollectionRequest { path: Some(contract_path(location)) };
            let answer = call.dav.collections(location.kind).delete_collection(call.request(message)).await;
            let home = path::home(location.kind, &location.home);
            answer.map_err(|status| refused(call, &status, &home))?;
        }
        _ => return Err(Failure::need_privilege(call.place.href(), "unbind")),
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Schedule-Reply: F (RFC 6638 section 8.1).
fn wants_no_reply(headers: &http::HeaderMap) -> bool {
    headers
        .get("schedule-reply")
        .is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"f"))
}

/// Deleting needs `unbind` on the parent (RFC 3744 section 3.10).
fn refused(call: &Call<'_>, status: &Status, parent: &str) -> Failure {
    match status.code() {
        Code::PermissionDenied => Failure::need_privilege(parent, "unbind").because(status),
        _ => call.failure(status),
    }
}
