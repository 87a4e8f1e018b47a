//! What was last heard from outside about a meeting: by it older messages are known (RFC 5546 section 2.1.5).
//! Called by schedule/receive.rs and schedule/invite.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

use super::proposals::ALL;

/// SEQUENCE, and DTSTAMP in seconds UTC; in this order they tell which of two messages is newer.
pub type Heard = (i64, i64);

/// What was last heard of an address about an instance of an object; none for all of it.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Conn<'_>, object: i64, address: &str, instance: Option<i64>) -> Result<Option<Heard>> {
    let sql = "SELECT sequence, stamp FROM heard WHERE object = $1 AND address = $2 AND instance = $3";
    conn.one(sql, args![object, address, instance.unwrap_or(ALL)], |row| Ok((row.int(0)?, row.int(1)?)))
}

/// Keeps it.
///
/// # Errors
/// Those of the database.
pub fn set(tx: &mut Tx<'_>, object: i64, address: &str, instance: Option<i64>, heard: Heard) -> Result<()> {
    tx.execute(
        "INSERT INTO heard (object, address, instance, sequence, stamp) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (object, address, instance) DO UPDATE SET sequence = $4, stamp = $5",
        args![object, address, instance.unwrap_or(ALL), heard.0, heard.1],
    )?;
    Ok(())
}

/// Forgets an object.
///
/// # Errors
/// Those of the database.
pub fn clear(tx: &mut Tx<'_>, object: i64) -> Result<()> {
    tx.execute("DELETE FROM heard WHERE object = $1", args![object])?;
    Ok(())
}
