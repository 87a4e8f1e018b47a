//! Traces: a call is one span below its caller's, in process and in another process, and holds no content.

use std::sync::{Arc, Mutex};

use kontor_kit::auth::ClusterKey;
use kontor_kit::clock::Clock;
use kontor_kit::link::Link;
use kontor_kit::routes::{Answer, Answers, Routes};
use opentelemetry::global;
use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::Instrument;
use tracing_subscriber::prelude::*;

use crate::layer::{call, serve, unit};
use crate::support::Place;

const WHO: &str = "/kontor.directory.v1.UserService/GetUser";

fn spans_of(work: impl Future<Output = ()>) -> Vec<SpanData> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    kontor_kit::trace::switch_on();
    let subscriber = tracing_subscriber::registry().with(
        tracing_opentelemetry::layer().with_tracer(provider.tracer("it")).with_filter(
            tracing_subscriber::filter::Targets::new()
                .with_targets([("kontor", tracing::Level::INFO), ("it", tracing::Level::INFO)]),
        ),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tracing::subscriber::with_default(subscriber, || runtime.block_on(work));
    drop(runtime);
    exporter.get_finished_spans().expect("the spans")
}

fn attribute(span: &SpanData, key: &str) -> String {
    span.attributes
        .iter()
        .find(|pair| pair.key.as_str() == key)
        .map(|pair| pair.value.to_string())
        .unwrap_or_default()
}

#[test]
fn a_call_in_process_is_a_span_below_its_callers() {
    let spans = spans_of(async {
        let link = Link::local(unit(&Place::sqlite().context()).routes);
        call(&link, WHO, &[], None).instrument(tracing::info_span!("caller")).await;
    });
    let caller = spans.iter().find(|span| span.name == "caller").expect("the caller's span");
    let rpc = spans.iter().find(|span| span.name == WHO[1..]).expect("the call's span");
    assert_eq!(rpc.parent_span_id, caller.span_context.span_id());
    assert_eq!(rpc.span_context.trace_id(), caller.span_context.trace_id());
    for (key, value) in [
        ("rpc.system", "grpc"),
        ("rpc.service", "kontor.directory.v1.UserService"),
        ("rpc.method", "GetUser"),
        ("rpc.grpc.status_code", "6"),
        ("service", "directory"),
    ] {
        assert_eq!(attribute(rpc, key), value, "{key}");
    }
}

/// Keeps the `traceparent` of the last call.
struct Reads(Arc<Mutex<String>>);

impl Answers for Reads {
    fn answer(&self, request: http::Request<tonic::body::Body>) -> Answer {
        let text = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        *self.0.lock().expect("no panic") = text.unwrap_or_default().to_owned();
        Box::pin(async { Ok(tonic::Status::ok("").into_http()) })
    }
}

#[test]
fn a_remote_link_passes_the_trace_on() {
    let header = Arc::new(Mutex::new(String::new()));
    let seen = header.clone();
    let spans = spans_of(async move {
        let place = Place::sqlite();
        let routes = Routes::default().add("kontor.directory.v1.UserService", Reads(seen));
        let unit = kontor_kit::unit::Unit::new("directory", &place.context(), routes);
        let address = serve(unit).await;
        let key = ClusterKey::new(b"0123456789abcdef").expect("long enough");
        let link = Link::remote("directory", &address, key, Clock::System).expect("an address");
        call(&link, WHO, &[], None).instrument(tracing::info_span!("caller")).await;
    });
    let caller = spans.iter().find(|span| span.name == "caller").expect("the caller's span");
    let context = &caller.span_context;
    assert_eq!(
        *header.lock().expect("no panic"),
        format!("00-{}-{}-01", context.trace_id(), context.span_id())
    );
}

#[test]
fn the_traceparent_of_a_request_is_its_parent_and_nonsense_is_none() {
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let spans = spans_of(async {
        for (name, text) in [
            ("good", format!("00-{trace}-b7ad6b7169203331-01")),
            ("bad", "00-nonsense-01".to_owned()),
            ("zero", format!("00-{}-b7ad6b7169203331-01", "0".repeat(32))),
            ("long", "0".repeat(60_000)),
        ] {
            let span = tracing::info_span!("request", otel.name = name);
            let mut headers = http::HeaderMap::new();
            headers.insert("traceparent", text.parse().expect("a header"));
            kontor_kit::trace::adopt(&span, &headers);
        }
    });
    let span = |name: &str| spans.iter().find(|span| span.name == name).expect("its span");
    assert_eq!(span("good").span_context.trace_id().to_string(), trace);
    assert_eq!(span("good").parent_span_id.to_string(), "b7ad6b7169203331");
    for name in ["bad", "zero", "long"] {
        assert_eq!(span(name).parent_span_id, SpanId::INVALID, "{name}");
    }
}
