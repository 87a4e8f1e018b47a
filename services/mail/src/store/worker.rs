//! Processes that send: each shows signs of life, and what it has is free when they end.
//! Called by the sender.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

/// How long a process has what it leased without a sign of life, in microseconds.
pub const LEASE: i64 = 20_000_000;

/// Why a process can't use the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What the relay said, or what broke; names nobody.
    pub words: String,
    /// Since when, in microseconds UTC.
    pub since: i64,
    /// When it is tried again.
    pub until: i64,
}

/// Shows a sign of life, and how the relay is. How many processes send.
///
/// # Errors
/// Those of the database.
pub fn alive(tx: &mut Tx<'_>, id: &str, trouble: Option<&Trouble>) -> Result<i64> {
    let now = tx.now();
    let (words, since, until) = trouble.map_or(("", 0, 0), |it| (it.words.as_str(), it.since, it.until));
    tx.execute(
        "INSERT INTO worker (id, until, relay_words, relay_since, relay_until) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET until = excluded.until, relay_words = excluded.relay_words, relay_since = excluded.relay_since, relay_until = excluded.relay_until",
        args![id, now + LEASE, words, since, until],
    )?;
    // On SQLite there is nobody else.
    if tx.is_postgres() {
        tx.execute("DELETE FROM worker WHERE until < $1", args![now - LEASE])?;
    } else {
        tx.execute("DELETE FROM worker WHERE id <> $1", args![id])?;
    }
    Ok(tx.one("SELECT COUNT(*) FROM worker WHERE until > $1", args![now], |row| row.int(0))?.unwrap_or(1))
}

/// A process that stops.
///
/// # Errors
/// Those of the database.
pub fn gone(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    tx.execute("DELETE FROM worker WHERE id = $1", args![id]).map(|_| ())
}

/// What is wrong with the relay for all processes that send; none when one of them can use it. Since the first of them, until the next try.
///
/// # Errors
/// Those of the database.
pub fn trouble(conn: &mut Conn<'_>, now: i64) -> Result<Option<Trouble>> {
    let sql =
        "SELECT relay_words, relay_since, relay_until FROM worker WHERE until > $1 ORDER BY relay_until";
    let all = conn.all(sql, args![now], |row| {
        Ok(Trouble { words: row.string(0)?, since: row.int(1)?, until: row.int(2)? })
    })?;
    if all.iter().any(|it| it.words.is_empty()) {
        return Ok(None);
    }
    let since = all.iter().map(|it| it.since).min().unwrap_or(0);
    Ok(all.into_iter().next().map(|next| Trouble { since, ..next }))
}
