//! A link to a service: the same client type whether it runs in this process or in another one.
//! Made by the composing binary; every generated client stands on it.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use http::{HeaderValue, Request, Response};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, ServiceExt};

use crate::auth::{CALLER_HEADER, Caller, ClusterKey};
use crate::clock::Clock;
use crate::near::Near;
use crate::routes::{Answer, Answers};
use crate::{Error, Result, trace};

/// Largest message between services: an object of 10 MB with room to spare.
pub const MESSAGE_LIMIT: usize = 64 * 1024 * 1024;

/// Header that says which service is meant, for contracts that several serve under one name.
pub const SERVICE_HEADER: &str = "x-kontor-service";

/// Way to a service. Cheap to clone.
#[derive(Clone)]
pub struct Link {
    way: Arc<dyn Answers>,
    near: Near,
}

impl Link {
    /// To services in this process: no socket, no copy. The caller travels as an extension of the request.
    pub fn local(services: impl Answers) -> Link {
        Link::near_by(services, Near::default())
    }

    /// To services in this process, some of whose methods may be called without them.
    pub(crate) fn near_by(services: impl Answers, near: Near) -> Link {
        Link { way: Arc::new(services), near }
    }

    pub(crate) fn near(&self) -> &Near {
        &self.near
    }

    /// To a service in another process. Connects when first used, and again after a loss.
    /// The caller travels as a signed header, the trace as `traceparent`.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when the address is none.
    pub fn remote(service: &'static str, address: &str, key: ClusterKey, clock: Clock) -> Result<Link> {
        let channel = Endpoint::from_shared(address.to_owned())
            .map_err(|cause| Error::invalid("services", format!("{address:?} is no address: {cause}")))?
            .connect_timeout(std::time::Duration::from_secs(5))
            .http2_keep_alive_interval(std::time::Duration::from_secs(20))
            .keep_alive_while_idle(true)
            // One slow reader of a long answer must not stop the others on the same connection.
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(64 * 1024 * 1024)
            .connect_lazy();
        Ok(Link { way: Arc::new(Far { service, channel, key, clock }), near: Near::default() })
    }
}

/// A service in another process.
struct Far {
    service: &'static str,
    channel: Channel,
    key: ClusterKey,
    clock: Clock,
}

impl Answers for Far {
    fn answer(&self, mut request: Request<Body>) -> Answer {
        request.headers_mut().remove(CALLER_HEADER);
        request.headers_mut().insert(SERVICE_HEADER, HeaderValue::from_static(self.service));
        trace::pass_on(request.headers_mut());
        if let Some(caller) = request.extensions().get::<Caller>()
            && let Ok(signed) = self.key.sign(caller, self.clock.now())
            && let Ok(value) = HeaderValue::from_str(&signed)
        {
            request.headers_mut().insert(CALLER_HEADER, value);
        }
        let (service, channel) = (self.service, self.channel.clone());
        Box::pin(async move {
            Ok(channel.oneshot(request).await.unwrap_or_else(|cause| failure_is_an_answer(service, &cause)))
        })
    }
}

/// What the channel itself says becomes the status that the same failure has in process: a deadline that passed, or a service that is not there.
fn failure_is_an_answer(service: &str, cause: &(dyn std::error::Error + 'static)) -> Response<Body> {
    let mut link = Some(cause);
    while let Some(error) = link {
        if error.is::<tonic::TimeoutExpired>() {
            let status = tonic::Status::deadline_exceeded("the deadline passed before the answer was ready");
            return status.into_http();
        }
        link = error.source();
    }
    tracing::debug!(service, cause = ?cause, "a service can't be reached");
    let message =
        format!("{service} can't be reached: try again; with the same request_id nothing is done twice");
    tonic::Status::from(Error::unavailable(message).with("service", service)).into_http()
}

impl Service<Request<Body>> for Link {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        self.way.answer(request)
    }
}
