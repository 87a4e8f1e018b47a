//! One file per method, and the table that leads to them.
//! Called by `Dav::handle`.

mod accept;
mod availability;
mod counter;
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
use http::{Method, Response};

use super::Call;
use super::error::Failure;

/// Runs a method.
pub async fn dispatch(call: &Call<'_>, method: &Method, body: Body) -> Result<Response<Body>, Failure> {
    match method.as_str() {
        "PROPFIND" => propfind::run(call, body).await,
        "REPORT" => report::run(call, body).await,
        "GET" => get::run(call, false).await,
        "HEAD" => get::run(call, true).await,
        "PUT" => put::run(call, body).await,
        "POST" if outbox::takes(call.place) => outbox::run(call, body).await,
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
