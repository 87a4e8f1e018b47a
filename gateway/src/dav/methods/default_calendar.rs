//! CALDAV:schedule-default-calendar-URL of the own inbox (RFC 6638 section 9.2): the calendar that new invitations come to, which a phone
//! lets its user choose.
//! Called by PROPPATCH.

use kontor_proto::collection::v1::{Collection, UpdateCollectionRequest};
use tonic::Code;

use crate::dav::error::Failure;
use crate::dav::path::{Kind, Location, Place};
use crate::dav::properties::settable::Refusal;
use crate::dav::properties::{Live, Property};
use crate::dav::xml::request::{Change, Value};
use crate::dav::{Call, contract_path};

/// Whether a change speaks of it.
pub fn is_meant(change: &Change) -> bool {
    change.property == Property::Live(Live::ScheduleDefaultCalendar)
}

/// Carries out the changes, all or none; what becomes of each. Nothing else can be set in the same request.
pub async fn change(call: &Call<'_>, changes: &[Change]) -> Result<Vec<Result<(), Refusal>>, Failure> {
    let mut chosen = None;
    let mut outcomes: Vec<Result<(), Refusal>> = Vec::with_capacity(changes.len());
    for change in changes {
        outcomes.push(match &change.value {
            Some(Value::Text(href)) if is_meant(change) => match own_calendar(call, href) {
                Some(location) => {
                    chosen = Some(location);
                    Ok(())
                }
                None => Err(Refusal::DefaultCalendar),
            },
            None if is_meant(change) => Err(Refusal::DefaultCalendar),
            _ => Err(Refusal::Protected),
        });
    }
    let Some(location) = chosen.filter(|_| outcomes.iter().all(Result::is_ok)) else { return Ok(outcomes) };
    let message = UpdateCollectionRequest {
        path: Some(contract_path(&location)),
        collection: Some(Collection { is_default: true, ..Default::default() }),
        fields: vec!["is_default".to_owned()],
        ..Default::default()
    };
    match call.dav.collections(Kind::Calendar).update_collection(call.request(message)).await {
        Ok(_) => Ok(outcomes),
        Err(status)
            if matches!(status.code(), Code::NotFound | Code::PermissionDenied | Code::InvalidArgument) =>
        {
            Ok(outcomes.iter().map(|_| Err(Refusal::DefaultCalendar)).collect())
        }
        Err(status) => Err(call.failure(&status)),
    }
}

/// The calendar of the caller's own home that an address leads to.
fn own_calendar(call: &Call<'_>, href: &str) -> Option<Location> {
    match Place::of_href(href) {
        Ok(Place::Collection(location))
            if location.kind == Kind::Calendar && location.is_own() && location.owner == call.user() =>
        {
            Some(location)
        }
        _ => None,
    }
}
