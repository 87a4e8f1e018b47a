//! An answer lasts as long as its sign-in: a stream ends when the app password is revoked, the user disabled, or taken out of a team.
//! Put around gRPC answers by `Gateway::grpc`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tonic::{Code, Status};

/// How often the sign-in of an open stream is checked again. The answer comes from directory's cache.
const AGAIN: Duration = Duration::from_secs(5);

/// The body of an answer with the end of its sign-in.
struct Leased<C> {
    body: tonic::body::Body,
    check: C,
    /// There once the body has been waited for: an answer that is complete at once needs no clock.
    ended: Option<Pin<Box<dyn Future<Output = Status> + Send>>>,
    over: bool,
}

/// Ends `body` with UNAUTHENTICATED or ABORTED once `check` says so. An answer that is complete within five seconds is not checked.
pub(super) fn lease<C, F>(body: tonic::body::Body, check: C) -> Body
where
    C: Fn() -> F + Clone + Unpin + Send + 'static,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    Body::new(Leased { body, check, ended: None, over: false })
}

async fn ended<C, F>(check: C) -> Status
where
    C: Fn() -> F + Send,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    loop {
        tokio::time::sleep(AGAIN).await;
        match check().await {
            Err(status) if matches!(status.code(), Code::Unauthenticated | Code::Aborted) => return status,
            // A directory that is away for a moment ends nothing.
            _ => {}
        }
    }
}

impl<C, F> http_body::Body for Leased<C>
where
    C: Fn() -> F + Clone + Unpin + Send + 'static,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Leased { body, check, ended: end, over } = &mut *self;
        if *over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        let end = end.get_or_insert_with(|| Box::pin(ended(check.clone())));
        let status = std::task::ready!(end.as_mut().poll(context));
        *over = true;
        let mut trailers = HeaderMap::new();
        match status.add_header(&mut trailers) {
            Ok(()) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Err(cause) => Poll::Ready(Some(Err(axum::Error::new(cause)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
