//! ListOccurrences: what happens between two instants, over all calendars that the caller sees.
//! Called by rpc/events.rs.

use std::collections::{HashMap, HashSet};

use kontor_collection::store::object;
use kontor_collection::{Collection, NOBODY};
use kontor_kit::auth::Caller;
use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result, id};
use kontor_proto::calendar::v1 as proto;
use kontor_vobject::recur::Budget;
use kontor_vobject::zone::Zone;

use super::Core;
use super::objects::find_calendar;
use crate::domain::event::Status;
use crate::domain::index::{Happening, expand, settle};
use crate::domain::overview::Kind;
use crate::domain::scheduling::Addresses;
use crate::hook::CalendarHooks;
use crate::overview::held;
use crate::store::occurrences::{self, Found, Key, Range, Unkept};
use crate::store::people::{self, Person};
use crate::store::{calendars, items};

const DAY: i64 = 86_400 * 1_000_000;
/// Longest range.
const DAYS: i64 = 400;
const DEFAULT_SIZE: i32 = 250;
const MAX_SIZE: i32 = 2_500;
const OWNERS: usize = 1_000;
/// Events that are read from their texts for one answer, steps of work for all of them (about a tenth of a second), and
/// instances that are held for it.
const TEXTS: usize = 5_000;
const STEPS: u64 = 2_000_000;
const HAPPENINGS: usize = 50_000;

/// A question that was read and checked.
struct Question {
    calendar: Option<String>,
    owners: Vec<String>,
    from: i64,
    to: i64,
    size: usize,
    after: Option<Key>,
}

impl Core {
    /// One page of occurrences.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field, NOT_FOUND for the calendar, FAILED_PRECONDITION when it is too much work.
    pub async fn occurrences(
        &self,
        caller: Caller,
        request: proto::ListOccurrencesRequest,
    ) -> Result<proto::ListOccurrencesResponse> {
        let question = question(&caller, &request)?;
        let hooks = self.hooks.clone();
        self.db.read(move |conn| answer(conn, &hooks, &caller, &question)).await
    }
}

fn question(caller: &Caller, request: &proto::ListOccurrencesRequest) -> Result<Question> {
    let calendar = match request.parent.as_str() {
        "calendars/-" => None,
        name => Some(id::parse("calendars", name, "parent")?.to_owned()),
    };
    let missing = |field: &str| Error::invalid(field, "it is missing");
    let from = from_proto(request.start_time.as_ref().ok_or_else(|| missing("start_time"))?);
    let to = from_proto(request.end_time.as_ref().ok_or_else(|| missing("end_time"))?);
    if to <= from {
        return Err(Error::invalid("end_time", "it must be after start_time"));
    }
    if to.saturating_sub(from) > DAYS * DAY {
        return Err(Error::invalid("end_time", format!("it must be at most {DAYS} days after start_time")));
    }
    if request.owners.len() > OWNERS {
        return Err(Error::invalid("owners", format!("name at most {OWNERS}")));
    }
    let owner = |name: &String| match name.as_str() {
        "users/me" => Ok(caller.user.clone()),
        name => id::parse("users", name, "owners").map(str::to_owned),
    };
    let size = match request.page_size {
        0 => DEFAULT_SIZE,
        negative if negative < 0 => return Err(Error::invalid("page_size", "it can't be negative")),
        size => size.min(MAX_SIZE),
    };
    Ok(Question {
        calendar,
        owners: request.owners.iter().map(owner).collect::<Result<_>>()?,
        from,
        to,
        size: usize::try_from(size).unwrap_or(1),
        after: read_token(&request.page_token)?,
    })
}

fn answer(
    conn: &mut Conn<'_>,
    hooks: &CalendarHooks,
    caller: &Caller,
    question: &Question,
) -> Result<proto::ListOccurrencesResponse> {
    let homes = homes(conn, hooks, caller, question)?;
    if homes.is_empty() {
        return Ok(proto::ListOccurrencesResponse::default());
    }
    let range = Range {
        calendars: homes.keys().copied().collect(),
        from: question.from,
        to: question.to,
        after: question.after.clone(),
    };
    // One more than the page, to know whether there is a next one.
    let mut found = occurrences::fixed(conn, &range, question.size + 1)?;
    for mut row in occurrences::floating(conn, &range)? {
        let zone = homes.get(&row.coll).map(|home| &home.zone);
        let zone = zone.ok_or_else(|| Error::internal("an occurrence without its calendar"))?;
        row.start = settle(row.start, zone);
        row.end = settle(row.end, zone);
        row.original = row.original.map(|original| settle(original, zone));
        found.push(row);
    }
    found.extend(unfolded(conn, &homes, &range)?);
    found.retain(|row| {
        overlaps(row, question) && question.after.as_ref().is_none_or(|after| key(row) > *after)
    });
    found.sort_by_cached_key(key);
    let more = found.len() > question.size;
    found.truncate(question.size);
    let next_page_token = match found.last() {
        Some(last) if more => write_token(&key(last)),
        _ => String::new(),
    };
    let waiting = waiting(conn, &homes, &found)?;
    let occurrences = found
        .into_iter()
        .filter_map(|row| {
            let waits = row.open.is_some_and(|object| waiting.contains(&object));
            Some(message(homes.get(&row.coll)?, row, waits))
        })
        .collect();
    Ok(proto::ListOccurrencesResponse { occurrences, next_page_token })
}

/// A calendar with what its occurrences need to be shown.
struct Home {
    calendar: Collection,
    zone: Zone,
    color: String,
    own: Addresses,
}

