//! What the calendar knows of users: colour and zone, as the directory's events said.
//! Called by events.rs and wherever a colour or a zone is asked for.

use std::collections::HashMap;

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

use crate::domain::color;
use crate::domain::scheduling::login_of;

/// A user, as far as calendars care.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// "#RRGGBB".
    pub color: String,
    /// IANA zone; may be empty.
    pub time_zone: String,
    /// E-mail address, whoever else has it too; may be empty.
    pub email: String,
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

/// Keeps the e-mail address of a user who is kept already, and tells whether it is another one. Of several users with one address the first has it.
///
/// # Errors
/// Those of the database.
pub fn keep_address(tx: &mut Tx<'_>, login: &str, email: &str) -> Result<bool> {
    let now = tx.now();
    let changed = tx.execute(
        "UPDATE person SET email = $2, email_since = $3 WHERE login = $1 AND email <> $2",
        args![login, email.trim().to_lowercase(), now],
    )?;
    Ok(changed > 0)
}

/// E-mail address of a user; empty without one, and when another user had it before.
///
/// # Errors
/// Those of the database.
pub fn address(conn: &mut Conn<'_>, login: &str) -> Result<String> {
    let sql = "SELECT login, email FROM person WHERE email <> '' AND email = \
               (SELECT email FROM person WHERE login = $1) ORDER BY email_since, login LIMIT 1";
    let holder = conn.one(sql, args![login], |row| Ok((row.string(0)?, row.string(1)?)))?;
    Ok(holder.filter(|(holder, _)| holder == login).map(|(_, email)| email).unwrap_or_default())
}

/// The users behind calendar user addresses.
///
/// # Errors
/// Those of the database.
pub fn users<'a>(
    conn: &mut Conn<'_>,
    addresses: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, String>> {
    let mut found = HashMap::new();
    for address in addresses {
        let login = match login_of(address) {
            Some(login) => {
                conn.one("SELECT login FROM person WHERE login = $1", args![login], |row| row.string(0))?
            }
            None if address.contains('@') => conn.one(
                "SELECT login FROM person WHERE email = $1 AND email <> '' ORDER BY email_since, login LIMIT 1",
                args![address],
                |row| row.string(0),
            )?,
            None => None,
        };
        if let Some(login) = login {
            found.insert(address.to_owned(), login);
        }
    }
    Ok(found)
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
    let found =
        conn.one("SELECT color, time_zone, email FROM person WHERE login = $1", args![login], |row| {
            Ok(Person { color: row.string(0)?, time_zone: row.string(1)?, email: row.string(2)? })
        })?;
    let mut person = found.unwrap_or_default();
    if person.color.is_empty() {
        person.color = color::of_login(login).to_owned();
    }
    Ok(person)
}
