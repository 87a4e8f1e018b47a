//! Names and ETags alone, written into a run of bytes while the rows are read.
//! Called by `rpc`.

use kontor_kit::db::{Conn, Row};
use kontor_kit::{Result, args, tags};

use crate::store::shown::rows;
use crate::store::sync::Course;

/// Objects in one chunk at most: a quarter of a millisecond of a runtime's thread.
pub const CHUNK: i64 = 500;

/// A part of a listing.
#[derive(Debug, Default)]
pub struct Part {
    /// Names and ETags, see `kit::tags`.
    pub run: Vec<u8>,
    /// How many.
    pub count: i64,
    /// The last one's name.
    pub last_name: String,
    /// The last one's change number; 0 in a listing by name.
    pub last_seq: i64,
    /// Whether more follow.
    pub more: bool,
}

impl Part {
    fn new(limit: i64) -> Part {
        const USUAL_LENGTH: usize = 80;
        Part {
            run: Vec::with_capacity(usize::try_from(limit).unwrap_or(0) * USUAL_LENGTH),
            ..Part::default()
        }
    }
}

/// The objects behind a name, in the order of names.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Conn<'_>, coll: i64, after: &str, limit: i64) -> Result<Part> {
    let mut part = Part::new(limit);
    let rows = rows(coll);
    let sql = format!("SELECT name, etag FROM {rows} WHERE coll = $1 AND name > $2 ORDER BY name LIMIT $3");
    conn.each(&sql, args![coll, after, limit + 1], |row| {
        if part.count == limit {
            part.more = true;
            return Ok(());
        }
        tags::push(&mut part.run, row.text_bytes(0)?, row.text_bytes(1)?);
        part.count += 1;
        if part.count == limit {
            part.last_name = row.string(0)?;
        }
        Ok(())
    })?;
    Ok(part)
}

/// Changes of a course in their order, with those that are gone.
///
/// # Errors
/// Those of the database.
pub fn changes(conn: &mut Conn<'_>, course: &Course, limit: i64) -> Result<Part> {
    let Course { coll, at, until, .. } = *course;
    let rows = rows(coll);
    let mut part = Part::new(limit.min(64));
    let mut take = |row: &Row<'_>| {
        if part.count == limit {
            part.more = true;
            return Ok(());
        }
        tags::push(&mut part.run, row.text_bytes(0)?, row.text_bytes(1)?);
        part.count += 1;
        part.last_seq = row.int(2)?;
        Ok(())
    };
    if course.tells_gone() {
        let sql = format!(
            "SELECT name, etag, seq FROM {rows} WHERE coll = $1 AND seq > $2 AND seq <= $3
             UNION ALL SELECT name, '', seq FROM tombstone WHERE coll = $1 AND seq > $5 AND seq <= $3
             ORDER BY 3 LIMIT $4"
        );
        conn.each(&sql, args![coll, at, until, limit + 1, course.gone_after()], take)?;
    } else {
        let sql = format!(
            "SELECT name, etag, seq FROM {rows} WHERE coll = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4"
        );
        conn.each(&sql, args![coll, at, until, limit + 1], &mut take)?;
    }
    Ok(part)
}
