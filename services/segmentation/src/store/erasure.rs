//! Where data of a partner that is erased stands, and its way out.
//! Called by erase.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::erase::{Batch, Person, is_one_of};
use kontor_kit::{Error, Result, args};

use super::{engine, partner, pull};
use crate::domain::facts::{List, tables};

/// Names of the partner that are not marked as erased.
///
/// # Errors
/// Those of the database.
pub fn partners(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for name in &person.partners {
        let sql = "SELECT 1 FROM partner_ord WHERE partner = $1 AND survivor = '-'";
        if conn.one(sql, args![name], |_| Ok(()))?.is_none() {
            left.push(name.clone());
        }
    }
    left.truncate(usize::try_from(limit).unwrap_or(0));
    Ok(left)
}

/// Erases all facts of these names. Memberships follow by the engine, without which an event would be missing.
///
/// # Errors
/// Those of the database.
pub fn erase_partners(tx: &mut Tx<'_>, _: &Person, names: &[String]) -> Result<Batch> {
    let mut count = 0;
    for name in names {
        pull::forget(tx, name)?;
        let Some(ord) = partner::erase(tx, name)? else { continue };
        count += erase_facts(tx, ord)?;
        engine::partners_changed(tx, &[ord])?;
    }
    Ok(Batch::of("facts", count))
}

fn erase_facts(tx: &mut Tx<'_>, ord: u32) -> Result<i64> {
    let mut count = 0;
    for list in List::ALL {
        let sql = format!("DELETE FROM {} WHERE owner = $1 OR ord = $1", tables::of(list));
        count += tx.execute(&sql, args![ord])?;
    }
    for (table, column) in [
        (tables::PARTNER, "ord"),
        (tables::TEXT, "ord"),
        (tables::ANSWER, "ord"),
        ("answer", "owner"),
        ("partner_trait", "owner"),
        ("campaign_partner", "ord"),
        ("campaign_move", "ord"),
        ("campaign_move", "survivor"),
    ] {
        count += tx.execute(&format!("DELETE FROM {table} WHERE {column} = $1"), args![ord])?;
    }
    i64::try_from(count).map_err(Error::internal)
}

/// Entries of lists that name the partner.
///
/// # Errors
/// Those of the database.
pub fn entries(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit].to_vec();
    let named = is_one_of("value", &person.partners, &mut args);
    let sql = format!(
        "SELECT segment || ' ' || id FROM segment_entry WHERE kind = 1 AND {named} ORDER BY segment, id LIMIT $1"
    );
    conn.all(&sql, &args, |row| row.string(0))
}

/// Takes entries that name the partner out of the lists. Its addresses and numbers stay on exclusion lists: else the person would be written to again.
///
/// # Errors
/// Those of the database.
pub fn erase_entries(tx: &mut Tx<'_>, _: &Person, keys: &[String]) -> Result<Batch> {
    for key in keys {
        let Some((segment, id)) = key.split_once(' ') else { continue };
        tx.execute("DELETE FROM segment_entry WHERE segment = $1 AND id = $2", args![segment, id])?;
    }
    Ok(Batch::of("list entries", i64::try_from(keys.len()).unwrap_or(0)))
}
