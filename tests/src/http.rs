//! A small HTTP client for DAV and webhooks: any method, any header, the whole answer.
//! Called by scenarios through `Sandbox::http`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A client for one server and one user.
#[derive(Clone)]
pub struct Http {
    base: String,
    authorization: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// One header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Fails with the body unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}

impl Http {
    /// A client that does not sign in.
    pub fn new(address: &str) -> Http {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Http { base: format!("http://{address}"), authorization: None, client }
    }

    /// The same client as a user.
    #[must_use]
    pub fn sign_in(mut self, user: &str, password: &str) -> Http {
        self.authorization = Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        self
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.expect("the server answers")
    }

    /// Like `send`, for a server that may be gone.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(value) = &self.authorization {
            request = request.header("authorization", value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let response = self.client.request(request).await.map_err(|cause| format!("{cause:?}"))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|cause| cause.to_string())?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// PUT of a calendar object or a card, by the path's ending, with more headers.
    pub async fn put(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let kind = if path.ends_with(".vcf") { "text/vcard" } else { "text/calendar" };
        let headers: Vec<_> = headers.iter().copied().chain([("content-type", kind)]).collect();
        self.send("PUT", path, &headers, body).await
    }

    /// PROPFIND with these properties, written as XML.
    pub async fn propfind(&self, path: &str, depth: &str, properties: &str) -> Answer {
        let body = format!(
            "<D:propfind xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\" \
             xmlns:S=\"http://calendarserver.org/ns/\" xmlns:A=\"http://apple.com/ns/ical/\"><D:prop>{properties}</D:prop></D:propfind>"
        );
        self.send("PROPFIND", path, &[("depth", depth), ("content-type", "application/xml")], body).await
    }

    /// REPORT.
    pub async fn report(&self, path: &str, depth: &str, body: impl Into<Bytes>) -> Answer {
        self.send("REPORT", path, &[("depth", depth), ("content-type", "application/xml")], body).await
    }
}
