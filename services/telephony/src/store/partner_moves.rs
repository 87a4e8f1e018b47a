//! Calls, and entries of call lists, that go to another partner when theirs is merged into it, and come back when that is taken back.
//! Called by events.rs.

use kontor_kit::db::Tx;
use kontor_kit::{Result, args};

/// Gives the calls of a partner that went into another one to that one.
///
/// # Errors
/// Those of the database.
pub fn merged(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO partner_move (call, partner, survivor) SELECT id, $1, $2 FROM call WHERE partner = $1 AND partner <> ''
         ON CONFLICT (call, partner) DO UPDATE SET survivor = excluded.survivor",
        args![partner, survivor],
    )?;
    let sql = "UPDATE call SET partner = $2, version = version + 1 WHERE partner = $1 AND partner <> ''";
    tx.execute(sql, args![partner, survivor])?;
    tx.execute(
        "INSERT INTO call_entry_move (entry, partner, survivor) SELECT id, $1, $2 FROM call_entry WHERE partner = $1 AND partner <> ''
         ON CONFLICT (entry, partner) DO UPDATE SET survivor = excluded.survivor",
        args![partner, survivor],
    )?;
    let sql =
        "UPDATE call_entry SET partner = $2, version = version + 1 WHERE partner = $1 AND partner <> ''";
    tx.execute(sql, args![partner, survivor])?;
    Ok(())
}

/// Gives them back, but those that somebody gave to another one since. What was said of them meanwhile may name the survivor, so each is looked at again.
///
/// # Errors
/// Those of the database.
pub fn unmerged(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "UPDATE call SET partner = $1, version = version + 1, due_time = CASE WHEN announced = 2 THEN COALESCE(due_time, $3) ELSE due_time END
         WHERE partner = $2 AND partner <> '' AND id IN (SELECT call FROM partner_move WHERE partner = $1 AND survivor = $2)",
        args![partner, survivor, now],
    )?;
    tx.execute("DELETE FROM partner_move WHERE partner = $1 AND survivor = $2", args![partner, survivor])?;
    tx.execute(
        "UPDATE call_entry SET partner = $1, version = version + 1
         WHERE partner = $2 AND partner <> '' AND id IN (SELECT entry FROM call_entry_move WHERE partner = $1 AND survivor = $2)",
        args![partner, survivor],
    )?;
    tx.execute("DELETE FROM call_entry_move WHERE partner = $1 AND survivor = $2", args![partner, survivor])?;
    Ok(())
}
