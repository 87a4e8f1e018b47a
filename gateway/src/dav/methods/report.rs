//! REPORT (RFC 3253 section 3.6): reads the body and leads to the report.
//! Called by the table of methods.

use axum::body::Body;
use http::Response;

use crate::dav::error::{Condition, Failure};
use crate::dav::headers;
use crate::dav::path::{Kind, Place};
use crate::dav::properties::propstat::Ask;
use crate::dav::reports::{self, Run};
use crate::dav::xml::report::{self, DataRequest, Kind as Asked};
use crate::dav::{Call, body, limits};

/// Answers REPORT. Depth is not looked at: each report has one sense on a collection, and clients send 0 and 1 alike.
pub async fn run(call: &Call<'_>, body: Body) -> Result<Response<Body>, Failure> {
    if let Place::Home(Kind::Calendar, _) = call.place {
        return on_home(call, body).await;
    }
    let Place::Collection(location) = call.place else { return Err(unsupported()) };
    let preferences = headers::preferences(call.headers);
    let body = body::xml(call.headers, body, limits::REPORT_BODY_BYTES).await?;
    let parsed = report::report(&body).map_err(|error| Failure::of_xml(&error, location.kind))?;
    check_data(parsed.data.as_ref(), location.kind)?;
    let ask = Ask { wanted: parsed.wanted, minimal: preferences.minimal };
    let data = parsed.data.unwrap_or_default();
    let run = Run {
        call,
        location,
        ask,
        subset: data.subset,
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
        (Asked::FreeBusyQuery(span), Kind::Calendar) => reports::free_busy_query::run(call, span).await,
        (Asked::SyncCollection { token, infinite, limit }, _) => {
            reports::sync_collection::run(run, &token, infinite, limit).await
        }
        _ => Err(unsupported()),
    }
}

/// A home of calendars answers free-busy-query alone.
async fn on_home(call: &Call<'_>, body: Body) -> Result<Response<Body>, Failure> {
    let body = body::xml(call.headers, body, limits::REPORT_BODY_BYTES).await?;
    let parsed = report::report(&body).map_err(|error| Failure::of_xml(&error, Kind::Calendar))?;
    match parsed.kind {
        Asked::FreeBusyQuery(span) => reports::free_busy_query::run(call, span).await,
        _ => Err(unsupported()),
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
    // A card comes in the version in which it was written, whichever of the two was asked for.
    let version = match kind {
        Kind::Calendar => matches!(data.version.as_str(), "" | "2.0"),
        Kind::Book => matches!(data.version.as_str(), "" | "3.0" | "4.0"),
    };
    if version && (data.content_type.is_empty() || data.content_type.eq_ignore_ascii_case(usual)) {
        return Ok(());
    }
    Err(Failure::forbidden(condition, "this form of the data is not offered"))
}

fn unsupported() -> Failure {
    Failure::forbidden(Condition::SupportedReport, "this resource does not answer this report")
}
