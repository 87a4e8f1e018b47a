//! `GET /ics/{secret}.ics`: a calendar as one text for who has its secret address. The calendar service knows the secrets and writes the text.
//! Called by `Gateway::answer`. The path is a secret: it stands in no log, trace or metric.

use std::io::Write;
use std::net::IpAddr;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use kontor_kit::auth::Caller;
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_proto::calendar::v1::feed_service_client::FeedServiceClient;
use kontor_proto::calendar::v1::{ReadFeedRequest, ReadFeedResponse};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use super::plain;

/// Where the secret addresses begin.
pub(super) const ROOT: &str = "/ics/";
/// Longest secret that is looked at, in bytes, with the dashes that a person may have typed.
const SECRET: usize = 64;
/// Entity tags that are looked at.
const TAGS: usize = 100;
/// Fast, and calendars shrink to a sixth all the same.
const LEVEL: u32 = 3;

pub(super) async fn answer(link: Link, request: Request<Body>, peer: IpAddr) -> Response<Body> {
    let head_only = match *request.method() {
        Method::GET => false,
        Method::HEAD => true,
        _ => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
    };
    let Some(secret) = secret_of(request.uri().path()) else { return nothing() };
    let message = ReadFeedRequest {
        secret: secret.to_owned(),
        peer: peer.to_string(),
        known_etags: known(request.headers()),
        head_only,
    };
    let mut client = FeedServiceClient::new(link).max_decoding_message_size(MESSAGE_LIMIT);
    let mut parts = match client.read_feed(Caller::system().request(message)).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return refuse(&status),
    };
    let first = match parts.message().await {
        Ok(Some(first)) => first,
        Ok(None) => return refuse(&Status::unavailable("no answer")),
        Err(status) => return refuse(&status),
    };
    let gzip = takes_gzip(request.headers());
    let mut response = Response::new(Body::empty());
    if first.not_modified {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    describe(response.headers_mut(), &first, gzip && !first.not_modified);
    if !first.not_modified && !head_only {
        *response.body_mut() = body(first.data, parts, gzip);
    }
    response
}

/// What everything that opens nothing is answered with, and every other path where there is nothing.
pub(super) fn nothing() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "there is nothing here\n")
}

fn secret_of(path: &str) -> Option<&str> {
    let secret = path.strip_prefix(ROOT)?;
    let secret = secret.strip_suffix(".ics").unwrap_or(secret);
    (1..=SECRET).contains(&secret.len()).then_some(secret).filter(|secret| !secret.contains('/'))
}

fn describe(headers: &mut HeaderMap, first: &ReadFeedResponse, gzip: bool) {
    let mut set = |name: header::HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    // It changes at any time, and asking whether it did is cheap.
    set(header::CACHE_CONTROL, "private, no-cache");
    set(header::VARY, "Accept-Encoding");
    // The address is a secret, so it must not travel in a Referer or come into a search engine.
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::HeaderName::from_static("x-robots-tag"), "noindex");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if !first.not_modified {
        set(header::CONTENT_TYPE, "text/calendar; charset=utf-8");
        set(header::CONTENT_DISPOSITION, "inline; filename=\"calendar.ics\"");
    }
    if gzip {
        set(header::CONTENT_ENCODING, "gzip");
    }
    // Weak: the text is the same with gzip and without, the bytes are not (RFC 9110 section 8.8.1).
    if let Ok(tag) = HeaderValue::try_from(format!("W/\"{}\"", first.etag)) {
        headers.insert(header::ETAG, tag);
    }
}

/// The tags of If-None-Match, without quotes and "W/": they are compared weakly (RFC 9110 section 13.1.2).
fn known(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let tags = values.flat_map(|value| value.split(',')).map(str::trim).take(TAGS);
    let bare = |tag: &str| {
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        // Some proxies mark the tags of what they packed.
        let tag = tag.trim_matches('"');
        tag.strip_suffix("-gzip").unwrap_or(tag).to_owned()
    };
    tags.filter(|tag| tag.len() <= 200).map(bare).collect()
}

/// Whether Accept-Encoding asks for gzip (RFC 9110 section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let (mut named, mut any) = (None, None);
    for coding in values.flat_map(|value| value.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let wanted = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0));
        match name.as_str() {
            "gzip" | "x-gzip" => named = Some(wanted),
            "*" => any = Some(wanted),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}

/// The text piece by piece, as the connection takes it. What fails in the middle breaks the connection: a short text would look like
/// deletions.
fn body(first: Bytes, parts: Streaming<ReadFeedResponse>, gzip: bool) -> Body {
    let packer = gzip.then(|| GzEncoder::new(Vec::new(), Compression::new(LEVEL)));
    let pieces = stream::try_unfold(Some((Some(first), parts, packer)), |state| async move {
        let Some((first, mut parts, mut packer)) = state else { return Ok::<_, std::io::Error>(None) };
        let mut next = first;
        loop {
            let data = match next.take() {
                Some(data) => Some(data),
                None => parts.message().await.map_err(broken)?.map(|part| part.data),
            };
            let (piece, over) = match (data, packer.as_mut()) {
                (Some(data), None) => (data, false),
                (None, None) => return Ok(None),
                (Some(data), Some(packer)) => {
                    packer.write_all(&data)?;
                    (Bytes::from(std::mem::take(packer.get_mut())), false)
                }
                (None, Some(packer)) => {
                    packer.try_finish()?;
                    (Bytes::from(std::mem::take(packer.get_mut())), true)
                }
            };
            if over {
                return Ok(Some((piece, None)));
            }
            if !piece.is_empty() {
                return Ok(Some((piece, Some((None, parts, packer)))));
            }
        }
    });
    Body::from_stream(pieces)
}

fn broken(status: Status) -> std::io::Error {
    tracing::warn!(code = ?status.code(), message = status.message(), "a calendar's text broke off");
    std::io::Error::other("the calendar's text broke off")
}

fn refuse(status: &Status) -> Response<Body> {
    let details = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let (code, text) = match status.code() {
        Code::NotFound | Code::InvalidArgument => return nothing(),
        Code::ResourceExhausted if details.is_some() => {
            (StatusCode::TOO_MANY_REQUESTS, "too many wrong addresses: wait, then try again\n")
        }
        Code::ResourceExhausted => {
            return plain(StatusCode::INSUFFICIENT_STORAGE, "the calendar is too large for one text\n");
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the calendar can't be read at the moment: try again\n"),
    };
    let seconds = details.map_or(30, |wait| wait.as_secs().max(1));
    let mut response = plain(code, text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_used_only_when_it_is_asked_for() {
        let takes = |value| takes_gzip(&with(header::ACCEPT_ENCODING, value));
        assert!(takes("gzip, deflate, br") && takes("br;q=1.0, GZIP;q=0.5") && takes("*") && takes("x-gzip"));
        assert!(
            !takes("deflate") && !takes("gzip;q=0, *") && !takes("identity, *;q=0") && !takes("gzip;q=x")
        );
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn tags_are_compared_without_their_dress() {
        assert_eq!(known(&with(header::IF_NONE_MATCH, "W/\"a-1\", \"b-2-gzip\",*")), ["a-1", "b-2", "*"]);
    }

    #[test]
    fn a_secret_is_one_short_segment() {
        assert_eq!(secret_of("/ics/abc.ics"), Some("abc"));
        assert_eq!(secret_of("/ics/abc"), Some("abc"));
        for path in ["/ics/", "/ics/.ics", "/ics/a/b.ics", &format!("/ics/{}.ics", "a".repeat(65))] {
            assert_eq!(secret_of(path), None, "{path}");
        }
    }
}
