//! Processes that send: each shows signs of life, and what it has is free when they end.
//! Called by the sender.

use kontor_kit::db::Tx;
use kontor_kit::{Result, args};

/// How long a process has what it leased without a sign of life, in microseconds.
pub const LEASE: i64 = 20_000_000;

/// Shows a sign of life. How many processes send.
///
/// # Errors
/// Those of the database.
pub fn alive(tx: &mut Tx<'_>, id: &str) -> Result<i64> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO worker (id, until) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET until = excluded.until",
        args![id, now + LEASE],
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
