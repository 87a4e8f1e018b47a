//! Consents that are to be withdrawn in the directory because somebody unsubscribed: kept until the directory has said that it is done.
//! Called by rpc/unsubscribe.rs and tasks.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

/// One of them.
#[derive(Clone, Debug)]
pub struct Withdrawal {
    /// Id: that of the message, which is the directory's request_id.
    pub id: String,
    /// "partners/{id}".
    pub partner: String,
    /// What for.
    pub purpose: String,
    /// Where it was said.
    pub source: String,
    /// When it was said.
    pub state_time: i64,
}

/// Keeps one.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, new: &Withdrawal) -> Result<()> {
    let sql = "INSERT INTO withdrawal (id, partner, purpose, source, state_time, due) VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (id) DO NOTHING";
    tx.execute(sql, args![&new.id, &new.partner, &new.purpose, &new.source, new.state_time]).map(|_| ())
}

/// Those that are due.
///
/// # Errors
/// Those of the database.
pub fn due(conn: &mut Conn<'_>, now: i64, limit: i64) -> Result<Vec<Withdrawal>> {
    let sql = "SELECT id, partner, purpose, source, state_time FROM withdrawal WHERE due <= $1 ORDER BY due, id LIMIT $2";
    conn.all(sql, args![now, limit], |row| {
        Ok(Withdrawal {
            id: row.string(0)?,
            partner: row.string(1)?,
            purpose: row.string(2)?,
            source: row.string(3)?,
            state_time: row.int(4)?,
        })
    })
}

/// Forgets one that is done.
///
/// # Errors
/// Those of the database.
pub fn done(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    tx.execute("DELETE FROM withdrawal WHERE id = $1", args![id]).map(|_| ())
}

/// Tries one again later.
///
/// # Errors
/// Those of the database.
pub fn later(tx: &mut Tx<'_>, id: &str, due: i64) -> Result<()> {
    tx.execute("UPDATE withdrawal SET due = $2 WHERE id = $1", args![id, due]).map(|_| ())
}
