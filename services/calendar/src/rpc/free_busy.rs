//! FreeBusyService: when people are busy, and when all of them have time.
//! Mounted by `start`.

use kontor_kit::auth::Caller;
use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::{Error, Result, id};
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::free_busy_service_server::FreeBusyService;
use tonic::{Request, Response};

use super::objects::{EVENTS, find_calendar};
use super::{Answer, Core};
use crate::domain::busy::{Busy, Interval, slots};
use crate::free_busy::{self, Ask, Hours, Work};
use crate::store::people;

const MINUTE: i64 = 60 * 1_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Longest range.
const DAYS: i64 = 366;
const PEOPLE: usize = 100;
const SLOTS: i32 = 100;

#[tonic::async_trait]
impl FreeBusyService for Core {
    async fn query_free_busy(
        &self,
        request: Request<proto::QueryFreeBusyRequest>,
    ) -> Answer<proto::QueryFreeBusyResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (from, to) = range(request.start_time.as_ref(), request.end_time.as_ref())?;
        let except_uid = self.uid(&caller, &request.excluded_event).await?;
        let hours = match (request.with_working_hours, request.with_stated_hours) {
            (true, _) => Hours::All,
            (false, true) => Hours::Stated,
            (false, false) => Hours::None,
        };
        let ask = Ask { from, to, except_uid, hours };
        let people = if request.calendar.is_empty() {
            self.busy(&caller, &request.people, ask).await?.into_iter().map(message).collect()
        } else {
            if !request.people.is_empty() {
                return Err(Error::invalid("people", "a calendar is asked alone").into());
            }
            vec![self.busy_calendar(caller, request.calendar, ask).await?]
        };
        Ok(Response::new(proto::QueryFreeBusyResponse { people }))
    }

    async fn find_slots(
        &self,
        request: Request<proto::FindSlotsRequest>,
    ) -> Answer<proto::FindSlotsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (from, to) = range(request.start_time.as_ref(), request.end_time.as_ref())?;
        let length = request.duration.as_ref().map_or(0, |duration| {
            duration.seconds.saturating_mul(1_000_000).saturating_add(i64::from(duration.nanos) / 1_000)
        });
        if !(MINUTE..=7 * DAY).contains(&length) {
            return Err(Error::invalid("duration", "use 1 minute to 7 days").into());
        }
        let count = number("count", request.count, 5, SLOTS)?;
        let step = number("step_minutes", request.step_minutes, 15, 1_440)?;
        if request.people.is_empty() {
            return Err(Error::invalid("people", "name at least one").into());
        }
        let except_uid = self.uid(&caller, &request.excluded_event).await?;
        let hours = if request.outside_working_hours { Hours::None } else { Hours::All };
        let ask = Ask { from, to, except_uid, hours };
        let all = self.busy(&caller, &request.people, ask).await?;
        if let Some(unknown) = all.iter().find(|one| one.login.is_none()) {
            let message = format!("nobody here is {:?}", unknown.person);
            return Err(Error::invalid("people", message).into());
        }
        let weak = |one: &Interval| request.over_tentative && one.kind == Busy::Tentative;
        let busy: Vec<Interval> = all.into_iter().flat_map(|one| one.busy).filter(|one| !weak(one)).collect();
        let count = usize::try_from(count).unwrap_or(1);
        let found = slots(&busy, (from, to), length, i64::from(step) * MINUTE, count);
        let slot =
            |(from, to)| proto::Slot { start_time: Some(to_proto(from)), end_time: Some(to_proto(to)) };
        Ok(Response::new(proto::FindSlotsResponse { slots: found.into_iter().map(slot).collect() }))
    }
}

/// One of those who were asked for.
struct One {
    person: String,
    login: Option<String>,
    busy: Vec<Interval>,
}

