//! Multistatus answers that may be long: written piece by piece as the service sends its chunks.
//! Called by PROPFIND and the reports. Nothing runs ahead of the client: a piece is made when the connection takes it.

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use kontor_kit::near::Chunks;
use kontor_proto::collection::v1::{Object, ObjectChunk};
use tonic::Status;

use super::error::Failure;
use super::headers::Preferences;
use super::limits;
use super::properties::object::Template;
use super::xml::Writer;

/// Where the responses come from.
pub trait Source: Send + 'static {
    /// Writes responses until the writer is full enough or there are no more. True when there are more.
    fn fill(&mut self, out: &mut Writer) -> impl Future<Output = Result<bool, Status>> + Send;
}

/// Begins a multistatus document.
pub fn begin() -> Writer {
    let mut out = Writer::document("D:multistatus");
    out.raw("\n");
    out
}

/// Answers with 207 from what was written already.
pub fn finished(mut out: Writer, preferences: Preferences) -> Response<Body> {
    out.raw("</D:multistatus>\n");
    respond(Body::from(out.into_bytes()), preferences)
}

/// Answers with 207 from a source. What fails before the first piece is a proper status; what fails later breaks the
/// connection, because a short answer would look like deletions to a client.
pub async fn answer<S: Source>(
    mut out: Writer,
    mut source: S,
    preferences: Preferences,
    failure: impl FnOnce(&Status) -> Failure,
) -> Result<Response<Body>, Failure> {
    let more = source.fill(&mut out).await.map_err(|status| failure(&status))?;
    if !more {
        return Ok(finished(out, preferences));
    }
    let pieces = futures_util::stream::try_unfold(Some((out, source, true)), next_piece);
    Ok(respond(Body::from_stream(pieces), preferences))
}

/// Writer, source, and whether the writer holds a piece that is ready.
type State<S> = Option<(Writer, S, bool)>;

async fn next_piece<S: Source>(state: State<S>) -> Result<Option<(Bytes, State<S>)>, std::io::Error> {
    let Some((mut out, mut source, ready)) = state else { return Ok(None) };
    let more = if ready {
        true
    } else {
        source.fill(&mut out).await.map_err(|status| {
            tracing::warn!(code = %status.code(), message = status.message(), "a DAV answer broke off");
            std::io::Error::other(status)
        })?
    };
    if !more {
        out.raw("</D:multistatus>\n");
        return Ok(Some((out.into_bytes(), None)));
    }
    let piece = out.take();
    Ok(Some((piece, Some((out, source, false)))))
}

/// A 207 with an XML body.
pub fn respond(body: Body, preferences: Preferences) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::MULTI_STATUS;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
    preferences.acknowledge(headers);
    response
}

/// Objects as the service sends them, each written by the template.
pub struct Listing {
    stream: Chunks<ObjectChunk>,
    chunk: std::vec::IntoIter<Object>,
    template: Template,
    /// Objects that may still be written, when there is a limit.
    limit: Option<i64>,
    /// Href for the 507.
    href: String,
}

impl Listing {
    /// All of a stream.
    pub fn new(stream: Chunks<ObjectChunk>, template: Template) -> Self {
        Listing { stream, chunk: Vec::new().into_iter(), template, limit: None, href: String::new() }
    }

    /// At most so many; one more in the stream makes a 507 for this href.
    pub fn limited(stream: Chunks<ObjectChunk>, template: Template, limit: i64, href: String) -> Self {
        let limit = (limit > 0).then_some(limit);
        Listing { limit, href, ..Listing::new(stream, template) }
    }

    async fn next(&mut self) -> Result<Option<Object>, Status> {
        loop {
            if let Some(object) = self.chunk.next() {
                return Ok(Some(object));
            }
            match self.stream.next().await.transpose()? {
                Some(chunk) => self.chunk = chunk.objects.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

impl Source for Listing {
    async fn fill(&mut self, out: &mut Writer) -> Result<bool, Status> {
        while let Some(object) = self.next().await? {
            if let Some(left) = self.limit.as_mut() {
                if *left == 0 {
                    over_limit(out, &self.href);
                    return Ok(false);
                }
                *left -= 1;
            }
            if let Err(refusal) = self.template.render(object, out) {
                return self.template.cut(&self.href, refusal, out);
            }
            if out.len() >= limits::ANSWER_CHUNK_BYTES {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The response that says that the answer was cut (RFC 6578 section 3.6, RFC 6352 section 8.6.1).
pub fn over_limit(out: &mut Writer, href: &str) {
    out.raw("<D:response>");
    out.href(href);
    out.raw(
        "<D:status>HTTP/1.1 507 Insufficient Storage</D:status>\
         <D:error><D:number-of-matches-within-limits/></D:error></D:response>\n",
    );
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// Writes this many pieces of the size of a chunk, then ends or fails.
    struct Pieces {
        left: usize,
        fails: bool,
    }

    impl Source for Pieces {
        async fn fill(&mut self, out: &mut Writer) -> Result<bool, Status> {
            if self.left == 0 {
                return if self.fails { Err(Status::unavailable("gone")) } else { Ok(false) };
            }
            self.left -= 1;
            while out.len() < limits::ANSWER_CHUNK_BYTES {
                out.raw("<D:response/>");
            }
            Ok(true)
        }
    }

    async fn run(left: usize, fails: bool) -> Result<Response<Body>, Failure> {
        let source = Pieces { left, fails };
        answer(begin(), source, Preferences::default(), |status| Failure::busy(status.message())).await
    }

    #[tokio::test]
    async fn a_long_answer_comes_in_pieces_and_ends_well() {
        let answer = run(5, false).await.expect("it begins");
        assert_eq!(http_body::Body::size_hint(answer.body()).exact(), None);
        let mut body = answer.into_body();
        let (mut pieces, mut whole) = (0, Vec::new());
        while let Some(frame) = body.frame().await {
            let data = frame.expect("no error").into_data().expect("data");
            assert!(data.len() < 2 * limits::ANSWER_CHUNK_BYTES);
            pieces += 1;
            whole.extend_from_slice(&data);
        }
        assert_eq!(pieces, 6);
        assert!(whole.ends_with(b"</D:multistatus>\n"));
    }

    #[tokio::test]
    async fn a_short_answer_has_a_length() {
        let answer = run(0, false).await.expect("it begins");
        assert!(http_body::Body::size_hint(answer.body()).exact().is_some());
    }

    #[tokio::test]
    async fn an_early_error_is_a_status_and_a_late_one_breaks_the_answer_off() {
        assert_eq!(run(0, true).await.expect_err("no answer").status(), StatusCode::SERVICE_UNAVAILABLE);
        let answer = run(3, true).await.expect("it begins");
        assert_eq!(answer.status(), StatusCode::MULTI_STATUS);
        assert!(answer.into_body().collect().await.is_err());
    }
}
