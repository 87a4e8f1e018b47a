//! One small trait for a stored resource and five functions on it: get, list, insert, update, delete.
//! Called by stores whose resource is one row; a real rule replaces the generic call. The three that write keep the audit.

use std::fmt::Write as _;

use crate::audit::{self, Action, Shown};
use crate::auth::{Caller, Guard};
use crate::db::{Conn, Row, Tx, Value};
use crate::page::{Listing, Page, Query, Scope};
use crate::{Error, Result, error};

/// A resource that is one row. The first column is the id, the second the version, a number that each change raises by one.
pub trait Stored: Sized {
    /// Table.
    const TABLE: &'static str;
    /// All columns, "id" and "version" first.
    const COLUMNS: &'static [&'static str];
    /// Collection in resource names: "leads".
    const COLLECTION: &'static str;

    /// Its id.
    fn id(&self) -> &str;
    /// Its version.
    fn version(&self) -> i64;
    /// Sets the version, after an update.
    fn set_version(&mut self, version: i64);
    /// Values of all columns, in their order.
    fn values(&self) -> Vec<Value>;
    /// Reads a row whose columns begin at `from`.
    ///
    /// # Errors
    /// INTERNAL when the row is damaged.
    fn from_row(row: &Row<'_>, from: usize) -> Result<Self>;

    /// Who may read it, and so what the audit says of it.
    fn audience(&self) -> Guard;

    /// The partner that it concerns: "partners/{id}"; empty when none.
    fn concerned_partner(&self) -> &str {
        ""
    }

    /// How the audit shows a column. Unless said otherwise by its own name; not the id, the version, and when the row was written.
    fn shown(column: &'static str) -> Shown {
        audit::column(column)
    }

    /// Resource name.
    fn name(&self) -> String {
        format!("{}/{}", Self::COLLECTION, self.id())
    }

    /// The version as the API's etag.
    fn etag(&self) -> String {
        etag(self.version())
    }
}

/// A version as the API's etag: a short text that callers give back unchanged.
pub fn etag(version: i64) -> String {
    format!("v{version}")
}

/// Checks a caller's etag, when there is one, against the present version.
///
/// # Errors
/// ABORTED.
pub fn check_etag<T: Stored>(row: &T, given: &str) -> Result<()> {
    if given.is_empty() || given == row.etag() { Ok(()) } else { Err(Error::etag_mismatch(row.name())) }
}

/// Reads one.
///
/// # Errors
/// NOT_FOUND.
pub fn get<T: Stored>(conn: &mut Conn<'_>, id: &str) -> Result<T> {
    found(find(conn, id)?, id)
}

/// Reads one and holds its row until the commit: another process that changes it waits, so that without an etag the last
/// write wins there too. On SQLite there is one writer, so nothing needs to be held.
///
/// # Errors
/// NOT_FOUND.
pub fn hold<T: Stored>(tx: &mut Tx<'_>, id: &str) -> Result<T> {
    found(hold_if_there(tx, id)?, id)
}

/// As `hold`, for one that may be gone.
///
/// # Errors
/// Those of the database.
pub fn hold_if_there<T: Stored>(tx: &mut Tx<'_>, id: &str) -> Result<Option<T>> {
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    select(tx, id, lock)
}

/// Reads one that may not be there.
///
/// # Errors
/// Those of the database.
pub fn find<T: Stored>(conn: &mut Conn<'_>, id: &str) -> Result<Option<T>> {
    select(conn, id, "")
}

fn select<T: Stored>(conn: &mut Conn<'_>, id: &str, lock: &str) -> Result<Option<T>> {
    // Pushed together: each get asks for it, and formatting is slower.
    let mut sql = String::with_capacity(512);
    for (number, column) in T::COLUMNS.iter().enumerate() {
        sql.push_str(if number == 0 { "SELECT " } else { ", " });
        sql.push_str(column);
    }
    for text in [" FROM ", T::TABLE, " WHERE ", T::COLUMNS[0], " = $1", lock] {
        sql.push_str(text);
    }
    conn.one(&sql, &[id.into()], |row| T::from_row(row, 0))
}

fn found<T: Stored>(row: Option<T>, id: &str) -> Result<T> {
    row.ok_or_else(|| Error::not_found(format!("{}/{id}", T::COLLECTION)))
}

