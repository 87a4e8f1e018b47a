//! The edge: one port for gRPC, DAV, webhooks and operation. It signs callers in and passes requests on to the services.
//! Started by the binary; it knows the services by their links only.

pub mod dav;
mod edge;
pub mod one_click;

pub use edge::{Gateway, Links, RenderMetrics, serve};
