//! Where each personal call-back of a call list stands as an event.
//! Called by call_backs.rs.

use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::{Result, args};

/// A call-back among the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// "callLists/{list}/entries/{entry}".
    pub entry: String,
    /// Id of the collection.
    pub collection: String,
    /// Last segment of the object's path.
    pub name: String,
}

/// Where a call-back stands, if it does.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, entry: &str) -> Result<Option<Place>> {
    conn.one("SELECT entry, collection, name FROM call_back WHERE entry = $1", args![entry], read)
}

/// What call-back stands at a place.
///
/// # Errors
/// Those of the database.
pub fn at(conn: &mut Conn<'_>, collection: &str, name: &str) -> Result<Option<Place>> {
    let sql = "SELECT entry, collection, name FROM call_back WHERE collection = $1 AND name = $2";
    conn.one(sql, args![collection, name], read)
}

/// Keeps where a call-back stands.
///
/// # Errors
/// Those of the database.
pub fn keep(tx: &mut Tx<'_>, place: &Place) -> Result<()> {
    tx.execute(
        "INSERT INTO call_back (entry, collection, name) VALUES ($1, $2, $3)
         ON CONFLICT (entry) DO UPDATE SET collection = excluded.collection, name = excluded.name",
        args![&place.entry, &place.collection, &place.name],
    )?;
    Ok(())
}

/// Forgets a call-back.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, entry: &str) -> Result<()> {
    tx.execute("DELETE FROM call_back WHERE entry = $1", args![entry])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Place> {
    Ok(Place { entry: row.string(0)?, collection: row.string(1)?, name: row.string(2)? })
}
