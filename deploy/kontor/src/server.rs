//! The way from the command to a running server: its address, by HTTP or HTTPS, and the app password.
//! Called by the commands that talk to one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use hyper_util::rt::TokioIo;
use kontor_kit::{Error, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};

/// Variable with the app password.
const TOKEN: &str = "KONTOR_TOKEN";

/// Which server, and as whom.
#[derive(Args)]
pub struct Server {
    /// Address of the running server, http:// or https://.
    #[arg(long, value_name = "URL", env = "KONTOR_SERVER", default_value = "http://127.0.0.1:8420")]
    server: String,
    /// File with an app password (`kontor token add`); without it the variable KONTOR_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) that an https:// address is trusted by, instead of those of this machine.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Server {
    /// Its address, as it was given.
    pub fn address(&self) -> &str {
        &self.server
    }

    /// The app password as a header. It is never an argument: those are seen by everybody on the machine.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming token, or the file.
    pub fn token(&self) -> Result<MetadataValue<Ascii>> {
        let text = match &self.token_file {
            Some(path) => std::fs::read_to_string(path).map_err(|cause| unreadable(path, &cause))?,
            None => std::env::var(TOKEN).map_err(|_| {
                Error::invalid("token", format!("set {TOKEN} or name a --token-file: `kontor token add USER --name shell` makes an app password"))
            })?,
        };
        let header = format!("Bearer {}", text.trim()).parse::<MetadataValue<Ascii>>();
        let mut header = header.map_err(|_| Error::invalid("token", "it is no app password"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// A request with the app password.
    ///
    /// # Errors
    /// Those of `token`.
    pub fn request<T>(&self, message: T) -> Result<Request<T>> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token()?);
        Ok(request)
    }

    /// A connection to the running server.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming server or the file of certificates; UNAVAILABLE when it can't be reached.
    pub async fn channel(&self) -> Result<Channel> {
        let server = &self.server;
        let uri: Uri = server.parse().map_err(|cause| Error::invalid("server", cause))?;
        let secured = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => {
                let message = format!(
                    "{server:?}: use an address like http://127.0.0.1:8420 or https://crm.example.com"
                );
                return Err(Error::invalid("server", message));
            }
        };
        let endpoint = Endpoint::from(uri).connect_timeout(std::time::Duration::from_secs(10));
        let connected = if secured {
            let tls = TlsConnector::from(Arc::new(trust(self.ca_file.as_deref())?));
            let connect = tower::service_fn(move |uri: Uri| {
                let tls = tls.clone();
                async move { secure(&tls, &uri).await.map(TokioIo::new) }
            });
            endpoint.connect_with_connector(connect).await
        } else {
            endpoint.connect().await
        };
        connected.map_err(|cause| {
            let why = reasons(&cause);
            Error::unavailable(format!("{server} can't be reached: is `kontor serve` running there? ({why})"))
        })
    }
}

/// The causes of an error, the innermost last: "invalid peer certificate: UnknownIssuer" is what helps.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Whom an https:// address is trusted by.
fn trust(file: Option<&Path>) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    match file {
        Some(path) => {
            let wrong = |cause: rustls::pki_types::pem::Error| {
                Error::invalid("ca_file", format!("{} has no certificates in PEM: {cause}", path.display()))
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(wrong)? {
                roots.add(certificate.map_err(wrong)?).map_err(|cause| Error::invalid("ca_file", cause))?;
            }
            if roots.is_empty() {
                let message = format!("{} has no certificates in PEM", path.display());
                return Err(Error::invalid("ca_file", message));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions.map_err(Error::internal)?.with_root_certificates(roots).with_no_client_auth();
    // gRPC is HTTP/2, and a proxy that can't speak it is to say so at once.
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

async fn secure(tls: &TlsConnector, uri: &Uri) -> std::io::Result<TlsStream<TcpStream>> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
    stream.set_nodelay(true)?;
    let stream = tls.connect(name, stream).await?;
    if stream.get_ref().1.alpn_protocol() != Some(&b"h2"[..]) {
        return Err(std::io::Error::other("it does not speak HTTP/2 (h2) on this port"));
    }
    Ok(stream)
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::invalid("token_file", format!("can't read {}: {cause}", path.display()))
}

/// What the server said, with what to do when it does not know the app password.
pub fn refused(status: Status) -> Error {
    match status.code() {
        Code::Unauthenticated => Error::unauthenticated(format!(
            "{}: the app password in {TOKEN} or --token-file is not known there",
            status.message()
        )),
        _ => status.into(),
    }
}
