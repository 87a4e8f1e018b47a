//! Documents over WebDAV of class 1 and 2 at `/dav/files/`: methods, conditions and lock headers are dav-server's, files and locks are
//! templating's, PROPFIND is our own.
//! Called by `Dav::handle`.

mod document;
mod locks;
mod propfind;
mod system;

use axum::body::Body;
use bytes::Bytes;
use dav_server::DavHandler;
use dav_server::davpath::DavPath;
use http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use kontor_kit::auth::Caller;
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_proto::templating::v1::file_service_client::FileServiceClient;

use super::body;
use super::error::Failure;
use super::path::Kind;
use super::xml::Reader;

/// Where the documents are.
const ROOT: &str = "/dav/files";
/// Bytes of a document at most.
const DOCUMENT: usize = 32 << 20;
/// Bytes of an XML body at most.
const XML: usize = 64 * 1024;

/// What class 2 takes.
const METHODS: &str = "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, LOCK, UNLOCK";

/// Whether a path is one of these.
pub fn takes(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The answer to OPTIONS, which needs no sign-in.
pub fn options() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    let headers = answer.headers_mut();
    headers.insert("dav", HeaderValue::from_static("1, 2"));
    headers.insert("allow", HeaderValue::from_static(METHODS));
    // Office programs of Microsoft write nowhere else.
    headers.insert("ms-author-via", HeaderValue::from_static("DAV"));
    answer
}

/// The documents of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Files(FileServiceClient<Link>);

impl Files {
    /// Over a link to templating.
    pub fn new(link: Link) -> Files {
        Files(
            FileServiceClient::new(link)
                .max_decoding_message_size(MESSAGE_LIMIT)
                .max_encoding_message_size(MESSAGE_LIMIT),
        )
    }

    /// Answers a request of a signed-in caller.
    pub async fn handle(&self, caller: Caller, request: Request<Body>) -> Response<Body> {
        self.answer(caller, request).await.unwrap_or_else(Failure::into_response)
    }

    async fn answer(&self, caller: Caller, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let (parts, body) = request.into_parts();
        let is_propfind = parts.method.as_str() == "PROPFIND";
        let depth = parts.headers.get("depth").map(HeaderValue::as_bytes);
        if is_propfind && !matches!(depth, Some(b"0" | b"1")) {
            return Ok(finite_depth());
        }
        let bytes = if parts.method == Method::PUT || parts.method == Method::PATCH {
            body::read(&parts.headers, body, DOCUMENT, || {
                Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "a document has at most 32 MiB")
            })
            .await?
        } else {
            let bytes = xml_body(&parts.headers, body).await?;
            if matches!(parts.method.as_str(), "LOCK" | "PROPPATCH") && !bytes.is_empty() {
                check_depth(&bytes)?;
            }
            bytes
        };
        let mut answer = if is_propfind {
            let asked = (parts.uri.path(), depth == Some(b"1"));
            propfind::run(&self.0, &caller, asked, &parts.headers, &bytes).await?
        } else {
            let replaces = matches!(parts.method.as_str(), "COPY" | "MOVE")
                && self.is_file(&caller, parts.uri.path()).await;
            let handler = DavHandler::builder()
                .strip_prefix(ROOT)
                .filesystem(Box::new(system::Tree { client: self.0.clone(), replaces }))
                .locksystem(Box::new(locks::Locks { client: self.0.clone(), caller: caller.clone() }))
                .build_handler();
            let user = caller.user.clone();
            let request = Request::from_parts(parts, Full::new(bytes));
            handler.handle_guarded(request, user, caller).await.map(Body::new)
        };
        // What users keep here is shown as what it is, and runs nothing in a browser.
        let headers = answer.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
        Ok(answer)
    }

    /// Whether a file stands at this address, and no folder.
    async fn is_file(&self, caller: &Caller, address: &str) -> bool {
        let tree = system::Tree { client: self.0.clone(), replaces: false };
        let Ok(mut path) = DavPath::new(address) else { return false };
        path.set_prefix(ROOT).is_ok() && tree.stat(caller, &path).await.is_ok_and(|file| !file.folder)
    }
}

/// An XML body without anything that grows as it is read.
async fn xml_body(headers: &http::HeaderMap, body: Body) -> Result<Bytes, Failure> {
    let bytes = body::xml(headers, body, XML).await?;
    let bomb = |word: &[u8]| bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    if bomb(b"<!DOCTYPE") || bomb(b"<!ENTITY") {
        return Err(Failure::bad_request("a DOCTYPE is not taken"));
    }
    Ok(bytes)
}

/// dav-server's reader calls itself once a level: our own, which has a cap, reads the body before.
fn check_depth(bytes: &[u8]) -> Result<(), Failure> {
    let wrong = |error| Failure::of_xml(&error, Kind::Calendar);
    let mut reader = Reader::new(bytes).map_err(wrong)?;
    reader.root().map_err(wrong)?;
    reader.skip().map_err(wrong)
}

/// The whole tree at once is asked for by nobody who needs it (RFC 4918 section 9.1).
fn finite_depth() -> Response<Body> {
    let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:error xmlns:D=\"DAV:\"><D:propfind-finite-depth/></D:error>";
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = StatusCode::FORBIDDEN;
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    answer
}
