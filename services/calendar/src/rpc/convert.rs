//! Between the messages of calendar.proto and the domain's types.
//! Called by the rpc files.

use jiff::civil::DateTime;
use kontor_kit::{Error, Result};
use kontor_proto::calendar::v1::{self as proto, event_time};
use kontor_vobject::recur::day;
use kontor_vobject::value::DateValue;

use crate::domain::event::{self, Guest, Status};
use crate::domain::task;

/// A message's time as iCalendar has it.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn time(message: Option<&proto::EventTime>, field: &str) -> Result<Option<DateValue>> {
    let Some(message) = message else { return Ok(None) };
    let bad = |text: &str, like: &str| Error::invalid(field, format!("{text:?} is not like {like}"));
    let value = match &message.kind {
        None => return Err(Error::invalid(field, "set one of date, instant, local")),
        Some(event_time::Kind::Date(text)) => {
            DateValue::Date(text.parse().map_err(|_| bad(text, "\"2026-11-23\""))?)
        }
        Some(event_time::Kind::Instant(at)) => {
            if !(-62_135_596_800..=253_402_300_799).contains(&at.seconds) {
                return Err(Error::invalid(field, "it is outside of the years 1 to 9999"));
            }
            DateValue::Utc(day::date_time(at.seconds))
        }
        Some(event_time::Kind::Local(text)) => {
            let at: DateTime = text.parse().map_err(|_| bad(text, "\"2026-11-23T09:00:00\""))?;
            match message.time_zone.trim() {
                "" => DateValue::Floating(at),
                zone if zone.len() <= 255 => DateValue::Zoned { at, tzid: zone.to_owned() },
                _ => return Err(Error::invalid(format!("{field}.time_zone"), "it is longer than 255 bytes")),
            }
        }
    };
    if !(1..=9999).contains(&value.civil().year()) {
        return Err(Error::invalid(field, "it is outside of the years 1 to 9999"));
    }
    Ok(Some(value))
}

/// A time as callers see it.
pub fn time_message(value: &DateValue) -> proto::EventTime {
    let local = |at: &DateTime| at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let (kind, time_zone) = match value {
        DateValue::Date(date) => (event_time::Kind::Date(date.to_string()), String::new()),
        DateValue::Utc(at) => {
            let instant = prost_types::Timestamp { seconds: day::seconds(*at), nanos: 0 };
            (event_time::Kind::Instant(instant), String::new())
        }
        DateValue::Floating(at) => (event_time::Kind::Local(local(at)), String::new()),
        DateValue::Zoned { at, tzid } => (event_time::Kind::Local(local(at)), tzid.clone()),
    };
    proto::EventTime { kind: Some(kind), time_zone }
}

/// What the caller wants an event to be.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn event(message: &proto::Event) -> Result<event::Event> {
    Ok(event::Event {
        summary: message.summary.clone(),
        description: message.description.clone(),
        location: message.location.clone(),
        start: time(message.start.as_ref(), "event.start")?,
        end: time(message.end.as_ref(), "event.end")?,
        rule: message.recurrence_rule.trim().to_owned(),
        status: status(message.status)?,
        transparent: message.transparent,
        organizer: message.organizer.clone(),
        attendees: message.attendees.iter().map(guest).collect(),
        partners: message.partners.clone(),
        categories: message.categories.clone(),
    })
}

/// Fields that a message without a mask has set.
pub fn set_fields(message: &proto::Event) -> Vec<&'static str> {
    let set = [
        ("summary", !message.summary.is_empty()),
        ("description", !message.description.is_empty()),
        ("location", !message.location.is_empty()),
        ("start", message.start.is_some()),
        ("end", message.end.is_some()),
        ("recurrence_rule", !message.recurrence_rule.is_empty()),
        ("status", message.status != 0),
        ("transparent", message.transparent),
        ("organizer", !message.organizer.is_empty()),
        ("attendees", !message.attendees.is_empty()),
        ("partners", !message.partners.is_empty()),
        ("categories", !message.categories.is_empty()),
    ];
    set.into_iter().filter_map(|(field, is_set)| is_set.then_some(field)).collect()
}

/// The fields of an event as callers see them; name, etag and the like are set by who knows them.
pub fn event_message(event: event::Event) -> proto::Event {
    proto::Event {
        summary: event.summary,
        description: event.description,
        location: event.location,
        start: event.start.as_ref().map(time_message),
        end: event.end.as_ref().map(time_message),
        recurrence_rule: event.rule,
        status: status_number(event.status),
        transparent: event.transparent,
        organizer: event.organizer,
        attendees: event.attendees.into_iter().map(guest_message).collect(),
        partners: event.partners,
        categories: event.categories,
        ..proto::Event::default()
    }
}

/// What the caller wants a task to be.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn task(message: &proto::Task) -> Result<task::Task> {
    let completed = message.complete_time.as_ref();
    if completed.is_some_and(|at| !(-62_135_596_800..=253_402_300_799).contains(&at.seconds)) {
        return Err(Error::invalid("task.complete_time", "it is outside of the years 1 to 9999"));
    }
    Ok(task::Task {
        summary: message.summary.clone(),
        description: message.description.clone(),
        due: time(message.due.as_ref(), "task.due")?,
        priority: message.priority,
        percent: message.percent_complete,
        completed: completed.map(kontor_kit::clock::from_proto),
    })
}

/// Fields that a message without a mask has set.
pub fn set_task_fields(message: &proto::Task) -> Vec<&'static str> {
    let set = [
        ("summary", !message.summary.is_empty()),
        ("description", !message.description.is_empty()),
        ("due", message.due.is_some()),
        ("priority", message.priority != 0),
        ("percent_complete", message.percent_complete != 0),
        ("complete_time", message.complete_time.is_some()),
    ];
    set.into_iter().filter_map(|(field, is_set)| is_set.then_some(field)).collect()
}

/// The fields of a task as callers see them.
pub fn task_message(task: task::Task) -> proto::Task {
    proto::Task {
        summary: task.summary,
        description: task.description,
        due: task.due.as_ref().map(time_message),
        priority: task.priority,
        percent_complete: task.percent,
        complete_time: task.completed.map(kontor_kit::clock::to_proto),
        ..proto::Task::default()
    }
}

/// STATUS as its number in the proto, which is also the number kept in rows.
pub fn status_number(status: Status) -> i32 {
    use proto::EventStatus as Number;
    let number = match status {
        Status::Unset => Number::Unspecified,
        Status::Confirmed => Number::Confirmed,
        Status::Tentative => Number::Tentative,
        Status::Cancelled => Number::Cancelled,
    };
    number.into()
}

fn status(number: i32) -> Result<Status> {
    use proto::EventStatus as Number;
    match Number::try_from(number) {
        Ok(Number::Unspecified) => Ok(Status::Unset),
        Ok(Number::Confirmed) => Ok(Status::Confirmed),
        Ok(Number::Tentative) => Ok(Status::Tentative),
        Ok(Number::Cancelled) => Ok(Status::Cancelled),
        Err(_) => Err(Error::invalid("event.status", format!("{number} is no status"))),
    }
}

fn guest(message: &proto::Attendee) -> Guest {
    Guest {
        email: message.email.clone(),
        name: message.display_name.clone(),
        participation: message.participation.clone(),
    }
}

fn guest_message(guest: Guest) -> proto::Attendee {
    proto::Attendee { email: guest.email, display_name: guest.name, participation: guest.participation }
}
