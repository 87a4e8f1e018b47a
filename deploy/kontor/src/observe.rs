//! Logs, metrics and traces of the process. They never hold secrets or content.
//! Called by `main.rs`: `start` before anything else, `stop` after everything else.

mod fields;

use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use kontor_gateway::RenderMetrics;
use kontor_kit::{Error, Result, trace};
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::Config;
use fields::PlainFields;

/// Time for the collector to take a batch of spans, also the last one when the process stops.
const EXPORT_TIME: Duration = Duration::from_secs(5);

/// The exporter of this process, when traces are wanted.
static TRACES: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Starts logs, traces and metrics for the whole process, and returns how `/metrics` is rendered.
///
/// # Errors
/// INVALID_ARGUMENT for a bad `log.level`, `log.format` or `trace.endpoint`.
pub fn start(config: &Config) -> Result<RenderMetrics> {
    let log = log(config)?;
    let registry = tracing_subscriber::registry().with(traces(config.get("trace.endpoint"))?);
    registry.with(log).try_init().map_err(Error::internal)?;
    metrics()
}

/// Sends the spans that still wait. Called last, outside of any runtime.
pub fn stop() {
    if let Some(Err(cause)) = TRACES.get().map(|traces| traces.shutdown_with_timeout(EXPORT_TIME)) {
        eprintln!("kontor: the last spans were not taken by trace.endpoint: {cause}");
    }
}

/// Starts metrics alone.
///
/// # Errors
/// INTERNAL when they were started before.
pub fn metrics() -> Result<RenderMetrics> {
    let handle = PrometheusBuilder::new()
        .set_buckets(&[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0])
        .map_err(Error::internal)?
        .install_recorder()
        .map_err(Error::internal)?;
    Ok(Arc::new(move || handle.render()))
}

fn log<S>(config: &Config) -> Result<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let level = config.get("log.level");
    let filter = EnvFilter::try_new(level)
        .map_err(|cause| Error::invalid("log.level", format!("{level:?}: {cause}")))?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match config.get("log.format") {
        // Colours are for people; a file of logs holds none.
        "text" if std::io::stderr().is_terminal() => Ok(layer.with_filter(filter).boxed()),
        "text" => Ok(layer.with_ansi(false).fmt_fields(PlainFields).with_filter(filter).boxed()),
        "json" => Ok(layer.json().with_filter(filter).boxed()),
        other => Err(Error::invalid("log.format", format!("{other:?} is neither text nor json"))),
    }
}

/// The layer that exports Kontor's own spans; none without an endpoint. `log.level` does not change what is exported.
fn traces<S>(endpoint: &str) -> Result<Option<Box<dyn Layer<S> + Send + Sync>>>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    if endpoint.is_empty() {
        return Ok(None);
    }
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name("kontor").build())
        .with_batch_exporter(exporter(endpoint)?)
        .build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    trace::switch_on();
    let tracer = provider.tracer("kontor");
    let provider = TRACES.set(provider);
    provider.map_err(|_| Error::internal("traces were started before"))?;
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(Targets::new().with_target("kontor", Level::INFO));
    Ok(Some(layer.boxed()))
}

fn exporter(endpoint: &str) -> Result<SpanExporter> {
    if !endpoint.starts_with("http://") {
        let message = format!(
            "{endpoint:?} is no address like http://127.0.0.1:4318 (a collector behind TLS needs a local one before it)"
        );
        return Err(Error::invalid("trace.endpoint", message));
    }
    SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_TIME)
        .with_http_client(Sender::new()?)
        .build()
        .map_err(|cause| Error::invalid("trace.endpoint", cause))
}

/// Hyper wants a tokio runtime, and the exporter's thread has none: this is a small one of its own.
#[derive(Debug)]
struct Sender {
    client: HyperClient,
    runtime: tokio::runtime::Runtime,
}

impl Sender {
    fn new() -> Result<Sender> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("trace-export")
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        Ok(Sender { client: HyperClient::with_default_connector(EXPORT_TIME, None), runtime })
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> std::result::Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

#[cfg(test)]
mod tests;
