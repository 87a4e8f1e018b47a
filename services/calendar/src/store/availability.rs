//! Working hours and absences of users, as text (RFC 7953).
//! Called by free_busy.rs and rpc/availability.rs.

use kontor_kit::audit::{Action, Entry};
use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

/// What is kept of one user.
#[derive(Debug, Clone)]
pub struct Kept {
    /// A VCALENDAR with VAVAILABILITY.
    pub data: String,
    /// Its version.
    pub etag: String,
}

/// What a user has said; none when nothing was.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Conn<'_>, login: &str) -> Result<Option<Kept>> {
    conn.one("SELECT data, etag FROM availability WHERE login = $1", args![login], |row| {
        Ok(Kept { data: row.string(0)?, etag: row.string(1)? })
    })
}

/// Keeps what a user says now; an empty text forgets it.
///
/// # Errors
/// Those of the database.
pub fn set(tx: &mut Tx<'_>, login: &str, data: &str, etag: &str) -> Result<()> {
    // The ETag tells that they changed, and nobody reads absences here that the calendar hides.
    let old = get(tx, login)?.map(|old| old.etag).unwrap_or_default();
    let user = format!("users/{login}");
    let entry = Entry::new(Action::Update, format!("{user}/availability"), &Guard::new(&user, ""));
    tx.audit(entry.field("etag", old, if data.is_empty() { "" } else { etag }));
    if data.is_empty() {
        tx.execute("DELETE FROM availability WHERE login = $1", args![login])?;
        return Ok(());
    }
    let now = tx.now();
    tx.execute(
        "INSERT INTO availability (login, data, etag, update_time) VALUES ($1, $2, $3, $4)
         ON CONFLICT (login) DO UPDATE SET data = excluded.data, etag = excluded.etag, update_time = excluded.update_time",
        args![login, data, etag, now],
    )?;
    Ok(())
}
