//! `Prefer: return=representation` (RFC 7240 section 4.2, RFC 8144 section 3): the answer to a write carries what stands there now,
//! and so does the refusal of one whose condition failed. Called by PUT, POST, COPY and MOVE.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use kontor_proto::collection::v1::PutObjectResponse;

use crate::dav::Call;
use crate::dav::error::Failure;
use crate::dav::path::{Location, Place};
use crate::dav::properties::object;
use crate::dav::properties::record::load_object;

/// Whether a write was refused because of the object's version.
pub fn is_conflict(status: &tonic::Status) -> bool {
    kontor_kit::error::reason(status).is_some_and(|(reason, _)| reason == "ETAG_MISMATCH")
}

/// The answer to a write with the object as it stands: what was sent, unless the service says that it altered it.
pub async fn of_write(
    call: &Call<'_>,
    location: &Location,
    name: &str,
    sent: Bytes,
    answer: &PutObjectResponse,
    mut response: Response<Body>,
) -> Result<Response<Body>, Failure> {
    let data = if answer.etag.is_empty() {
        let object = load_object(call, location, name, true).await?;
        tag(response.headers_mut(), &object.etag);
        object.data
    } else {
        sent
    };
    if response.status() == StatusCode::NO_CONTENT {
        *response.status_mut() = StatusCode::OK;
    }
    fill(&mut response, location, name, data);
    Ok(response)
}

/// The answer to a COPY or MOVE with the object as it stands at the destination.
pub async fn of_transfer(
    call: &Call<'_>,
    to: &Location,
    name: &str,
    mut response: Response<Body>,
) -> Result<Response<Body>, Failure> {
    let object = load_object(call, to, name, true).await?;
    if response.status() == StatusCode::NO_CONTENT {
        *response.status_mut() = StatusCode::OK;
    }
    tag(response.headers_mut(), &object.etag);
    fill(&mut response, to, name, object.data);
    Ok(response)
}

/// The refusal of a write, with the object that is in its way; the refusal alone when there is none.
pub async fn of_conflict(
    call: &Call<'_>,
    location: &Location,
    name: &str,
    refusal: Failure,
) -> Result<Response<Body>, Failure> {
    let object = match load_object(call, location, name, true).await {
        Ok(object) => object,
        Err(_) => return Err(refusal),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = refusal.status();
    tag(response.headers_mut(), &object.etag);
    fill(&mut response, location, name, object.data);
    Ok(response)
}

fn fill(response: &mut Response<Body>, location: &Location, name: &str, data: Bytes) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(data.len()));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(object::content_type(location.kind)));
    headers.insert("preference-applied", HeaderValue::from_static("return=representation"));
    headers.insert(http::header::VARY, HeaderValue::from_static("Prefer"));
    let href = Place::Object(location.clone(), name.to_owned()).href();
    if let Ok(href) = HeaderValue::try_from(href) {
        headers.insert(CONTENT_LOCATION, href);
    }
    *response.body_mut() = Body::from(data);
}

fn tag(headers: &mut HeaderMap, etag: &str) {
    if let Ok(value) = HeaderValue::try_from(format!("\"{etag}\"")) {
        headers.insert(ETAG, value);
    }
}
