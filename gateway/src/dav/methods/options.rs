//! OPTIONS, and the redirect from the well-known addresses (RFC 6764). Both are answered without sign-in.
//! Called by `Dav::anonymous`; the lists of methods are also used for 405.

use axum::body::Body;
use http::header::{ALLOW, CONTENT_LENGTH, LOCATION};
use http::{HeaderValue, Response, StatusCode};

use crate::dav::path::{Kind, Place};
use crate::dav::{empty, path};

/// What the server can do. Locks (class 2) belong to documents. Thunderbird leaves invitations to the server only where it
/// finds `calendar-auto-schedule`.
const DAV: &str = "1, 3, access-control, calendar-access, calendar-auto-schedule, calendar-managed-attachments, addressbook, extended-mkcol";
/// The same where push messages are sent (draft-bitfire-webdav-push-00 section 2).
const DAV_WITH_PUSH: &str = "1, 3, access-control, calendar-access, calendar-auto-schedule, calendar-managed-attachments, addressbook, extended-mkcol, webdav-push";

/// Answers OPTIONS on any path; one that leads nowhere gets the list of a folder.
pub fn answer(path: &str, push: bool) -> Response<Body> {
    let place = Place::parse(path).unwrap_or(Place::Root);
    let allowed =
        if super::attached::id_of(path).is_some() { super::attached::METHODS } else { allow(&place) };
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert("dav", HeaderValue::from_static(if push { DAV_WITH_PUSH } else { DAV }));
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// Sends a client from a well-known address to the tree. Thunderbird repeats method and body after a 301.
pub fn well_known() -> Response<Body> {
    let mut response = empty(StatusCode::MOVED_PERMANENTLY);
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(path::ROOT));
    response
}

/// The methods of a place.
pub fn allow(place: &Place) -> &'static str {
    match place {
        Place::Object(location, _) if location.kind == Kind::Calendar => {
            "OPTIONS, GET, HEAD, POST, PUT, DELETE, PROPFIND, PROPPATCH, REPORT, COPY, MOVE"
        }
        Place::Object(..) => "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, REPORT, COPY, MOVE",
        place if super::outbox::takes(place) => "OPTIONS, GET, HEAD, POST, PROPFIND, PROPPATCH, REPORT",
        Place::Collection(location) if location.kind == Kind::Calendar => {
            "OPTIONS, GET, HEAD, POST, DELETE, PROPFIND, PROPPATCH, REPORT, MKCOL, MKCALENDAR"
        }
        Place::Collection(_) => "OPTIONS, GET, HEAD, POST, DELETE, PROPFIND, PROPPATCH, REPORT, MKCOL",
        Place::Home(Kind::Calendar, _) => "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, REPORT",
        _ => "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, REPORT",
    }
}
