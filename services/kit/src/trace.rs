//! Trace context between processes: the W3C `traceparent` header taken at the edge and passed on by links.
//! Called by the edge, by `link.rs` and by the composing binary, which switches it on.
//!
//! In one process `tracing` itself carries the span from caller to callee, so a local link needs nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use opentelemetry::global;
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Traces of a process are like its log: one for the whole process, so this flag may be global.
static ON: AtomicBool = AtomicBool::new(false);

/// From now on headers are read and written, with the global propagator of OpenTelemetry.
pub fn switch_on() {
    ON.store(true, Ordering::Relaxed);
}

/// Whether traces are wanted. Without them, spans are kept small or left out.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Makes the sender of a request the parent of its span, when the headers name one.
pub fn adopt(span: &Span, headers: &HeaderMap) {
    if !is_on() || span.is_disabled() {
        return;
    }
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(headers)));
    if let Err(cause) = span.set_parent(parent) {
        tracing::debug!(cause = %cause, "the trace of the sender is not taken over");
    }
}

/// Writes the present span into the headers of a request to another process.
pub fn pass_on(headers: &mut HeaderMap) {
    if !is_on() {
        return;
    }
    let present = Span::current().context();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&present, &mut HeaderInjector(headers));
    });
}
