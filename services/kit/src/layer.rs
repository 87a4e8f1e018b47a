//! The layer around every unit's routes: caller, deadline, trace and metrics, alike in process and over the wire.
//! Put on by `Unit::new`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use axum::response::Response;
use http::Request;
use tower::{Layer, Service};
use tracing::Instrument;

use crate::auth::{CALLER_HEADER, ClusterKey};
use crate::clock::Clock;
use crate::context::Context;

/// Deadline of a call that names none. Streams are not ended by it, only the wait for their first answer.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

/// Makes `ServiceStack` around a unit's routes.
#[derive(Clone)]
pub struct ServiceLayer {
    service: &'static str,
    key: Option<ClusterKey>,
    clock: Clock,
}

impl ServiceLayer {
    /// The layer of one service.
    pub fn new(service: &'static str, context: &Context) -> Self {
        ServiceLayer { service, key: context.cluster_key.clone(), clock: context.clock.clone() }
    }
}

impl<S> Layer<S> for ServiceLayer {
    type Service = ServiceStack<S>;
    fn layer(&self, inner: S) -> ServiceStack<S> {
        ServiceStack { inner, layer: self.clone() }
    }
}

/// The routes with everything around them.
#[derive(Clone)]
pub struct ServiceStack<S> {
    inner: S,
    layer: ServiceLayer,
}

impl<S> Service<Request<axum::body::Body>> for ServiceStack<S>
where
    S: Service<Request<axum::body::Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<axum::body::Body>) -> Self::Future {
        self.accept_signed_caller(&mut request);
        let deadline = request.headers().get("grpc-timeout").and_then(parse_timeout);
        let method = request.uri().path().to_owned();
        let service = self.layer.service;
        let span = tracing::info_span!("rpc", service, method = %method);
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let answer = async move {
            let started = Instant::now();
            let answer =
                tokio::time::timeout(deadline.unwrap_or(DEFAULT_DEADLINE), inner.call(request)).await;
            let response = answer.unwrap_or_else(|_| {
                Ok(tonic::Status::deadline_exceeded("the deadline passed before the answer was ready")
                    .into_http())
            })?;
            record(service, &method, &response, started.elapsed());
            Ok(response)
        };
        Box::pin(answer.instrument(span))
    }
}

impl<S> ServiceStack<S> {
    /// Takes the caller from the signed header of another process of this installation.
    fn accept_signed_caller(&self, request: &mut Request<axum::body::Body>) {
        let Some(header) = request.headers_mut().remove(CALLER_HEADER) else { return };
        let caller = self.layer.key.as_ref().zip(header.to_str().ok());
        if let Some(caller) = caller.and_then(|(key, text)| key.verify(text, self.layer.clock.now())) {
            request.extensions_mut().insert(caller);
        }
    }
}

fn record(service: &'static str, method: &str, response: &Response, took: Duration) {
    let code =
        response.headers().get("grpc-status").and_then(|code| code.to_str().ok()).unwrap_or("0").to_owned();
    let labels = [("service", service.to_owned()), ("method", method.to_owned()), ("code", code)];
    metrics::counter!("kontor_rpc_total", &labels).increment(1);
    metrics::histogram!("kontor_rpc_seconds", "service" => service, "method" => method.to_owned())
        .record(took.as_secs_f64());
}

/// Reads a `grpc-timeout` header: at most 8 digits and a unit of H, M, S, m, u, n.
fn parse_timeout(value: &http::HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let unit = text.chars().last()?;
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(amount * 3_600),
        'M' => Duration::from_secs(amount * 60),
        'S' => Duration::from_secs(amount),
        'm' => Duration::from_millis(amount),
        'u' => Duration::from_micros(amount),
        'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}
