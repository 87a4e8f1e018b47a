//! `/healthz`, `/readyz` and `/metrics` for those who run the installation.
//! Called by `Gateway::answer`. No sign-in: they hold no content.

use axum::body::Body;
use http::{Response, StatusCode};
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::r#type::v1::WatchChangesRequest;

use super::{Inner, plain};

pub(super) async fn answer(gateway: &Inner, path: &str) -> Response<Body> {
    match path {
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        "/metrics" => plain(StatusCode::OK, (gateway.metrics)()),
        _ => ready(gateway).await,
    }
}

/// Ready when every service answers from its database, and the process is not asked to stop.
async fn ready(gateway: &Inner) -> Response<Body> {
    if gateway.context.stop.is_cancelled() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    for (name, link) in gateway.grpc.services() {
        if let Err(status) = reads_its_database(name, link).await {
            tracing::warn!(service = name, cause = %status.message(), "not ready");
            return plain(StatusCode::SERVICE_UNAVAILABLE, format!("{name} is not ready\n"));
        }
    }
    plain(StatusCode::OK, "ready\n")
}

/// The cheapest question that every service answers from its database: its newest change.
async fn reads_its_database(name: &str, link: Link) -> Result<(), tonic::Status> {
    let path = format!("/kontor.{name}.v1.ChangeService/WatchChanges");
    let path = http::uri::PathAndQuery::try_from(path)
        .map_err(|cause| tonic::Status::internal(cause.to_string()))?;
    let mut client = tonic::client::Grpc::new(link);
    client.ready().await.map_err(|cause| tonic::Status::unavailable(cause.to_string()))?;
    let mut request = Caller::system().request(WatchChangesRequest { until_now: true, ..Default::default() });
    request.set_timeout(std::time::Duration::from_secs(2));
    let codec: tonic_prost::ProstCodec<_, kontor_proto::r#type::v1::WatchChangesResponse> =
        Default::default();
    client.server_streaming(request, path, codec).await.map(|_| ())
}
