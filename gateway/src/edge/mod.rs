//! One request at the edge: who asks, what is asked, and which room answers it.
//! Called by the accept loop in `serve.rs`.

mod feed;
mod grpc;
mod lease;
mod operation;
mod pops;
mod serve;
mod sign_in;
mod unread;
mod unsubscribe;
mod webhook;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use kontor_kit::auth::{CALLER_HEADER, Caller};
use kontor_kit::context::Context;
use kontor_kit::link::Link;
use kontor_kit::meter::{Meter, Meters};
use kontor_kit::trace;
use tracing::{Instrument, Span};

pub use serve::serve;

use crate::dav::Dav;
use lease::Lease;
use sign_in::{Peer, SignIn};

/// The services that this process can reach, by name.
pub type Links = HashMap<&'static str, Link>;

/// Renders the metrics of this process as Prometheus text.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// The edge of one installation. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    context: Context,
    grpc: grpc::Router,
    outside: Option<Outside>,
    metrics: RenderMetrics,
}

/// What only a process with the gateway offers: sign-in from outside, DAV, webhooks.
struct Outside {
    sign_in: SignIn,
    dav: Dav,
    telephony: Option<Link>,
    calendar: Link,
    mail: Option<Link>,
}

impl Gateway {
    /// The edge over `links`. With `outside`, people and programs sign in here, and DAV and webhooks are offered;
    /// without it only other processes of the installation are served, by the cluster key.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when `outside` is asked for and directory or calendar can't be reached.
    pub fn new(
        context: &Context,
        links: Links,
        outside: bool,
        metrics: RenderMetrics,
    ) -> kontor_kit::Result<Gateway> {
        let find = |name: &'static str| {
            links.get(name).cloned().ok_or_else(|| {
                kontor_kit::Error::invalid(
                    "services",
                    format!("the gateway needs {name}: run it here or give its address"),
                )
            })
        };
        let outside = if outside {
            Some(Outside {
                sign_in: SignIn::new(&find("directory")?, context.clock.clone()),
                dav: Dav::new(find("calendar")?, find("directory")?)
                    .with_push(context.push.enabled)
                    .with_files(links.get("templating").cloned()),
                telephony: links.get("telephony").cloned(),
                calendar: find("calendar")?,
                mail: links.get("mail").cloned(),
            })
        } else {
            None
        };
        let grpc = grpc::Router::new(links)?;
        Ok(Gateway(Arc::new(Inner { context: context.clone(), grpc, outside, metrics })))
    }

    /// Answers one request, in a span of its own.
    async fn answer(&self, request: Request<Body>, peer: &Arc<Peer>) -> Response<Body> {
        let started = Instant::now();
        let kind = kind_of(&request);
        let span = span_of(&request, kind);
        trace::adopt(&span, request.headers());
        let response = self.route(request, kind, peer).instrument(span.clone()).await;
        let status = response.status();
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        count(kind, status, started.elapsed());
        response
    }

    async fn route(&self, mut request: Request<Body>, kind: Kind, peer: &Arc<Peer>) -> Response<Body> {
        let caller = self.take_signed_caller(&mut request);
        // What answers one request is moved about a dozen times before it runs, so each kind but the one that comes most stands in a box.
        match kind {
            Kind::Grpc => self.grpc(request, caller, peer).await,
            Kind::Operation => Box::pin(operation::answer(&self.0, request.uri().path())).await,
            Kind::Webhook => Box::pin(self.webhook(request, peer)).await,
            Kind::Pops => Box::pin(self.pops(request, peer)).await,
            Kind::Dav => Box::pin(self.dav(request, peer)).await,
            Kind::Feed => Box::pin(self.feed(request, peer)).await,
            Kind::Unsubscribe => Box::pin(self.unsubscribe(request, peer)).await,
            Kind::Nothing => plain(StatusCode::NOT_FOUND, "there is nothing here\n"),
        }
    }

    /// Another process of this installation says who calls. A header that it did not sign is dropped.
    fn take_signed_caller(&self, request: &mut Request<Body>) -> Option<Caller> {
        let header = request.headers_mut().remove(CALLER_HEADER)?;
        let key = self.0.context.cluster_key.as_ref()?;
        key.verify(header.to_str().ok()?, self.0.context.clock.now())
    }

    async fn grpc(
        &self,
        mut request: Request<Body>,
        signed: Option<Caller>,
        peer: &Arc<Peer>,
    ) -> Response<Body> {
        let outside = match (signed, &self.0.outside) {
            (Some(caller), _) => {
                request.extensions_mut().insert(caller);
                return self.0.grpc.answer(request, true).await.map(Body::new);
            }
            (None, Some(outside)) => outside,
            (None, None) => return self.0.grpc.answer(request, false).await.map(Body::new),
        };
        let ends = outside.sign_in.ends_so_far();
        match outside.sign_in.check(request.headers(), peer).await {
            Ok(Some(caller)) => {
                note_user(&caller);
                request.extensions_mut().insert(caller.clone());
                let lease = Lease::new(self, (caller, ends), request.headers(), peer);
                let response = self.0.grpc.answer(request.map(|body| lease.request(body)), false).await;
                response.map(|body| lease.answer(body))
            }
            Ok(None) => self.0.grpc.answer(request, false).await.map(Body::new),
            Err(status) => grpc::refuse(status).map(Body::new),
        }
    }

    async fn webhook(&self, request: Request<Body>, peer: &Arc<Peer>) -> Response<Body> {
        match self.0.outside.as_ref().and_then(|outside| outside.telephony.clone()) {
            Some(_) if request.uri().path() == webhook::DOCUMENT => webhook::document(request.method()),
            Some(link) => webhook::answer(link, request, peer.address).await,
            None => plain(StatusCode::NOT_FOUND, "this installation takes no telephone events\n"),
        }
    }

    async fn pops(&self, request: Request<Body>, peer: &Arc<Peer>) -> Response<Body> {
        let Some((outside, link)) =
            self.0.outside.as_ref().and_then(|outside| Some((outside, outside.telephony.clone()?)))
        else {
            return plain(StatusCode::NOT_FOUND, "this installation has no telephony\n");
        };
        match outside.sign_in.check(request.headers(), peer).await {
            Ok(Some(caller)) => {
                note_user(&caller);
                let lease = Lease::new(self, (caller.clone(), None), request.headers(), peer);
                pops::answer(link, &caller, request, lease).await
            }
            Ok(None) => sign_in::challenge("sign in with your user name and an app password\n"),
            Err(status) => sign_in::refuse(&status),
        }
    }

    async fn feed(&self, request: Request<Body>, peer: &Arc<Peer>) -> Response<Body> {
        match &self.0.outside {
            Some(outside) => feed::answer(outside.calendar.clone(), request, peer.address).await,
            None => feed::nothing(),
        }
    }

    async fn unsubscribe(&self, request: Request<Body>, peer: &Arc<Peer>) -> Response<Body> {
        match self.0.outside.as_ref().and_then(|outside| outside.mail.clone()) {
            Some(link) => unsubscribe::answer(link, request, peer.address).await,
            None => unsubscribe::nothing(),
        }
    }

    async fn dav(&self, request: Request<Body>, peer: &Arc<Peer>) -> Response<Body> {
        let Some(outside) = &self.0.outside else {
            return plain(StatusCode::NOT_FOUND, "this process has no gateway\n");
        };
        let (parts, body) = request.into_parts();
        if let Some(answer) = outside.dav.anonymous(&parts) {
            return answer;
        }
        match outside.sign_in.check(&parts.headers, peer).await {
            Ok(Some(caller)) => {
                note_user(&caller);
                outside.dav.handle(caller, Request::from_parts(parts, body)).await
            }
            Ok(None) => sign_in::challenge("sign in with your user name and an app password\n"),
            Err(status) => sign_in::refuse(&status),
        }
    }
}

