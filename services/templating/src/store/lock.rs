//! Locks of files and templates, which end by themselves.
//! Called by rpc/lock.rs.

use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::{Error, Result, args};

/// Locks at most that are looked at for one place.
const MOST: i64 = 100;

/// A lock.
#[derive(Clone, Debug)]
pub struct Lock {
    /// "urn:uuid:..."
    pub token: String,
    /// What is locked: "f:{user}/{path}" or "t:{template}".
    pub place: String,
    /// The path that was locked.
    pub path: String,
    /// Login name.
    pub user: String,
    /// What the client says of its owner.
    pub owner: Vec<u8>,
    /// Others may lock it too.
    pub shared: bool,
    /// For all that is below it.
    pub deep: bool,
    /// No lock of a client: its user set the template aside, and others are kept out until it is back.
    pub aside: bool,
    /// Microseconds UTC.
    pub until: i64,
}

const COLUMNS: &str = "token, place, path, user_name, client_owner, shared, deep, aside, until";

fn read(row: &Row<'_>) -> Result<Lock> {
    Ok(Lock {
        token: row.string(0)?,
        place: row.string(1)?,
        path: row.string(2)?,
        user: row.string(3)?,
        owner: row.bytes(4)?.to_vec(),
        shared: row.bool(5)?,
        deep: row.bool(6)?,
        aside: row.bool(7)?,
        until: row.int(8)?,
    })
}

/// Locks that cover a place: its own, and deep ones above it.
///
/// # Errors
/// Those of the database.
pub fn covering(conn: &mut Conn<'_>, place: &str, now: i64) -> Result<Vec<Lock>> {
    let mut found = Vec::new();
    let mut at = Some(place);
    while let Some(here) = at {
        let deep = if here == place { "" } else { " AND deep = 1" };
        let sql = format!(
            "SELECT {COLUMNS} FROM file_lock WHERE place = $1 AND until > $2{deep} ORDER BY token LIMIT {MOST}"
        );
        found.extend(conn.all(&sql, args![here, now], read)?);
        at = here.rsplit_once('/').map(|(above, _)| above);
    }
    Ok(found)
}

/// Locks of what is below a place.
///
/// # Errors
/// Those of the database.
pub fn below(conn: &mut Conn<'_>, place: &str, now: i64) -> Result<Vec<Lock>> {
    let (from, length) = inside(place);
    let sql = format!(
        "SELECT {COLUMNS} FROM file_lock WHERE substr(place, 1, CAST($2 AS INTEGER)) = $1 AND until > $3 ORDER BY token LIMIT {MOST}"
    );
    conn.all(&sql, args![&from, length, now], read)
}

/// Adds one, and forgets those that have ended. One change of locks at a time, so that two do not pass each other.
///
/// # Errors
/// RESOURCE_EXHAUSTED when the user has too many.
pub fn add(tx: &mut Tx<'_>, lock: &Lock) -> Result<()> {
    let now = tx.now();
    tx.execute("DELETE FROM file_lock WHERE until <= $1", args![now])?;
    let sql = "SELECT COUNT(*) FROM file_lock WHERE user_name = $1";
    if tx.one(sql, args![&lock.user], |row| row.int(0))?.unwrap_or(0) >= 1_000 {
        return Err(Error::exhausted("you have 1,000 locks: end some", std::time::Duration::from_secs(60)));
    }
    tx.execute(
        "INSERT INTO file_lock (token, place, path, user_name, client_owner, shared, deep, aside, until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![
            &lock.token,
            &lock.place,
            &lock.path,
            &lock.user,
            &lock.owner[..],
            lock.shared,
            lock.deep,
            lock.aside,
            lock.until
        ],
    )?;
    Ok(())
}

/// One change of locks at a time, over all processes.
///
/// # Errors
/// Those of the database.
pub fn serialize(tx: &mut Tx<'_>) -> Result<()> {
    if tx.is_postgres() {
        tx.execute("LOCK TABLE file_lock IN SHARE ROW EXCLUSIVE MODE", &[])?;
    }
    Ok(())
}

/// Ends one.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, token: &str) -> Result<()> {
    tx.execute("DELETE FROM file_lock WHERE token = $1", args![token]).map(|_| ())
}

/// Lets one last longer.
///
/// # Errors
/// Those of the database.
pub fn extend(tx: &mut Tx<'_>, token: &str, until: i64) -> Result<()> {
    tx.execute("UPDATE file_lock SET until = $2 WHERE token = $1", args![token, until]).map(|_| ())
}

/// Whether a user set the template at a place aside.
///
/// # Errors
/// Those of the database.
pub fn is_aside(conn: &mut Conn<'_>, user: &str, place: &str, now: i64) -> Result<bool> {
    let sql =
        "SELECT 1 FROM file_lock WHERE place = $1 AND user_name = $2 AND aside = 1 AND until > $3 LIMIT 1";
    Ok(conn.one(sql, args![place, user, now], |_| Ok(()))?.is_some())
}

/// The places of all templates that a user set aside.
///
/// # Errors
/// Those of the database.
pub fn aside(conn: &mut Conn<'_>, user: &str, now: i64) -> Result<Vec<String>> {
    let sql = "SELECT place FROM file_lock WHERE user_name = $1 AND aside = 1 AND until > $2 LIMIT 1000";
    conn.all(sql, args![user, now], |row| row.string(0))
}

/// A template that a user set aside is back.
///
/// # Errors
/// Those of the database.
pub fn come_back(tx: &mut Tx<'_>, user: &str, place: &str) -> Result<()> {
    let sql = "DELETE FROM file_lock WHERE place = $1 AND user_name = $2 AND aside = 1";
    tx.execute(sql, args![place, user]).map(|_| ())
}

/// Ends all of a place and below it.
///
/// # Errors
/// Those of the database.
pub fn drop_all(tx: &mut Tx<'_>, place: &str) -> Result<()> {
    let (from, length) = inside(place);
    let sql = "DELETE FROM file_lock WHERE place = $1 OR substr(place, 1, CAST($3 AS INTEGER)) = $2";
    tx.execute(sql, args![place, &from, length]).map(|_| ())
}

/// How the places begin that are below one, and the length of that. No range: the databases do not put texts into the same order.
fn inside(place: &str) -> (String, i64) {
    let from = format!("{place}/");
    let length = i64::try_from(from.chars().count()).unwrap_or(i64::MAX);
    (from, length)
}

/// What was locked before it was there goes with it to its new place.
///
/// # Errors
/// Those of the database.
pub fn carry(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<()> {
    tx.execute("UPDATE file_lock SET place = $2, deep = 0 WHERE place = $1", args![from, to]).map(|_| ())
}
