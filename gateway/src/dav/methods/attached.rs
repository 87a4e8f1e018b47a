//! GET and HEAD of an attachment: `/dav/attachments/{id}/{file name}`. The name in the path is for people; the id leads.
//! Called by `Dav::handle`. Nothing that was uploaded is shown as a page of this server.

use axum::body::Body;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use kontor_kit::auth::Caller;
use kontor_proto::calendar::v1::{Attachment, GetAttachmentRequest, ReadAttachmentRequest};

use crate::dav::error::Failure;
use crate::dav::path::Kind;
use crate::dav::{Dav, disposition, empty, preconditions};

/// Where the attachments are.
const FOLDER: &str = "/dav/attachments/";
/// What may be done with one (RFC 8607 sections 3.8 and 3.9: it is changed by its object alone).
pub const METHODS: &str = "OPTIONS, GET, HEAD";

/// The id of an attachment's path.
pub fn id_of(path: &str) -> Option<&str> {
    let mut segments = path.strip_prefix(FOLDER)?.split('/');
    let id = segments.next().unwrap_or_default();
    let (_name, rest) = (segments.next(), segments.next());
    let is_id =
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_id && rest.is_none_or(str::is_empty)).then_some(id)
}

/// Answers a method on an attachment.
pub async fn run(
    dav: &Dav,
    caller: &Caller,
    method: &Method,
    headers: &HeaderMap,
    id: &str,
) -> Result<Response<Body>, Failure> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
        return Ok(response);
    }
    let failure = |status: tonic::Status| Failure::of_status(&status, Kind::Calendar, FOLDER);
    let name = format!("attachments/{id}");
    let conditions = preconditions::conditions(headers)?;
    let asks = conditions != Default::default();
    let mut client = dav.attachments.clone();
    if *method == Method::HEAD || asks {
        let message = caller.request(GetAttachmentRequest { name: name.clone() });
        let file = client.get_attachment(message).await.map_err(failure)?.into_inner();
        if preconditions::refused(&conditions, &file.etag, "") {
            return Err(Failure::precondition_failed("the attachment has another ETag"));
        }
        if preconditions::not_modified(&conditions, &file.etag) {
            return dressed(empty(StatusCode::NOT_MODIFIED), &file);
        }
        if *method == Method::HEAD {
            let mut response = dressed(empty(StatusCode::OK), &file)?;
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(file.size));
            return Ok(response);
        }
    }
    let message = caller.request(ReadAttachmentRequest { name });
    let answer = client.read_attachment(message).await.map_err(failure)?.into_inner();
    dressed(Response::new(Body::from(answer.data)), &answer.attachment.unwrap_or_default())
}

fn dressed(mut response: Response<Body>, file: &Attachment) -> Result<Response<Body>, Failure> {
    let headers = response.headers_mut();
    let value = |text: String| {
        HeaderValue::try_from(text)
            .map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "a value can't stand in a header"))
    };
    headers.insert(ETAG, value(format!("\"{}\"", file.etag))?);
    headers.insert(CONTENT_TYPE, value(file.media_type.clone())?);
    headers.insert(CONTENT_DISPOSITION, value(disposition::attachment(&file.filename))?);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    // The bytes never change, but who may read them does.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_known_by_its_id() {
        assert_eq!(id_of("/dav/attachments/0a-1/plan%20b.pdf"), Some("0a-1"));
        assert_eq!(id_of("/dav/attachments/0a-1"), Some("0a-1"));
        for path in
            ["/dav/attachments/", "/dav/attachments/a/b/c", "/dav/attachments/a%2f/b", "/dav/calendars/a/"]
        {
            assert_eq!(id_of(path), None, "{path}");
        }
    }
}
