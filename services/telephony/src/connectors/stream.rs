//! The bytes under every session: TCP, with TLS where the connector says so.
//! Called by the links of ami, ari and freeswitch; rpc checks certificates here when a connector is made.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::failure::Failure;

/// Most certificates of one connector.
const MAX_CERTIFICATES: usize = 20;

/// Bytes both ways.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// How the other end proves who it is.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

impl Tls {
    /// TLS that trusts these certificates (PEM), or those of the system when there are none.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn new(certificates: &str) -> Result<Tls, String> {
        let roots = if certificates.trim().is_empty() { system_roots() } else { given_roots(certificates)? };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|cause| cause.to_string())?;
        Ok(Tls(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // a root that cannot be read is one that nobody is trusted by; the connection says so if it was needed
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn given_roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (number, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        if number == MAX_CERTIFICATES {
            return Err(format!("it has more than {MAX_CERTIFICATES} certificates"));
        }
        let certificate = certificate.map_err(|cause| format!("it is no PEM: {cause}"))?;
        roots.add(certificate).map_err(|cause| format!("certificate {}: {cause}", number + 1))?;
    }
    if roots.is_empty() { Err("there is no certificate in it (PEM)".to_owned()) } else { Ok(roots) }
}

/// Connects within `patience`, TLS included.
pub(super) async fn connect(
    host: &str,
    port: u16,
    tls: Option<&Tls>,
    patience: Duration,
) -> Result<Box<dyn Bytes>, Failure> {
    let connected = timeout(patience, open(host, port, tls)).await;
    connected.map_err(|_| Failure::Silent(patience))?.map_err(Failure::Io)
}

async fn open(host: &str, port: u16, tls: Option<&Tls>) -> io::Result<Box<dyn Bytes>> {
    let stream = TcpStream::connect((host, port)).await?;
    // what we say is small and each waits for its answer
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let secured = TlsConnector::from(tls.0.clone()).connect(name, stream).await;
    let secured = secured.map_err(|cause| io::Error::new(cause.kind(), format!("TLS: {cause}")))?;
    Ok(Box::new(secured))
}
