//! AvailabilityService: working hours and absences.
//! Mounted by `start`.

use kontor_collection::write::etag;
use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::mask::Mask;
use kontor_kit::{Error, Result, replay};
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::availability_service_server::AvailabilityService;
use kontor_vobject::value::DateValue;
use tonic::{Request, Response};

use super::{Answer, Core, convert};
use crate::domain::availability::{self, Absence, Hours, Week};
use crate::hook::CalendarHooks;
use crate::store::{availability as store, people};

const FIELDS: [&str; 4] = ["time_zone", "hours", "absences", "icalendar"];

#[tonic::async_trait]
impl AvailabilityService for Core {
    async fn get_availability(
        &self,
        request: Request<proto::GetAvailabilityRequest>,
    ) -> Answer<proto::Availability> {
        let caller = Caller::of(&request)?;
        let login = login(&caller, &request.get_ref().name, "name")?;
        let hooks = self.hooks.clone();
        let answer = self
            .db
            .read(move |conn| {
                let present = Present::load(conn, &hooks, &login)?;
                present.message(&caller, &login)
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn update_availability(
        &self,
        request: Request<proto::UpdateAvailabilityRequest>,
    ) -> Answer<proto::Availability> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.availability.clone().unwrap_or_default();
        let login = login(&caller, &given.name, "availability.name")?;
        let mask = mask(&given, request.update_mask.as_ref())?;
        let hooks = self.hooks.clone();
        let now = self.hooks.clock.now();
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let present = Present::load(tx, &hooks, &login)?;
                    if !(caller.admin || caller.user == login) {
                        return Err(Error::denied(format!("only {login} says when {login} works")));
                    }
                    if !given.etag.is_empty() && given.etag != present.etag {
                        return Err(Error::etag_mismatch(&given.name));
                    }
                    let data = changed(&present, &given, &mask, now)?;
                    store::set(tx, &login, &data, &etag(data.as_bytes()))?;
                    Present::load(tx, &hooks, &login)?.message(&caller, &login)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }
}

/// What a user has said so far, or the usual.
struct Present {
    data: String,
    etag: String,
    week: Week,
    user_zone: String,
}

impl Present {
    fn load(conn: &mut Conn<'_>, hooks: &CalendarHooks, login: &str) -> Result<Present> {
        if !people::is_known(conn, login)? {
            return Err(Error::not_found(format!("users/{login}/availability")));
        }
        let zone = hooks.zone_of_person(&people::get(conn, login)?);
        let user_zone = zone.iana_name().unwrap_or("UTC").to_owned();
        let (data, etag) = match store::get(conn, login)? {
            Some(kept) => (kept.data, kept.etag),
            None => (availability::usual(&user_zone), String::new()),
        };
        let week = availability::read(&data, &user_zone)?;
        Ok(Present { data, etag, week, user_zone })
    }

    fn message(&self, caller: &Caller, login: &str) -> Result<proto::Availability> {
        let own = caller.admin || caller.user == login;
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        Ok(proto::Availability {
            name: format!("users/{login}/availability"),
            time_zone: self.week.zone.clone(),
            hours: self
                .week
                .hours
                .iter()
                .map(|hours| proto::WorkingHours {
                    day: i32::from(hours.day) + 1,
                    start: clock(hours.start),
                    end: clock(hours.end),
                })
                .collect(),
            absences: self
                .week
                .absences
                .iter()
                .map(|absence| proto::Absence {
                    start: Some(convert::time_message(&absence.start)),
                    end: Some(convert::time_message(&absence.end)),
                    summary: if own { absence.summary.clone() } else { String::new() },
                })
                .collect(),
            icalendar: if own { self.data.clone().into_bytes().into() } else { Default::default() },
            etag: self.etag.clone(),
            custom: self.week.custom,
        })
    }
}

fn login(caller: &Caller, name: &str, field: &str) -> Result<String> {
    let bad = || Error::invalid(field, format!("{name:?} is not a name like users/{{user}}/availability"));
    let user = name.strip_suffix("/availability").ok_or_else(bad)?;
    match kontor_kit::id::parse("users", user, field)? {
        "me" if caller.user.is_empty() => Err(Error::not_found(name)),
        "me" => Ok(caller.user.clone()),
        login => Ok(login.to_owned()),
    }
}

fn mask(given: &proto::Availability, mask: Option<&prost_types::FieldMask>) -> Result<Mask> {
    let set = [
        ("time_zone", !given.time_zone.is_empty()),
        ("hours", !given.hours.is_empty()),
        ("absences", !given.absences.is_empty()),
        ("icalendar", !given.icalendar.is_empty()),
    ];
    let set: Vec<&str> = set.into_iter().filter_map(|(field, is_set)| is_set.then_some(field)).collect();
    let mask = Mask::read(mask, &FIELDS, &set)?;
    if mask.has("icalendar") && mask.fields().len() > 1 {
        return Err(Error::invalid("update_mask", "icalendar is the whole of it: set nothing beside it"));
    }
    Ok(mask)
}

/// The text with the masked fields taken over.
fn changed(present: &Present, given: &proto::Availability, mask: &Mask, now: i64) -> Result<String> {
    if mask.has("icalendar") {
        // An empty text forgets what was said.
        let text = std::str::from_utf8(&given.icalendar);
        let text = text.map_err(|_| Error::invalid("availability.icalendar", "it is not UTF-8"))?;
        if !text.is_empty() {
            availability::check_text(text, "availability.icalendar")?;
        }
        return Ok(text.to_owned());
    }
    if present.week.custom && !mask.has("hours") {
        let message = "a program has written hours that no week can show: set hours too, or change icalendar";
        return Err(Error::precondition("CUSTOM_AVAILABILITY", message));
    }
    let mut week = Week { custom: false, ..present.week.clone() };
    if mask.has("time_zone") {
        let zone = given.time_zone.trim();
        week.zone = if zone.is_empty() { present.user_zone.clone() } else { zone.to_owned() };
    }
    if mask.has("hours") {
        week.hours = given.hours.iter().map(hours).collect::<Result<_>>()?;
        if week.hours.is_empty() {
            week.hours = availability::usual_hours();
        }
    }
    if mask.has("absences") {
        week.absences = given.absences.iter().map(absence).collect::<Result<_>>()?;
    }
    week.check()?;
    if week.hours.is_empty() && week.absences.is_empty() {
        // A program had told absences only, and the last of them is gone: nothing is said any more.
        return Ok(String::new());
    }
    Ok(availability::write(&week, now))
}

fn hours(message: &proto::WorkingHours) -> Result<Hours> {
    let bad = |what: &str| Error::invalid("availability.hours", what);
    let day = u8::try_from(message.day - 1).ok().filter(|day| *day < 7).ok_or_else(|| bad("name the day"))?;
    let minutes = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let two = |digits: &str| {
            (digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit()))
                .then(|| digits.parse::<u16>().ok())?
        };
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        (hours <= 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    let like = || bad("a time is not like \"09:00\"");
    Ok(Hours {
        day,
        start: minutes(&message.start).ok_or_else(like)?,
        end: minutes(&message.end).ok_or_else(like)?,
    })
}

fn absence(message: &proto::Absence) -> Result<Absence> {
    let time = |time: Option<&proto::EventTime>, field: &str| -> Result<DateValue> {
        convert::time(time, field)?.ok_or_else(|| Error::invalid(field, "it is missing"))
    };
    Ok(Absence {
        start: time(message.start.as_ref(), "availability.absences.start")?,
        end: time(message.end.as_ref(), "availability.absences.end")?,
        summary: message.summary.clone(),
    })
}
