//! COUNTER and DECLINECOUNTER that a program puts into an outbox, as clients of the older scheduling drafts do.
//! Called by outbox.rs.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use kontor_proto::calendar::v1::{PostMessageRequest, Recipient};
use kontor_vobject::Limits;
use kontor_vobject::tree::Document;
use tonic::Code;

use crate::dav::error::{Condition, Failure};
use crate::dav::xml::Writer;
use crate::dav::{Call, path};

/// A message for the calendar service.
pub struct Posted<'d> {
    data: &'d [u8],
    from_organizer: bool,
}

/// The message, when it is one of those that go on.
pub fn of(data: &[u8]) -> Option<Posted<'_>> {
    let document = Document::parse(data, &Limits::default()).ok()?;
    let method = document.root().text("METHOD")?.trim().to_ascii_uppercase();
    let from_organizer = method == "DECLINECOUNTER";
    (from_organizer || method == "COUNTER").then_some(Posted { data, from_organizer })
}

/// Sends it, and answers with what became of it for each to whom it goes.
pub async fn run(call: &Call<'_>, owner: &str, posted: Posted<'_>) -> Result<Response<Body>, Failure> {
    let message = PostMessageRequest { owner: owner.to_owned(), icalendar: posted.data.to_vec().into() };
    let answer = call.dav.messages.clone().post_message(call.request(message)).await;
    let answer = answer.map_err(|status| match status.code() {
        Code::PermissionDenied if posted.from_organizer => {
            Failure::forbidden(Condition::ValidOrganizer, status.message())
        }
        Code::PermissionDenied | Code::InvalidArgument | Code::FailedPrecondition => {
            let failure = Failure::forbidden(Condition::ValidSchedulingMessage, status.message());
            failure.with_status(StatusCode::BAD_REQUEST)
        }
        _ => Failure::of_status(&status, path::Kind::Calendar, ""),
    })?;
    Ok(answered(&answer.into_inner().recipients))
}

/// CALDAV:schedule-response (RFC 6638 section 10.2).
fn answered(recipients: &[Recipient]) -> Response<Body> {
    let mut out = Writer::document("C:schedule-response");
    for recipient in recipients {
        out.raw("<C:response><C:recipient>");
        out.href(&recipient.address);
        out.raw("</C:recipient><C:request-status>");
        out.text(&recipient.status);
        out.raw("</C:request-status></C:response>");
    }
    out.raw("</C:schedule-response>\n");
    let mut response = Response::new(Body::from(out.into_bytes()));
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
