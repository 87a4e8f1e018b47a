//! Where each next step of the pipeline stands as a task.
//! Called by next_steps.rs.

use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::{Result, args};

/// A step among the tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// "opportunities/{opportunity}/nextSteps/{id}".
    pub step: String,
    /// Id of the collection.
    pub collection: String,
    /// Last segment of the object's path.
    pub name: String,
    /// When it was done: microseconds UTC; none while it is open.
    pub done: Option<i64>,
}

/// Where a step stands, if it does.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, step: &str) -> Result<Option<Place>> {
    let sql = "SELECT step, collection, name, state, close_time FROM next_step WHERE step = $1";
    conn.one(sql, args![step], read)
}

/// What step stands at a place.
///
/// # Errors
/// Those of the database.
pub fn at(conn: &mut Conn<'_>, collection: &str, name: &str) -> Result<Option<Place>> {
    let sql =
        "SELECT step, collection, name, state, close_time FROM next_step WHERE collection = $1 AND name = $2";
    conn.one(sql, args![collection, name], read)
}

/// Steps of a list that were done before an instant, at most so many.
///
/// # Errors
/// Those of the database.
pub fn done_before(conn: &mut Conn<'_>, collection: &str, instant: i64, limit: i64) -> Result<Vec<Place>> {
    let sql = "SELECT step, collection, name, state, close_time FROM next_step
               WHERE collection = $1 AND state = 2 AND close_time < $2 ORDER BY close_time LIMIT $3";
    conn.all(sql, args![collection, instant, limit], read)
}

/// Keeps where a step stands.
///
/// # Errors
/// Those of the database.
pub fn keep(tx: &mut Tx<'_>, place: &Place) -> Result<()> {
    let state = if place.done.is_some() { 2 } else { 1 };
    tx.execute(
        "INSERT INTO next_step (step, collection, name, state, close_time) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (step) DO UPDATE
         SET collection = excluded.collection, name = excluded.name, state = excluded.state, close_time = excluded.close_time",
        args![&place.step, &place.collection, &place.name, state, place.done.unwrap_or(0)],
    )?;
    Ok(())
}

/// Forgets a step.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, step: &str) -> Result<()> {
    tx.execute("DELETE FROM next_step WHERE step = $1", args![step])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Place> {
    let done = row.int(3)? == 2;
    Ok(Place {
        step: row.string(0)?,
        collection: row.string(1)?,
        name: row.string(2)?,
        done: if done { Some(row.int(4)?) } else { None },
    })
}
