//! Segments in the database: their definitions and sizes.
//! Called by rpc/segment.rs and the engine.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Result, args};

use crate::domain::segment::Segment;

impl Stored for Segment {
    const TABLE: &'static str = "segment";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "display_name",
        "description",
        "rule",
        "parents",
        "team",
        "creator",
        "create_time",
        "update_time",
        "delete_time",
    ];
    const COLLECTION: &'static str = "segments";

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
            "creator" => Shown::Not,
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        args![
            &self.id,
            self.version,
            &self.display_name,
            &self.description,
            &self.rule,
            self.parents.join("\n"),
            &self.team,
            &self.creator,
            self.create_time,
            self.update_time,
            self.delete_time,
        ]
        .to_vec()
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Segment {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            display_name: row.string(from + 2)?,
            description: row.string(from + 3)?,
            rule: row.string(from + 4)?,
            parents: row.text(from + 5)?.lines().map(str::to_owned).collect(),
            team: row.string(from + 6)?,
            creator: row.string(from + 7)?,
            create_time: row.int(from + 8)?,
            update_time: row.int(from + 9)?,
            delete_time: row.opt_int(from + 10)?,
        })
    }
}

const LISTING: Listing = Listing {
    table: "segment LEFT JOIN segment_count ON segment_count.segment = segment.id",
    columns: "id, version, display_name, description, rule, parents, team, creator, create_time, update_time, delete_time, COALESCE(size, 0)",
    id: "id",
    by_key: false,
    fields: &[
        Field::both("display_name", "display_name", Kind::Text),
        Field::filter("team", "team", Kind::Text),
        Field::filter("creator", "creator", Kind::User),
        Field::order("size", "COALESCE(size, 0)", Kind::Int),
        Field::order("create_time", "create_time", Kind::Time),
        Field::order("update_time", "update_time", Kind::Time),
    ],
    default_order: "display_name",
    default_size: 50,
    max_size: 1_000,
};

/// Lists those that the caller may see, with their sizes.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(
    conn: &mut Conn<'_>,
    caller: &Caller,
    query: &Query,
    deleted: bool,
) -> Result<Page<(Segment, i64)>> {
    let scope = Scope::of(caller, "''", "team")
        .and("COALESCE(delete_time, 0) <= {}", if deleted { i64::MAX } else { 0 });
    LISTING.run(conn, caller, query, scope, |row| Ok((Segment::from_row(row, 2)?, row.int(13)?)))
}

/// One that the caller may see, deleted or not.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<Segment> {
    let segment: Segment = resource::get(conn, id)?;
    caller.must_read(&segment.guard(), &segment.full_name())?;
    Ok(segment)
}

/// One that the caller may see and that is not deleted.
///
/// # Errors
/// NOT_FOUND.
pub fn get_live(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<Segment> {
    let segment = get(conn, caller, id)?;
    if segment.delete_time.is_some() {
        return Err(kontor_kit::Error::not_found(segment.full_name()));
    }
    Ok(segment)
}

/// All that are not deleted.
///
/// # Errors
/// Those of the database.
pub fn all_live(conn: &mut Conn<'_>) -> Result<Vec<Segment>> {
    let sql =
        format!("SELECT {} FROM segment WHERE delete_time IS NULL ORDER BY id", Segment::COLUMNS.join(", "));
    conn.all(&sql, &[], |row| Segment::from_row(row, 0))
}

/// How many there are, and the sum of their versions: one of both differs once a segment was made, changed or deleted.
///
/// # Errors
/// Those of the database.
pub fn stamp(conn: &mut Conn<'_>) -> Result<(i64, i64)> {
    let sql =
        "SELECT COUNT(*), CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM segment WHERE delete_time IS NULL";
    let found = conn.one(sql, &[], |row| Ok((row.int(0)?, row.int(1)?)))?;
    Ok(found.unwrap_or_default())
}

/// How many members it has.
///
/// # Errors
/// Those of the database.
pub fn size(conn: &mut Conn<'_>, id: &str) -> Result<i64> {
    let sql = "SELECT size FROM segment_count WHERE segment = $1";
    Ok(conn.one(sql, args![id], |row| row.int(0))?.unwrap_or(0))
}

/// One change of definitions at a time, until the commit: two that would close a circle between them must not pass each other.
///
/// # Errors
/// Those of the database.
pub fn lock(tx: &mut Tx<'_>) -> Result<()> {
    tx.execute("UPDATE engine SET head = head WHERE id = 1", &[]).map(|_| ())
}
