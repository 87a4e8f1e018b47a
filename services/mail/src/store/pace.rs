//! How fast a domain or a mailing goes, and its pauses: one row each, for all processes.
//! Called by lease.rs and mark.rs, and by rpc for domains.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

/// The state of a domain or of a mailing.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// The instant up to which its rate is used up.
    pub used: i64,
    /// Nothing before.
    pub until: i64,
    /// Refusals in a row.
    pub refusals: i64,
    /// The last of them.
    pub reply: String,
}

/// The row of the rate of a mailing. No domain has a slash.
pub fn of_mailing(mailing: &str) -> String {
    format!("mailings/{mailing}")
}

/// Holds the row until the commit, made when it is missing. None when another process holds it: it leases for this domain in this moment.
///
/// # Errors
/// Those of the database.
pub fn hold(tx: &mut Tx<'_>, id: &str) -> Result<Option<Pace>> {
    let lock = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!("SELECT used, until, refusals, reply FROM pace WHERE id = $1{lock}");
    let read = |tx: &mut Tx<'_>| {
        tx.one(&sql, args![id], |row| {
            Ok(Pace { used: row.int(0)?, until: row.int(1)?, refusals: row.int(2)?, reply: row.string(3)? })
        })
    };
    if let Some(found) = read(tx)? {
        return Ok(Some(found));
    }
    let sql = "INSERT INTO pace (id, used, until, refusals, reply) VALUES ($1, 0, 0, 0, '') ON CONFLICT (id) DO NOTHING";
    if tx.execute(sql, args![id])? == 0 {
        return Ok(None);
    }
    Ok(Some(Pace::default()))
}

/// The row, when there is one.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, id: &str) -> Result<Option<Pace>> {
    let sql = "SELECT used, until, refusals, reply FROM pace WHERE id = $1";
    conn.one(sql, args![id], |row| {
        Ok(Pace { used: row.int(0)?, until: row.int(1)?, refusals: row.int(2)?, reply: row.string(3)? })
    })
}

/// Writes up to when a rate is used up.
///
/// # Errors
/// Those of the database.
pub fn set_used(tx: &mut Tx<'_>, id: &str, used: i64) -> Result<()> {
    tx.execute("UPDATE pace SET used = $2 WHERE id = $1", args![id, used]).map(|_| ())
}

/// Gives a part of a rate back that was not used after all.
///
/// # Errors
/// Those of the database.
pub fn give_back(tx: &mut Tx<'_>, id: &str, micros: i64) -> Result<()> {
    tx.execute("UPDATE pace SET used = used - $2 WHERE id = $1", args![id, micros]).map(|_| ())
}

/// Pauses a domain: it asked for less. Several messages on their way at once that are refused together count as one.
///
/// # Errors
/// Those of the database.
pub fn refused(tx: &mut Tx<'_>, domain: &str, reply: &str, pause: impl Fn(i64) -> i64) -> Result<i64> {
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT until, refusals, since FROM pace WHERE id = $1{lock}");
    let found = tx.one(&sql, args![domain], |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)))?;
    let (until, refusals, since) = found.unwrap_or((0, 0, 0));
    let now = tx.now();
    let since = if refusals == 0 { now } else { since };
    if until > now {
        return Ok(until);
    }
    let until = now + pause(refusals + 1);
    tx.execute(
        "INSERT INTO pace (id, used, until, refusals, reply, since) VALUES ($1, 0, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET until = excluded.until, refusals = excluded.refusals, reply = excluded.reply, since = excluded.since",
        args![domain, until, refusals + 1, reply, since],
    )?;
    Ok(until)
}

/// A domain of a mailing that pauses.
#[derive(Clone, Debug)]
pub struct Paused {
    /// The domain.
    pub domain: String,
    /// Since its first refusal in a row; 0 when nobody noted it.
    pub since: i64,
    /// Nothing before.
    pub until: i64,
    /// Its last words.
    pub reply: String,
}

/// Domains that pause and in which somebody of a mailing waits, the next one first.
///
/// # Errors
/// Those of the database.
pub fn paused(conn: &mut Conn<'_>, mailing: &str, now: i64, most: i64) -> Result<Vec<Paused>> {
    let sql = "SELECT pace.id, since, until, reply FROM lane JOIN pace ON pace.id = lane.domain
         WHERE lane.mailing = $1 AND pace.until > $2 ORDER BY pace.until, pace.id LIMIT $3";
    conn.all(sql, args![mailing, now, most], |row| {
        Ok(Paused { domain: row.string(0)?, since: row.int(1)?, until: row.int(2)?, reply: row.string(3)? })
    })
}

/// A domain took a message: its refusals in a row are over.
///
/// # Errors
/// Those of the database.
pub fn taken(tx: &mut Tx<'_>, domain: &str) -> Result<()> {
    let sql = "UPDATE pace SET refusals = 0, reply = '', since = 0 WHERE id = $1 AND refusals > 0";
    tx.execute(sql, args![domain]).map(|_| ())
}

/// Ends the pause of a domain.
///
/// # Errors
/// Those of the database.
pub fn reset(tx: &mut Tx<'_>, domain: &str) -> Result<()> {
    let sql = "UPDATE pace SET used = 0, until = 0, refusals = 0, reply = '', since = 0 WHERE id = $1";
    tx.execute(sql, args![domain])?;
    let now = tx.now();
    tx.execute("UPDATE lane SET ready = $2 WHERE domain = $1 AND ready > $2", args![domain, now]).map(|_| ())
}
