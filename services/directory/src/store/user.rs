//! Users in the database.
//! Called by rpc/user.rs, rpc/sign_in.rs and admin.rs.

use kontor_kit::audit::Shown;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args, audit};

use super::credential;
use crate::domain::user::{self, Details, Profile, User};

impl Stored for User {
    const TABLE: &'static str = "account";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "display_name",
        "email",
        "admin",
        "disabled",
        "color",
        "time_zone",
        "extension",
        "create_time",
    ];
    const COLLECTION: &'static str = "users";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn audience(&self) -> Guard {
        Guard::company()
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "admin" | "disabled" => Shown::As(column, Kind::Bool),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        let details = &self.details;
        vec![
            (&self.id).into(),
            self.version.into(),
            (&details.display_name).into(),
            (&details.email).into(),
            details.admin.into(),
            details.disabled.into(),
            (&details.color).into(),
            (&details.time_zone).into(),
            (&details.extension).into(),
            self.create_time.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(User {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            details: Details {
                display_name: row.string(from + 2)?,
                email: row.string(from + 3)?,
                admin: row.bool(from + 4)?,
                disabled: row.bool(from + 5)?,
                color: row.string(from + 6)?,
                time_zone: row.string(from + 7)?,
                extension: row.string(from + 8)?,
            },
            create_time: row.int(from + 9)?,
        })
    }
}

/// A user's columns and its teams, read in one statement: ids joined by blanks.
macro_rules! profile_columns {
    () => {
        "account.id, version, display_name, email, admin, disabled, color, time_zone, extension, create_time,
         COALESCE((SELECT string_agg(team, ' ' ORDER BY team) FROM team_member WHERE account = account.id), ''),
         COALESCE((SELECT string_agg(team, ' ' ORDER BY team) FROM team_member WHERE account = account.id AND leader = 1), '')"
    };
}

/// What ListUsers offers.
const LISTING: Listing = Listing {
    table: "account",
    columns: profile_columns!(),
    id: "account.id",
    by_key: false,
    fields: &[
        Field::order("name", "account.id", Kind::Text),
        Field::both("display_name", "display_name", Kind::Text),
        Field::filter("email", "email", Kind::Text),
        Field::filter("admin", "admin", Kind::Bool),
        Field::filter("disabled", "disabled", Kind::Bool),
        Field::filter("extension", "extension", Kind::Text),
    ],
    default_order: "name",
    default_size: 50,
    max_size: 1_000,
};

/// Lists users.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Profile>> {
    LISTING.run(conn, caller, query, ("1 = 1".to_owned(), Vec::new()), |row| profile(row, 2))
}

/// One user with its teams.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, user: &str) -> Result<Profile> {
    find(conn, user)?.ok_or_else(|| Error::not_found(format!("users/{user}")))
}

/// Whether there is any user.
///
/// # Errors
/// Those of the database.
pub fn exist(conn: &mut Conn<'_>) -> Result<bool> {
    Ok(conn.one("SELECT id FROM account LIMIT 1", &[], |row| row.string(0))?.is_some())
}

/// One user with its teams, or none.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, user: &str) -> Result<Option<Profile>> {
    let sql = concat!("SELECT ", profile_columns!(), " FROM account WHERE account.id = $1");
    conn.one(sql, args![user], |row| profile(row, 0))
}

fn profile(row: &Row<'_>, from: usize) -> Result<Profile> {
    let ids = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Ok(Profile {
        user: User::from_row(row, from)?,
        teams: ids(row.text(from + 10)?),
        led_teams: ids(row.text(from + 11)?),
    })
}

/// Whether all these users exist; the first that does not, otherwise.
///
/// # Errors
/// Those of the database.
pub fn first_unknown<'a>(
    conn: &mut Conn<'_>,
    users: impl IntoIterator<Item = &'a String>,
) -> Result<Option<&'a String>> {
    for user in users {
        if conn.one("SELECT 1 FROM account WHERE id = $1", args![user], |_| Ok(()))?.is_none() {
            return Ok(Some(user));
        }
    }
    Ok(None)
}

/// Checks what only the database knows of a new user.
///
/// # Errors
/// ALREADY_EXISTS when the login name or the extension is taken.
pub fn check_new(conn: &mut Conn<'_>, user: &User) -> Result<()> {
    if find(conn, &user.id)?.is_some() {
        return Err(Error::already_exists(user.name()));
    }
    check_extension(conn, user)
}

fn check_extension(conn: &mut Conn<'_>, user: &User) -> Result<()> {
    let sql = "SELECT id FROM account WHERE extension = $1 AND extension <> '' AND id <> $2";
    match conn.one(sql, args![&user.details.extension, &user.id], |row| row.string(0))? {
        None => Ok(()),
        Some(other) => Err(Error::already_exists(format!(
            "user.extension: the extension {} of users/{other}",
            user.details.extension
        ))),
    }
}

/// A colour for a new user who has chosen none: one that as few others have as can be.
///
/// # Errors
/// Those of the database.
pub fn free_color(conn: &mut Conn<'_>, user: &str) -> Result<&'static str> {
    let taken = conn.all("SELECT color, COUNT(*) FROM account GROUP BY color", &[], |row| {
        Ok((row.string(0)?, row.int(1)?))
    })?;
    Ok(user::free_color(user, &taken))
}

/// Writes a new user; `password` is the kept text, or empty.
///
/// # Errors
/// ALREADY_EXISTS when the login name or the extension is taken.
pub fn create(tx: &mut Tx<'_>, user: &User, password: &str) -> Result<()> {
    check_new(tx, user)?;
    resource::insert(tx, user)?;
    credential::create(tx, &user.id, password)
}

/// Writes a changed user. Its cached sign-ins end.
///
/// # Errors
/// ABORTED, ALREADY_EXISTS when the extension is taken, FAILED_PRECONDITION when no administrator would be left.
pub fn update(tx: &mut Tx<'_>, user: &mut User) -> Result<()> {
    check_extension(tx, user)?;
    resource::update(tx, user)?;
    credential::raise_generation(tx, &user.id)?;
    Ok(())
}

/// Whether an administrator who can sign in is left.
///
/// # Errors
/// FAILED_PRECONDITION.
pub fn check_admin_left(tx: &mut Tx<'_>) -> Result<()> {
    // Two administrators that step down at once, in two processes, must see each other.
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT id FROM account WHERE admin = 1 AND disabled = 0 ORDER BY id{lock}");
    match tx.one(&sql, &[], |row| row.string(0))? {
        Some(_) => Ok(()),
        None => {
            Err(Error::precondition("LAST_ADMIN", "this is the last administrator: make another one first"))
        }
    }
}
