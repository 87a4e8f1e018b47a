//! A call lasts as long as its sign-in: a stream ends when the app password is revoked, the user disabled, or taken out of a team.
//! Put around the bodies of gRPC requests and answers by `Gateway::grpc`.
//!
//! Where directory runs in this process nothing passes any more once a sign-in has ended; everywhere a stream that waits looks again by the clock.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body::{Frame, SizeHint};
use kontor_kit::auth::Caller;
use tonic::{Code, Status};

use super::Gateway;
use super::sign_in::Peer;

/// How often the sign-in of a stream that waits is checked again. The answer comes from directory's cache.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

/// The sign-in that a call began with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lease(Arc<Inner>);

struct Inner {
    gateway: Gateway,
    caller: Caller,
    header: Option<HeaderValue>,
    peer: Arc<Peer>,
    /// Sign-ins that had ended before this one was looked at.
    ends: Option<u64>,
}

type Look = Pin<Box<dyn Future<Output = Option<Status>> + Send>>;

impl Lease {
    /// Of a caller who has just signed in with these headers; `ends` is what `ends_so_far` was before.
    pub(super) fn new(
        gateway: &Gateway,
        (caller, ends): (Caller, Option<u64>),
        headers: &HeaderMap,
        peer: &Arc<Peer>,
    ) -> Lease {
        let header = headers.get(header::AUTHORIZATION).cloned();
        Lease(Arc::new(Inner { gateway: gateway.clone(), caller, header, peer: peer.clone(), ends }))
    }

    /// Why the call may not go on; none while it may. A directory that is away for a moment ends nothing; one that takes no sign-ins
    /// from this address for now does, for nobody can say that this one is still good.
    pub(super) async fn end(self) -> Option<Status> {
        let (Some(outside), Some(header)) = (&self.0.gateway.0.outside, &self.0.header) else { return None };
        match outside.sign_in.check_header(header, &self.0.peer).await {
            Ok(Some(now)) if !now.may_all_of(&self.0.caller) => {
                Some(Status::aborted("you may no longer see all that this stream began with: open it again"))
            }
            Err(status) if ends(status.code()) => Some(status),
            _ => None,
        }
    }

    /// Waits for the end by the clock.
    async fn ended(self) -> Option<Status> {
        loop {
            tokio::time::sleep(AGAIN).await;
            if let Some(status) = self.clone().end().await {
                return Some(status);
            }
        }
    }

    fn ends_so_far(&self) -> Option<u64> {
        self.0.gateway.0.outside.as_ref().and_then(|outside| outside.sign_in.ends_so_far())
    }

    /// The body of a request under this lease.
    pub(super) fn request(&self, body: Body) -> Body {
        Body::new(Request { body, watch: Watch::new(self) })
    }

    /// The body of an answer under this lease.
    pub(super) fn answer(self, body: tonic::body::Body) -> Body {
        Body::new(Answer { body, watch: Watch::new(&self), clock: None, over: false })
    }
}

fn ends(code: Code) -> bool {
    matches!(code, Code::Unauthenticated | Code::Aborted | Code::ResourceExhausted)
}

/// Looks whether sign-ins have ended since it looked last.
struct Watch {
    lease: Lease,
    seen: Option<u64>,
    look: Option<Look>,
}

impl Watch {
    fn new(lease: &Lease) -> Watch {
        Watch { lease: lease.clone(), seen: lease.0.ends, look: None }
    }

    /// Ready when it is known whether this one may go on: with why not.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Status>> {
        let now = self.lease.ends_so_far();
        if now != self.seen {
            self.seen = now;
            self.look = Some(Box::pin(self.lease.clone().end()));
        }
        let Some(look) = &mut self.look else { return Poll::Ready(None) };
        let end = ready!(look.as_mut().poll(context));
        self.look = None;
        Poll::Ready(end)
    }
}

struct Request {
    body: Body,
    watch: Watch,
}

impl http_body::Body for Request {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // Before anything is read: whatever comes after the end is not taken.
        match ready!(self.watch.poll(context)) {
            Some(status) => Poll::Ready(Some(Err(axum::Error::new(status)))),
            None => Pin::new(&mut self.body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct Answer {
    body: tonic::body::Body,
    watch: Watch,
    /// There once the body has been waited for: an answer that is complete at once needs no clock.
    clock: Option<Look>,
    over: bool,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Answer { body, watch, clock, over } = &mut *self;
        if *over {
            return Poll::Ready(None);
        }
        let mut end = ready!(watch.poll(context));
        if end.is_none() {
            if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
                return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
            }
            let clock = clock.get_or_insert_with(|| Box::pin(watch.lease.clone().ended()));
            end = ready!(clock.as_mut().poll(context));
        }
        *over = true;
        let mut trailers = HeaderMap::new();
        match end.map(|status| status.add_header(&mut trailers)) {
            Some(Err(cause)) => Poll::Ready(Some(Err(axum::Error::new(cause)))),
            _ => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
