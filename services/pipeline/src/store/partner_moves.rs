//! Opportunities that went to another partner when theirs was merged into it, so that they come back when that is taken back.
//! Called by partners.rs and, for where a name leads, by the rpc files.

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

/// A merge that opportunities still follow.
#[derive(Clone, Debug)]
pub struct Walk {
    /// "partners/{id}" that went, or came back.
    pub partner: String,
    /// "partners/{id}" that it went into.
    pub survivor: String,
    /// Whether the merge was taken back.
    pub back: bool,
    /// Whose doing it is: "users/{user}", or empty.
    pub actor: String,
    /// What brought it.
    pub cause: String,
}

/// Begins a walk, behind all others. It takes the place of the one that it takes back, or that it does again.
///
/// # Errors
/// Those of the database.
pub fn begin(tx: &mut Tx<'_>, walk: &Walk) -> Result<()> {
    let sql = "SELECT COALESCE(MAX(number), 0) + 1 FROM partner_walk";
    let number = tx.one(sql, &[], |row| row.int(0))?.unwrap_or(1);
    let sql = "INSERT INTO partner_walk (partner, survivor, number, back, actor, cause) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (partner, survivor) DO UPDATE SET number = excluded.number, back = excluded.back, actor = excluded.actor, cause = excluded.cause";
    let args = args![&walk.partner, &walk.survivor, number, walk.back, &walk.actor, &walk.cause];
    tx.execute(sql, args)?;
    Ok(())
}

/// The walk that began first, held until the commit: one process goes it at a time.
///
/// # Errors
/// Those of the database.
pub fn oldest(tx: &mut Tx<'_>) -> Result<Option<Walk>> {
    // New opportunities of other processes wait for a batch, as they waited for the merge itself: none is written with a name that is being left.
    lock(tx, "FOR UPDATE")?;
    let sql = "SELECT partner, survivor, back, actor, cause FROM partner_walk ORDER BY number LIMIT 1";
    tx.one(sql, &[], |row| {
        Ok(Walk {
            partner: row.string(0)?,
            survivor: row.string(1)?,
            back: row.bool(2)?,
            actor: row.string(3)?,
            cause: row.string(4)?,
        })
    })
}

/// All have followed.
///
/// # Errors
/// Those of the database.
pub fn end(tx: &mut Tx<'_>, walk: &Walk) -> Result<()> {
    let sql = "DELETE FROM partner_walk WHERE partner = $1 AND survivor = $2";
    tx.execute(sql, args![&walk.partner, &walk.survivor])?;
    Ok(())
}

/// Some opportunities of a partner ("partners/{id}"), held until the commit.
///
/// # Errors
/// Those of the database.
pub fn of_partner(tx: &mut Tx<'_>, partner: &str, most: usize) -> Result<Vec<Opportunity>> {
    let columns = Opportunity::COLUMNS.join(", ");
    let hold = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT {columns} FROM opportunity WHERE partner = $1 ORDER BY id LIMIT {most}{hold}");
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

/// Ids of some opportunities that went from one partner to another; that is forgotten here.
///
/// # Errors
/// Those of the database.
pub fn take_moved(tx: &mut Tx<'_>, from: &str, to: &str, most: usize) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT opportunity FROM partner_move WHERE partner = $1 AND survivor = $2 ORDER BY opportunity LIMIT {most}"
    );
    let moved = tx.all(&sql, args![from, to], |row| row.string(0))?;
    for opportunity in &moved {
        let sql = "DELETE FROM partner_move WHERE opportunity = $1 AND partner = $2";
        tx.execute(sql, args![opportunity, from])?;
    }
    Ok(moved)
}
