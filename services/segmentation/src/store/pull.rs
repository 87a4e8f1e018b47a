//! What has to be read anew from the service that owns it. One row a name, so ten changes at once are one reading.
//! Called by events.rs and pulls.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

/// Name of the list of numbers that are not called.
pub const DO_NOT_CALL: &str = "doNotCallNumbers/-";
/// Longest pause after a failure, in microseconds.
const LONGEST: i64 = 300_000_000;

/// Something to read. `turn` grows with each change, so that one that comes while it is read is not lost.
#[derive(Clone, Debug)]
pub struct Pull {
    /// "partners/{id}", "opportunities/{id}" or `DO_NOT_CALL`.
    pub name: String,
    /// See above.
    pub turn: i64,
}

/// Wants something to be read.
///
/// # Errors
/// Those of the database.
pub fn want(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO pull (name, turn, due_time, tries) VALUES ($1, 1, $2, 0)
         ON CONFLICT (name) DO UPDATE SET turn = pull.turn + 1, due_time = excluded.due_time, tries = 0",
        args![name, now],
    )?;
    Ok(())
}

/// What is being read is to be read anew; nothing when it is not wanted.
///
/// # Errors
/// Those of the database.
pub fn anew(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    tx.execute("UPDATE pull SET turn = turn + 1 WHERE name = $1", args![name]).map(|_| ())
}

/// Whether something is still to be read.
///
/// # Errors
/// Those of the database.
pub fn is_wanted(conn: &mut Conn<'_>, name: &str) -> Result<bool> {
    Ok(conn.one("SELECT 1 FROM pull WHERE name = $1", args![name], |_| Ok(()))?.is_some())
}

/// What is due, the oldest first, and when the next is due.
///
/// # Errors
/// Those of the database.
pub fn due(conn: &mut Conn<'_>, now: i64, limit: i64) -> Result<Vec<Pull>> {
    let sql = "SELECT name, turn FROM pull WHERE due_time <= $1 ORDER BY due_time, name LIMIT $2";
    conn.all(sql, args![now, limit], |row| Ok(Pull { name: row.string(0)?, turn: row.int(1)? }))
}

/// What became of a pull while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing changed.
    Same,
    /// It changed, and will be read again.
    Later,
    /// Nothing is wanted of it any more, or another process has read it.
    Gone,
}

/// It was read: whether it may be taken. The row is held until the commit, so of two processes that read it one takes it.
///
/// # Errors
/// Those of the database.
pub fn done(tx: &mut Tx<'_>, pull: &Pull) -> Result<Turn> {
    let sql = "DELETE FROM pull WHERE name = $1 AND turn = $2";
    if tx.execute(sql, args![&pull.name, pull.turn])? > 0 {
        return Ok(Turn::Same);
    }
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT 1 FROM pull WHERE name = $1{lock}");
    let is_there = tx.one(&sql, args![&pull.name], |_| Ok(()))?.is_some();
    Ok(if is_there { Turn::Later } else { Turn::Gone })
}

/// It could not be read: later again.
///
/// # Errors
/// Those of the database.
pub fn later(tx: &mut Tx<'_>, pull: &Pull) -> Result<()> {
    let now = tx.now();
    let sql = "SELECT tries FROM pull WHERE name = $1 AND turn = $2";
    let Some(tries) = tx.one(sql, args![&pull.name, pull.turn], |row| row.int(0))? else { return Ok(()) };
    let pause = (500_000_i64 << tries.clamp(0, 12)).min(LONGEST);
    let sql = "UPDATE pull SET due_time = $3, tries = tries + 1 WHERE name = $1 AND turn = $2";
    tx.execute(sql, args![&pull.name, pull.turn, now + pause]).map(|_| ())
}

/// Nothing is to be read of a name any more.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    tx.execute("DELETE FROM pull WHERE name = $1", args![name]).map(|_| ())
}
