//! PROPPATCH (RFC 4918 section 9.2): all changes or none.
//! Called by the table of methods; the propstats of a refusal are used by MKCOL too.

use axum::body::Body;
use http::{Response, StatusCode};
use kontor_proto::collection::v1::{UpdateCollectionRequest, UpdateObjectRequest};
use tonic::Code;

use super::default_calendar;
use crate::dav::error::Failure;
use crate::dav::headers::{self, Preferences};
use crate::dav::path::{Kind, Location, Place};
use crate::dav::properties::record::load_object;
use crate::dav::properties::settable::{Refusal, Update};
use crate::dav::properties::{Live, Property, propstat};
use crate::dav::xml::request::{self, Change};
use crate::dav::xml::{Space, Writer};
use crate::dav::{Call, body, contract_path, empty, if_header, limits, stream};

/// Answers PROPPATCH.
pub async fn run(call: &Call<'_>, body: Body) -> Result<Response<Body>, Failure> {
    let preferences = Preferences { no_root: false, ..headers::preferences(call.headers) };
    let body = body::xml(call.headers, body, limits::XML_BODY_BYTES).await?;
    let changes = request::proppatch(&body).map_err(|error| Failure::of_xml(&error, Kind::Calendar))?;
    if let Place::Home(Kind::Calendar, user) = call.place {
        if_header::check_collection(call).await?;
        let outcomes = super::availability::change(call, user, &changes).await?;
        return Ok(multistatus(call, &changes, &outcomes, preferences));
    }
    if let Place::Object(location, name) = call.place {
        let outcomes = of_object(call, location, name, &changes).await?;
        return Ok(answered(call, &changes, &outcomes, preferences));
    }
    let Place::Collection(location) = call.place else {
        let refused: Vec<_> = changes.iter().map(|_| Err(Refusal::Protected)).collect();
        return Ok(multistatus(call, &changes, &refused, preferences));
    };
    if_header::check_collection(call).await?;
    if is_own_inbox(call, location) && changes.iter().any(is_availability) {
        let outcomes = super::availability::change(call, &location.owner, &changes).await?;
        return Ok(multistatus(call, &changes, &outcomes, preferences));
    }
    if is_own_inbox(call, location) && changes.iter().any(default_calendar::is_meant) {
        let outcomes = default_calendar::change(call, &changes).await?;
        return Ok(multistatus(call, &changes, &outcomes, preferences));
    }
    let mut update = Update::default();
    let outcomes: Vec<_> = changes.iter().map(|change| update.take(change, location.kind, false)).collect();
    if outcomes.iter().any(Result::is_err) {
        return Ok(multistatus(call, &changes, &outcomes, preferences));
    }
    let message = UpdateCollectionRequest {
        path: Some(contract_path(location)),
        collection: Some(update.collection),
        fields: update.fields.iter().map(|field| (*field).to_owned()).collect(),
        set_dead: update.set_dead,
        remove_dead: update.remove_dead,
    };
    let answer = call.dav.collections(location.kind).update_collection(call.request(message)).await;
    answer.map_err(|status| match status.code() {
        Code::PermissionDenied => Failure::need_privilege(location.href(), "write-properties"),
        _ => call.failure(&status),
    })?;
    Ok(answered(call, &changes, &outcomes, preferences))
}

/// The answer; a client that wants little gets none of it when all went well (RFC 8144 section 2.3).
fn answered(
    call: &Call<'_>,
    changes: &[Change],
    outcomes: &[Result<(), Refusal>],
    preferences: Preferences,
) -> Response<Body> {
    if !preferences.minimal || outcomes.iter().any(Result::is_err) {
        return multistatus(call, changes, outcomes, preferences);
    }
    let mut response = empty(StatusCode::OK);
    preferences.acknowledge(response.headers_mut());
    response
}

/// Sets dead properties of an object: all, or none when one can't be set.
async fn of_object(
    call: &Call<'_>,
    location: &Location,
    name: &str,
    changes: &[Change],
) -> Result<Vec<Result<(), Refusal>>, Failure> {
    let mut update = Update::default();
    let outcomes: Vec<_> =
        changes.iter().map(|change| update.take_of_object(change, location.kind)).collect();
    if outcomes.iter().any(Result::is_err) {
        // What is not there is told before what can't be set.
        load_object(call, location, name, false).await?;
        return Ok(outcomes);
    }
    let message = UpdateObjectRequest {
        path: Some(contract_path(location)),
        name: name.to_owned(),
        conditions: Some(if_header::conditions(call, None).await?),
        set_dead: update.set_dead,
        remove_dead: update.remove_dead,
    };
    let done = call.dav.collections(location.kind).update_object(call.request(message)).await;
    done.map_err(|status| match status.code() {
        Code::PermissionDenied => Failure::need_privilege(call.place.href(), "write-properties"),
        _ => call.failure(&status),
    })?;
    Ok(outcomes)
}

fn is_own_inbox(call: &Call<'_>, location: &Location) -> bool {
    location.kind == Kind::Calendar && location.slug == "inbox" && location.owner == call.user()
}

fn is_availability(change: &Change) -> bool {
    change.property == Property::Live(Live::CalendarAvailability)
}

fn multistatus(
    call: &Call<'_>,
    changes: &[Change],
    outcomes: &[Result<(), Refusal>],
    preferences: Preferences,
) -> Response<Body> {
    let mut out = stream::begin();
    out.raw("<D:response>");
    out.href(&call.place.href());
    propstats(&mut out, changes, outcomes);
    out.raw("</D:response>\n");
    stream::finished(out, preferences)
}

/// One propstat for each kind of outcome. When one change fails, the good ones get 424.
pub fn propstats(out: &mut Writer, changes: &[Change], outcomes: &[Result<(), Refusal>]) {
    let mut refusals: Vec<Refusal> = Vec::new();
    for refusal in outcomes.iter().filter_map(|outcome| outcome.err()) {
        if !refusals.contains(&refusal) {
            refusals.push(refusal);
        }
    }
    for refusal in &refusals {
        let those = changes.iter().zip(outcomes).filter(|(_, outcome)| **outcome == Err(*refusal));
        names(out, those.map(|(change, _)| change));
        let (status, condition) = refusal.status();
        out.raw(match status {
            StatusCode::CONFLICT => "<D:status>HTTP/1.1 409 Conflict</D:status>",
            _ => "<D:status>HTTP/1.1 403 Forbidden</D:status>",
        });
        if let Some(condition) = condition {
            out.raw("<D:error>");
            out.raw(condition);
            out.raw("</D:error>");
        }
        out.raw("</D:propstat>");
    }
    if outcomes.iter().all(Result::is_err) {
        return;
    }
    names(out, changes.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(change, _)| change));
    out.raw(if refusals.is_empty() {
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    } else {
        "<D:status>HTTP/1.1 424 Failed Dependency</D:status></D:propstat>"
    });
}

fn names<'a>(out: &mut Writer, changes: impl Iterator<Item = &'a Change>) {
    out.raw("<D:propstat><D:prop>");
    let mut written: Vec<&Change> = Vec::new();
    for change in changes {
        // A property that is set twice is named once.
        if written.iter().any(|other| other.property == change.property) {
            continue;
        }
        propstat::empty_element(out, &change.property);
        written.push(change);
    }
    out.raw("</D:prop>");
}

/// True for `DAV:resourcetype`, which only a new collection may carry.
pub fn is_resource_type(change: &Change) -> bool {
    let name = change.property.name();
    name.space == Space::Dav && name.local == "resourcetype"
}