impl Core {
    /// Busy time of each of these people, in their order.
    async fn busy(&self, caller: &Caller, people: &[String], ask: Ask) -> Result<Vec<One>> {
        if people.len() > PEOPLE {
            return Err(Error::invalid("people", format!("name at most {PEOPLE}")));
        }
        let names = people.iter().map(|person| Name::read(caller, person)).collect::<Result<Vec<_>>>()?;
        let wanted = names.iter().filter_map(|name| match name {
            Name::Address(address) => Some(address.clone()),
            Name::Login(_) => None,
        });
        let addresses = self.users.addresses(&wanted.collect::<Vec<_>>()).await;
        let people = people.to_vec();
        let hooks = self.hooks.clone();
        self.db
            .read(move |conn| {
                let mut work = Work::default();
                let mut all = Vec::with_capacity(people.len());
                for (person, name) in people.into_iter().zip(names) {
                    let login = match name {
                        Name::Login(login) => Some(login),
                        Name::Address(address) => addresses.login(&address).map(str::to_owned),
                    };
                    let known = login.as_deref().map(|login| people::is_known(conn, login)).transpose()?;
                    let login = login.filter(|_| known == Some(true));
                    let busy = match &login {
                        None => Vec::new(),
                        Some(login) => {
                            let address = addresses.address(login);
                            free_busy::of_user(conn, &hooks, login, address, &ask, &mut work)?
                        }
                    };
                    all.push(One { person, login, busy });
                }
                Ok(all)
            })
            .await
    }

    /// Busy time that stands in one calendar, which the caller must see.
    async fn busy_calendar(&self, caller: Caller, name: String, ask: Ask) -> Result<proto::FreeBusy> {
        let id = id::parse("calendars", &name, "calendar")?.to_owned();
        let addresses = self.users.addresses(&[]).await;
        let hooks = self.hooks.clone();
        self.db
            .read(move |conn| {
                let (calendar, _) = find_calendar(conn, &caller, &id)?;
                let address = addresses.address(&calendar.owner);
                let busy =
                    free_busy::of_calendar(conn, &hooks, &calendar, address, &ask, &mut Work::default())?;
                let login = (!calendar.is_company()).then(|| calendar.owner.clone());
                Ok(message(One { person: name.clone(), login, busy }))
            })
            .await
    }

    /// UID of an event that the caller sees; empty for no name.
    async fn uid(&self, caller: &Caller, name: &str) -> Result<String> {
        if name.is_empty() {
            return Ok(String::new());
        }
        Ok(self.load(caller, EVENTS, name, "excluded_event").await?.object.uid)
    }
}

enum Name {
    Login(String),
    Address(String),
}

impl Name {
    fn read(caller: &Caller, person: &str) -> Result<Name> {
        if person.starts_with("users/") {
            return match id::parse("users", person, "people")? {
                "me" if caller.user.is_empty() => Err(Error::invalid("people", "you are no user")),
                "me" => Ok(Name::Login(caller.user.clone())),
                login => Ok(Name::Login(login.to_owned())),
            };
        }
        let scheme = person.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
        let address = if scheme { &person[7..] } else { person }.trim();
        if (3..=320).contains(&address.len()) && address.contains('@') {
            return Ok(Name::Address(address.to_lowercase()));
        }
        Err(Error::invalid("people", format!("{person:?} is neither users/{{user}} nor an e-mail address")))
    }
}

fn range(start: Option<&prost_types::Timestamp>, end: Option<&prost_types::Timestamp>) -> Result<(i64, i64)> {
    let missing = |field: &str| Error::invalid(field, "it is missing");
    let from = from_proto(start.ok_or_else(|| missing("start_time"))?);
    let to = from_proto(end.ok_or_else(|| missing("end_time"))?);
    if to <= from {
        return Err(Error::invalid("end_time", "it must be after start_time"));
    }
    if to.saturating_sub(from) > DAYS * DAY {
        return Err(Error::invalid("end_time", format!("it must be at most {DAYS} days after start_time")));
    }
    Ok((from, to))
}

fn number(field: &str, given: i32, usual: i32, most: i32) -> Result<i32> {
    match given {
        0 => Ok(usual),
        given if (1..=most).contains(&given) => Ok(given),
        _ => Err(Error::invalid(field, format!("use 1 to {most}"))),
    }
}

fn message(one: One) -> proto::FreeBusy {
    let interval = |one: Interval| proto::BusyInterval {
        start_time: Some(to_proto(one.from)),
        end_time: Some(to_proto(one.to)),
        kind: one.kind as i32,
    };
    proto::FreeBusy {
        person: one.person,
        user: one.login.map(|login| format!("users/{login}")).unwrap_or_default(),
        busy: one.busy.into_iter().map(interval).collect(),
    }
}
