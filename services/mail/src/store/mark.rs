//! What came of messages that this process has.
//! Called by the sender, after the relay's word and for those that are not sent.

use kontor_kit::db::Tx;
use kontor_kit::{Result, args};

use super::{lane, pace};
use crate::domain::recipient::{Outgoing, State};

/// What came of one.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its state now.
    pub state: State,
    /// Why, for people.
    pub reason: String,
    /// The relay's reply code, or 0.
    pub reply_code: i32,
    /// Of one that is tried again: not before.
    pub due: i64,
}

/// Notes what came of a try. False when this process has it no more: its lease had run out.
///
/// # Errors
/// Those of the database.
pub fn tried(tx: &mut Tx<'_>, holder: &str, row: &Outgoing, outcome: &Outcome) -> Result<bool> {
    let now = tx.now();
    let sql = "UPDATE outgoing SET state = $3, reason = $4, reply_code = $5, due = $6, tries = tries + 1, first_time = CASE WHEN first_time = 0 THEN $7 ELSE first_time END, holder = '', update_time = $7
         WHERE id = $1 AND state = 2 AND holder = $2";
    let count = tx.execute(
        sql,
        args![
            &row.id,
            holder,
            outcome.state as i64,
            &outcome.reason,
            i64::from(outcome.reply_code),
            outcome.due,
            now
        ],
    )?;
    if count > 0 && outcome.state == State::Deferred {
        lane::open(tx, [(row.mailing.as_str(), row.domain.as_str())].into_iter(), outcome.due)?;
    }
    Ok(count > 0)
}

/// Notes that one is not sent, and gives its part of the rates back.
///
/// # Errors
/// Those of the database.
pub fn not_sent(
    tx: &mut Tx<'_>,
    holder: &str,
    leased: &super::lease::Leased,
    state: State,
    reason: &str,
) -> Result<()> {
    let now = tx.now();
    let sql = "UPDATE outgoing SET state = $3, reason = $4, holder = '', update_time = $5 WHERE id = $1 AND state = 2 AND holder = $2";
    let count = tx.execute(sql, args![&leased.row.id, holder, state as i64, reason, now])?;
    if count > 0 {
        refund(tx, leased)?;
    }
    Ok(())
}

/// Gives the part of the rates back that a message used which was not sent.
///
/// # Errors
/// Those of the database.
pub fn refund(tx: &mut Tx<'_>, leased: &super::lease::Leased) -> Result<()> {
    if leased.domain_micros == 0 && leased.mailing_micros == 0 {
        return Ok(());
    }
    // The next one of the domain may go in its stead.
    let now = tx.now();
    lane::open(tx, [(leased.row.mailing.as_str(), leased.row.domain.as_str())].into_iter(), now)?;
    if leased.domain_micros > 0 {
        pace::give_back(tx, &leased.row.domain, leased.domain_micros)?;
    }
    if leased.mailing_micros > 0 {
        pace::give_back(tx, &pace::of_mailing(&leased.row.mailing), leased.mailing_micros)?;
    }
    Ok(())
}
