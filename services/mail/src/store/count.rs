//! Recipients in numbers.
//! Called by rpc and the sender.

use kontor_kit::db::Conn;
use kontor_kit::{Result, args};

use super::outgoing::state;
use crate::domain::recipient::State;

/// Recipients of a mailing by state.
///
/// # Errors
/// Those of the database.
pub fn states(conn: &mut Conn<'_>, mailing: &str) -> Result<Vec<(State, i64)>> {
    let sql = "SELECT state, COUNT(*) FROM outgoing WHERE mailing = $1 GROUP BY state ORDER BY state";
    conn.all(sql, args![mailing], |row| Ok((state(row.int(0)?)?, row.int(1)?)))
}

/// Recipients that wait.
///
/// # Errors
/// Those of the database.
pub fn waiting(conn: &mut Conn<'_>, mailing: &str) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM outgoing WHERE mailing = $1 AND state IN (1, 2, 4)";
    Ok(conn.one(sql, args![mailing], |row| row.int(0))?.unwrap_or(0))
}

/// Whether somebody waits, or is being sent to.
///
/// # Errors
/// Those of the database.
pub fn is_open(conn: &mut Conn<'_>, mailing: &str) -> Result<bool> {
    for state in [2, 1, 4] {
        let sql = format!("SELECT 1 FROM outgoing WHERE mailing = $1 AND state = {state} LIMIT 1");
        if conn.one(&sql, args![mailing], |_| Ok(()))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Who unsubscribed by a mailing.
///
/// # Errors
/// Those of the database.
pub fn unsubscribed(conn: &mut Conn<'_>, mailing: &str) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM outgoing WHERE mailing = $1 AND unsubscribe_time IS NOT NULL";
    Ok(conn.one(sql, args![mailing], |row| row.int(0))?.unwrap_or(0))
}

/// A domain in numbers.
#[derive(Clone, Debug)]
pub struct Domain {
    /// The domain.
    pub name: String,
    /// All recipients.
    pub all: i64,
    /// Sent.
    pub sent: i64,
    /// Waiting.
    pub waiting: i64,
    /// Refused for good.
    pub failed: i64,
}

/// The domains with the most recipients.
///
/// # Errors
/// Those of the database.
pub fn domains(conn: &mut Conn<'_>, mailing: &str, most: i64) -> Result<Vec<Domain>> {
    let sql = "SELECT domain, COUNT(*), CAST(SUM(CASE WHEN state = 3 THEN 1 ELSE 0 END) AS BIGINT), CAST(SUM(CASE WHEN state IN (1, 2, 4) THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN state = 5 THEN 1 ELSE 0 END) AS BIGINT)
         FROM outgoing WHERE mailing = $1 AND domain <> '' GROUP BY domain ORDER BY 2 DESC, domain LIMIT $2";
    conn.all(sql, args![mailing, most], |row| {
        Ok(Domain {
            name: row.string(0)?,
            all: row.int(1)?,
            sent: row.int(2)?,
            waiting: row.int(3)?,
            failed: row.int(4)?,
        })
    })
}

/// The relay's last words to each, by code.
///
/// # Errors
/// Those of the database.
pub fn replies(conn: &mut Conn<'_>, mailing: &str) -> Result<Vec<(i64, i64)>> {
    let sql = "SELECT reply_code, COUNT(*) FROM outgoing WHERE mailing = $1 AND reply_code > 0 GROUP BY reply_code ORDER BY reply_code LIMIT 200";
    conn.all(sql, args![mailing], |row| Ok((row.int(0)?, row.int(1)?)))
}

/// When the first message was tried and the last one was done.
///
/// # Errors
/// Those of the database.
pub fn span(conn: &mut Conn<'_>, mailing: &str) -> Result<Option<(i64, i64)>> {
    let sql = "SELECT MIN(first_time), MAX(update_time) FROM outgoing WHERE mailing = $1 AND state = 3";
    let found = conn.one(sql, args![mailing], |row| Ok(row.opt_int(0)?.zip(row.opt_int(1)?)))?;
    Ok(found.flatten())
}

/// Whether a message is on its way in this moment.
///
/// # Errors
/// Those of the database.
pub fn is_sending(conn: &mut Conn<'_>, mailing: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM outgoing WHERE mailing = $1 AND state = 2 LIMIT 1";
    Ok(conn.one(sql, args![mailing], |_| Ok(()))?.is_some())
}
