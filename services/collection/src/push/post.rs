//! The client that posts to push services: TLS with the system's roots, no redirects, time-outs, and only where it
//! may go.
//! Called by deliver.rs.

use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;

use super::address;

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Time for the whole of it.
const WHOLE: Duration = Duration::from_secs(10);
/// Connections to one push service that are kept for the next message, and for how long.
const KEPT: usize = 4;
const KEPT_FOR: Duration = Duration::from_secs(30);
/// The longest pause that a push service may ask for, in seconds.
const LONGEST_PAUSE: i64 = 3_600;

/// How connections are made.
type Connector = hyper_rustls::HttpsConnector<HttpConnector<Guarded>>;

/// What a push service said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It takes the message on.
    Yes,
    /// There is no such subscription any more.
    Gone,
    /// Not now; with the seconds to wait when it named them.
    Later(Option<i64>),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Post {
    client: Client<Connector, Full<bytes::Bytes>>,
}

impl Post {
    /// A client. Without `private_addresses` it connects to the open Internet only, and with TLS only.
    pub fn new(private_addresses: bool) -> Post {
        let mut connector =
            HttpConnector::new_with_resolver(Guarded { inner: GaiResolver::new(), private_addresses });
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(KEPT)
            .pool_idle_timeout(KEPT_FOR)
            .pool_timer(TokioTimer::new())
            .build(secured(connector, private_addresses));
        Post { client }
    }

    /// Sends a message. A redirect is no answer: it could lead anywhere.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Said {
        let request = request.map(|body| Full::new(body.into()));
        let answer = match tokio::time::timeout(WHOLE, self.client.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(cause)) => {
                // Without the address: it is a secret of the client.
                tracing::debug!(cause = %cause, "a push service can't be reached");
                return Said::Later(None);
            }
            Err(_) => return Said::Later(None),
        };
        let pause = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let pause = pause
            .and_then(|text| text.trim().parse().ok())
            .map(|seconds: i64| seconds.clamp(1, LONGEST_PAUSE));
        match answer.status() {
            status if status.is_success() => Said::Yes,
            StatusCode::NOT_FOUND | StatusCode::GONE => Said::Gone,
            status => {
                tracing::debug!(status = status.as_u16(), "a push service does not take a message");
                Said::Later(pause)
            }
        }
    }
}

/// With TLS by the system's root certificates.
fn secured(mut connector: HttpConnector<Guarded>, private_addresses: bool) -> Connector {
    use hyper_rustls::HttpsConnectorBuilder;

    connector.enforce_http(false);
    let provider = rustls::crypto::ring::default_provider();
    let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider);
    let builder = builder.unwrap_or_else(|cause| {
        tracing::warn!(cause = %cause, "the system has no root certificates, so no push service can be reached by TLS");
        HttpsConnectorBuilder::new().with_tls_config(no_roots())
    });
    let builder = if private_addresses { builder.https_or_http() } else { builder.https_only() };
    builder.enable_http1().wrap_connector(connector)
}

/// Trusts nobody.
fn no_roots() -> rustls::ClientConfig {
    let builder =
        rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().expect("ring has the usual versions of TLS");
    builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}

/// Names are looked up as ever, but what leads into the own network is left out. It is done here, for the connection goes where this
/// says: a name that is checked before and looked up again could lead elsewhere by then.
#[derive(Clone)]
pub struct Guarded {
    inner: GaiResolver,
    private_addresses: bool,
}

impl Service<Name> for Guarded {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (found, all) = (self.inner.call(name), self.private_addresses);
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                found.await?.filter(|found| all || address::is_public(found.ip())).collect();
            if found.is_empty() {
                return Err(std::io::Error::other("the name leads nowhere, or into a private network"));
            }
            Ok(found.into_iter())
        })
    }
}
