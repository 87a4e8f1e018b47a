//! Opportunities that went to another partner when theirs was merged into it, so that they come back when that is taken back.
//! Called by events.rs.

use kontor_kit::db::Tx;
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

use crate::domain::opportunity::Opportunity;

/// Merges of merges of merges; more than anybody makes.
const STEPS: usize = 100;

/// The partner that an opportunity of this partner is with: itself, or the one that it went into. The directory was asked before this transaction;
/// a merge heard since would be missed without this.
///
/// # Errors
/// Those of the database.
pub fn survivor(tx: &mut Tx<'_>, partner: &str) -> Result<String> {
    lock(tx, "FOR SHARE")?;
    let mut at = partner.to_owned();
    for _ in 0..STEPS {
        let sql = "SELECT survivor FROM partner_merged WHERE partner = $1 AND partner <> ''";
        match tx.one(sql, args![&at], |row| row.string(0))? {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(at)
}

/// A partner went into another one: opportunities that name it from now on are of that one.
///
/// # Errors
/// Those of the database.
pub fn merged(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    lock(tx, "FOR UPDATE")?;
    tx.execute(
        "INSERT INTO partner_merged (partner, survivor) VALUES ($1, $2) ON CONFLICT (partner) DO UPDATE SET survivor = excluded.survivor",
        args![partner, survivor],
    )?;
    Ok(())
}

/// It came back.
///
/// # Errors
/// Those of the database.
pub fn unmerged(tx: &mut Tx<'_>, partner: &str) -> Result<()> {
    lock(tx, "FOR UPDATE")?;
    tx.execute("DELETE FROM partner_merged WHERE partner = $1 AND partner <> ''", args![partner])?;
    Ok(())
}

/// Merges and new opportunities of other processes wait for each other at the row without a name. On SQLite there is one writer.
fn lock(tx: &mut Tx<'_>, how: &str) -> Result<()> {
    if tx.is_postgres() {
        let sql = format!("SELECT 1 FROM partner_merged WHERE partner = '' {how}");
        tx.one(&sql, &[], |_| Ok(()))?;
    }
    Ok(())
}

/// The opportunities of a partner ("partners/{id}"), held until the commit.
///
/// # Errors
/// Those of the database.
pub fn of_partner(tx: &mut Tx<'_>, partner: &str) -> Result<Vec<Opportunity>> {
    let columns = Opportunity::COLUMNS.join(", ");
    let hold = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT {columns} FROM opportunity WHERE partner = $1 ORDER BY id{hold}");
    tx.all(&sql, args![partner], |row| Opportunity::from_row(row, 0))
}

/// Remembers that an opportunity (its id) goes from one partner to another.
///
/// # Errors
/// Those of the database.
pub fn note(tx: &mut Tx<'_>, opportunity: &str, from: &str, to: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO partner_move (opportunity, partner, survivor) VALUES ($1, $2, $3)
         ON CONFLICT (opportunity, partner) DO UPDATE SET survivor = excluded.survivor",
        args![opportunity, from, to],
    )?;
    Ok(())
}

/// The opportunities that went from one partner to another, and the ids of those that went into others since; they are forgotten here.
///
/// # Errors
/// Those of the database.
pub fn take_moved(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<(Vec<Opportunity>, Vec<String>)> {
    let sql = "SELECT p.opportunity FROM partner_move p JOIN record_merged m ON m.kind = 2 AND m.record = p.opportunity
               WHERE p.partner = $1 AND p.survivor = $2 ORDER BY p.opportunity";
    let merged = tx.all(sql, args![from, to], |row| row.string(0))?;
    let columns = Opportunity::COLUMNS.join(", ");
    let hold = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!(
        "SELECT {columns} FROM opportunity WHERE id IN (SELECT opportunity FROM partner_move WHERE partner = $1 AND survivor = $2) ORDER BY id{hold}"
    );
    let moved = tx.all(&sql, args![from, to], |row| Opportunity::from_row(row, 0))?;
    tx.execute("DELETE FROM partner_move WHERE partner = $1 AND survivor = $2", args![from, to])?;
    Ok((moved, merged))
}
