//! When somebody is busy: the one place that works it out, for gRPC, for CalDAV and for scheduling.
//! Called inside of a read by rpc/free_busy.rs. What it tells has no titles, so everyone signed in may have it.

use std::collections::{HashMap, HashSet};

use kontor_collection::Collection;
use kontor_collection::store::object;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result};
use kontor_vobject::availability::{Availability, BusyType};
use kontor_vobject::expand::Series;
use kontor_vobject::ical::CalendarObject;
use kontor_vobject::recur::Budget;
use kontor_vobject::tree::Document;
use kontor_vobject::zone::Zone;
use kontor_vobject::{Limits, ical};

use crate::domain::availability;
use crate::domain::busy::{Busy, Interval, merge};
use crate::domain::index::{ceil, floor, settle};
use crate::domain::time::MICROS;
use crate::hook::CalendarHooks;
use crate::store::busy::{self, Range};
use crate::store::{availability as kept, calendars, people};

/// What is asked. Instants are microseconds UTC.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Inclusive.
    pub from: i64,
    /// Exclusive.
    pub to: i64,
    /// UID of an event that does not count; may be empty.
    pub except_uid: String,
    /// Whose time outside of working hours counts as unavailable.
    pub hours: Hours,
}

/// Whose time outside of working hours counts as unavailable. Absences always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hours {
    /// Nobody's.
    #[default]
    None,
    /// That of people who have said when they work.
    Stated,
    /// Everybody's: who has said nothing works as the company does.
    All,
}

/// What one answer may still cost, over all people that it is about.
#[derive(Debug)]
pub struct Work {
    rows: usize,
    texts: usize,
    steps: u64,
}

impl Default for Work {
    /// About a second at the very most.
    fn default() -> Self {
        Work { rows: 1_000_000, texts: 5_000, steps: 2_000_000 }
    }
}

/// Busy time of a user, merged, over all calendars of the user that count (schedule-calendar-transp, RFC 6638 section 9.1).
/// `address` is the user's e-mail address in lower case, by which invitations that were declined are known; it may be empty.
///
/// # Errors
/// FAILED_PRECONDITION with reason TOO_MUCH_WORK; those of the database.
pub fn of_user(
    conn: &mut Conn<'_>,
    hooks: &CalendarHooks,
    login: &str,
    address: &str,
    ask: &Ask,
    work: &mut Work,
) -> Result<Vec<Interval>> {
    let calendars = calendars::counting(conn, login)?;
    let mut found = events(conn, hooks, &calendars, address, ask, work)?;
    found.extend(unavailable(conn, hooks, login, ask, work)?);
    Ok(merge(&found, ask.from, ask.to))
}

/// Busy time that stands in one calendar, merged, whether or not it counts elsewhere (RFC 4791 section 7.10). `address` is that of
/// its owner.
///
/// # Errors
/// As `of_user`.
pub fn of_calendar(
    conn: &mut Conn<'_>,
    hooks: &CalendarHooks,
    calendar: &Collection,
    address: &str,
    ask: &Ask,
    work: &mut Work,
) -> Result<Vec<Interval>> {
    let found = events(conn, hooks, std::slice::from_ref(calendar), address, ask, work)?;
    Ok(merge(&found, ask.from, ask.to))
}

