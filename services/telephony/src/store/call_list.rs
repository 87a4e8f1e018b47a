//! Call lists in the database, and the sets of time zones that their numbers may be in.
//! Called by rpc/ and by the dispatch.

use std::collections::HashMap;

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{self, Field, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use super::list_entry::COLUMNS_TEXT;
use crate::domain::call_list::{CallList, State, hours_text, read_hours};
use crate::domain::list_entry::ListEntry;

/// States by their names in the API.
const STATES: &[(&str, i64)] = &[
    ("ACTIVE", 1),
    ("PAUSED", 2),
    ("ENDED", 3),
    ("DELETED", 4),
    ("CALL_LIST_STATE_ACTIVE", 1),
    ("CALL_LIST_STATE_PAUSED", 2),
    ("CALL_LIST_STATE_ENDED", 3),
];

impl Stored for CallList {
    const TABLE: &'static str = "call_list";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "display_name",
        "team",
        "priority",
        "state",
        "max_tries",
        "busy_delay",
        "no_answer_delay",
        "calling_hours",
        "any_hour",
        "lease",
        "min_ring_seconds",
        "region",
        "create_time",
        "update_time",
    ];
    const COLLECTION: &'static str = "callLists";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn audience(&self) -> Guard {
        self.guard()
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "state" => Shown::As("state", page::Kind::Enum(STATES)),
            "any_hour" => Shown::As("any_hour", page::Kind::Bool),
            "busy_delay" => Shown::As("busy_retry_delay.micros", page::Kind::Int),
            "no_answer_delay" => Shown::As("no_answer_retry_delay.micros", page::Kind::Int),
            "lease" => Shown::As("lease_duration.micros", page::Kind::Int),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.display_name).into(),
            (&self.team).into(),
            self.priority.into(),
            (self.state as i64).into(),
            self.max_tries.into(),
            self.busy_delay.into(),
            self.no_answer_delay.into(),
            hours_text(&self.hours).into(),
            self.hours.any.into(),
            self.lease.into(),
            self.min_ring_seconds.into(),
            (&self.region).into(),
            self.create_time.into(),
            self.update_time.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let small = |column: usize| row.int(from + column).map(|value| i32::try_from(value).unwrap_or(0));
        let state = row.int(from + 5)?;
        let state = State::of(state);
        Ok(CallList {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            display_name: row.string(from + 2)?,
            team: row.string(from + 3)?,
            priority: small(4)?,
            state: state.ok_or_else(|| Error::internal("a call list has an unknown state"))?,
            max_tries: small(6)?,
            busy_delay: row.int(from + 7)?,
            no_answer_delay: row.int(from + 8)?,
            hours: read_hours(row.text(from + 9)?, row.bool(from + 10)?).map_err(Error::internal)?,
            lease: row.int(from + 11)?,
            min_ring_seconds: small(12)?,
            region: row.string(from + 13)?,
            create_time: row.int(from + 14)?,
            update_time: row.int(from + 15)?,
        })
    }
}

/// What ListCallLists offers.
const LISTING: Listing = Listing {
    table: "call_list",
    columns: "id, version, display_name, team, priority, state, max_tries, busy_delay, no_answer_delay, calling_hours, any_hour, lease, min_ring_seconds, region, create_time, update_time",
    id: "id",
    by_key: false,
    fields: &[
        Field::filter("state", "state", page::Kind::Enum(STATES)),
        Field::filter("team", "team", page::Kind::Text),
        Field::both("display_name", "display_name", page::Kind::Text),
        Field::order("create_time", "create_time", page::Kind::Time),
        Field::order("priority", "priority", page::Kind::Int),
    ],
    default_order: "display_name",
    default_size: 50,
    max_size: 1_000,
};

/// Lists those that the caller may see.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<CallList>> {
    let mut args = Vec::new();
    let seen = caller.scope("''", "team", &mut args);
    resource::list(conn, &LISTING, caller, query, (format!("{seen} AND state <> 4"), args))
}

/// One that the caller may see.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<CallList> {
    let list: CallList = resource::get(conn, id)?;
    list.must_be_there()?;
    caller.must_read(&list.guard(), &list.name())?;
    Ok(list)
}

/// Ids of the active lists that the caller's teams call, the highest priority first.
///
/// # Errors
/// Those of the database.
pub fn active(conn: &mut Conn<'_>, caller: &Caller, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit].to_vec();
    let scope = caller.scope("''", "team", &mut args);
    let sql =
        format!("SELECT id FROM call_list WHERE state = 1 AND {scope} ORDER BY priority DESC, id LIMIT $1");
    conn.all(&sql, &args, |row| row.string(0))
}

/// Lists whose figures are on the board at most.
const LISTS: i64 = 1_000;

/// The team of each list, by the list's name; for the board.
///
/// # Errors
/// Those of the database.
pub fn teams(conn: &mut Conn<'_>) -> Result<HashMap<String, String>> {
    let sql = format!("SELECT id, team FROM call_list WHERE state <> 4 ORDER BY id LIMIT {LISTS}");
    let rows = conn.all(&sql, &[], |row| Ok((format!("callLists/{}", row.text(0)?), row.string(1)?)))?;
    Ok(rows.into_iter().collect())
}

/// Lists in which something waited that is due by now, or a lease has expired.
///
/// # Errors
/// Those of the database.
pub fn overdue(conn: &mut Conn<'_>, now: i64, limit: i64) -> Result<Vec<String>> {
    let sql = "SELECT id FROM call_list WHERE EXISTS (SELECT 1 FROM call_entry WHERE list = call_list.id AND queued = 0 AND ready_time <= $1) LIMIT $2";
    conn.all(sql, args![now, limit], |row| row.string(0))
}

/// The sets of time zones that numbers of a list may be in: key and names.
///
/// # Errors
/// Those of the database.
pub fn zones(conn: &mut Conn<'_>, list: &str) -> Result<Vec<(i64, String)>> {
    let sql = "SELECT zone_key, zones FROM call_list_zone WHERE list = $1 ORDER BY zone_key";
    conn.all(sql, args![list], |row| Ok((row.int(0)?, row.string(1)?)))
}

/// Notes a set of time zones. True when it is new.
///
/// # Errors
/// Those of the database.
pub fn add_zones(tx: &mut Tx<'_>, list: &str, key: i64, zones: &str) -> Result<bool> {
    let sql = "INSERT INTO call_list_zone (list, zone_key, zones) VALUES ($1, $2, $3) ON CONFLICT (list, zone_key) DO NOTHING";
    Ok(tx.execute(sql, args![list, key, zones])? > 0)
}

/// Entries of a list that have a call-back which is not over: held until the commit.
///
/// # Errors
/// Those of the database.
pub fn call_backs(tx: &mut Tx<'_>, list: &str, limit: i64) -> Result<Vec<ListEntry>> {
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!(
        "SELECT {COLUMNS_TEXT} FROM call_entry WHERE list = $1 AND state <= 2 AND call_back <> 0 ORDER BY id LIMIT $2{lock}"
    );
    tx.all(&sql, args![list, limit], |row| ListEntry::from_row(row, 0))
}

/// How many entries a list has in each state.
///
/// # Errors
/// Those of the database.
pub fn counts(conn: &mut Conn<'_>, list: &str) -> Result<Vec<(i64, i64)>> {
    let sql = "SELECT state, COUNT(*) FROM call_entry WHERE list = $1 GROUP BY state";
    conn.all(sql, args![list], |row| Ok((row.int(0)?, row.int(1)?)))
}