fn count(kind: Kind, status: StatusCode, took: Duration) {
    static REQUESTS: Meters<(&str, u16)> = Meters::new();
    let (kind, status) = (kind.name(), status.as_u16());
    REQUESTS.count((kind, status), took, || Meter {
        total: metrics::counter!("kontor_http_total", "kind" => kind, "status" => status.to_string()),
        seconds: metrics::histogram!("kontor_http_seconds", "kind" => kind),
    });
}

#[derive(Clone, Copy)]
enum Kind {
    Grpc,
    Operation,
    Webhook,
    Pops,
    Dav,
    Feed,
    Unsubscribe,
    Nothing,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Grpc => "grpc",
            Kind::Operation => "operation",
            Kind::Webhook => "webhook",
            Kind::Pops => "pops",
            Kind::Dav => "dav",
            Kind::Feed => "feed",
            Kind::Unsubscribe => "unsubscribe",
            Kind::Nothing => "nothing",
        }
    }
}

fn kind_of(request: &Request<Body>) -> Kind {
    let path = request.uri().path();
    let grpc = request.headers().get(http::header::CONTENT_TYPE).is_some_and(|kind| {
        // gRPC-Web has its own content types and comes with its own issue.
        kind.as_bytes() == b"application/grpc" || kind.as_bytes().starts_with(b"application/grpc+")
    });
    match path {
        _ if grpc => Kind::Grpc,
        "/healthz" | "/readyz" | "/metrics" => Kind::Operation,
        pops::PATH => Kind::Pops,
        path if path.starts_with("/telephony/") => Kind::Webhook,
        path if path.starts_with(feed::ROOT) => Kind::Feed,
        path if path.starts_with(unsubscribe::ROOT) => Kind::Unsubscribe,
        path if Dav::takes(request.method(), path) => Kind::Dav,
        _ => Kind::Nothing,
    }
}

/// The span of a request, when it is exported. It has no path: a path can hold a secret, and names of people's things.
fn span_of(request: &Request<Body>, kind: Kind) -> Span {
    if !trace::is_on() {
        return Span::none();
    }
    let method = method_name(request.method());
    tracing::info_span!(
        "request",
        otel.name = format_args!("{method} {}", kind.name()),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = kind.name(),
        http.response.status_code = tracing::field::Empty,
        user.name = tracing::field::Empty,
    )
}

fn note_user(caller: &Caller) {
    Span::current().record("user.name", caller.user.as_str());
}

/// The method when it is a known one, else `_OTHER`, as OpenTelemetry wants it: outsiders must not make new names.
fn method_name(method: &http::Method) -> &'static str {
    const KNOWN: [&str; 16] = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "OPTIONS",
        "PATCH",
        "PROPFIND",
        "PROPPATCH",
        "REPORT",
        "MKCOL",
        "MKCALENDAR",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
    ];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

/// A short answer in plain text.
fn plain(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, F: Future>(_: impl FnOnce(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// It was 100 KB once, copied twelve times a request.
    #[test]
    fn what_answers_a_request_is_small_to_move() {
        let (answer, dav) = (size(Gateway::answer), size(Gateway::dav));
        assert!(answer < 4_096, "{answer} bytes");
        assert!(dav < 8_192, "{dav} bytes");
    }
}
