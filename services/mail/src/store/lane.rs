//! Lanes: the domains of a mailing in which somebody waits, so that a lease looks at none of those that may get nothing now.
//! Called by outgoing.rs, lease.rs and mark.rs.

use kontor_kit::db::Tx;
use kontor_kit::{Result, args};

/// Opens lanes, or makes them ready earlier.
///
/// # Errors
/// Those of the database.
pub fn open<'a>(tx: &mut Tx<'_>, lanes: impl Iterator<Item = (&'a str, &'a str)>, ready: i64) -> Result<()> {
    let rows: Vec<_> = lanes.map(|(mailing, domain)| args![mailing, domain, ready].to_vec()).collect();
    let end = "ON CONFLICT (mailing, domain) DO UPDATE SET ready = CASE WHEN excluded.ready < lane.ready THEN excluded.ready ELSE lane.ready END";
    tx.insert_many("lane", "mailing, domain, ready", rows.into_iter(), end)
}

/// Lanes that are ready, the longest waiting first. On PostgreSQL those that no other process looks at.
///
/// # Errors
/// Those of the database.
pub fn ready(tx: &mut Tx<'_>, mailing: &str, limit: i64) -> Result<Vec<String>> {
    let lock = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let now = tx.now();
    let sql = format!(
        "SELECT domain FROM lane WHERE mailing = $1 AND ready <= $2 ORDER BY ready, domain LIMIT $3{lock}"
    );
    tx.all(&sql, args![mailing, now, limit], |row| row.string(0))
}

/// Looks at a lane not before an instant.
///
/// # Errors
/// Those of the database.
pub fn later(tx: &mut Tx<'_>, mailing: &str, domain: &str, ready: i64) -> Result<()> {
    let sql = "UPDATE lane SET ready = $3 WHERE mailing = $1 AND domain = $2";
    tx.execute(sql, args![mailing, domain, ready]).map(|_| ())
}

/// Sets a lane by who waits in it: the next one's due time; it is closed when nobody does.
///
/// # Errors
/// Those of the database.
pub fn settle(tx: &mut Tx<'_>, mailing: &str, domain: &str, not_before: i64) -> Result<()> {
    let sql = "SELECT due FROM outgoing WHERE mailing = $1 AND domain = $2 AND state IN (1, 4) ORDER BY mailing, domain, due, id LIMIT 1";
    match tx.one(sql, args![mailing, domain], |row| row.int(0))? {
        Some(due) => later(tx, mailing, domain, due.max(not_before)),
        None => {
            let sql = "DELETE FROM lane WHERE mailing = $1 AND domain = $2";
            tx.execute(sql, args![mailing, domain]).map(|_| ())
        }
    }
}
