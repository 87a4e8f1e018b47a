//! What waits for the directory: objects whose addresses were not looked up yet, partners whose addresses changed.
//! Filled by hook.rs and events.rs; worked off by tasks.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

/// Microseconds until the next try, by the number of tries: 2 s, 4 s, ... up to 5 minutes.
fn pause(tries: i64) -> i64 {
    let seconds = 1_i64 << (tries + 1).clamp(1, 9);
    seconds.min(300) * 1_000_000
}

/// Lets an object wait.
///
/// # Errors
/// Those of the database.
pub fn add_object(tx: &mut Tx<'_>, object: i64) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO pending_object (object, tries, next_time) VALUES ($1, 0, $2) ON CONFLICT (object) DO NOTHING",
        args![object, now],
    )?;
    Ok(())
}

/// Lets a partner wait.
///
/// # Errors
/// Those of the database.
pub fn add_partner(tx: &mut Tx<'_>, partner: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO pending_partner (partner, tries, next_time) VALUES ($1, 0, $2)
         ON CONFLICT (partner) DO UPDATE SET tries = 0, next_time = excluded.next_time",
        args![partner, now],
    )?;
    Ok(())
}

/// An object that is due, with what its partners depend on.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The engine's number.
    pub object: i64,
    /// Its version when it was read.
    pub etag: String,
    /// Addresses to look up.
    pub addresses: Vec<String>,
}

/// Objects that are due.
///
/// # Errors
/// Those of the database.
pub fn due_objects(conn: &mut Conn<'_>, now: i64, limit: i64) -> Result<Vec<Waiting>> {
    let mut waiting = conn.all(
        "SELECT p.object, o.etag FROM pending_object p CROSS JOIN object o
         WHERE p.next_time <= $1 AND o.num = p.object ORDER BY p.next_time, p.object LIMIT $2",
        args![now, limit],
        |row| Ok(Waiting { object: row.int(0)?, etag: row.string(1)?, addresses: Vec::new() }),
    )?;
    for object in &mut waiting {
        let sql = "SELECT address FROM attendee WHERE object = $1 ORDER BY address";
        object.addresses = conn.all(sql, args![object.object], |row| row.string(0))?;
    }
    Ok(waiting)
}

/// Partners that are due.
///
/// # Errors
/// Those of the database.
pub fn due_partners(conn: &mut Conn<'_>, now: i64, limit: i64) -> Result<Vec<String>> {
    let sql = "SELECT partner FROM pending_partner WHERE next_time <= $1 ORDER BY next_time LIMIT $2";
    conn.all(sql, args![now, limit], |row| row.string(0))
}

/// The present version of an object that waits; none when it waits no longer.
///
/// # Errors
/// Those of the database.
pub fn etag(conn: &mut Conn<'_>, object: i64) -> Result<Option<String>> {
    let sql = "SELECT o.etag FROM pending_object p JOIN object o ON o.num = p.object WHERE p.object = $1";
    conn.one(sql, args![object], |row| row.string(0))
}

/// Takes an object out.
///
/// # Errors
/// Those of the database.
pub fn done_object(tx: &mut Tx<'_>, object: i64) -> Result<()> {
    tx.execute("DELETE FROM pending_object WHERE object = $1", args![object])?;
    Ok(())
}

/// Takes a partner out, and lets the objects wait that have or had one of its addresses.
///
/// # Errors
/// Those of the database.
pub fn done_partner(tx: &mut Tx<'_>, partner: &str, addresses: &[String]) -> Result<()> {
    tx.execute("DELETE FROM pending_partner WHERE partner = $1", args![partner])?;
    let sql = "SELECT object FROM item_partner WHERE partner = $1 AND address <> ''";
    let mut objects = tx.all(sql, args![partner], |row| row.int(0))?;
    for address in addresses {
        let sql = "SELECT object FROM attendee WHERE address = $1";
        objects.extend(tx.all(sql, args![address.to_lowercase()], |row| row.int(0))?);
    }
    objects.sort_unstable();
    objects.dedup();
    objects.into_iter().try_for_each(|object| add_object(tx, object))
}

/// Lets everything that was due wait longer, after the directory did not answer.
///
/// # Errors
/// Those of the database.
pub fn later(tx: &mut Tx<'_>, objects: &[i64], partners: &[String]) -> Result<()> {
    let now = tx.now();
    for object in objects {
        let sql = "SELECT tries FROM pending_object WHERE object = $1";
        let tries = tx.one(sql, args![*object], |row| row.int(0))?.unwrap_or(0);
        tx.execute(
            "UPDATE pending_object SET tries = $2, next_time = $3 WHERE object = $1",
            args![*object, tries + 1, now + pause(tries)],
        )?;
    }
    for partner in partners {
        let sql = "SELECT tries FROM pending_partner WHERE partner = $1";
        let tries = tx.one(sql, args![partner], |row| row.int(0))?.unwrap_or(0);
        tx.execute(
            "UPDATE pending_partner SET tries = $2, next_time = $3 WHERE partner = $1",
            args![partner, tries + 1, now + pause(tries)],
        )?;
    }
    Ok(())
}