/// Lists a page. The listing's columns are T's.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list<T: Stored>(
    conn: &mut Conn<'_>,
    listing: &Listing,
    caller: &Caller,
    query: &Query,
    scope: impl Into<Scope>,
) -> Result<Page<T>> {
    listing.run(conn, caller, query, scope, |row| T::from_row(row, 2))
}

/// Writes a new one.
///
/// # Errors
/// ALREADY_EXISTS.
pub fn insert<T: Stored>(tx: &mut Tx<'_>, row: &T) -> Result<()> {
    let places: Vec<String> = (1..=T::COLUMNS.len()).map(|number| format!("${number}")).collect();
    let sql = format!("INSERT INTO {} ({}) VALUES ({})", T::TABLE, T::COLUMNS.join(", "), places.join(", "));
    let values = row.values();
    match tx.execute(&sql, &values) {
        Err(cause) if cause.reason() == error::UNIQUE => return Err(Error::already_exists(row.name())),
        outcome => outcome?,
    };
    tx.audit(audit::row(Action::Create, row, None, Some(&values)));
    Ok(())
}

/// Writes a changed one if nobody changed it since it was read, and raises its version. The statement sets the changed columns only: SQLite
/// writes each index anew that has one of the columns set, also when its value is as it was.
///
/// # Errors
/// ABORTED when someone did.
pub fn update<T: Stored>(tx: &mut Tx<'_>, row: &mut T) -> Result<()> {
    let read = row.version();
    let old = old_values(tx, row)?;
    row.set_version(read + 1);
    let values = row.values();
    let (id, version) = (T::COLUMNS[0], T::COLUMNS[1]);
    let mut sets = String::new();
    let mut args: Vec<Value> = vec![row.id().into(), read.into()];
    for (at, column) in T::COLUMNS.iter().enumerate().skip(1).filter(|(at, _)| values[*at] != old[*at]) {
        args.push(values[at].clone());
        let comma = if sets.is_empty() { "" } else { ", " };
        let _ = write!(sets, "{comma}{column} = ${}", args.len());
    }
    let sql = format!("UPDATE {} SET {sets} WHERE {id} = $1 AND {version} = $2", T::TABLE);
    if tx.execute(&sql, &args)? == 0 {
        return Err(Error::etag_mismatch(row.name()));
    }
    tx.audit(audit::row(Action::Update, row, Some(&old), Some(&values)));
    Ok(())
}

/// Keeps in the audit what a statement of a store's own did to a row: how it was (none for a new one) and how it is (none for one that is gone).
pub fn note<T: Stored>(tx: &mut Tx<'_>, old: Option<&T>, new: Option<&T>) {
    let (action, row) = match (old, new) {
        (None, Some(new)) => (Action::Create, new),
        (Some(_), Some(new)) => (Action::Update, new),
        (Some(old), None) => (Action::Delete, old),
        (None, None) => return,
    };
    let (old, new) = (old.map(T::values), new.map(T::values));
    tx.audit(audit::row(action, row, old.as_deref(), new.as_deref()));
}

/// What stands there now, for the audit. Should another process change it after this, the update finds another version.
fn old_values<T: Stored>(tx: &mut Tx<'_>, row: &T) -> Result<Vec<Value>> {
    let columns = T::COLUMNS;
    let sql = format!(
        "SELECT {} FROM {} WHERE {} = $1 AND {} = $2",
        columns.join(", "),
        T::TABLE,
        columns[0],
        columns[1]
    );
    let found = tx.one(&sql, &[row.id().into(), row.version().into()], |row| T::from_row(row, 0))?;
    found.map(|old| old.values()).ok_or_else(|| Error::etag_mismatch(row.name()))
}

/// Deletes one if nobody changed it since it was read.
///
/// # Errors
/// ABORTED when someone did.
pub fn delete<T: Stored>(tx: &mut Tx<'_>, row: &T) -> Result<()> {
    let sql = format!("DELETE FROM {} WHERE {} = $1 AND {} = $2", T::TABLE, T::COLUMNS[0], T::COLUMNS[1]);
    let old = old_values(tx, row)?;
    if tx.execute(&sql, &[row.id().into(), row.version().into()])? == 0 {
        return Err(Error::etag_mismatch(row.name()));
    }
    tx.audit(audit::row(Action::Delete, row, Some(&old), None));
    Ok(())
}
