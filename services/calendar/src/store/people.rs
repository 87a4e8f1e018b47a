//! What the calendar knows of users: colour and zone, as the directory's events said.
//! Called by events.rs and wherever a colour or a zone is asked for.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

use crate::domain::color;

/// A user, as far as calendars care.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// "#RRGGBB".
    pub color: String,
    /// IANA zone; may be empty.
    pub time_zone: String,
}

/// Keeps what an event said.
///
/// # Errors
/// Those of the database.
pub fn keep(tx: &mut Tx<'_>, login: &str, color: &str, time_zone: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO person (login, color, time_zone) VALUES ($1, $2, $3)
         ON CONFLICT (login) DO UPDATE SET color = excluded.color, time_zone = excluded.time_zone",
        args![login, color, time_zone],
    )?;
    Ok(())
}

/// Whether anything was heard of such a user.
///
/// # Errors
/// Those of the database.
pub fn is_known(conn: &mut Conn<'_>, login: &str) -> Result<bool> {
    Ok(conn.one("SELECT 1 FROM person WHERE login = $1", args![login], |_| Ok(()))?.is_some())
}

/// The user; with a colour made from the login name when none was chosen, or nothing was heard of the user yet.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Conn<'_>, login: &str) -> Result<Person> {
    let found = conn.one("SELECT color, time_zone FROM person WHERE login = $1", args![login], |row| {
        Ok(Person { color: row.string(0)?, time_zone: row.string(1)? })
    })?;
    let mut person = found.unwrap_or_default();
    if person.color.is_empty() {
        person.color = color::of_login(login).to_owned();
    }
    Ok(person)
}
