//! `/unsubscribe/{token}`: the address in each mailing (RFC 8058, RFC 2369). A GET shows a page with a button and changes nothing, for mail programs and scanners open
//! every address; only a POST that says so unsubscribes.
//! Called by `Gateway::answer`. The path is a secret: it stands in no log, trace or metric.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::mail::v1::unsubscribe_service_client::UnsubscribeServiceClient;
use kontor_proto::mail::v1::{CheckUnsubscribeRequest, UnsubscribeRequest};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::plain;
use crate::one_click::is_one_click;

/// Where the addresses begin.
pub(super) const ROOT: &str = "/unsubscribe/";
/// Longest token that is looked at, in bytes.
const TOKEN: usize = 64;
/// Largest body, in bytes: the words are 26, and a multipart has its frame.
const BODY: usize = 4 * 1024;
/// Time for the body.
const BODY_TIME: Duration = Duration::from_secs(10);

pub(super) async fn answer(link: Link, request: Request<Body>, peer: IpAddr) -> Response<Body> {
    let path = request.uri().path();
    let token = path.strip_prefix(ROOT).filter(|token| (1..=TOKEN).contains(&token.len()));
    let Some(token) = token.filter(|token| !token.contains('/')).map(str::to_owned) else {
        return page(StatusCode::NOT_FOUND, "", NOT_FOUND);
    };
    let mut client = UnsubscribeServiceClient::new(link);
    match *request.method() {
        Method::GET | Method::HEAD => {
            let message = CheckUnsubscribeRequest { token, peer: peer.to_string() };
            match client.check_unsubscribe(Caller::system().request(message)).await {
                Ok(found) => {
                    let found = found.into_inner();
                    page(StatusCode::OK, &found.company, if found.test { TEST_BUTTON } else { BUTTON })
                }
                Err(status) => refuse(&status),
            }
        }
        Method::POST => {
            let (parts, body) = request.into_parts();
            let Ok(body) = tokio::time::timeout(BODY_TIME, Limited::new(body, BODY).collect()).await else {
                return plain(StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n");
            };
            let body = match body {
                Ok(body) => body.to_bytes(),
                Err(cause) if cause.is::<http_body_util::LengthLimitError>() => {
                    return plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 4 KiB\n");
                }
                Err(_) => return plain(StatusCode::BAD_REQUEST, "the body ended early\n"),
            };
            let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            if !is_one_click(kind.unwrap_or_default(), &body) {
                let text = "to unsubscribe, post List-Unsubscribe=One-Click as a form\n";
                return plain(StatusCode::BAD_REQUEST, text);
            }
            let message = UnsubscribeRequest { token, peer: peer.to_string() };
            match client.unsubscribe(Caller::system().request(message)).await {
                Ok(done) => {
                    let done = done.into_inner();
                    page(StatusCode::OK, &done.company, if done.test { TEST_DONE } else { DONE })
                }
                Err(status) => refuse(&status),
            }
        }
        _ => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET or POST\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            response
        }
    }
}

const NOT_FOUND: &str = "<p>This address leads nowhere. Take the whole address from the message.</p>";
const BUTTON: &str = "<p>Press the button, and no more mailings are sent to your address.</p>\
    <form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\
    <button>Unsubscribe</button></form>";
const TEST_BUTTON: &str = "<p>The message was a test. The button works, and unsubscribes nobody.</p>\
    <form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\
    <button>Unsubscribe</button></form>";
const TEST_DONE: &str = "<p>The message was a test: unsubscribing works, and nobody was unsubscribed.</p>";
const DONE: &str = "<p>You are unsubscribed: no more mailings are sent to your address.</p>";

/// A small page that loads nothing from anywhere, and is kept nowhere.
fn page(status: StatusCode, company: &str, content: &str) -> Response<Body> {
    let title = if company.is_empty() { "Mailings".to_owned() } else { escape(company) };
    let text = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         </head><body><h1>{title}</h1>{content}</body></html>\n"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let mut set = |name: header::HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(header::CACHE_CONTROL, "no-store");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; form-action 'self'; frame-ancestors 'none'");
    set(header::HeaderName::from_static("x-robots-tag"), "noindex");
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn refuse(status: &Status) -> Response<Body> {
    match status.code() {
        Code::NotFound | Code::InvalidArgument => page(StatusCode::NOT_FOUND, "", NOT_FOUND),
        Code::ResourceExhausted => {
            let wait = status.get_details_retry_info().and_then(|info| info.retry_delay);
            let mut response =
                plain(StatusCode::TOO_MANY_REQUESTS, "too many wrong addresses: try again later\n");
            let seconds = wait.map_or(60, |wait| wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        _ => plain(StatusCode::SERVICE_UNAVAILABLE, "this can't be done at the moment: try again\n"),
    }
}

/// Without a mail service there is nothing to unsubscribe from.
pub(super) fn nothing() -> Response<Body> {
    page(StatusCode::NOT_FOUND, "", NOT_FOUND)
}
