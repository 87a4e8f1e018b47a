//! REPORT (RFC 3253 section 3.6): reads the body and leads to the report.
//! Called by the table of methods.

use axum::body::Body;
use http::Response;
use kontor_vobject::card::Version;

use crate::dav::error::{Condition, Failure};
use crate::dav::headers::{self, Preferences};
use crate::dav::methods::accept;
use crate::dav::path::{Kind, Place};
use crate::dav::properties::propstat::Ask;
use crate::dav::reports::{self, Run};
use crate::dav::xml::report::{self, DataRequest, Kind as Asked};
use crate::dav::{Call, body, limits};

/// Answers REPORT. Depth is not looked at: each report has one sense on a collection, and clients send 0 and 1 alike. On an object the
/// queries and multigets are answered too, of it alone (RFC 4791 section 7, RFC 6352 section 8).
pub async fn run(call: &Call<'_>, body: Body) -> Result<Response<Body>, Failure> {
    let preferences = Preferences { no_root: false, ..headers::preferences(call.headers) };
    let body = body::xml(call.headers, body, limits::REPORT_BODY_BYTES).await?;
    let kind = call.place.kind().unwrap_or(Kind::Calendar);
    let parsed = report::report(&body).map_err(|error| Failure::of_xml(&error, kind))?;
    let (location, name) = match call.place {
        Place::Collection(location) => (location, None),
        Place::Object(location, name) => (location, Some(name.as_str())),
        _ => return anywhere(call, parsed, preferences).await,
    };
    check_data(parsed.data.as_ref(), location.kind)?;
    if is_anywhere(&parsed.kind) {
        return anywhere(call, parsed, preferences).await;
    }
    let ask = Ask { wanted: parsed.wanted, minimal: preferences.minimal };
    let version = parsed.data.as_ref().and_then(|data| card_version(call, data, location.kind));
    let data = parsed.data.unwrap_or_default();
    let run = Run {
        call,
        location,
        name,
        ask,
        subset: data.subset,
        version,
        forms: data.forms,
        time_zone: String::new(),
        preferences,
    };
    match (parsed.kind, location.kind) {
        (Asked::CalendarQuery { filter, time_zone, limit }, Kind::Calendar) => {
            reports::calendar_query::run(run, filter, time_zone, limit).await
        }
        (Asked::BookQuery { filter, limit }, Kind::Book) => {
            reports::addressbook_query::run(run, filter, limit).await
        }
        (Asked::CalendarMultiget(hrefs), Kind::Calendar) | (Asked::BookMultiget(hrefs), Kind::Book) => {
            reports::multiget::run(run, hrefs).await
        }
        (Asked::FreeBusyQuery(span), Kind::Calendar) if name.is_none() => {
            reports::free_busy_query::run(call, span).await
        }
        (Asked::SyncCollection { token, limit }, _) if name.is_none() => {
            reports::sync_collection::run(run, &token, limit).await
        }
        _ => Err(reports::unsupported()),
    }
}

/// Whether it is one of the reports that need no collection.
fn is_anywhere(kind: &Asked) -> bool {
    matches!(
        kind,
        Asked::ExpandProperty(_)
            | Asked::PrincipalPropertySearch(_)
            | Asked::PrincipalSearchPropertySet
            | Asked::PrincipalMatch(_)
            | Asked::AclPrincipalPropSet
    )
}

/// Answers these.
async fn anywhere(
    call: &Call<'_>,
    parsed: report::Report,
    preferences: Preferences,
) -> Result<Response<Body>, Failure> {
    let ask = Ask { wanted: parsed.wanted, minimal: preferences.minimal };
    if let (Asked::FreeBusyQuery(span), Place::Home(Kind::Calendar, _)) = (&parsed.kind, call.place) {
        return reports::free_busy_query::run(call, *span).await;
    }
    match &parsed.kind {
        Asked::ExpandProperty(properties) => {
            reports::expand_property::run(call, properties, preferences).await
        }
        Asked::PrincipalPropertySearch(search) => {
            reports::principals::search(call, search, &ask, preferences).await
        }
        Asked::PrincipalSearchPropertySet => Ok(reports::principals::searchable()),
        Asked::PrincipalMatch(by) => {
            reports::principals::matching(call, by.as_ref(), &ask, preferences).await
        }
        Asked::AclPrincipalPropSet => reports::principals::of_acl(call, &ask, preferences).await,
        _ => Err(reports::unsupported()),
    }
}

/// The version that cards are asked for in; none leaves each as it was written.
fn card_version(call: &Call<'_>, data: &DataRequest, kind: Kind) -> Option<Version> {
    match (kind, data.version.as_str()) {
        (Kind::Book, "3.0") => Some(Version::V3),
        (Kind::Book, "4.0") => Some(Version::V4),
        (Kind::Book, "") => accept::usual_version(call.headers),
        _ => None,
    }
}

/// Refuses a form of the data that can't be given; a wrong answer would be worse.
fn check_data(data: Option<&DataRequest>, kind: Kind) -> Result<(), Failure> {
    let Some(data) = data else { return Ok(()) };
    let condition = Condition::SupportedData(kind);
    if kind == Kind::Book && !data.forms.is_plain() {
        return Err(Failure::forbidden(condition, "cards have no instances"));
    }
    let usual = match kind {
        Kind::Calendar => "text/calendar",
        Kind::Book => "text/vcard",
    };
    let version = match kind {
        Kind::Calendar => matches!(data.version.as_str(), "" | "2.0"),
        Kind::Book => matches!(data.version.as_str(), "" | "3.0" | "4.0"),
    };
    if version && (data.content_type.is_empty() || data.content_type.eq_ignore_ascii_case(usual)) {
        return Ok(());
    }
    Err(Failure::forbidden(condition, "this form of the data is not offered"))
}
