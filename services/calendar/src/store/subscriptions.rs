//! Secret addresses of calendars: who made them, for what, and the hash of the secret.
//! Called by rpc/subscriptions.rs and rpc/feed.rs.

use kontor_kit::audit::{Action, Entry};
use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::{Error, Result, args};

/// Addresses that one user may have, over all calendars.
const MOST: i64 = 100;
/// Addresses of one calendar in a list at most: as many as ten users may make.
const LISTED: i64 = 1_000;
const COLUMNS: &str = "id, calendar, login, display_name, busy_only, create_time, last_use_time";

/// An address, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Id.
    pub id: String,
    /// Id of the calendar.
    pub calendar: String,
    /// Login name of who made it.
    pub login: String,
    /// What it is for.
    pub display_name: String,
    /// Shows only busy times.
    pub busy_only: bool,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
    /// Microseconds since 1970 UTC; 0 when it was never fetched.
    pub last_use_time: i64,
}

/// Keeps a new address. Those that the user made for calendars that are gone are forgotten.
///
/// # Errors
/// FAILED_PRECONDITION with reason TOO_MANY_SUBSCRIPTIONS.
pub fn add(tx: &mut Tx<'_>, new: &Subscription, hash: [u8; 32]) -> Result<()> {
    tx.execute(
        "DELETE FROM subscription WHERE login = $1 AND calendar NOT IN (SELECT id FROM collection)",
        args![&new.login],
    )?;
    let sql = "SELECT COUNT(*) FROM subscription WHERE login = $1";
    if tx.one(sql, args![&new.login], |row| row.int(0))?.unwrap_or(0) >= MOST {
        let message = format!("{} has {MOST} secret addresses already: revoke some", new.login);
        return Err(Error::precondition("TOO_MANY_SUBSCRIPTIONS", message));
    }
    tx.execute(
        "INSERT INTO subscription (id, calendar, login, display_name, busy_only, hash, create_time, last_use_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0)",
        args![
            &new.id,
            &new.calendar,
            &new.login,
            &new.display_name,
            new.busy_only,
            &hash[..],
            new.create_time
        ],
    )?;
    let entry = told(Action::Create, new).field("display_name", "", &new.display_name);
    tx.audit(entry.field("busy_only", "", new.busy_only.to_string()).secret("path", false, true));
    Ok(())
}

fn told(action: Action, it: &Subscription) -> Entry {
    let name = format!("calendars/{}/subscriptions/{}", it.calendar, it.id);
    Entry::new(action, name, &Guard::new(format!("users/{}", it.login), ""))
}

/// The address of a secret's hash.
///
/// # Errors
/// Those of the database.
pub fn by_hash(conn: &mut Conn<'_>, hash: [u8; 32]) -> Result<Option<Subscription>> {
    conn.one(&format!("SELECT {COLUMNS} FROM subscription WHERE hash = $1"), args![&hash[..]], read)
}

/// An address of a calendar by its id.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, calendar: &str, id: &str) -> Result<Option<Subscription>> {
    let sql = format!("SELECT {COLUMNS} FROM subscription WHERE id = $1 AND calendar = $2");
    conn.one(&sql, args![id, calendar], read)
}

/// The addresses of a calendar, oldest first: of one user, or all with an empty login name.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Conn<'_>, calendar: &str, login: &str) -> Result<Vec<Subscription>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM subscription WHERE calendar = $1 AND ($2 = '' OR login = $2) \
         ORDER BY create_time, id LIMIT {LISTED}"
    );
    conn.all(&sql, args![calendar, login], read)
}

/// Revokes an address.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, old: &Subscription) -> Result<()> {
    tx.execute("DELETE FROM subscription WHERE id = $1", args![&old.id])?;
    let entry = told(Action::Delete, old).field("display_name", &old.display_name, "");
    tx.audit(entry.field("busy_only", old.busy_only.to_string(), "").secret("path", true, false));
    Ok(())
}

/// Notes that an address was used.
///
/// # Errors
/// Those of the database.
pub fn mark_used(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    let now = tx.now();
    tx.execute("UPDATE subscription SET last_use_time = $1 WHERE id = $2", args![now, id])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Subscription> {
    Ok(Subscription {
        id: row.string(0)?,
        calendar: row.string(1)?,
        login: row.string(2)?,
        display_name: row.string(3)?,
        busy_only: row.bool(4)?,
        create_time: row.int(5)?,
        last_use_time: row.int(6)?,
    })
}
