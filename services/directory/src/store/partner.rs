//! Partners: lists, look-ups by number and address, and the one write that finds or makes.
//! Called by rpc/partner.rs.

use std::collections::{BTreeSet, HashMap};

use kontor_collection::store::collection;
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::erase::is_one_of;
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::{Error, Result, args, phone};

use super::card::{COLUMNS, Cards, Stored, company_book, find, read};
use super::contact;
use crate::domain::contact::Fields;

/// Partners that one statement looks for.
const AT_ONCE: usize = 500;
/// A merge of merges of merges; more steps than anybody makes.
const STEPS: usize = 100;

const KINDS: &[(&str, i64)] =
    &[("PARTNER_KIND_PERSON", 1), ("PARTNER_KIND_COMPANY", 2), ("PERSON", 1), ("COMPANY", 2)];

const LISTING: Listing = Listing {
    table: "card",
    columns: COLUMNS,
    id: "id",
    by_key: false,
    fields: &[
        Field::filter("kind", "kind", Kind::Enum(KINDS)),
        Field::filter("display_name", "display_name", Kind::Text),
        Field::order("display_name", "sort_name", Kind::Text),
        Field::filter("organization", "organization", Kind::Text),
        Field::filter("company", "company", Kind::Text),
        Field::order("create_time", "create_time", Kind::Time),
        Field::order("update_time", "update_time", Kind::Time),
    ],
    default_order: "display_name",
    default_size: 50,
    max_size: 1_000,
};

/// A page of partners.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Stored>> {
    LISTING.run(conn, caller, query, ("partner = 1".to_owned(), Vec::new()), |row| read(row, 2))
}

/// One partner, for a change: a name that leads to another one is not followed.
///
/// # Errors
/// NOT_FOUND, with reason MERGED when it went into another one, which is in the metadata as "survivor".
pub fn get(conn: &mut Conn<'_>, id: &str) -> Result<Stored> {
    let found = resolve(conn, id)?;
    if found.id == id {
        return Ok(found);
    }
    Err(Error::merged(format_args!("partners/{id}"), format!("partners/{}", found.id)))
}

/// The partner that a name leads to: itself, or the one that it went into by a merge.
///
/// # Errors
/// NOT_FOUND.
pub fn resolve(conn: &mut Conn<'_>, id: &str) -> Result<Stored> {
    let mut at = id.to_owned();
    for _ in 0..STEPS {
        if let Some(found) = find(conn, &at)?.filter(|found| found.partner) {
            return Ok(found);
        }
        match super::merge::survivor(conn, &at)? {
            Some(next) => at = next,
            None => break,
        }
    }
    Err(Error::not_found(format!("partners/{id}")))
}

/// Many partners, in the order of the ids, each as `resolve` finds it; none where there is none.
///
/// # Errors
/// Those of the database.
pub fn many(conn: &mut Conn<'_>, ids: &[String]) -> Result<Vec<Option<Stored>>> {
    let mut found: HashMap<String, Stored> = HashMap::with_capacity(ids.len());
    let mut next: HashMap<String, String> = HashMap::new();
    let mut open: BTreeSet<String> = ids.iter().cloned().collect();
    for _ in 0..STEPS {
        if open.is_empty() {
            break;
        }
        let asked: Vec<String> = std::mem::take(&mut open).into_iter().collect();
        for some in asked.chunks(AT_ONCE) {
            let mut args = Vec::new();
            let of = is_one_of("id", some, &mut args);
            let sql = format!("SELECT {COLUMNS} FROM card WHERE partner = 1 AND {of}");
            for row in conn.all(&sql, &args, |row| read(row, 0))? {
                found.insert(row.id.clone(), row);
            }
        }
        let gone: Vec<String> = asked.into_iter().filter(|id| !found.contains_key(id)).collect();
        for some in gone.chunks(AT_ONCE) {
            for (partner, survivor) in super::merge::survivors(conn, some)? {
                if !found.contains_key(&survivor) && !next.contains_key(&survivor) {
                    open.insert(survivor.clone());
                }
                next.insert(partner, survivor);
            }
        }
    }
    let row = |id: &String| {
        let mut at = id;
        for _ in 0..STEPS {
            match found.get(at) {
                Some(row) => return Some(row.clone()),
                None => at = next.get(at)?,
            }
        }
        None
    };
    Ok(ids.iter().map(row).collect())
}

/// Shows the bytes of partners' cards.
///
/// # Errors
/// Those of the database.
pub fn cards(conn: &mut Conn<'_>, ids: &[String], mut look: impl FnMut(String, &[u8])) -> Result<()> {
    for some in ids.chunks(AT_ONCE) {
        let mut args = Vec::new();
        let of = is_one_of("o.id", some, &mut args);
        let sql = format!("SELECT o.id, b.data FROM object o JOIN body b ON b.num = o.num WHERE {of}");
        conn.each(&sql, &args, |row| {
            look(row.string(0)?, row.bytes(1)?);
            Ok(())
        })?;
    }
    Ok(())
}

/// Partners that have the number (E.164) or the address (as `phone::address` makes it), by display name, at most 20.
/// An empty one finds nothing.
///
/// # Errors
/// Those of the database.
pub fn lookup(conn: &mut Conn<'_>, e164: &str, address: &str) -> Result<Vec<Stored>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM card WHERE id IN
         (SELECT card FROM card_phone WHERE e164 = $1 UNION SELECT card FROM card_email WHERE address = $2)
         ORDER BY sort_name, id LIMIT 20"
    );
    conn.all(&sql, args![e164, address], |row| read(row, 0))
}

/// The partner with one of the addresses, else with one of the numbers; made of the fields when there is none. True when made.
///
/// # Errors
/// Those of making a card.
pub fn match_or_create(
    tx: &mut Tx<'_>,
    cards: &Cards,
    caller: &Caller,
    fields: &Fields,
) -> Result<(Stored, bool)> {
    if let Some(found) = matching(tx, cards, fields)? {
        return Ok((found, false));
    }
    // Another process may be making it now: wait for it, then look again.
    collection::lock(tx, &company_book())?;
    if let Some(found) = matching(tx, cards, fields)? {
        return Ok((found, false));
    }
    contact::create(tx, cards, caller, &company_book(), fields).map(|made| (made, true))
}

/// The oldest match, so that all callers get the same.
fn matching(tx: &mut Tx<'_>, cards: &Cards, fields: &Fields) -> Result<Option<Stored>> {
    for email in &fields.emails {
        if let Some(found) = oldest(tx, "", &phone::address(&email.address))? {
            return Ok(Some(found));
        }
    }
    for entry in &fields.phones {
        let number = phone::e164(&entry.number, cards.region()).unwrap_or_default();
        if let Some(found) = oldest(tx, &number, "")? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn oldest(tx: &mut Tx<'_>, e164: &str, address: &str) -> Result<Option<Stored>> {
    if e164.is_empty() && address.is_empty() {
        return Ok(None);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM card WHERE id IN
         (SELECT card FROM card_phone WHERE e164 = $1 UNION SELECT card FROM card_email WHERE address = $2)
         ORDER BY create_time, id LIMIT 1"
    );
    tx.one(&sql, args![e164, address], |row| read(row, 0))
}
