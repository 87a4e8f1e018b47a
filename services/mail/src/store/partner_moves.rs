//! Recipients that go to another partner when theirs is merged into it, and come back when that is taken back.
//! Called by events.rs.

use kontor_kit::db::Tx;
use kontor_kit::{Result, args, resource};

use super::lane;
use super::outgoing::DUPLICATE;
use crate::domain::Address;
use crate::domain::mailing::Mailing;
use crate::domain::recipient::State;

/// What a survivor is told that waits no more.
const HAS_IT: &str = "a partner that went into it has this mailing";
/// What a recipient is told whose survivor is one too.
const WENT: &str = "its partner went into another recipient";

/// Gives the recipients of a partner that went into another one to that one. Where that one is a recipient of the same mailing, one that waits is left out: nobody
/// gets a mailing twice. But where that one gets nothing because it has no address, or only the address of the other, it takes its turn over.
///
/// # Errors
/// Those of the database.
pub fn merged(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    let now = tx.now();
    // The one that goes into it has the mailing: the survivor waits no more, nor for the turn of yet another one.
    let has_it = "partner = $2 AND partner <> '' AND state IN (1, 4, 8, 9) AND EXISTS (SELECT 1 FROM outgoing AS other
         WHERE other.mailing = outgoing.mailing AND other.partner = $1 AND other.partner <> '' AND other.state = 3)";
    // One that is out for another such partner already stays out when only that merge is taken back.
    let sql = "INSERT INTO outgoing_halt (outgoing, partner, survivor, turn, former)
         SELECT id, $1, $2, '', (SELECT MIN(former) FROM outgoing_halt AS known WHERE known.outgoing = outgoing.id) FROM outgoing
         WHERE partner = $2 AND partner <> '' AND state = 11 AND reason = $3 AND EXISTS (SELECT 1 FROM outgoing_halt AS known WHERE known.outgoing = outgoing.id)
         AND EXISTS (SELECT 1 FROM outgoing AS other WHERE other.mailing = outgoing.mailing AND other.partner = $1 AND other.partner <> '' AND other.state = 3)
         ON CONFLICT (outgoing, partner) DO UPDATE SET survivor = excluded.survivor, turn = excluded.turn, former = excluded.former";
    tx.execute(sql, args![partner, survivor, HAS_IT])?;
    halt(tx, has_it, partner, survivor)?;
    let sql = format!(
        "UPDATE outgoing SET state = 11, address_key = '', reason = $4, update_time = $3 WHERE {has_it}"
    );
    tx.execute(&sql, args![partner, survivor, now, HAS_IT])?;
    take_turns_over(tx, partner, survivor)?;
    let both = "partner = $1 AND partner <> '' AND EXISTS (SELECT 1 FROM outgoing AS other WHERE other.mailing = outgoing.mailing AND other.partner = $2 AND other.partner <> '')";
    let both_wait = format!("{both} AND state IN (1, 4)");
    halt(tx, &both_wait, partner, survivor)?;
    let sql = format!(
        "UPDATE outgoing SET state = 9, address_key = '', reason = $4, update_time = $3 WHERE {both_wait}"
    );
    tx.execute(&sql, args![partner, survivor, now, WENT])?;
    let alone = "partner = $1 AND partner <> '' AND NOT EXISTS (SELECT 1 FROM outgoing AS other WHERE other.mailing = outgoing.mailing AND other.partner = $2 AND other.partner <> '')";
    let sql = format!(
        "INSERT INTO outgoing_move (outgoing, partner, survivor) SELECT id, $1, $2 FROM outgoing WHERE {alone}
         ON CONFLICT (outgoing, partner) DO UPDATE SET survivor = excluded.survivor"
    );
    tx.execute(&sql, args![partner, survivor])?;
    tx.execute(&format!("UPDATE outgoing SET partner = $2 WHERE {alone}"), args![partner, survivor])?;
    tx.execute("UPDATE withdrawal SET partner = $2 WHERE partner = $1", args![partner, survivor]).map(|_| ())
}

/// Remembers recipients that are put out.
fn halt(tx: &mut Tx<'_>, which: &str, partner: &str, survivor: &str) -> Result<()> {
    let sql = format!(
        "INSERT INTO outgoing_halt (outgoing, partner, survivor, turn, former) SELECT id, $1, $2, '', state FROM outgoing WHERE {which}
         ON CONFLICT (outgoing, partner) DO UPDATE SET survivor = excluded.survivor, turn = excluded.turn, former = excluded.former"
    );
    tx.execute(&sql, args![partner, survivor]).map(|_| ())
}

