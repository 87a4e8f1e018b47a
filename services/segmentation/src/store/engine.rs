//! The engine's log: which partners and segments it has to look at again, in commit order; and which process writes what comes of it.
//! Called by everything that changes facts or segments, and by the engine.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, args};

/// How long a process writes alone without a sign of life, in microseconds.
pub const LEASE: i64 = 5_000_000;

/// Stands before the id of a segment whose lists changed. No id has a blank.
const LISTS: &str = "lists ";

/// Something to look at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The facts of a partner changed.
    Partner(u32),
    /// The definition of a segment changed: its id.
    Segment(String),
    /// The lists of a segment changed: its id.
    Lists(String),
}

/// How far the engine is.
#[derive(Clone, Debug)]
pub struct State {
    /// The last number of the log.
    pub head: i64,
    /// Up to where memberships are written.
    pub done: i64,
}

/// Says that the facts of these partners changed. The head row is locked until the commit, so numbers appear in commit order over several processes too.
///
/// # Errors
/// Those of the database.
pub fn partners_changed(tx: &mut Tx<'_>, ords: &[u32]) -> Result<()> {
    append(tx, ords.iter().map(|ord| (Some(i64::from(*ord)), "")))
}

/// Says that a segment was made, changed or deleted.
///
/// # Errors
/// Those of the database.
pub fn segment_changed(tx: &mut Tx<'_>, segment: &str) -> Result<()> {
    append(tx, [(None, segment)].into_iter())
}

/// Says that whom the lists of a segment mean is otherwise now.
///
/// # Errors
/// Those of the database.
pub fn lists_changed(tx: &mut Tx<'_>, segment: &str) -> Result<()> {
    append(tx, [(None, format!("{LISTS}{segment}").as_str())].into_iter())
}

fn append<'a>(tx: &mut Tx<'_>, entries: impl ExactSizeIterator<Item = (Option<i64>, &'a str)>) -> Result<()> {
    if entries.len() == 0 {
        return Ok(());
    }
    let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    let sql = "UPDATE engine SET head = head + $1 WHERE id = 1 RETURNING head";
    let head = tx.one(sql, args![count], |row| row.int(0))?.ok_or_else(no_row)?;
    let mut sequence = head - count;
    let rows = entries.map(|(ord, segment)| {
        sequence += 1;
        args![sequence, ord, segment].to_vec()
    });
    let rows: Vec<_> = rows.collect();
    tx.insert_many("engine_log", "sequence, ord, segment", rows.into_iter(), "")
}

/// Entries behind a number, with theirs, at most so many.
///
/// # Errors
/// Those of the database.
pub fn after(conn: &mut Conn<'_>, sequence: i64, limit: i64) -> Result<Vec<(i64, Entry)>> {
    let sql = "SELECT sequence, ord, segment FROM engine_log WHERE sequence > $1 ORDER BY sequence LIMIT $2";
    conn.all(sql, args![sequence, limit], |row| {
        let entry = match row.opt_int(1)? {
            Some(ord) => Entry::Partner(u32::try_from(ord).map_err(Error::internal)?),
            None => match row.text(2)?.strip_prefix(LISTS) {
                Some(id) => Entry::Lists(id.to_owned()),
                None => Entry::Segment(row.string(2)?),
            },
        };
        Ok((row.int(0)?, entry))
    })
}

/// Ids of the segments whose definitions changed behind a number, at most so many.
///
/// # Errors
/// Those of the database.
pub fn changed_segments(conn: &mut Conn<'_>, sequence: i64, limit: i64) -> Result<Vec<String>> {
    let sql =
        "SELECT DISTINCT segment FROM engine_log WHERE sequence > $1 AND ord IS NULL AND segment NOT LIKE $3
         ORDER BY segment LIMIT $2";
    conn.all(sql, args![sequence, limit, format!("{LISTS}%")], |row| row.string(0))
}

/// How it stands.
///
/// # Errors
/// Those of the database.
pub fn state(conn: &mut Conn<'_>) -> Result<State> {
    let sql = "SELECT head, done FROM engine WHERE id = 1";
    let found = conn.one(sql, &[], |row| Ok(State { head: row.int(0)?, done: row.int(1)? }))?;
    found.ok_or_else(no_row)
}

/// The number that the next new partner gets.
///
/// # Errors
/// Those of the database.
pub fn next_ord(conn: &mut Conn<'_>) -> Result<i64> {
    conn.one("SELECT next_ord FROM engine WHERE id = 1", &[], |row| row.int(0))?.ok_or_else(no_row)
}

/// Takes or renews the right to write memberships. False while another process has it.
///
/// # Errors
/// Those of the database.
pub fn lease(tx: &mut Tx<'_>, holder: &str) -> Result<bool> {
    let now = tx.now();
    // A SQLite file belongs to one process, so whoever had it is gone.
    let free = if tx.is_postgres() { "(holder = $1 OR until < $2)" } else { "$2 = $2" };
    let sql = format!("UPDATE engine SET holder = $1, until = $3 WHERE id = 1 AND {free}");
    Ok(tx.execute(&sql, args![holder, now, now + LEASE])? > 0)
}

/// Notes up to where memberships are written, in the transaction that writes them.
///
/// # Errors
/// ABORTED when another process writes by now.
pub fn advance(tx: &mut Tx<'_>, holder: &str, done: i64) -> Result<()> {
    let until = tx.now() + LEASE;
    let sql = "UPDATE engine SET done = $2, until = $3 WHERE id = 1 AND holder = $1";
    if tx.execute(sql, args![holder, done, until])? == 0 {
        return Err(Error::etag_mismatch("the engine's lease"));
    }
    Ok(())
}

/// Checks in a transaction that this process still writes; it stays so until the commit.
///
/// # Errors
/// ABORTED when another process writes by now.
pub fn holds(tx: &mut Tx<'_>, holder: &str) -> Result<()> {
    if tx.execute("UPDATE engine SET holder = holder WHERE id = 1 AND holder = $1", args![holder])? == 0 {
        return Err(Error::etag_mismatch("the engine's lease"));
    }
    Ok(())
}

/// Forgets entries that every process has passed: all but the last ones.
///
/// # Errors
/// Those of the database.
pub fn trim(tx: &mut Tx<'_>, keep: i64) -> Result<()> {
    // A part each time: the lease is renewed in the same transaction.
    let sql = "DELETE FROM engine_log WHERE sequence <= (SELECT done FROM engine WHERE id = 1) - $1
         AND sequence <= (SELECT MIN(sequence) FROM engine_log) + 20000";
    tx.execute(sql, args![keep]).map(|_| ())
}

fn no_row() -> Error {
    Error::internal("the engine has no row")
}
