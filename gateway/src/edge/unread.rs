//! Reads what an answer left unread of a request's body, so that an HTTP/1.1 connection can go on.
//! Called by the accept loop in `serve.rs`.
//!
//! A 401 or a redirect is ready before the body has come. The library would then close the connection behind the answer without a word, and
//! a client that sends its next request on it (python-caldav with niquests does) meets a broken connection instead of an answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes};
use http::{Request, Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

/// So many bytes are read and thrown away at most; whoever sends more meets a closed connection.
const BYTES: usize = 64 * 1024 * 1024;
/// The longest time for that.
const TIME: Duration = Duration::from_secs(15);
/// The longest silence in it.
const PAUSE: Duration = Duration::from_secs(2);

/// What comes back of a body when whoever answered drops it.
pub(super) struct Rest<B>(Option<Home<B>>);

type Home<B> = Arc<Mutex<Option<B>>>;

/// The request with a body that comes back here when it was not read to its end. Bodies of HTTP/2 are left as they are:
/// there a stream ends alone.
pub(super) fn watch<B>(request: Request<B>) -> (Request<Body>, Rest<B>)
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    // Who asks first whether to send is told by the answer, and sends nothing; to read would be to say yes.
    let asks_first = request.headers().contains_key(header::EXPECT);
    if request.version() >= Version::HTTP_2 || request.body().is_end_stream() || asks_first {
        return (request.map(Body::new), Rest(None));
    }
    let home = Home::default();
    let rest = Rest(Some(home.clone()));
    (request.map(|body| Body::new(Lent { body: Some(body), home })), rest)
}

impl<B> Rest<B>
where
    B: HttpBody + Unpin,
{
    /// Throws the rest away.
    pub(super) async fn drain(self) {
        let left = self.0.and_then(|home| home.lock().unwrap_or_else(PoisonError::into_inner).take());
        let Some(mut body) = left else { return };
        let mut bytes = 0;
        let all = async {
            while let Ok(Some(Ok(frame))) = tokio::time::timeout(PAUSE, body.frame()).await {
                bytes += frame.data_ref().map_or(0, Buf::remaining);
                if bytes > BYTES {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(TIME, all).await;
    }
}

struct Lent<B> {
    /// There until it has ended.
    body: Option<B>,
    home: Home<B>,
}

impl<B: HttpBody + Unpin> HttpBody for Lent<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl<B> Drop for Lent<B> {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            *self.home.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};

    use super::*;

    #[tokio::test]
    async fn what_was_not_read_comes_back_and_what_was_does_not() {
        let (request, rest) = watch(Request::new(Full::new(Bytes::from_static(b"body"))));
        drop(request);
        assert!(rest.0.as_ref().is_some_and(|home| home.lock().expect("no panic").is_some()));
        rest.drain().await;
        let (request, rest) = watch(Request::new(Full::new(Bytes::from_static(b"body"))));
        assert_eq!(request.into_body().collect().await.expect("it is read").to_bytes(), "body");
        assert!(rest.0.as_ref().is_some_and(|home| home.lock().expect("no panic").is_none()));
    }

    #[tokio::test]
    async fn a_rest_that_does_not_come_is_not_waited_for_long() {
        let begin = futures_util::stream::pending::<Result<Frame<Bytes>, std::io::Error>>();
        let (request, rest) = watch(Request::new(StreamBody::new(begin)));
        drop(request);
        let before = tokio::time::Instant::now();
        rest.drain().await;
        assert!(before.elapsed() <= PAUSE + Duration::from_secs(1));
    }
}
