//! What unified calendars need of the tables: names that are too long for them, and where the deadline of each opportunity stands.
//! Called by overview/ and deadlines.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

/// Letters that a name has at least when its bytes are too many for an overview.
const LONG: i64 = 60;

/// Names of a calendar's objects that may be too long for an overview.
///
/// # Errors
/// Those of the database.
pub fn long_names(conn: &mut Conn<'_>, coll: i64) -> Result<Vec<String>> {
    let sql = "SELECT name FROM object WHERE coll = $1 AND length(name) > $2";
    conn.all(sql, args![coll, LONG], |row| row.string(0))
}

/// The deadline of an opportunity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// Id of the opportunity.
    pub opportunity: String,
    /// Id of the collection that it stands in.
    pub collection: String,
    /// Title.
    pub title: String,
    /// "2026-12-31".
    pub day: String,
}

/// The deadline of an opportunity, if it has one.
///
/// # Errors
/// Those of the database.
pub fn deadline(conn: &mut Conn<'_>, opportunity: &str) -> Result<Option<Deadline>> {
    let sql = "SELECT opportunity, collection, title, day FROM deadline WHERE opportunity = $1";
    conn.one(sql, args![opportunity], |row| {
        Ok(Deadline {
            opportunity: row.string(0)?,
            collection: row.string(1)?,
            title: row.string(2)?,
            day: row.string(3)?,
        })
    })
}

/// Keeps where a deadline stands.
///
/// # Errors
/// Those of the database.
pub fn keep_deadline(tx: &mut Tx<'_>, deadline: &Deadline) -> Result<()> {
    tx.execute(
        "INSERT INTO deadline (opportunity, collection, title, day) VALUES ($1, $2, $3, $4)
         ON CONFLICT (opportunity) DO UPDATE SET collection = excluded.collection, title = excluded.title, day = excluded.day",
        args![&deadline.opportunity, &deadline.collection, &deadline.title, &deadline.day],
    )?;
    Ok(())
}

/// Forgets a deadline.
///
/// # Errors
/// Those of the database.
pub fn forget_deadline(tx: &mut Tx<'_>, opportunity: &str) -> Result<()> {
    tx.execute("DELETE FROM deadline WHERE opportunity = $1", args![opportunity])?;
    Ok(())
}
