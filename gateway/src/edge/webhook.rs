//! `POST /telephony/{connector}/events`: a telephone system's post goes to telephony as it came; the signature is checked there.
//! Called by `Gateway::answer`.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::telephony::v1::ReceiveWebhookRequest;
use kontor_proto::telephony::v1::ingest_service_client::IngestServiceClient;
use tonic::{Code, Status};

use super::plain;

/// Largest body, in bytes.
const BODY: usize = 256 * 1024;
/// Time for the body: nobody has signed in yet.
const BODY_TIME: Duration = Duration::from_secs(20);
/// Headers that are passed on: those that signatures need.
const HEADERS: usize = 64;

pub(super) async fn answer(link: Link, request: Request<Body>, peer: IpAddr) -> Response<Body> {
    let Some(connector) = connector_of(request.uri().path()) else {
        return plain(StatusCode::NOT_FOUND, "post events to /telephony/{connector}/events\n");
    };
    if request.method() != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use POST\n");
        response.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static("POST"));
        return response;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = tokio::time::timeout(BODY_TIME, Limited::new(body, BODY).collect()).await else {
        return plain(StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n");
    };
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(cause) if cause.is::<http_body_util::LengthLimitError>() => {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 256 KiB\n");
        }
        Err(_) => return plain(StatusCode::BAD_REQUEST, "the body ended early\n"),
    };
    let headers = parts
        .headers
        .iter()
        .take(HEADERS)
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let message = ReceiveWebhookRequest {
        connector,
        headers: headers.collect(),
        body,
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
    };
    match IngestServiceClient::new(link).receive_webhook(Caller::system().request(message)).await {
        Ok(_) => plain(StatusCode::OK, "ok\n"),
        Err(status) => refuse(&status, peer),
    }
}

/// The OpenAPI document of the signed JSON webhook and of the pops.
pub(super) const DOCUMENT: &str = "/telephony/openapi.json";

/// Serves the document. It holds nothing of the installation, so nobody signs in for it.
pub(super) fn document(method: &Method) -> Response<Body> {
    if ![Method::GET, Method::HEAD].contains(method) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
        response.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let mut response = plain(StatusCode::OK, include_str!("../../openapi/telephony.json"));
    let kind = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn connector_of(path: &str) -> Option<String> {
    let id = path.strip_prefix("/telephony/")?.strip_suffix("/events")?;
    (!id.is_empty() && !id.contains('/')).then(|| format!("connectors/{id}"))
}

fn refuse(status: &Status, peer: IpAddr) -> Response<Body> {
    tracing::info!(peer = %peer, code = ?status.code(), "webhook refused");
    let code = match status.code() {
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable | Code::DeadlineExceeded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    plain(code, format!("{}\n", status.message()))
}
