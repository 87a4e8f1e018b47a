//! Partners by their numbers: who has which, who went into whom, and that nothing of an erased one is taken again.
//! Called by everything that brings facts in.

use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::{Error, Result, args};

use super::{answer, campaign_move, engine, entry, facts};

/// Stands as the survivor of a partner that was erased.
const ERASED: &str = "-";
/// Merges into one another at most.
const DEPTH: usize = 50;

/// A partner as it was told of, and whom it counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ords {
    /// Its own number.
    pub owner: u32,
    /// The number of the partner that it went into; the same when it did not.
    pub ord: u32,
}

fn number(value: i64) -> Result<u32> {
    u32::try_from(value).map_err(Error::internal)
}

/// Number and survivor of a name.
fn row(conn: &mut Conn<'_>, partner: &str) -> Result<Option<(u32, String)>> {
    let sql = "SELECT ord, survivor FROM partner_ord WHERE partner = $1";
    conn.one(sql, args![partner], |row| Ok((number(row.int(0)?)?, row.string(1)?)))
}

/// The numbers of a name ("partners/{id}") that was seen before. None for one that is not known or was erased.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, partner: &str) -> Result<Option<Ords>> {
    let Some((owner, mut survivor)) = row(conn, partner)? else { return Ok(None) };
    let mut ord = owner;
    for _ in 0..DEPTH {
        if survivor.is_empty() {
            return Ok(Some(Ords { owner, ord }));
        }
        if survivor == ERASED {
            return Ok(None);
        }
        let Some(next) = row(conn, &survivor)? else { return Ok(None) };
        (ord, survivor) = next;
    }
    Err(Error::internal(format!("{partner} went into too many others")))
}

/// As `find`, and gives a new name its number. None for one that was erased.
///
/// # Errors
/// Those of the database.
pub fn find_or_add(tx: &mut Tx<'_>, partner: &str) -> Result<Option<Ords>> {
    if row(tx, partner)?.is_none() {
        add(tx, partner)?;
    }
    find(tx, partner)
}

fn add(tx: &mut Tx<'_>, partner: &str) -> Result<u32> {
    let sql = "UPDATE engine SET next_ord = next_ord + 1 WHERE id = 1 RETURNING next_ord";
    let next = tx.one(sql, &[], |row| row.int(0))?.ok_or_else(|| Error::internal("the engine has no row"))?;
    let sql = "INSERT INTO partner_ord (partner, ord, survivor) VALUES ($1, $2, '') ON CONFLICT (partner) DO NOTHING";
    tx.execute(sql, args![partner, next - 1])?;
    number(next - 1)
}

/// Whether a partner of this number is there: known, not gone into another one, not deleted.
///
/// # Errors
/// Those of the database.
pub fn is_there(conn: &mut Conn<'_>, ord: u32) -> Result<bool> {
    Ok(conn.one("SELECT 1 FROM fact_partner WHERE ord = $1", args![ord], |_| Ok(()))?.is_some())
}

/// The number of a partner that is there.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, partner: &str) -> Result<Ords> {
    if let Some(ords) = find(conn, partner)?
        && is_there(conn, ords.ord)?
    {
        return Ok(ords);
    }
    Err(Error::not_found(partner))
}

/// Names of numbers, in the order of the numbers.
///
/// # Errors
/// Those of the database.
pub fn names(conn: &mut Conn<'_>, ords: &[u32]) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(ords.len());
    for part in ords.chunks(500) {
        let places: Vec<String> = (1..=part.len()).map(|place| format!("${place}")).collect();
        let sql =
            format!("SELECT partner FROM partner_ord WHERE ord IN ({}) ORDER BY ord", places.join(", "));
        let args: Vec<Value> = part.iter().map(|ord| (*ord).into()).collect();
        names.extend(conn.all(&sql, &args, |row| row.string(0))?);
    }
    Ok(names)
}

/// Numbers of all names that count for this one, itself first.
///
/// # Errors
/// Those of the database.
pub fn family(conn: &mut Conn<'_>, partner: &str) -> Result<Vec<u32>> {
    let sql = "WITH RECURSIVE gone(partner, ord, depth) AS (
         SELECT partner, ord, 0 FROM partner_ord WHERE partner = $1
         UNION ALL SELECT next.partner, next.ord, gone.depth + 1 FROM partner_ord AS next JOIN gone ON next.survivor = gone.partner
         WHERE next.survivor <> '' AND gone.depth < 50)
         SELECT ord FROM gone ORDER BY depth, ord";
    conn.all(sql, args![partner], |row| number(row.int(0)?))
}

/// The name of a number.
///
/// # Errors
/// Those of the database.
pub fn name(conn: &mut Conn<'_>, ord: u32) -> Result<Option<String>> {
    conn.one("SELECT partner FROM partner_ord WHERE ord = $1", args![ord], |row| row.string(0))
}

/// A partner went into another one: all that was told of it counts for that one.
///
/// # Errors
/// Those of the database.
pub fn merged(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    let (Some(_), Some(_)) = (find_or_add(tx, partner)?, find_or_add(tx, survivor)?) else { return Ok(()) };
    tx.execute("UPDATE partner_ord SET survivor = $2 WHERE partner = $1", args![partner, survivor])?;
    // A circle can't be: the directory refuses it. Should events say so all the same, `find` answers an error, and nothing is lost.
    let Some(ords) = find(tx, partner)? else { return Ok(()) };
    facts::remove_partner(tx, ords.owner)?;
    settle(tx, partner, ords.ord)
}

/// A partner is its own again, with all that was told of it.
///
/// # Errors
/// Those of the database.
pub fn unmerged(tx: &mut Tx<'_>, partner: &str) -> Result<()> {
    let Some((own, survivor)) = row(tx, partner)? else { return Ok(()) };
    if survivor.is_empty() || survivor == ERASED {
        return Ok(());
    }
    let before = find(tx, partner)?;
    tx.execute("UPDATE partner_ord SET survivor = '' WHERE partner = $1", args![partner])?;
    settle(tx, partner, own)?;
    let family = family(tx, partner)?;
    campaign_move::taken_back(tx, own, &family)?;
    if let Some(before) = before {
        answer::settle(tx, before.ord)?;
        facts::set_traits(tx, before.ord)?;
        engine::partners_changed(tx, &[before.ord])?;
    }
    Ok(())
}

/// Lets all that was told of a name, and of those that went into it, count for a number.
fn settle(tx: &mut Tx<'_>, partner: &str, ord: u32) -> Result<()> {
    let owners = family(tx, partner)?;
    for owner in &owners {
        facts::count_for(tx, *owner, ord)?;
    }
    for segment in entry::naming(tx, &owners)? {
        engine::lists_changed(tx, &segment)?;
    }
    answer::settle(tx, ord)?;
    facts::set_traits(tx, ord)?;
    engine::partners_changed(tx, &[ord])
}

/// Nothing is taken of this name any more.
///
/// # Errors
/// Those of the database.
pub fn erase(tx: &mut Tx<'_>, partner: &str) -> Result<Option<u32>> {
    if row(tx, partner)?.is_none() {
        add(tx, partner)?;
    }
    let Some((ord, survivor)) = row(tx, partner)? else { return Ok(None) };
    if survivor == ERASED {
        return Ok(None);
    }
    tx.execute("UPDATE partner_ord SET survivor = $2 WHERE partner = $1", args![partner, ERASED])?;
    Ok(Some(ord))
}
