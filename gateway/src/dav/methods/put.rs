//! PUT: creates or replaces an object. All conditions are checked by the service in the transaction that writes.
//! Called by the table of methods; POST uses its checks.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use kontor_proto::collection::v1::{PutObjectRequest, PutObjectResponse};
use tonic::Code;

use crate::dav::error::{Condition, Failure};
use crate::dav::headers;
use crate::dav::methods::{options, push, representation};
use crate::dav::path::{Kind, Place};
use crate::dav::{Call, body, contract_path, empty, if_header, limits};

/// Answers PUT: 201 for a new object, 204 for a changed one.
pub async fn run(call: &Call<'_>, body: Body) -> Result<Response<Body>, Failure> {
    let Place::Object(location, name) = call.place else {
        return Err(Failure::method_not_allowed(options::allow(call.place)));
    };
    if call.headers.contains_key(CONTENT_RANGE) {
        return Err(Failure::bad_request("PUT takes whole objects, not ranges"));
    }
    check_media_type(call.headers, location.kind)?;
    let conditions = if_header::conditions(call, None).await?;
    let too_large = || Failure::too_large(location.kind);
    let data = body::read(call.headers, body, limits::OBJECT_BYTES, too_large).await?;
    let wanted = headers::preferences(call.headers).representation;
    let sent = if wanted { data.clone() } else { Bytes::new() };
    let message = PutObjectRequest {
        path: Some(contract_path(location)),
        name: name.clone(),
        data,
        conditions: Some(conditions),
        silent_registrations: push::silent(call.headers),
    };
    let answer = call.dav.near(location.kind).put_object(call.request(message)).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(status) if wanted && representation::is_conflict(&status) => {
            return representation::of_conflict(call, location, name, refused(call, &status)).await;
        }
        Err(status) => return Err(refused(call, &status)),
    };
    let mut response = empty(if answer.created { StatusCode::CREATED } else { StatusCode::NO_CONTENT });
    if answer.created {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    tags(response.headers_mut(), &answer);
    if wanted {
        return representation::of_write(call, location, name, sent, &answer, response).await;
    }
    Ok(response)
}

/// The versions that stand there now. Without an ETag the client reads the object again, which it must when the bytes
/// were altered.
pub fn tags(headers: &mut HeaderMap, answer: &PutObjectResponse) {
    tag(headers, ETAG.as_str(), &answer.etag);
    tag(headers, "schedule-tag", &answer.schedule_tag);
}

/// What a service's refusal means for a write.
pub fn refused(call: &Call<'_>, status: &tonic::Status) -> Failure {
    let failure = call.failure(status);
    match status.code() {
        // There is no collection to put it into (RFC 4918 section 9.7.1).
        Code::NotFound => failure.with_status(StatusCode::CONFLICT),
        Code::PermissionDenied => Failure::need_privilege(call.place.href(), "write-content").because(status),
        _ => failure,
    }
}

/// What is surely something else is refused; what is missing, plain or unknown is left to the parser.
pub fn check_media_type(headers: &HeaderMap, kind: Kind) -> Result<(), Failure> {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return Ok(()) };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = match essence.as_str() {
        "" | "text/plain" | "application/octet-stream" | "application/x-www-form-urlencoded" => true,
        "text/calendar" | "text/x-vcalendar" | "application/ics" => kind == Kind::Calendar,
        "text/vcard" | "text/x-vcard" | "text/directory" => kind == Kind::Book,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(Failure::condition(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Condition::SupportedData(kind),
        format!("media type {essence} is not taken here"),
    ))
}

pub fn tag(headers: &mut HeaderMap, name: &'static str, tag: &str) {
    if !tag.is_empty()
        && let Ok(value) = HeaderValue::try_from(format!("\"{tag}\""))
    {
        headers.insert(name, value);
    }
}
