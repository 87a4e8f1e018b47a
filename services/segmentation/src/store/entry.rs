//! Entries of the two lists of segments in the database, and whom they mean.
//! Called by rpc/entry.rs and the engine.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::{Error, Result, args};

use super::partner;
use crate::domain::facts::Facts;
use crate::domain::segment::{Entry, Side, domains};

const LISTS: &[(&str, i64)] =
    &[("STATIC", 1), ("EXCLUSION", 2), ("SEGMENT_LIST_STATIC", 1), ("SEGMENT_LIST_EXCLUSION", 2)];

const LISTING: Listing = Listing {
    table: "segment_entry",
    columns: "list, kind, value",
    id: "id",
    by_key: false,
    fields: &[
        Field::filter("list", "list", Kind::Enum(LISTS)),
        Field::both("value", "value", Kind::Text),
    ],
    default_order: "value",
    default_size: 50,
    max_size: 1_000,
};

/// Key of an entry in its segment.
fn key(entry: &Entry) -> String {
    let (kind, value) = entry.parts();
    format!("{}/{kind}/{value}", entry.side as i64)
}

fn read(side: i64, kind: i64, value: String) -> Result<Entry> {
    Entry::of(side, kind, value).ok_or_else(|| Error::internal(format!("an entry of the kind {kind}")))
}

/// Lists the entries of a segment.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token or filter.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, segment: &str, query: &Query) -> Result<Page<Entry>> {
    let scope = ("segment = $1".to_owned(), args![segment].to_vec());
    LISTING.run(conn, caller, query, scope, |row| read(row.int(2)?, row.int(3)?, row.string(4)?))
}

/// Adds one. True when it was not there.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, segment: &str, entry: &Entry) -> Result<bool> {
    let (kind, value) = entry.parts();
    let sql = "INSERT INTO segment_entry (segment, id, list, kind, value) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (segment, id) DO NOTHING";
    Ok(tx.execute(sql, args![segment, key(entry), entry.side as i64, kind, value])? > 0)
}

/// Takes one away. True when it was there.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, segment: &str, entry: &Entry) -> Result<bool> {
    let sql = "DELETE FROM segment_entry WHERE segment = $1 AND id = $2";
    Ok(tx.execute(sql, args![segment, key(entry)])? > 0)
}

/// How many a segment has.
///
/// # Errors
/// Those of the database.
pub fn count(conn: &mut Conn<'_>, segment: &str) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM segment_entry WHERE segment = $1";
    Ok(conn.one(sql, args![segment], |row| row.int(0))?.unwrap_or(0))
}

/// The partners whom an entry means, by number.
///
/// # Errors
/// Those of the database.
pub fn meant(conn: &mut Conn<'_>, entry: &Entry) -> Result<Vec<u32>> {
    let by_value = |conn: &mut Conn<'_>, field: &str, value: &str| {
        let sql = "SELECT ord FROM fact_text WHERE field = $1 AND value = $2";
        conn.all(sql, args![field, value], |row| u32::try_from(row.int(0)?).map_err(Error::internal))
    };
    let (kind, value) = entry.parts();
    match kind {
        1 => Ok(partner::find(conn, value)?.map(|ords| ords.ord).into_iter().collect()),
        2 => by_value(conn, "emails", value),
        3 => by_value(conn, "phones", value),
        _ => {
            // Escapes are not needed: a domain has neither % nor _ nor \.
            let sql = "SELECT ord FROM fact_text WHERE field = 'emails' AND (value LIKE $1 OR value LIKE $2)";
            let (own, below) = (format!("%@{value}"), format!("%@%.{value}"));
            conn.all(sql, args![own, below], |row| u32::try_from(row.int(0)?).map_err(Error::internal))
        }
    }
}

/// All entries of a segment.
///
/// # Errors
/// Those of the database.
pub fn all(conn: &mut Conn<'_>, segment: &str) -> Result<Vec<Entry>> {
    let sql = "SELECT list, kind, value FROM segment_entry WHERE segment = $1";
    conn.all(sql, args![segment], |row| read(row.int(0)?, row.int(1)?, row.string(2)?))
}

/// Entries of any segment that mean a partner with these facts and this number: segment and entry.
///
/// # Errors
/// Those of the database.
pub fn of_partner(conn: &mut Conn<'_>, ord: u32, facts: &Facts) -> Result<Vec<(String, Entry)>> {
    let mut wanted: Vec<(i64, String)> = Vec::new();
    if let Some(name) = partner::name(conn, ord)? {
        // An entry of one that went into this one means this one.
        for owner in partner::family(conn, &name)? {
            wanted.extend(partner::name(conn, owner)?.map(|name| (1, name)));
        }
    }
    for email in &facts.emails {
        wanted.push((2, email.clone()));
        wanted.extend(domains(email).into_iter().map(|domain| (4, domain.to_owned())));
    }
    wanted.extend(facts.phones.iter().map(|phone| (3, phone.clone())));
    wanted.sort();
    wanted.dedup();
    let mut found = Vec::new();
    for (kind, value) in wanted {
        let sql = "SELECT segment, list FROM segment_entry WHERE kind = $1 AND value = $2";
        let rows = conn.all(sql, args![kind, &value], |row| Ok((row.string(0)?, row.int(1)?)))?;
        for (segment, side) in rows {
            found.push((segment, read(side, kind, value.clone())?));
        }
    }
    Ok(found)
}

/// Whether any segment has entries: most installations have none, and then nothing has to be looked up.
///
/// # Errors
/// Those of the database.
pub fn is_any(conn: &mut Conn<'_>) -> Result<bool> {
    Ok(conn.one("SELECT 1 FROM segment_entry LIMIT 1", &[], |_| Ok(()))?.is_some())
}

/// Whether an entry of this side is among these.
pub fn has(entries: &[(String, Entry)], segment: &str, side: Side) -> bool {
    entries.iter().any(|(of, entry)| of == segment && entry.side == side)
}
