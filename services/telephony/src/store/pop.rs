//! Pops: that a user's telephone rang for a call, once for both, seen by all processes.
//! Called by the intake (writes), intake/hub.rs (reads) and the tasks (forget).

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

/// Notes that the user's telephone rings; false when that was noted before.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, call: &str, user: &str) -> Result<bool> {
    let now = tx.now();
    let sql = "INSERT INTO call_pop (call, handler, time) VALUES ($1, $2, $3) ON CONFLICT (call, handler) DO NOTHING";
    Ok(tx.execute(sql, args![call, user, now])? == 1)
}

/// Calls and users noted since an instant, oldest first; at most 1,000.
///
/// # Errors
/// Those of the database.
pub fn since(conn: &mut Conn<'_>, time: i64) -> Result<Vec<(String, String)>> {
    let sql = "SELECT call, handler FROM call_pop WHERE time >= $1 ORDER BY time LIMIT 1000";
    conn.all(sql, args![time], |row| Ok((row.string(0)?, row.string(1)?)))
}

/// Forgets what was noted before an instant.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, before: i64) -> Result<()> {
    tx.execute("DELETE FROM call_pop WHERE time < $1", args![before])?;
    Ok(())
}
