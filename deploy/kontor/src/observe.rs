//! Logs and metrics of the process. Logs never hold secrets or content.
//! Called by `main.rs` before anything else starts.

use std::sync::Arc;

use kontor_gateway::RenderMetrics;
use kontor_kit::{Error, Result};
use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use crate::config::Config;

/// Starts logs and metrics for the whole process, and returns how `/metrics` is rendered.
///
/// # Errors
/// INVALID_ARGUMENT for a bad `log.level` or `log.format`.
pub fn start(config: &Config) -> Result<RenderMetrics> {
    let level = config.get("log.level");
    let filter = EnvFilter::try_new(level).map_err(|cause| Error::invalid("log.level", format!("{level:?}: {cause}")))?;
    let registry = tracing_subscriber::registry().with(filter);
    let started = match config.get("log.format") {
        "text" => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).try_init(),
        "json" => registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).try_init(),
        other => return Err(Error::invalid("log.format", format!("{other:?} is neither text nor json"))),
    };
    started.map_err(Error::internal)?;
    metrics()
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