fn events(
    conn: &mut Conn<'_>,
    hooks: &CalendarHooks,
    calendars: &[Collection],
    address: &str,
    ask: &Ask,
    work: &mut Work,
) -> Result<Vec<Interval>> {
    let Some(first) = calendars.first() else { return Ok(Vec::new()) };
    let owner = people::get(conn, &first.owner)?;
    let zones: HashMap<i64, Zone> =
        calendars.iter().map(|calendar| (calendar.num, hooks.zone_of(calendar, &owner))).collect();
    let numbers: Vec<i64> = calendars.iter().map(|calendar| calendar.num).collect();
    let range = Range { calendars: &numbers, from: ask.from, to: ask.to, address };
    let unkept = busy::unkept(conn, &range, work.texts + 1)?;
    let mut skipped: HashSet<i64> = unkept.iter().map(|(_, object)| *object).collect();
    let mut excluded = HashSet::new();
    if !ask.except_uid.is_empty() {
        excluded.extend(busy::with_uid(conn, &numbers, &ask.except_uid)?);
        skipped.extend(&excluded);
    }
    let mut found = Vec::new();
    for floating in [false, true] {
        busy::rows(conn, &range, floating, |taken, number, answer| {
            let kind = Busy::of_number(number).and_then(|kind| kind.answered(answer));
            let Some(kind) = kind.filter(|_| !skipped.contains(&taken.object)) else { return Ok(()) };
            work.rows = work.rows.checked_sub(1).ok_or_else(too_much)?;
            let zone = zones.get(&taken.coll).filter(|_| floating);
            let at = |micros: i64| zone.map_or(micros, |zone| settle(micros, zone));
            found.push(Interval { from: at(taken.start), to: at(taken.end), kind });
            Ok(())
        })?;
    }
    for (coll, object) in unkept.into_iter().filter(|(_, object)| !excluded.contains(object)) {
        work.texts = work.texts.checked_sub(1).ok_or_else(too_much)?;
        let data = object::data(conn, object)?;
        let zone = zones.get(&coll).cloned().unwrap_or(Zone::UTC);
        read(&data, zone, address, ask, work, &mut found)?;
    }
    Ok(found)
}

/// Adds what an event takes, read from its text.
fn read(
    data: &[u8],
    zone: Zone,
    address: &str,
    ask: &Ask,
    work: &mut Work,
    found: &mut Vec<Interval>,
) -> Result<()> {
    // What is stored was checked when it came.
    let document = Document::parse(data, &Limits::default()).map_err(Error::internal)?;
    let object = CalendarObject::read(&document).map_err(Error::internal)?;
    let series = Series::of(&document, zone).map_err(Error::internal)?;
    let kinds: HashMap<usize, Option<Busy>> = object
        .items
        .iter()
        .map(|item| {
            let kind = Busy::of(item, &document.component(item.component));
            (item.component, kind.and_then(|kind| kind.answered(answer(item, address))))
        })
        .collect();
    let mut budget = Budget::new(work.steps);
    let occurrences = series.occurrences(floor(ask.from), ceil(ask.to), &mut budget);
    work.steps = budget.left();
    for occurrence in occurrences.map_err(|_| too_much())? {
        if let Some(Some(kind)) = kinds.get(&occurrence.component) {
            work.rows = work.rows.checked_sub(1).ok_or_else(too_much)?;
            let (from, to) = (occurrence.start.as_microsecond(), occurrence.end.as_microsecond());
            found.push(Interval { from, to, kind: *kind });
        }
    }
    Ok(())
}

fn answer<'i>(item: &'i ical::Item, address: &str) -> &'i str {
    let guest = item.attendees.iter().find(|guest| guest.address == address);
    guest.and_then(|guest| guest.partstat.as_deref()).unwrap_or_default()
}

/// Absences, and with working hours all time outside of them.
fn unavailable(
    conn: &mut Conn<'_>,
    hooks: &CalendarHooks,
    login: &str,
    ask: &Ask,
    work: &mut Work,
) -> Result<Vec<Interval>> {
    let zone = hooks.zone_of_person(&people::get(conn, login)?);
    let text = match kept::get(conn, login)? {
        Some(kept) => kept.data,
        None if ask.hours == Hours::All => availability::usual(zone.iana_name().unwrap_or("UTC")),
        None => return Ok(Vec::new()),
    };
    let document = Document::parse(text.as_bytes(), &Limits::default()).map_err(Error::internal)?;
    let read = Availability::read(&document, zone).map_err(Error::internal)?;
    let (from, to) = (floor(ask.from).as_second(), ceil(ask.to).as_second());
    let mut budget = Budget::new(work.steps);
    let found = read.unavailable(from, to, ask.hours != Hours::None, &mut budget).map_err(|_| too_much())?;
    work.steps = budget.left();
    let interval = |one: kontor_vobject::availability::Unavailable| Interval {
        from: one.from.saturating_mul(MICROS),
        to: one.to.saturating_mul(MICROS),
        kind: match one.kind {
            BusyType::Busy => Busy::Busy,
            BusyType::Tentative => Busy::Tentative,
            BusyType::Unavailable => Busy::Unavailable,
        },
    };
    Ok(found.into_iter().map(interval).collect())
}

fn too_much() -> Error {
    Error::precondition("TOO_MUCH_WORK", "too much has to be unfolded for this: ask for a shorter range")
}
