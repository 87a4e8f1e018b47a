//! Reads request bodies, counting while they come.
//! Called by the methods that take XML and by PUT.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;

use super::error::Failure;
use super::limits;

/// Reads the whole body of at most `limit` bytes; a body of one piece is not copied.
///
/// # Errors
/// `too_large` for more, by Content-Length already before anything is read; 415 for a Content-Encoding; 400 when it breaks off,
/// 408 when it stops.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    too_large: impl Fn() -> Failure,
) -> Result<Bytes, Failure> {
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes());
    if encoding.is_some_and(|name| !name.eq_ignore_ascii_case(b"identity")) {
        return Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a body with a Content-Encoding is not taken",
        ));
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        // The edge throws away what still comes: who sends may read the answer only after the last byte.
        return Err(too_large());
    }
    collect(body, limit, limits::BODY_PAUSE, too_large).await
}

async fn collect(
    mut body: Body,
    limit: usize,
    pause: Duration,
    too_large: impl Fn() -> Failure,
) -> Result<Bytes, Failure> {
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    let mut length = 0;
    let silent = |_| Failure::new(StatusCode::REQUEST_TIMEOUT, "the rest of the body did not come");
    while let Some(frame) = tokio::time::timeout(pause, body.frame()).await.map_err(silent)? {
        let frame = frame.map_err(|_| Failure::bad_request("the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > limit {
            return Err(too_large());
        }
        match first.take() {
            None if whole.is_empty() => first = Some(data),
            None => whole.extend_from_slice(&data),
            Some(before) => {
                whole.extend_from_slice(&before);
                whole.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

/// Reads an XML body and gives it in UTF-8. Its Content-Type is not looked at, since clients send none or the wrong one.
///
/// # Errors
/// 413 for a longer one; 400 for UTF-16 that is broken; see `read`.
pub async fn xml(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Failure> {
    let body = read(headers, body, limit, || {
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the XML body has more than {limit} bytes"))
    });
    in_utf8(body.await?)
}

/// UTF-16 is told by its byte order mark, or by the zero beside the first `<` (XML 1.0 appendix F).
fn in_utf8(body: Bytes) -> Result<Bytes, Failure> {
    let unit: fn([u8; 2]) -> u16 = match body.get(..2) {
        Some([0xFE, 0xFF] | [0, b'<']) => u16::from_be_bytes,
        Some([0xFF, 0xFE] | [b'<', 0]) => u16::from_le_bytes,
        _ => return Ok(body),
    };
    let (pairs, rest) = body.as_chunks();
    let text = String::from_utf16(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<u16>>());
    match text {
        Ok(text) if rest.is_empty() => Ok(text.into()),
        _ => Err(Failure::bad_request("the XML body is not valid UTF-16")),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_body_that_stops_is_given_up() {
        let begin = futures_util::stream::iter([Ok::<_, std::io::Error>("BEGIN:VCALENDAR")]);
        let body = Body::from_stream(begin.chain(futures_util::stream::pending()));
        let refused = collect(body, 1_000, Duration::from_millis(50), Failure::not_found).await;
        assert_eq!(refused.expect_err("no body").status(), StatusCode::REQUEST_TIMEOUT);
    }
}
