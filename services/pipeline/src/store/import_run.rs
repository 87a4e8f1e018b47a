//! Imports that were begun, and how far each came.
//! Called by rpc/import.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::page::{Field, Kind as Of, Listing, Page, Query, Scope};
use kontor_kit::{Error, Result, args};

use crate::domain::import::Kind;

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Id.
    pub id: String,
    /// What its rows became.
    pub kind: Kind,
    /// Name of the source.
    pub source: String,
    /// "users/{user}"; empty for the installation itself.
    pub user: String,
    /// "teams/{team}" whose keys the rows have, or empty.
    pub team: String,
    /// How far it is.
    pub state: State,
    /// Why it failed.
    pub failure: String,
    /// What came of its rows.
    pub counts: Counts,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
    /// When something was last noted.
    pub update_time: i64,
    /// When it ended.
    pub end_time: Option<i64>,
}

/// What came of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of the file.
    pub total: i64,
    /// That made a record.
    pub created: i64,
    /// That changed one.
    pub updated: i64,
    /// That made no difference.
    pub unchanged: i64,
    /// That were refused.
    pub failed: i64,
}

/// How far a run is. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Being written.
    Running = 1,
    /// All rows were looked at.
    Done = 2,
    /// Its caller ended it.
    Cancelled = 3,
    /// The server stopped.
    Interrupted = 4,
    /// It could not go on.
    Failed = 5,
}

impl State {
    const ALL: [State; 5] =
        [State::Running, State::Done, State::Cancelled, State::Interrupted, State::Failed];
}

const COLUMNS: &str = "id, kind, source, user_name, team, state, failure, total_rows, created_rows, updated_rows, unchanged_rows, failed_rows, create_time, update_time, end_time";

/// Names of the kinds in filters.
const KINDS: &[(&str, i64)] =
    &[("LEADS", 1), ("OPPORTUNITIES", 2), ("IMPORT_KIND_LEADS", 1), ("IMPORT_KIND_OPPORTUNITIES", 2)];

/// What ListImports offers.
const LISTING: Listing = Listing {
    table: "import_run",
    columns: COLUMNS,
    id: "id",
    by_key: false,
    fields: &[
        Field::filter("kind", "kind", Of::Enum(KINDS)),
        Field::filter("source", "source", Of::Text),
        Field::filter("user", "user_name", Of::User),
        Field::filter("team", "team", Of::Text),
        Field::order("create_time", "create_time", Of::Time),
    ],
    default_order: "create_time desc",
    default_size: 50,
    max_size: 1_000,
};

fn run(row: &Row<'_>, from: usize) -> Result<Run> {
    let (kind, state) = (row.int(from + 1)?, row.int(from + 5)?);
    let wrong = || Error::internal(format!("an import is of kind {kind} in state {state}"));
    Ok(Run {
        id: row.string(from)?,
        kind: [Kind::Leads, Kind::Opportunities]
            .into_iter()
            .find(|it| *it as i64 == kind)
            .ok_or_else(wrong)?,
        source: row.string(from + 2)?,
        user: row.string(from + 3)?,
        team: row.string(from + 4)?,
        state: State::ALL.into_iter().find(|it| *it as i64 == state).ok_or_else(wrong)?,
        failure: row.string(from + 6)?,
        counts: Counts {
            total: row.int(from + 7)?,
            created: row.int(from + 8)?,
            updated: row.int(from + 9)?,
            unchanged: row.int(from + 10)?,
            failed: row.int(from + 11)?,
        },
        create_time: row.int(from + 12)?,
        update_time: row.int(from + 13)?,
        end_time: row.opt_int(from + 14)?,
    })
}

/// Those that the caller may see.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Run>> {
    LISTING.run(conn, caller, query, Scope::of(caller, "user_name", "team"), |row| run(row, 2))
}

/// One that the caller may see.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<Run> {
    let name = format!("imports/{id}");
    let sql = format!("SELECT {COLUMNS} FROM import_run WHERE id = $1");
    let found = conn.one(&sql, args![id], |row| run(row, 0))?.ok_or_else(|| Error::not_found(&name))?;
    caller.must_read(&Guard::new(&*found.user, &*found.team), &name)?;
    Ok(found)
}

/// Notes that one began.
///
/// # Errors
/// Those of the database.
pub fn begin(tx: &mut Tx<'_>, id: &str, user: &str, team: &str, of: (Kind, &str, i64)) -> Result<()> {
    let ((kind, source, total), now) = (of, tx.now());
    tx.execute(
        "INSERT INTO import_run (id, kind, source, user_name, team, state, failure, total_rows, created_rows, updated_rows, unchanged_rows, failed_rows, create_time, update_time)
         VALUES ($1, $2, $3, $4, $5, 1, '', $6, 0, 0, 0, 0, $7, $7)",
        args![id, kind as i64, source, user, team, total, now],
    )?;
    Ok(())
}

/// Notes how far it is.
///
/// # Errors
/// Those of the database.
pub fn note(tx: &mut Tx<'_>, id: &str, counts: Counts) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "UPDATE import_run SET created_rows = $2, updated_rows = $3, unchanged_rows = $4, failed_rows = $5, update_time = $6 WHERE id = $1",
        args![id, counts.created, counts.updated, counts.unchanged, counts.failed, now],
    )?;
    Ok(())
}

/// Notes how it ended, unless that stands there.
///
/// # Errors
/// Those of the database.
pub fn end(tx: &mut Tx<'_>, id: &str, state: State, failure: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "UPDATE import_run SET state = $2, failure = $3, update_time = $4, end_time = $4 WHERE id = $1 AND state = 1",
        args![id, state as i64, failure, now],
    )?;
    Ok(())
}
