//! CALDAV:free-busy-query (RFC 4791 section 7.10): when the owner of a calendar, or of a home, is busy; no titles.
//! Called by REPORT.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use kontor_proto::calendar::v1 as rpc;
use kontor_vobject::availability::BusyType;
use kontor_vobject::expand::Span;
use kontor_vobject::free_busy::{self, Period};

use crate::dav::error::{Condition, Failure};
use crate::dav::path::Place;
use crate::dav::properties::{object, overview};
use crate::dav::{Call, Kind};

/// Longest range; the service takes no longer one.
const DAYS: i64 = 366;

/// Answers on a calendar, which the caller must see, or on any user's home of calendars: everyone signed in has
/// CALDAV:read-free-busy there.
pub async fn run(call: &Call<'_>, span: Span) -> Result<Response<Body>, Failure> {
    if span.to - span.from > DAYS * 86_400 {
        let message = format!("ask for at most {DAYS} days");
        return Err(Failure::forbidden(Condition::NumberOfMatchesWithinLimits, message));
    }
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let mut message = rpc::QueryFreeBusyRequest {
        start_time: at(span.from),
        end_time: at(span.to),
        with_stated_hours: true,
        ..rpc::QueryFreeBusyRequest::default()
    };
    match call.place {
        Place::Collection(location) => {
            let it = call.collection(location).await?;
            if overview::is_overview(&it) {
                // Whatever it shows is transparent there: its own calendar counts it.
                return Ok(answer(span, &[]));
            }
            message.calendar = format!("calendars/{}", it.id);
        }
        Place::Home(Kind::Calendar, user) => message.people.push(format!("users/{user}")),
        _ => return Err(Failure::not_found()),
    }
    let asked = call.dav.free_busy.clone().query_free_busy(call.request(message)).await;
    let found = asked.map_err(|status| call.failure(&status))?.into_inner().people;
    let found = found.into_iter().next().ok_or_else(Failure::not_found)?;
    if matches!(call.place, Place::Home(..)) && found.user.is_empty() {
        return Err(Failure::not_found());
    }
    let periods: Vec<Period> = found.busy.iter().filter_map(period).collect();
    Ok(answer(span, &periods))
}

fn answer(span: Span, periods: &[Period]) -> Response<Body> {
    let now = jiff::Timestamp::now().as_second();
    let text = free_busy::write(None, &kontor_kit::id::new(), now, (span.from, span.to), &[], periods);
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static(object::content_type(Kind::Calendar));
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A busy time as it is written.
pub fn period(busy: &rpc::BusyInterval) -> Option<Period> {
    let kind = match busy.kind() {
        rpc::BusyKind::BusyTentative => BusyType::Tentative,
        rpc::BusyKind::BusyUnavailable => BusyType::Unavailable,
        rpc::BusyKind::Busy | rpc::BusyKind::Unspecified => BusyType::Busy,
    };
    Some(Period { from: busy.start_time.as_ref()?.seconds, to: busy.end_time.as_ref()?.seconds, kind })
}
