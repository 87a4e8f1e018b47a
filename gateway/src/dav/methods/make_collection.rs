//! MKCALENDAR (RFC 4791 section 5.3.1) and MKCOL, plain or extended (RFC 5689).
//! Called by the table of methods.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use kontor_proto::collection::v1::{CollectionKind, CreateCollectionRequest};
use tonic::Code;

use crate::dav::error::{Condition, Failure};
use crate::dav::headers::{self, Preferences};
use crate::dav::path::{self, Kind, Location, Place};
use crate::dav::properties::settable::{Refusal, Update};
use crate::dav::xml::request::{self, Change, Value};
use crate::dav::xml::{Space, Writer};
use crate::dav::{Call, body, empty, if_header, limits};

use super::proppatch;

/// Answers MKCALENDAR and MKCOL with 201.
pub async fn run(call: &Call<'_>, body: Body, calendar: bool) -> Result<Response<Body>, Failure> {
    let body = body::xml(call.headers, body, limits::XML_BODY_BYTES).await?;
    if !says_xml(call.headers) && request::make_collection(&body, calendar).is_err() {
        // RFC 4918 section 9.3. XML under another name is taken: clients are careless with it.
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a collection is described by XML"));
    }
    let location = match call.place {
        Place::Collection(location) => location,
        Place::Object(location, _) => {
            let condition = Condition::LocationOk(location.kind);
            return Err(Failure::forbidden(condition, "a collection can't stand inside another one"));
        }
        _ => return Err(exists()),
    };
    if (calendar && location.kind != Kind::Calendar) || !location.is_own() {
        let condition = Condition::LocationOk(if calendar { Kind::Calendar } else { location.kind });
        return Err(Failure::forbidden(condition, "such a collection can't be made here"));
    }
    if_header::check(call).await?;
    let changes =
        request::make_collection(&body, calendar).map_err(|error| Failure::of_xml(&error, location.kind))?;
    let update = match gather(&changes, location.kind) {
        Ok(update) => update,
        Err(outcomes) => return Ok(refusal(&changes, &outcomes, calendar)),
    };
    create(call, location, update).await?;
    let mut response = empty(StatusCode::CREATED);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // The answer to success says nothing anyway (RFC 8144 section 2.3).
    let preferences = headers::preferences(call.headers);
    Preferences { no_root: false, ..preferences }.acknowledge(response.headers_mut());
    Ok(response)
}

/// False when the headers tell of a body that is something else than XML.
fn says_xml(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return true };
    let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    kind.to_ascii_lowercase().ends_with(b"xml")
}

async fn create(call: &Call<'_>, location: &Location, update: Update) -> Result<(), Failure> {
    let mut it = update.collection;
    it.owner = location.owner.clone();
    it.slug = location.slug.clone();
    it.dead_properties = update.set_dead;
    it.set_kind(match location.kind {
        Kind::Calendar => CollectionKind::Calendar,
        Kind::Book => CollectionKind::AddressBook,
    });
    if location.kind == Kind::Calendar && !location.is_overview() && it.components.is_empty() {
        // A client that does not say gets a calendar that takes everything (RFC 4791 section 5.2.3).
        it.components = ["VEVENT", "VTODO", "VJOURNAL"].map(str::to_owned).to_vec();
    }
    let request = call.request(CreateCollectionRequest { collection: Some(it) });
    let answer = call.dav.collections(location.kind).create_collection(request).await;
    let home = path::home(location.kind, &location.home);
    answer.map(|_| ()).map_err(|status| match status.code() {
        Code::AlreadyExists => exists(),
        Code::PermissionDenied => Failure::need_privilege(home, "bind"),
        // The home's user does not exist.
        Code::NotFound => call.failure(&status).with_status(StatusCode::CONFLICT),
        _ => call.failure(&status),
    })
}

fn exists() -> Failure {
    Failure::condition(
        StatusCode::METHOD_NOT_ALLOWED,
        Condition::ResourceMustBeNull,
        "there is something at this address already",
    )
}

/// Takes over the properties of a new collection, or says for each whether it can be set.
fn gather(changes: &[Change], kind: Kind) -> Result<Update, Vec<Result<(), Refusal>>> {
    let mut update = Update::default();
    let outcomes: Vec<_> = changes
        .iter()
        .map(|change| {
            if proppatch::is_resource_type(change) {
                return if fits(change, kind) { Ok(()) } else { Err(Refusal::ResourceType) };
            }
            update.take(change, kind, true)
        })
        .collect();
    if outcomes.iter().all(Result::is_ok) { Ok(update) } else { Err(outcomes) }
}

/// Whether resourcetype names what stands in this tree.
fn fits(change: &Change, kind: Kind) -> bool {
    let Some(Value::Elements(names)) = &change.value else { return false };
    let has =
        |space: &Space, local: &str| names.iter().any(|name| name.space == *space && name.local == local);
    let typed = match kind {
        Kind::Calendar => has(&Space::CalDav, "calendar"),
        Kind::Book => has(&Space::CardDav, "addressbook"),
    };
    has(&Space::Dav, "collection") && typed
}

/// 403 with one propstat for each kind of outcome.
fn refusal(changes: &[Change], outcomes: &[Result<(), Refusal>], calendar: bool) -> Response<Body> {
    let mut out = Writer::document(if calendar { "C:mkcalendar-response" } else { "D:mkcol-response" });
    proppatch::propstats(&mut out, changes, outcomes);
    out.raw(if calendar { "</C:mkcalendar-response>\n" } else { "</D:mkcol-response>\n" });
    let mut response = Response::new(Body::from(out.into_bytes()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
