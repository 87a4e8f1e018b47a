//! How connectors are doing, and which process holds the session of each.
//! Called by rpc/connector.rs (reads), the intake's callers and the keeper (write).

use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::{Result, args};

use super::refusal::{self, Refused};

/// How a connector is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Connected; only Asterisk connectors are.
    pub connected: bool,
    /// In words.
    pub description: String,
    /// Last event taken, in microseconds since 1970 UTC.
    pub last_event: Option<i64>,
    /// Last trouble in words, or empty.
    pub last_error: String,
    /// When the telephone system was started, by its own words.
    pub startup: String,
    /// Until when a process holds its session.
    pub lease_until: i64,
    /// How far its clock is behind ours, in microseconds; negative when it is ahead.
    pub clock_behind: i64,
    /// Posts that were refused.
    pub refused: Vec<Refused>,
}

const COLUMNS: &str =
    "connected, description, last_event_time, last_error, startup, lease_until, clock_behind";

fn live(row: &Row<'_>, from: usize) -> Result<Live> {
    Ok(Live {
        connected: row.bool(from)?,
        description: row.string(from + 1)?,
        last_event: row.opt_int(from + 2)?,
        last_error: row.string(from + 3)?,
        startup: row.string(from + 4)?,
        lease_until: row.int(from + 5)?,
        clock_behind: row.int(from + 6)?,
        refused: Vec::new(),
    })
}

/// The state of one connector.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Conn<'_>, connector: &str) -> Result<Live> {
    let sql = format!("SELECT {COLUMNS} FROM connector_state WHERE connector = $1");
    let mut live = conn.one(&sql, args![connector], |row| live(row, 0))?.unwrap_or_default();
    live.refused = refusal::all(conn, connector)?;
    Ok(live)
}

/// Makes the row of a new connector.
///
/// # Errors
/// Those of the database.
pub fn create(tx: &mut Tx<'_>, connector: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO connector_state (connector, connected, description, last_event_time, last_error, startup, lease_owner, lease_until)
         VALUES ($1, 0, '', NULL, '', '', '', 0) ON CONFLICT (connector) DO NOTHING",
        args![connector],
    )?;
    Ok(())
}

/// Takes the row of a deleted connector away.
///
/// # Errors
/// Those of the database.
pub fn delete(tx: &mut Tx<'_>, connector: &str) -> Result<()> {
    tx.execute("DELETE FROM connector_state WHERE connector = $1", args![connector])?;
    refusal::delete(tx, connector)
}

/// Notes that an event was taken, to the second.
///
/// # Errors
/// Those of the database.
pub fn heard(tx: &mut Tx<'_>, connector: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "UPDATE connector_state SET last_event_time = $2 WHERE connector = $1 AND (last_event_time IS NULL OR last_event_time < $3)",
        args![connector, now, now - 1_000_000],
    )?;
    Ok(())
}

/// Notes how far the connector's clock is behind, in microseconds.
///
/// # Errors
/// Those of the database.
pub fn set_clock(tx: &mut Tx<'_>, connector: &str, behind: i64) -> Result<()> {
    let sql = "UPDATE connector_state SET clock_behind = $2 WHERE connector = $1";
    tx.execute(sql, args![connector, behind])?;
    Ok(())
}

/// How far the connector's clock is behind, in microseconds.
///
/// # Errors
/// Those of the database.
pub fn clock(conn: &mut Conn<'_>, connector: &str) -> Result<i64> {
    let sql = "SELECT clock_behind FROM connector_state WHERE connector = $1";
    Ok(conn.one(sql, args![connector], |row| row.int(0))?.unwrap_or(0))
}

/// Notes trouble.
///
/// # Errors
/// Those of the database.
pub fn failed(tx: &mut Tx<'_>, connector: &str, error: &str) -> Result<()> {
    let sql = "UPDATE connector_state SET last_error = $2 WHERE connector = $1";
    tx.execute(sql, args![connector, error])?;
    Ok(())
}

/// Writes what a session says of itself, if `owner` still holds it.
///
/// # Errors
/// Those of the database.
pub fn report(tx: &mut Tx<'_>, connector: &str, owner: &str, live: &Live) -> Result<()> {
    tx.execute(
        "UPDATE connector_state SET connected = $3, description = $4, last_error = $5, startup = $6 WHERE connector = $1 AND lease_owner = $2",
        args![connector, owner, live.connected, &live.description, &live.last_error, &live.startup],
    )?;
    Ok(())
}

/// Takes or renews the right to hold a connector's session until `until`; false when another process has it.
///
/// # Errors
/// Those of the database.
pub fn lease(tx: &mut Tx<'_>, connector: &str, owner: &str, until: i64) -> Result<bool> {
    let now = tx.now();
    let touched = tx.execute(
        "UPDATE connector_state SET lease_owner = $2, lease_until = $3 WHERE connector = $1 AND (lease_owner = $2 OR lease_until < $4)",
        args![connector, owner, until, now],
    )?;
    Ok(touched == 1)
}

/// Whether `owner` holds a connector's session now.
///
/// # Errors
/// Those of the database.
pub fn holds(conn: &mut Tx<'_>, connector: &str, owner: &str) -> Result<bool> {
    let now = conn.now();
    let sql = "SELECT 1 FROM connector_state WHERE connector = $1 AND lease_owner = $2 AND lease_until >= $3";
    Ok(conn.one(sql, args![connector, owner, now], |_| Ok(()))?.is_some())
}

/// Whether a connector is connected to its telephone system, as its process wrote last.
///
/// # Errors
/// Those of the database.
pub fn is_connected(conn: &mut Conn<'_>, connector: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM connector_state WHERE connector = $1 AND connected = 1";
    Ok(conn.one(sql, args![connector], |_| Ok(()))?.is_some())
}

/// Gives the right back, so that another process need not wait.
///
/// # Errors
/// Those of the database.
pub fn release(tx: &mut Tx<'_>, connector: &str, owner: &str) -> Result<()> {
    tx.execute(
        "UPDATE connector_state SET lease_owner = '', lease_until = 0, connected = 0, description = '' WHERE connector = $1 AND lease_owner = $2",
        args![connector, owner],
    )?;
    Ok(())
}
