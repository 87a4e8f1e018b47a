//! Account passwords, app passwords and the generation of a user's credentials in the database.
//! Called by rpc/sign_in.rs, rpc/app_password.rs, the other stores and admin.rs.

use kontor_kit::audit::{Action, Entry};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::{Error, Result, args};

/// App passwords of one user at most.
const MOST: i64 = 100;

/// The record of an app password, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPassword {
    /// Id.
    pub id: String,
    /// Login name of its user.
    pub user: String,
    /// What it is for.
    pub display_name: String,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
    /// Microseconds since 1970 UTC; 0 when never used.
    pub last_use_time: i64,
}

/// What is kept of a user's credentials.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Raised by every change of the user, its password, its app passwords or its teams.
    pub generation: i64,
    /// Argon2id text (PHC form); empty without an account password.
    pub password: String,
}

/// Writes the credentials of a new user.
///
/// # Errors
/// Those of the database.
pub fn create(tx: &mut Tx<'_>, user: &str, password: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO credential (account, generation, password) VALUES ($1, 1, $2)",
        args![user, password],
    )?;
    if !password.is_empty() {
        tx.audit(of_user(Action::Update, user, "").secret("password", false, true));
    }
    Ok(())
}

/// Of secrets the user and administrators read that they changed, and nothing else.
fn of_user(action: Action, user: &str, below: &str) -> Entry {
    let user = format!("users/{user}");
    Entry::new(action, format!("{user}{below}"), &Guard::new(&user, ""))
}

/// What is kept for a user, or none.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, user: &str) -> Result<Option<Credential>> {
    conn.one("SELECT generation, password FROM credential WHERE account = $1", args![user], |row| {
        Ok(Credential { generation: row.int(0)?, password: row.string(1)? })
    })
}

/// Ends every cached sign-in of a user.
///
/// # Errors
/// Those of the database.
pub fn raise_generation(tx: &mut Tx<'_>, user: &str) -> Result<()> {
    tx.execute("UPDATE credential SET generation = generation + 1 WHERE account = $1", args![user])?;
    Ok(())
}

/// Sets the account password; `password` is the text to keep.
///
/// # Errors
/// NOT_FOUND.
pub fn set_password(tx: &mut Tx<'_>, user: &str, password: &str) -> Result<()> {
    let sql = "UPDATE credential SET password = $1, generation = generation + 1 WHERE account = $2";
    match tx.execute(sql, args![password, user])? {
        0 => Err(Error::not_found(format!("users/{user}"))),
        _ => {
            tx.audit(of_user(Action::Update, user, "").secret("password", true, true));
            Ok(())
        }
    }
}

/// Writes a new app password with the hash of its secret.
///
/// # Errors
/// FAILED_PRECONDITION when the user has too many.
pub fn add_app_password(tx: &mut Tx<'_>, record: &AppPassword, hash: [u8; 32]) -> Result<()> {
    let sql = "SELECT COUNT(*) FROM app_password WHERE account = $1";
    if tx.one(sql, args![&record.user], |row| row.int(0))?.unwrap_or(0) >= MOST {
        let message = format!("users/{} has {MOST} app passwords already: revoke one first", record.user);
        return Err(Error::precondition("TOO_MANY_APP_PASSWORDS", message));
    }
    tx.execute(
        "INSERT INTO app_password (id, account, display_name, hash, create_time, last_use_time) VALUES ($1, $2, $3, $4, $5, 0)",
        args![&record.id, &record.user, &record.display_name, &hash[..], record.create_time],
    )?;
    let entry = of_user(Action::Create, &record.user, &format!("/appPasswords/{}", record.id));
    tx.audit(entry.field("display_name", "", &record.display_name).secret("secret", false, true));
    Ok(())
}

/// The app password with this hash, and the hash as it is kept.
///
/// # Errors
/// Those of the database.
pub fn find_app_password(conn: &mut Conn<'_>, hash: [u8; 32]) -> Result<Option<(AppPassword, Vec<u8>)>> {
    conn.one(
        "SELECT id, account, display_name, create_time, last_use_time, hash FROM app_password WHERE hash = $1",
        args![&hash[..]],
        |row| Ok((app_password(row, 0)?, row.bytes(5)?.to_vec())),
    )
}

/// Revokes an app password. The user's cached sign-ins end.
///
/// # Errors
/// NOT_FOUND.
pub fn remove_app_password(tx: &mut Tx<'_>, user: &str, app_password: &str) -> Result<()> {
    let sql = "DELETE FROM app_password WHERE id = $1 AND account = $2 RETURNING display_name";
    let Some(display_name) = tx.one(sql, args![app_password, user], |row| row.string(0))? else {
        return Err(Error::not_found(format!("users/{user}/appPasswords/{app_password}")));
    };
    let entry = of_user(Action::Delete, user, &format!("/appPasswords/{app_password}"));
    tx.audit(entry.field("display_name", display_name, "").secret("secret", true, false));
    raise_generation(tx, user)
}

/// Notes that an app password was used.
///
/// # Errors
/// Those of the database.
pub fn mark_used(tx: &mut Tx<'_>, app_password: &str) -> Result<()> {
    let now = tx.now();
    tx.execute("UPDATE app_password SET last_use_time = $1 WHERE id = $2", args![now, app_password])?;
    Ok(())
}

/// What ListAppPasswords offers.
const LISTING: Listing = Listing {
    table: "app_password",
    columns: "id, account, display_name, create_time, last_use_time",
    id: "id",
    by_key: false,
    fields: &[Field::order("create_time", "create_time", Kind::Time)],
    default_order: "create_time",
    default_size: 50,
    max_size: 1_000,
};

/// Lists the app passwords of a user, oldest first.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn list_app_passwords(
    conn: &mut Conn<'_>,
    caller: &Caller,
    user: &str,
    query: &Query,
) -> Result<Page<AppPassword>> {
    LISTING
        .run(conn, caller, query, ("account = $1".to_owned(), vec![user.into()]), |row| app_password(row, 2))
}

fn app_password(row: &Row<'_>, from: usize) -> Result<AppPassword> {
    Ok(AppPassword {
        id: row.string(from)?,
        user: row.string(from + 1)?,
        display_name: row.string(from + 2)?,
        create_time: row.int(from + 3)?,
        last_use_time: row.int(from + 4)?,
    })
}
