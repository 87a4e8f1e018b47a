//! Opportunities that went to another partner when theirs was merged into it, so that they come back when that is taken back.
//! Called by events.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

use crate::domain::opportunity::Opportunity;

/// The opportunities of a partner ("partners/{id}").
///
/// # Errors
/// Those of the database.
pub fn of_partner(conn: &mut Conn<'_>, partner: &str) -> Result<Vec<Opportunity>> {
    let columns = Opportunity::COLUMNS.join(", ");
    let sql = format!("SELECT {columns} FROM opportunity WHERE partner = $1 ORDER BY id");
    conn.all(&sql, args![partner], |row| Opportunity::from_row(row, 0))
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
    let sql = format!(
        "SELECT {columns} FROM opportunity WHERE id IN (SELECT opportunity FROM partner_move WHERE partner = $1 AND survivor = $2) ORDER BY id"
    );
    let moved = tx.all(&sql, args![from, to], |row| Opportunity::from_row(row, 0))?;
    tx.execute("DELETE FROM partner_move WHERE partner = $1 AND survivor = $2", args![from, to])?;
    Ok((moved, merged))
}
