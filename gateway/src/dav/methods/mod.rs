//! One file per method, and the table that leads to them.
//! Called by `Dav::handle`.

mod accept;
pub mod attached;
mod attachment;
mod availability;
mod counter;
mod default_calendar;
mod delete;
mod get;
mod make_collection;
pub mod options;
mod order;
mod outbox;
mod post;
mod propfind;
mod proppatch;
pub mod push;
mod put;
mod report;
mod representation;
mod share;
mod transfer;

use axum::body::Body;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Response, StatusCode};

use super::Call;
use super::error::Failure;

/// Runs a method.
pub async fn dispatch(call: &Call<'_>, method: &Method, body: Body) -> Result<Response<Body>, Failure> {
    if matches!(method.as_str(), "DELETE" | "COPY" | "MOVE") && announces_body(call.headers) {
        // RFC 4918 section 8.4. On GET HTTP gives a body no meaning, and caches pass it over.
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this method takes no body"));
    }
    match method.as_str() {
        "PROPFIND" => propfind::run(call, body).await,
        "REPORT" => report::run(call, body).await,
        "GET" => get::run(call, false).await,
        "HEAD" => get::run(call, true).await,
        "PUT" => put::run(call, body).await,
        "POST" if outbox::takes(call.place) => outbox::run(call, body).await,
        "POST" if attachment::takes(call) => attachment::run(call, body).await,
        "POST" if order::takes(call) => order::run(call, body).await,
        "POST" => post::run(call, body).await,
        "DELETE" => delete::run(call).await,
        "COPY" => transfer::run(call, true).await,
        "MOVE" => transfer::run(call, false).await,
        "PROPPATCH" => proppatch::run(call, body).await,
        "MKCOL" => make_collection::run(call, body, false).await,
        "MKCALENDAR" => make_collection::run(call, body, true).await,
        _ => Err(Failure::method_not_allowed(options::allow(call.place))),
    }
}

fn announces_body(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > 0)
}
