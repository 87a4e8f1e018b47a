//! The layer around every unit's routes: caller, deadline, trace and metrics, alike in process and over the wire.
//! Put on by `Unit::new`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use http::{Request, Response};
use prost::Message;
use tonic::Code;
use tonic::body::Body;
use tracing::{Instrument, Span};

use crate::audit::{self, Who};
use crate::auth::{CALLER_HEADER, Caller, ClusterKey};
use crate::clock::Clock;
use crate::context::Context;
use crate::meter::{Meter, Meters};
use crate::routes::{Answer, Answers, Routes};
use crate::trace;

/// Deadline of a call that names none. Streams are not ended by it, only the wait for their first answer.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);
/// Longest deadline that a caller gets, whatever it asks for.
const LONGEST_DEADLINE: Duration = Duration::from_secs(3_600);

/// A unit's routes with everything around them. Cheap to clone.
#[derive(Clone)]
pub struct ServiceStack(Arc<Inner>);

struct Inner {
    service: &'static str,
    key: Option<ClusterKey>,
    clock: Clock,
    routes: Routes,
}

impl ServiceStack {
    /// The layer of one service, around its routes.
    pub(crate) fn new(service: &'static str, context: &Context, routes: Routes) -> Self {
        let (key, clock) = (context.cluster_key.clone(), context.clock.clone());
        ServiceStack(Arc::new(Inner { service, key, clock, routes }))
    }

    /// Takes the caller from the signed header of another process of this installation.
    fn accept_signed_caller(&self, request: &mut Request<Body>) {
        let Some(header) = request.headers_mut().remove(CALLER_HEADER) else { return };
        let caller = self.0.key.as_ref().zip(header.to_str().ok());
        if let Some(caller) = caller.and_then(|(key, text)| key.verify(text, self.0.clock.now())) {
            request.extensions_mut().insert(caller);
        }
    }
}

impl Answers for ServiceStack {
    fn answer(&self, mut request: Request<Body>) -> Answer {
        self.accept_signed_caller(&mut request);
        let deadline = request.headers().get("grpc-timeout").and_then(parse_timeout);
        let deadline = deadline.unwrap_or(DEFAULT_DEADLINE).min(LONGEST_DEADLINE);
        let method = method_of(request.uri().path());
        let service = self.0.service;
        let span = span_of(service, method);
        let who = request.extensions().get::<Caller>().map(|caller| Who::caller(caller, method.path));
        let answer = self.0.routes.answer(request);
        let answer = async move {
            let started = Instant::now();
            let work = audit::acting(who.unwrap_or_else(Who::system), answer);
            let answer = tokio::time::timeout(deadline, work).await;
            let response = answer.unwrap_or_else(|_| {
                Ok(tonic::Status::deadline_exceeded("the deadline passed before the answer was ready")
                    .into_http())
            })?;
            record(service, method, &response, started.elapsed());
            Ok(response)
        };
        Box::pin(answer.instrument(span))
    }
}

fn record(service: &'static str, method: Method, response: &Response<Body>, took: Duration) {
    let code = code_of(response);
    let span = Span::current();
    span.record("rpc.grpc.status_code", code as i32);
    if is_our_fault(code) {
        span.record("otel.status_code", "ERROR");
    }
    static CALLS: Meters<(&str, &str, i32)> = Meters::new();
    let code = code as i32;
    CALLS.count((service, method.path, code), took, || Meter {
        total: metrics::counter!("kontor_rpc_total", "service" => service, "method" => method.path, "code" => code.to_string()),
        seconds: metrics::histogram!("kontor_rpc_seconds", "service" => service, "method" => method.path),
    });
}

/// The status of an answer that is over; a stream that has begun counts as fine.
fn code_of(response: &Response<Body>) -> Code {
    response.headers().get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

/// Codes that OpenTelemetry counts as errors of the server (semantic conventions for gRPC).
fn is_our_fault(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
}

/// The span of a call: what the log shows, and more when it is exported.
fn span_of(service: &'static str, method: Method) -> Span {
    if !trace::is_on() {
        return tracing::info_span!("rpc", service, method = method.path);
    }
    tracing::info_span!(
        "rpc",
        service,
        otel.name = method.path.trim_start_matches('/'),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        rpc.system = "grpc",
        rpc.service = method.service,
        rpc.method = method.name,
        rpc.grpc.status_code = tracing::field::Empty,
    )
}

/// A method of the contracts.
#[derive(Clone, Copy)]
struct Method {
    /// Full name of its service: "kontor.pipeline.v1.LeadService".
    service: &'static str,
    /// "WinOpportunity"
    name: &'static str,
    /// "/kontor.pipeline.v1.LeadService/WinOpportunity"
    path: &'static str,
}

/// Stands for every method that is none of ours, so that outsiders can't make new labels.
const UNKNOWN: Method = Method { service: "unknown", name: "unknown", path: "unknown" };

/// Every method of the contracts, by path. The texts live as long as the process.
static METHODS: LazyLock<HashMap<&'static str, Method>> = LazyLock::new(|| {
    // The descriptors are our own, compiled in; were they damaged, every method would be "unknown".
    let files = prost_types::FileDescriptorSet::decode(kontor_proto::DESCRIPTORS).unwrap_or_default().file;
    let mut methods = HashMap::new();
    for (file, service) in
        files.iter().flat_map(|file| file.service.iter().map(move |service| (file, service)))
    {
        let full: &'static str = format!("{}.{}", file.package(), service.name()).leak();
        for method in &service.method {
            let path: &'static str = format!("/{full}/{}", method.name()).leak();
            let (_, name) = path.rsplit_once('/').unwrap_or_default();
            methods.insert(path, Method { service: full, name, path });
        }
    }
    methods
});

fn method_of(path: &str) -> Method {
    METHODS.get(path).copied().unwrap_or(UNKNOWN)
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
