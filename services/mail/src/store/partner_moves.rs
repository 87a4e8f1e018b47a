//! Recipients that go to another partner when theirs is merged into it, and come back when that is taken back.
//! Called by events.rs.

use kontor_kit::db::Tx;
use kontor_kit::{Result, args};

use super::lane;

/// Gives the recipients of a partner that went into another one to that one. Where that one is a recipient of the same mailing, one that waits is left out: nobody
/// gets a mailing twice. But where that one gets nothing because it has no address, or only the address of the other, it takes its turn over.
///
/// # Errors
/// Those of the database.
pub fn merged(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    let now = tx.now();
    // The one that goes into it has the mailing: the survivor waits no more, nor for the turn of yet another one.
    let sql = "UPDATE outgoing SET state = 11, address_key = '', reason = 'a partner that went into it has this mailing', update_time = $3
         WHERE partner = $2 AND partner <> '' AND state IN (1, 4, 8, 9) AND EXISTS (SELECT 1 FROM outgoing AS other
         WHERE other.mailing = outgoing.mailing AND other.partner = $1 AND other.partner <> '' AND other.state = 3)";
    tx.execute(sql, args![partner, survivor, now])?;
    take_turns_over(tx, partner, survivor)?;
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

/// A survivor that is NO_ADDRESS or DUPLICATE waits from now on with the address of the one that waited.
fn take_turns_over(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    let sql = "SELECT it.id, other.id, it.mailing, it.address, it.address_key, it.domain, it.address_hash FROM outgoing AS it
         JOIN outgoing AS other ON other.mailing = it.mailing AND other.partner = $2 AND other.partner <> ''
         WHERE it.partner = $1 AND it.partner <> '' AND it.state IN (1, 4) AND other.state IN (8, 9) ORDER BY it.id LIMIT 10000";
    let turns = tx.all(sql, args![partner, survivor], |row| {
        let text = |column| row.string(column);
        Ok([text(0)?, text(1)?, text(2)?, text(3)?, text(4)?, text(5)?, text(6)?])
    })?;
    let now = tx.now();
    for [id, other, mailing, address, key, domain, hash] in turns {
        // Unless a process took it in this moment: then it is sent.
        let sql = "UPDATE outgoing SET state = 9, address_key = '', reason = 'its partner went into another recipient', update_time = $2 WHERE id = $1 AND state IN (1, 4)";
        if tx.execute(sql, args![&id, now])? == 0 {
            continue;
        }
        let sql = "UPDATE outgoing SET state = 1, reason = '', address = $2, address_key = $3, domain = $4, address_hash = $5, due = $6, update_time = $6 WHERE id = $1";
        tx.execute(sql, args![&other, &address, &key, &domain, &hash, now])?;
        lane::open(tx, [(mailing.as_str(), domain.as_str())].into_iter(), now)?;
    }
    Ok(())
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
