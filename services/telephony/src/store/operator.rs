//! Operators and the states that they were in, in the database.
//! Called by operators.rs, rpc/operator.rs, board.rs and store/pacing.rs.

use kontor_kit::audit::Shown;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args, id};

use crate::domain::operator::{OfCall, Operator, State};

const COLUMNS_TEXT: &str = "id, version, team, state, reason, since_time, call, queue, call_list, due_time, seen_time, queues, call_lists, wrap_seconds";
/// Operators on the board at most.
const AT_WORK: i64 = 1_000;

impl Stored for Operator {
    const TABLE: &'static str = "call_operator";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "team",
        "state",
        "reason",
        "since_time",
        "call",
        "queue",
        "call_list",
        "due_time",
        "seen_time",
        "queues",
        "call_lists",
        "wrap_seconds",
    ];
    const COLLECTION: &'static str = "operators";

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
        guard(self)
    }

    /// What people set. The states come from the calls and stand in `operator_period`; what is set by hand is told by operators.rs.
    fn shown(column: &'static str) -> Shown {
        match column {
            "team" | "queues" | "call_lists" => Shown::As(column, Kind::Text),
            "wrap_seconds" => Shown::As("wrap_up_duration", Kind::Int),
            _ => Shown::Not,
        }
    }

    fn values(&self) -> Vec<Value> {
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.team).into(),
            (self.state as i64).into(),
            (&self.reason).into(),
            self.since.into(),
            (&self.of.call).into(),
            (&self.of.queue).into(),
            (&self.of.call_list).into(),
            self.due.into(),
            self.seen.into(),
            self.queues.join("\n").into(),
            self.call_lists.join("\n").into(),
            self.wrap_seconds.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let lines = |at: usize| row.text(from + at).map(|text| text.lines().map(str::to_owned).collect());
        Ok(Operator {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            team: row.string(from + 2)?,
            state: state(row, from + 3)?,
            reason: row.string(from + 4)?,
            since: row.int(from + 5)?,
            of: of_call(row, from + 6)?,
            due: row.opt_int(from + 9)?,
            seen: row.int(from + 10)?,
            queues: lines(11)?,
            call_lists: lines(12)?,
            wrap_seconds: row.int(from + 13)?,
        })
    }
}

fn state(row: &Row<'_>, at: usize) -> Result<State> {
    let number = i32::try_from(row.int(at)?).map_err(Error::internal)?;
    State::from_number(number).ok_or_else(|| Error::internal(format!("{number} is no operator's state")))
}

fn of_call(row: &Row<'_>, at: usize) -> Result<OfCall> {
    Ok(OfCall { call: row.string(at)?, queue: row.string(at + 1)?, call_list: row.string(at + 2)? })
}

/// Whose an operator's record is.
pub fn guard(operator: &Operator) -> Guard {
    Guard::new(format!("users/{}", operator.id), operator.team.as_str())
}

const STATES: &[(&str, i64)] = &[
    ("OFFLINE", 1),
    ("AVAILABLE", 2),
    ("RINGING", 3),
    ("TALKING", 4),
    ("WRAP_UP", 5),
    ("BREAK", 6),
    ("OPERATOR_STATE_OFFLINE", 1),
    ("OPERATOR_STATE_AVAILABLE", 2),
    ("OPERATOR_STATE_RINGING", 3),
    ("OPERATOR_STATE_TALKING", 4),
    ("OPERATOR_STATE_WRAP_UP", 5),
    ("OPERATOR_STATE_BREAK", 6),
];

/// What ListOperators offers.
const LISTING: Listing = Listing {
    table: "call_operator",
    columns: COLUMNS_TEXT,
    id: "id",
    by_key: false,
    fields: &[
        Field::order("name", "id", Kind::Text),
        Field::order("since_time", "since_time", Kind::Time),
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::filter("team", "team", Kind::Text),
        Field::filter("call_list", "call_list", Kind::Text),
    ],
    default_order: "name",
    default_size: 50,
    max_size: 1_000,
};

/// Lists operators that the caller may see.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Operator>> {
    resource::list(conn, &LISTING, caller, query, Scope::of(caller, "('users/' || id)", "team"))
}

/// All who are not offline, by name; at most 1,000.
///
/// # Errors
/// Those of the database.
pub fn at_work(conn: &mut Conn<'_>) -> Result<Vec<Operator>> {
    let sql =
        format!("SELECT {COLUMNS_TEXT} FROM call_operator WHERE state <> 1 ORDER BY id LIMIT {AT_WORK}");
    conn.all(&sql, &[], |row| Operator::from_row(row, 0))
}

/// Who is free for a list ("callLists/{list}"), longest first: ids.
///
/// # Errors
/// Those of the database.
pub fn free_for(conn: &mut Conn<'_>, call_list: &str) -> Result<Vec<String>> {
    let mut free = at_work(conn)?;
    free.retain(|operator| operator.is_free_for(call_list));
    free.sort_by(|one, other| (one.since, &one.id).cmp(&(other.since, &other.id)));
    Ok(free.into_iter().map(|operator| operator.id).collect())
}

