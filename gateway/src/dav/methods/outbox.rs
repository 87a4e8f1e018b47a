//! POST to the scheduling outbox: when are these people busy (RFC 6638 section 5), and other times that guests propose (RFC 5546 sections
//! 3.2.7 and 3.2.8). Invitations and answers go by PUT, so nothing else is taken.
//! Called by the table of methods.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use kontor_proto::calendar::v1 as rpc;
use kontor_proto::collection::v1::Access;
use kontor_vobject::Limits;
use kontor_vobject::content::ContentLine;
use kontor_vobject::free_busy;
use kontor_vobject::ical::{CalendarObject, Item, ItemKind};
use kontor_vobject::recur::day;
use kontor_vobject::tree::Document;
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};

use super::counter;
use crate::dav::error::{Condition, Failure};
use crate::dav::path::{Kind, Location, Place};
use crate::dav::properties::record;
use crate::dav::reports::free_busy_query::period;
use crate::dav::xml::Writer;
use crate::dav::{Call, body, limits};

/// People in one question at most; the service takes no more.
const PEOPLE: usize = 100;
/// Longest range in seconds; the service takes no longer one.
const RANGE: i64 = 366 * day::DAY;

/// Whether it is an outbox.
pub fn takes(place: &Place) -> bool {
    matches!(place, Place::Collection(location) if is_outbox(location))
}

fn is_outbox(location: &Location) -> bool {
    location.kind == Kind::Calendar && location.is_own() && location.slug == "outbox"
}

/// A question about busy time.
struct Question {
    uid: String,
    /// ORGANIZER's address and line.
    organizer: (String, ContentLine),
    /// Address and value as written of each who is asked about.
    people: Vec<(String, String)>,
    /// Seconds UTC.
    range: (i64, i64),
}

/// Answers POST with one busy time for each attendee.
pub async fn run(call: &Call<'_>, body: Body) -> Result<Response<Body>, Failure> {
    let Place::Collection(location) = call.place else { return Err(Failure::not_found()) };
    if call.collection(location).await?.access() != Access::Owner {
        return Err(Failure::not_found());
    }
    let too_large = || Failure::too_large(Kind::Calendar);
    let data = body::read(call.headers, body, limits::XML_BODY_BYTES, too_large).await?;
    if let Some(posted) = counter::of(&data) {
        return counter::run(call, &location.owner, posted).await;
    }
    let question = question(&data)?;
    check_organizer(call, &location.owner, &question.organizer.0).await?;
    let known: Vec<String> = question.people.iter().filter_map(|(address, _)| person(address)).collect();
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let message = rpc::QueryFreeBusyRequest {
        people: known,
        start_time: at(question.range.0),
        end_time: at(question.range.1),
        with_stated_hours: true,
        ..rpc::QueryFreeBusyRequest::default()
    };
    let answer = call.dav.free_busy.clone().query_free_busy(call.request(message)).await;
    let found = answer.map_err(|status| call.failure(&status))?.into_inner().people;
    Ok(answered(&question, &found))
}

/// Who asks must be the owner of the outbox (CALDAV:valid-organizer).
async fn check_organizer(call: &Call<'_>, owner: &str, organizer: &str) -> Result<(), Failure> {
    let record = record::load_user(call, owner).await?;
    let by_mail = !record.email.is_empty() && record.email.eq_ignore_ascii_case(organizer);
    let by_path = matches!(Place::of_href(organizer), Ok(Place::Principal(user)) if user == owner);
    if by_mail || by_path {
        return Ok(());
    }
    Err(Failure::forbidden(Condition::ValidOrganizer, "ORGANIZER is not the owner of this outbox"))
}

/// The name by which the service knows a person; None for an address that can't be anybody's.
fn person(address: &str) -> Option<String> {
    match Place::of_href(address) {
        Ok(Place::Principal(user)) => Some(format!("users/{user}")),
        _ if address.contains('@') && !address.contains([':', '/', ' ']) => Some(address.to_owned()),
        _ => None,
    }
}

fn question(data: &[u8]) -> Result<Question, Failure> {
    let broken = |why: String| Failure::forbidden(Condition::ValidData(Kind::Calendar), why);
    let refused = |why: &str| {
        let failure = Failure::forbidden(Condition::ValidSchedulingMessage, why);
        // RFC 6638 section 5.2.1.
        failure.with_status(StatusCode::BAD_REQUEST)
    };
    let document = Document::parse(data, &Limits::default()).map_err(|cause| broken(cause.to_string()))?;
    let object = CalendarObject::read_message(&document).map_err(|cause| broken(cause.to_string()))?;
    if object.kind != ItemKind::FreeBusy || object.method.as_deref() != Some("REQUEST") {
        return Err(refused("only a VFREEBUSY with METHOD:REQUEST is taken here"));
    }
    let item: &Item = object.first();
    let component = document.component(item.component);
    let line = component.property("ORGANIZER");
    let (Some(organizer), Some(line)) = (&item.organizer, line) else {
        return Err(refused("ORGANIZER is missing"));
    };
    let mut zones = Zones::of(&document, Zone::UTC);
    let mut seconds = |value: &Option<DateValue>| {
        value.as_ref().map(|value| zones.zone_of(value).to_utc(day::seconds(value.civil())))
    };
    let (Some(from), Some(to)) = (seconds(&item.start), seconds(&item.end)) else {
        return Err(refused("DTSTART and DTEND are missing"));
    };
    if to <= from || to - from > RANGE {
        return Err(refused("DTEND must be after DTSTART, and at most 366 days"));
    }
    if item.attendees.is_empty() {
        return Err(refused("ATTENDEE is missing"));
    }
    if item.attendees.len() > PEOPLE {
        let message = format!("ask about at most {PEOPLE} people");
        return Err(Failure::forbidden(Condition::MaxAttendees, message));
    }
    let values = component.properties_named("ATTENDEE").map(|property| property.value().trim().to_owned());
    Ok(Question {
        uid: object.uid.clone(),
        organizer: (organizer.address.clone(), ContentLine::new("ORGANIZER", line.value())),
        people: item.attendees.iter().map(|guest| guest.address.clone()).zip(values).collect(),
        range: (from, to),
    })
}

/// CALDAV:schedule-response (RFC 6638 section 10.2).
fn answered(question: &Question, found: &[rpc::FreeBusy]) -> Response<Body> {
    let now = jiff::Timestamp::now().as_second();
    let mut out = Writer::document("C:schedule-response");
    for (address, value) in &question.people {
        out.raw("<C:response><C:recipient>");
        out.href(value);
        out.raw("</C:recipient><C:request-status>");
        let name = person(address);
        let busy = name.and_then(|name| found.iter().find(|one| one.person == name && !one.user.is_empty()));
        match busy {
            None => out.raw("3.7;Invalid calendar user</C:request-status>"),
            Some(busy) => {
                out.raw("2.0;Success</C:request-status><C:calendar-data>");
                let periods: Vec<_> = busy.busy.iter().filter_map(period).collect();
                let more = [question.organizer.1.clone(), ContentLine::new("ATTENDEE", value.as_str())];
                let text =
                    free_busy::write(Some("REPLY"), &question.uid, now, question.range, &more, &periods);
                out.text(&text);
                out.raw("</C:calendar-data>");
            }
        }
        out.raw("</C:response>");
    }
    out.raw("</C:schedule-response>\n");
    let mut response = Response::new(Body::from(out.into_bytes()));
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