/// A survivor that is NO_ADDRESS or DUPLICATE waits from now on with the address of the one that waited.
fn take_turns_over(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    let sql = "SELECT it.id, other.id, it.mailing, it.address, it.address_key, it.domain, it.address_hash, other.state FROM outgoing AS it
         JOIN outgoing AS other ON other.mailing = it.mailing AND other.partner = $2 AND other.partner <> ''
         WHERE it.partner = $1 AND it.partner <> '' AND it.state IN (1, 4) AND other.state IN (8, 9) ORDER BY it.id LIMIT 10000";
    let turns = tx.all(sql, args![partner, survivor], |row| {
        let text = |column| row.string(column);
        Ok(([text(0)?, text(1)?, text(2)?, text(3)?, text(4)?, text(5)?, text(6)?], row.int(7)?))
    })?;
    let now = tx.now();
    for ([id, other, mailing, address, key, domain, hash], former) in turns {
        // Unless a process took it in this moment: then it is sent.
        let sql = "UPDATE outgoing SET state = 9, address_key = '', reason = $3, update_time = $2 WHERE id = $1 AND state IN (1, 4)";
        if tx.execute(sql, args![&id, now, WENT])? == 0 {
            continue;
        }
        let sql = "INSERT INTO outgoing_halt (outgoing, partner, survivor, turn, former) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (outgoing, partner) DO UPDATE SET survivor = excluded.survivor, turn = excluded.turn, former = excluded.former";
        tx.execute(sql, args![&id, partner, survivor, &other, former])?;
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
    tx.execute(sql, args![partner, survivor])?;
    wait_again(tx, partner, survivor)
}

/// Those whom the merge put out wait again, unless they were taken off since, the mailing has ended, or the survivor's turn that was theirs is over.
fn wait_again(tx: &mut Tx<'_>, partner: &str, survivor: &str) -> Result<()> {
    let sql = "SELECT it.id, mailing, address, domain, turn, former FROM outgoing_halt JOIN outgoing AS it ON it.id = outgoing
         WHERE outgoing_halt.partner = $1 AND survivor = $2 ORDER BY mailing, it.id LIMIT 10000";
    let halted = tx.all(sql, args![partner, survivor], |row| {
        let text = |column| row.string(column);
        Ok(([text(0)?, text(1)?, text(2)?, text(3)?, text(4)?], row.int(5)?))
    })?;
    let sql = "DELETE FROM outgoing_halt WHERE partner = $1 AND survivor = $2";
    tx.execute(sql, args![partner, survivor])?;
    let now = tx.now();
    for ([id, mailing, address, domain, turn], former) in halted {
        let sql = "SELECT 1 FROM outgoing_halt WHERE outgoing = $1 LIMIT 1";
        let is_out_still = tx.one(sql, args![&id], |_| Ok(()))?.is_some();
        // Held, so that nobody adds the same address meanwhile.
        if is_out_still || resource::hold::<Mailing>(tx, &mailing)?.must_not_have_ended().is_err() {
            continue;
        }
        if !turn.is_empty() {
            // Without an address it shows none again; a double has its own.
            let sql = "UPDATE outgoing SET state = $2, address_key = '', reason = $3, update_time = $4,
                 address = CASE WHEN $2 = 8 THEN '' ELSE address END, domain = CASE WHEN $2 = 8 THEN '' ELSE domain END WHERE id = $1 AND state IN (1, 4)";
            let reason = if former == State::NoAddress as i64 {
                "the partner has no e-mail address"
            } else {
                DUPLICATE
            };
            if tx.execute(sql, args![&turn, former, reason, now])? == 0 {
                // On its way, sent or failed: to this one's address, so it has had its turn. Put out for another reason it has not.
                let sql = "SELECT 1 FROM outgoing WHERE id = $1 AND state IN (2, 3, 5)";
                if tx.one(sql, args![&turn], |_| Ok(()))?.is_some() {
                    continue;
                }
            }
        }
        let key = Address::parse(&address).map(|it| it.key()).unwrap_or_default();
        let sql = "SELECT 1 FROM outgoing WHERE mailing = $1 AND address_key = $2 AND address_key <> '' AND id <> $3";
        let is_taken = tx.one(sql, args![&mailing, &key, &id], |_| Ok(()))?.is_some();
        let waited = !turn.is_empty() || [State::Pending as i64, State::Deferred as i64].contains(&former);
        let (state, key, reason) = match (waited, is_taken) {
            (true, false) => (State::Pending as i64, key.as_str(), ""),
            (true, true) => (State::Duplicate as i64, "", DUPLICATE),
            (false, _) if former == State::NoAddress as i64 => {
                (former, "", "the partner has no e-mail address")
            }
            (false, _) => (former, "", DUPLICATE),
        };
        let sql = "UPDATE outgoing SET state = $2, address_key = $3, reason = $4, due = $5, update_time = $5 WHERE id = $1 AND state IN (9, 11) AND reason IN ($6, $7)";
        let count = tx.execute(sql, args![&id, state, key, reason, now, HAS_IT, WENT])?;
        if count > 0 && state == State::Pending as i64 {
            lane::open(tx, [(mailing.as_str(), domain.as_str())].into_iter(), now)?;
        }
    }
    Ok(())
}
