//! Recipients that go to another partner when theirs is merged into it, and come back when that is taken back.
//! Called by events.rs.

use kontor_kit::db::Tx;
use kontor_kit::{Result, args};

/// Gives the recipients of a partner that went into another one to that one. Where that one is a recipient of the same mailing, one that waits is left out: nobody
/// gets a mailing twice.
///
/// # Errors
/// Those of the database.
pub fn merged(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    let now = tx.now();
    let both = "partner = $1 AND partner <> '' AND EXISTS (SELECT 1 FROM outgoing AS other WHERE other.mailing = outgoing.mailing AND other.partner = $2 AND other.partner <> '')";
    let sql = format!(
        "UPDATE outgoing SET state = 9, address_key = '', reason = 'its partner went into another recipient', update_time = $3 WHERE {both} AND state IN (1, 4)"
    );
    tx.execute(&sql, args![partner, survivor, now])?;
    let alone = "partner = $1 AND partner <> '' AND NOT EXISTS (SELECT 1 FROM outgoing AS other WHERE other.mailing = outgoing.mailing AND other.partner = $2 AND other.partner <> '')";
    let sql = format!(
        "INSERT INTO outgoing_move (outgoing, partner, survivor) SELECT id, $1, $2 FROM outgoing WHERE {alone}
         ON CONFLICT (outgoing, partner) DO UPDATE SET survivor = excluded.survivor"
    );
    tx.execute(&sql, args![partner, survivor])?;
    tx.execute(&format!("UPDATE outgoing SET partner = $2 WHERE {alone}"), args![partner, survivor])?;
    tx.execute("UPDATE withdrawal SET partner = $2 WHERE partner = $1", args![partner, survivor]).map(|_| ())
}

/// Gives them back, but where the partner is a recipient again by now.
///
/// # Errors
/// Those of the database.
pub fn unmerged(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    tx.execute(
        "UPDATE outgoing SET partner = $1 WHERE partner = $2 AND partner <> '' AND id IN (SELECT outgoing FROM outgoing_move WHERE partner = $1 AND survivor = $2)
         AND NOT EXISTS (SELECT 1 FROM outgoing AS other WHERE other.mailing = outgoing.mailing AND other.partner = $1 AND other.partner <> '')",
        args![partner, survivor],
    )?;
    let sql = "DELETE FROM outgoing_move WHERE partner = $1 AND survivor = $2";
    tx.execute(sql, args![partner, survivor]).map(|_| ())
}
