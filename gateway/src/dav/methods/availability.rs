//! CALDAV:calendar-availability of a user's home of calendars (RFC 7953 section 7.2.4): working hours and absences.
//! Called by PROPFIND and PROPPATCH; kept by the calendar service.

use kontor_proto::calendar::v1::{Availability, GetAvailabilityRequest, UpdateAvailabilityRequest};
use tonic::Code;

use crate::dav::Call;
use crate::dav::error::Failure;
use crate::dav::properties::settable::Refusal;
use crate::dav::properties::{Live, Property};
use crate::dav::xml::request::{Change, Value};

/// What the user has said; none when nothing was, or when it is another user's, whose reasons are nobody's business.
pub async fn read(call: &Call<'_>, user: &str) -> Result<Option<String>, Failure> {
    if user != call.user() {
        return Ok(None);
    }
    let message = GetAvailabilityRequest { name: name(user) };
    match call.dav.availability.clone().get_availability(call.request(message)).await {
        Ok(answer) => {
            let found = answer.into_inner();
            let said = !found.etag.is_empty();
            Ok(said.then(|| String::from_utf8_lossy(&found.icalendar).into_owned()))
        }
        // The news of a new user may be on its way still.
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(call.failure(&status)),
    }
}

/// Carries out the changes, all or none; what becomes of each.
pub async fn change(
    call: &Call<'_>,
    user: &str,
    changes: &[Change],
) -> Result<Vec<Result<(), Refusal>>, Failure> {
    let mut text = None;
    let mut outcomes: Vec<Result<(), Refusal>> = Vec::with_capacity(changes.len());
    for change in changes {
        let own = change.property == Property::Live(Live::CalendarAvailability) && user == call.user();
        outcomes.push(match &change.value {
            Some(Value::Text(value)) if own => {
                text = Some(value.trim_start().to_owned());
                Ok(())
            }
            None if own => {
                text = Some(String::new());
                Ok(())
            }
            _ => Err(Refusal::Protected),
        });
    }
    let Some(text) = text.filter(|_| outcomes.iter().all(Result::is_ok)) else { return Ok(outcomes) };
    let message = UpdateAvailabilityRequest {
        availability: Some(Availability {
            name: name(user),
            icalendar: text.into_bytes().into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["icalendar".to_owned()] }),
        request_id: String::new(),
    };
    match call.dav.availability.clone().update_availability(call.request(message)).await {
        Ok(_) => Ok(outcomes),
        Err(status) if status.code() == Code::InvalidArgument => {
            Ok(outcomes.iter().map(|_| Err(Refusal::TimeZone)).collect())
        }
        Err(status) => Err(call.failure(&status)),
    }
}

fn name(user: &str) -> String {
    format!("users/{user}/availability")
}
