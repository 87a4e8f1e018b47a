//! POST of an XML body to a collection itself: what is wanted stands in the root element. CS:share shares it, push-register asks for
//! push messages. Called by the table of methods.

use axum::body::Body;
use http::Response;
use http::header::CONTENT_TYPE;

use super::{push, share};
use crate::dav::error::Failure;
use crate::dav::path::Place;
use crate::dav::xml::share::is_share;
use crate::dav::{Call, body, limits};

/// Whether a POST is one: with an XML body, to a collection. The address for new members has a query.
pub fn takes(call: &Call<'_>) -> bool {
    let kind = call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_xml = matches!(kind.as_str(), "application/xml" | "text/xml");
    is_xml && call.uri.query().is_none() && matches!(call.place, Place::Collection(_))
}

/// Answers POST.
pub async fn run(call: &Call<'_>, body: Body) -> Result<Response<Body>, Failure> {
    let Place::Collection(location) = call.place else { return Err(Failure::not_found()) };
    let body = body::xml(call.headers, body, limits::XML_BODY_BYTES).await?;
    if is_share(&body) {
        share::run(call, location, &body).await
    } else {
        push::register(call, location, &body).await
    }
}
