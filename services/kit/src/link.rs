//! A link to a service: the same client type whether it runs in this process or in another one.
//! Made by the composing binary; every generated client stands on it.

use std::convert::Infallible;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Endpoint;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt};

use crate::auth::{CALLER_HEADER, Caller, ClusterKey};
use crate::clock::Clock;
use crate::near::Near;
use crate::{Error, Result, trace};

/// Largest message between services: an object of 10 MB with room to spare.
pub const MESSAGE_LIMIT: usize = 64 * 1024 * 1024;

/// Header that says which service is meant, for contracts that several serve under one name.
pub const SERVICE_HEADER: &str = "x-kontor-service";

/// Clonable way to a service.
#[derive(Clone)]
pub struct Link {
    channel: BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>,
    near: Near,
}

impl Link {
    /// To routes in this process: no socket, no copy. The caller travels as an extension of the request.
    pub fn local(routes: Routes) -> Link {
        Link::near_by(routes, Near::default())
    }

    /// To routes in this process, some of which may be called without them.
    pub(crate) fn near_by(routes: Routes, near: Near) -> Link {
        let service = tower::ServiceBuilder::new()
            .map_err(|never: Infallible| -> BoxError { match never {} })
            .service(routes);
        Link { channel: BoxCloneSyncService::new(service), near }
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
        let service_name = service;
        let service = channel.map_request(move |mut request: Request<Body>| {
            request.headers_mut().remove(CALLER_HEADER);
            request.headers_mut().insert(SERVICE_HEADER, HeaderValue::from_static(service));
            trace::pass_on(request.headers_mut());
            if let Some(caller) = request.extensions().get::<Caller>()
                && let Ok(signed) = key.sign(caller, clock.now())
                && let Ok(value) = HeaderValue::from_str(&signed)
            {
                request.headers_mut().insert(CALLER_HEADER, value);
            }
            request
        });
        let service = service
            .map_result(move |answer| answer.or_else(|cause| Ok(failure_is_an_answer(service_name, &cause))));
        Ok(Link { channel: BoxCloneSyncService::new(service), near: Near::default() })
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
    type Error = BoxError;
    type Future =
        <BoxCloneSyncService<Request<Body>, Response<Body>, BoxError> as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<std::result::Result<(), BoxError>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.channel.call(request)
    }
}

/// Passes any body on to a link, as the gateway does with requests from outside.
pub async fn forward<B>(mut link: Link, request: Request<B>) -> std::result::Result<Response<Body>, BoxError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    link.ready().await?.call(request.map(Body::new)).await
}