/// Who is on this call: ids.
///
/// # Errors
/// Those of the database.
pub fn on_call(conn: &mut Conn<'_>, call: &str) -> Result<Vec<String>> {
    let sql = "SELECT id FROM call_operator WHERE call = $1 AND call <> '' AND state IN (3, 4) ORDER BY id LIMIT 100";
    conn.all(sql, args![call], |row| row.string(0))
}

/// An operator, held until the commit, or none.
///
/// # Errors
/// Those of the database.
pub fn hold(tx: &mut Tx<'_>, operator: &str) -> Result<Option<Operator>> {
    resource::hold_if_there(tx, operator)
}

/// Whether the user speaks on another call that goes on: its id and queue.
///
/// # Errors
/// Those of the database.
pub fn other_call(conn: &mut Conn<'_>, user: &str, call: &str) -> Result<Option<(String, String)>> {
    let sql = "SELECT id, queue FROM call WHERE handler = $1 AND state = 2 AND state <> 3 AND id <> $2 ORDER BY start_time DESC LIMIT 1";
    conn.one(sql, args![user, call], |row| Ok((row.string(0)?, row.string(1)?)))
}

/// Operators with whom the clock has something to do: whose wrap-up is over, or who gave no sign of life since `silent`.
///
/// # Errors
/// Those of the database.
pub fn due(conn: &mut Conn<'_>, now: i64, silent: i64, limit: i64) -> Result<Vec<String>> {
    let sql = "SELECT id FROM call_operator WHERE due_time <= $1 ORDER BY due_time LIMIT $2";
    let mut ids = conn.all(sql, args![now, limit], |row| row.string(0))?;
    let sql = "SELECT id FROM call_operator WHERE seen_time <= $1 AND state IN (2, 5, 6) ORDER BY seen_time LIMIT $2";
    ids.extend(conn.all(sql, args![silent, limit], |row| row.string(0))?);
    Ok(ids)
}

/// Notes a sign of life; false when the user never signed in.
///
/// # Errors
/// Those of the database.
pub fn seen(tx: &mut Tx<'_>, operator: &str) -> Result<bool> {
    let now = tx.now();
    let sql = "UPDATE call_operator SET seen_time = $2 WHERE id = $1";
    Ok(tx.execute(sql, args![operator, now])? == 1)
}

/// A stretch of time in one state.
pub struct Period {
    /// The state.
    pub state: State,
    /// Why, on a break.
    pub reason: String,
    /// When it began.
    pub start: i64,
    /// When it was over.
    pub end: Option<i64>,
    /// Id of the call that it was about, or empty.
    pub call: String,
    /// Who brought it about, or empty.
    pub actor: String,
}

/// Ends the stretch that runs and begins the next.
///
/// # Errors
/// Those of the database.
pub fn begin_period(tx: &mut Tx<'_>, operator: &Operator, actor: &str) -> Result<()> {
    let sql = "UPDATE operator_period SET end_time = $2 WHERE handler = $1 AND end_time IS NULL";
    tx.execute(sql, args![&operator.id, operator.since])?;
    tx.execute(
        "INSERT INTO operator_period (id, handler, state, reason, start_time, end_time, call, queue, call_list, actor) VALUES ($1, $2, $3, $4, $5, NULL, $6, $7, $8, $9)",
        args![
            id::new(),
            &operator.id,
            operator.state as i64,
            &operator.reason,
            operator.since,
            &operator.of.call,
            &operator.of.queue,
            &operator.of.call_list,
            actor
        ],
    )?;
    Ok(())
}

/// How long stretches are kept, in microseconds: 40 days.
pub const KEEP_MICROS: i64 = 40 * 24 * 3_600 * 1_000_000;

const PERIODS: Listing = Listing {
    table: "operator_period",
    columns: "state, reason, start_time, end_time, call, actor",
    id: "id",
    by_key: false,
    fields: &[Field::order("start_time", "start_time", Kind::Time)],
    default_order: "start_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// The states of an operator, the last one first.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn periods(conn: &mut Conn<'_>, caller: &Caller, operator: &str, query: &Query) -> Result<Page<Period>> {
    let scope = ("handler = $1".to_owned(), vec![operator.into()]);
    PERIODS.run(conn, caller, query, scope, |row| {
        Ok(Period {
            state: state(row, 2)?,
            reason: row.string(3)?,
            start: row.int(4)?,
            end: row.opt_int(5)?,
            call: row.string(6)?,
            actor: row.string(7)?,
        })
    })
}

/// Forgets stretches that began before an instant, at most `limit`; answers how many.
///
/// # Errors
/// Those of the database.
pub fn forget_periods(tx: &mut Tx<'_>, before: i64, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM operator_period WHERE id IN (SELECT id FROM operator_period WHERE start_time < $1 ORDER BY start_time LIMIT $2)";
    tx.execute(sql, args![before, limit])
}
