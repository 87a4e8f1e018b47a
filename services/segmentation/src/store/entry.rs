//! Entries of the two lists of segments in the database, and whom they mean.
//! Called by rpc/entry.rs and the engine.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::{Error, Result, args};

use super::partner;
use crate::domain::facts::Facts;
use crate::domain::membership::ContactList;
use crate::domain::segment::{Entry, Side, Who};

const LISTS: &[(&str, i64)] =
    &[("STATIC", 1), ("EXCLUSION", 2), ("SEGMENT_LIST_STATIC", 1), ("SEGMENT_LIST_EXCLUSION", 2)];

const LISTING: Listing = Listing {
    table: "segment_entry",
    columns: "list, kind, value",
    id: "id",
    by_key: false,
    fields: &[Field::filter("list", "list", Kind::Enum(LISTS)), Field::both("value", "value", Kind::Text)],
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

/// All entries of a segment.
///
/// # Errors
/// Those of the database.
pub fn all(conn: &mut Conn<'_>, segment: &str) -> Result<Vec<Entry>> {
    let sql = "SELECT list, kind, value FROM segment_entry WHERE segment = $1";
    conn.all(sql, args![segment], |row| read(row.int(0)?, row.int(1)?, row.string(2)?))
}

/// Segments whose lists name one of these partners.
///
/// # Errors
/// Those of the database.
pub fn naming(conn: &mut Conn<'_>, ords: &[u32]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for ord in ords {
        let sql = "SELECT segment FROM segment_entry JOIN partner_ord ON partner = value WHERE kind = 1 AND ord = $1";
        found.extend(conn.all(sql, args![*ord], |row| row.string(0))?);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The static list and the exclusion list of a segment, as the engine wants them.
///
/// # Errors
/// Those of the database.
pub fn lists(conn: &mut Conn<'_>, segment: &str) -> Result<(ContactList, ContactList)> {
    let (mut included, mut excluded) = (ContactList::default(), ContactList::default());
    for Entry { side, who } in all(conn, segment)? {
        let list = if side == Side::Static { &mut included } else { &mut excluded };
        match who {
            // One that went into another one means that one.
            Who::Partner(name) => {
                list.partners.extend(partner::find(conn, &name)?.map(|ords| ords.ord));
            }
            Who::Email(address) => _ = list.addresses.insert(address),
            Who::Phone(number) => _ = list.numbers.insert(number),
            Who::Domain(domain) => _ = list.domains.insert(domain),
        }
    }
    Ok((included, excluded))
}

/// The entry of a segment's exclusion list that means a partner with these facts; none when none does.
///
/// # Errors
/// Those of the database.
pub fn excluding(conn: &mut Conn<'_>, segment: &str, ord: u32, facts: &Facts) -> Result<Option<Entry>> {
    for entry in all(conn, segment)?.into_iter().filter(|entry| entry.side == Side::Exclusion) {
        let is_meant = match &entry.who {
            Who::Partner(name) => partner::find(conn, name)?.is_some_and(|ords| ords.ord == ord),
            Who::Email(address) => facts.emails.contains(address),
            Who::Phone(number) => facts.phones.contains(number),
            Who::Domain(domain) => facts.emails.iter().any(|address| {
                let of = address.rsplit_once('@').map_or("", |(_, of)| of);
                of == domain || of.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }),
        };
        if is_meant {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}