fn homes(
    conn: &mut Conn<'_>,
    hooks: &CalendarHooks,
    caller: &Caller,
    question: &Question,
) -> Result<HashMap<i64, Home>> {
    let calendars = match &question.calendar {
        None => calendars::seen(conn, caller, &question.owners)?,
        Some(id) => {
            let (calendar, _) = find_calendar(conn, caller, id)?;
            let wanted = question.owners.is_empty() || question.owners.contains(&calendar.owner);
            if wanted { vec![calendar] } else { Vec::new() }
        }
    };
    let mut homes = HashMap::with_capacity(calendars.len());
    let mut owners: HashMap<String, Person> = HashMap::new();
    for calendar in calendars {
        let owner = match owners.get(&calendar.owner) {
            Some(owner) => owner.clone(),
            None => people::get(conn, &calendar.owner)?,
        };
        owners.entry(calendar.owner.clone()).or_insert_with(|| owner.clone());
        let zone = hooks.zone_of(&calendar, &owner);
        let own = Addresses::of(&calendar.owner, &owner.email);
        homes.insert(calendar.num, Home { calendar, zone, color: owner.color, own });
    }
    Ok(homes)
}

/// Those events of a page that wait for the answer of their calendar's owner. Asked only when an answer of anybody is missing.
fn waiting(conn: &mut Conn<'_>, homes: &HashMap<i64, Home>, found: &[Found]) -> Result<HashSet<i64>> {
    let open: HashMap<i64, i64> = found.iter().filter_map(|row| Some((row.open?, row.coll))).collect();
    let objects: Vec<i64> = open.keys().copied().collect();
    let mut waiting = HashSet::new();
    for (object, address) in occurrences::unanswered(conn, &objects)? {
        let home = open.get(&object).and_then(|coll| homes.get(coll));
        if home.is_some_and(|home| home.own.has(&address)) {
            waiting.insert(object);
        }
    }
    Ok(waiting)
}

/// Occurrences of those events whose rows don't tell all.
fn unfolded(conn: &mut Conn<'_>, homes: &HashMap<i64, Home>, range: &Range) -> Result<Vec<Found>> {
    let series = occurrences::unkept(conn, range, TEXTS + 1)?;
    if series.len() > TEXTS {
        return Err(too_much());
    }
    let mut steps = STEPS;
    let mut found: Vec<Found> = Vec::new();
    for series in series {
        let Some(home) = homes.get(&series.coll) else { continue };
        // One text at a time, for each may be 10 MB.
        let data = object::data(conn, series.object)?;
        // A step a happening at least, so that one series can't fill the memory.
        let most = steps.min(HAPPENINGS as u64);
        let mut budget = Budget::new(most);
        let happenings = expand(&data, &home.zone, range.from, range.to, &mut budget);
        let happenings = happenings.map_err(|_| too_much())?;
        steps -= most - budget.left();
        if found.len() + happenings.len() > HAPPENINGS {
            return Err(too_much());
        }
        found.extend(happenings.into_iter().map(|happening| row(&series, happening)));
    }
    Ok(found)
}

fn too_much() -> Error {
    Error::precondition(
        "TOO_MUCH_WORK",
        "too many series have to be unfolded for this: ask for a shorter range",
    )
}

fn row(series: &Unkept, happening: Happening) -> Found {
    Found {
        coll: series.coll,
        id: series.id.clone(),
        open: Some(series.object),
        start: happening.start,
        end: happening.end,
        original: happening.original,
        summary: happening.face.summary,
        location: happening.face.location,
        status: items::status_number(happening.face.status),
        all_day: happening.face.all_day,
    }
}

/// RFC 4791 section 9.9: what takes no time is in when it begins in the range.
fn overlaps(row: &Found, question: &Question) -> bool {
    row.start < question.to
        && (row.end > question.from || (row.end == row.start && row.start >= question.from))
}

fn key(row: &Found) -> Key {
    Key { start: row.start, id: row.id.clone(), original: row.original.unwrap_or(row.start) }
}

fn message(home: &Home, row: Found, waits: bool) -> proto::Occurrence {
    let calendar = &home.calendar;
    let is_cancelled = row.status == items::status_number(Status::Cancelled);
    let kind = match held(calendar.kind).unwrap_or(Kind::Meeting).of(waits, is_cancelled) {
        Kind::Meeting => proto::EventKind::Meeting,
        Kind::Request => proto::EventKind::MeetingRequest,
        Kind::Deadline => proto::EventKind::Deadline,
        Kind::CallBack => proto::EventKind::CallBack,
    };
    let nobodys = calendar.is_company() || calendar.owner == NOBODY;
    proto::Occurrence {
        event: format!("calendars/{}/events/{}", calendar.id, row.id),
        start_time: Some(to_proto(row.start)),
        end_time: Some(to_proto(row.end)),
        all_day: row.all_day,
        original_start_time: row.original.map(to_proto),
        summary: row.summary,
        location: row.location,
        status: i32::try_from(row.status).unwrap_or(0),
        owner: if nobodys { String::new() } else { format!("users/{}", calendar.owner) },
        color: home.color.clone(),
        kind: kind.into(),
    }
}

fn write_token(key: &Key) -> String {
    format!("{}.{}.{}", key.start, key.original, key.id)
}

fn read_token(token: &str) -> Result<Option<Key>> {
    if token.is_empty() {
        return Ok(None);
    }
    let mut parts = token.splitn(3, '.');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (start, original) = (number(), number());
    match (start, original, parts.next()) {
        (Some(start), Some(original), Some(id)) if id.len() <= 64 && !id.contains('\0') => {
            Ok(Some(Key { start, original, id: id.to_owned() }))
        }
        _ => Err(Error::invalid("page_token", "it is not a token of this list: begin again without one")),
    }
}
