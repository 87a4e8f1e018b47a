//! Leases: messages that are due are given to one process, which sends them. What a process had that is gone comes back by the clock.
//! Called by the sender.
//!
//! On SQLite there is one writer, so a statement that finds and marks is enough. On PostgreSQL several processes write: each passes over rows that another one
//! holds (SKIP LOCKED), so none waits and none gets the same message.

use std::collections::BTreeSet;

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

use super::outgoing::{COLUMNS, read};
use super::{lane, pace};
use crate::domain::mailing::Mailing;
use crate::domain::pace::Rate;
use crate::domain::recipient::Outgoing;

/// Lanes that one lease looks at.
const LANES: i64 = 100;
/// Messages to one domain that a process has at once, for each that may be on its way.
const HELD: i64 = 4;
/// Messages that come back in one transaction at most.
const BACK: i64 = 1_000;

/// Limits of domains that have none of their own.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Messages a minute.
    pub rate: i64,
    /// Messages on their way at once.
    pub connections: i64,
}

/// A message that this process has.
#[derive(Clone, Debug)]
pub struct Leased {
    /// The message.
    pub row: Outgoing,
    /// Messages to its domain at once, over all processes.
    pub connections: i64,
    /// Microseconds of the domain's rate that it used.
    pub domain_micros: i64,
    /// Microseconds of the mailing's rate that it used.
    pub mailing_micros: i64,
    /// Its domain asked for less the last time.
    pub was_refused: bool,
}

/// Leases at most `most` messages of a mailing, as its rate and those of the domains allow.
///
/// # Errors
/// Those of the database.
pub fn take(
    tx: &mut Tx<'_>,
    mailing: &Mailing,
    holder: &str,
    defaults: Defaults,
    most: i64,
) -> Result<Vec<Leased>> {
    let now = tx.now();
    let (rate, pace_id) = (Rate::per_minute(mailing.rate), pace::of_mailing(&mailing.id));
    let (mut most, mut used) = (most, 0);
    if let Some(rate) = rate {
        let Some(pace) = pace::hold(tx, &pace_id)? else { return Ok(Vec::new()) };
        used = pace.used;
        most = rate.allows(used, now, most);
    }
    let mut all = Vec::new();
    if most == 0 {
        return Ok(all);
    }
    let mut domains = lane::ready(tx, &mailing.id, LANES)?;
    // Always in this order, for each of them is locked.
    domains.sort();
    for domain in domains {
        let room = most - i64::try_from(all.len()).unwrap_or(0);
        if room <= 0 {
            break;
        }
        all.extend(of_domain(tx, mailing, holder, (&domain, defaults), room)?);
    }
    if let Some(rate) = rate {
        let count = i64::try_from(all.len()).unwrap_or(0);
        pace::set_used(tx, &pace_id, rate.take(used, now, count))?;
        let each = rate.take(0, 0, 1);
        all.iter_mut().for_each(|leased| leased.mailing_micros = each);
    }
    Ok(all)
}

fn of_domain(
    tx: &mut Tx<'_>,
    mailing: &Mailing,
    holder: &str,
    (domain, defaults): (&str, Defaults),
    room: i64,
) -> Result<Vec<Leased>> {
    let now = tx.now();
    let Some(pace) = pace::hold(tx, domain)? else { return Ok(Vec::new()) };
    if pace.until > now {
        lane::later(tx, &mailing.id, domain, pace.until)?;
        return Ok(Vec::new());
    }
    let limit = super::domain_limit::of(tx, domain, defaults)?;
    let rate = Rate::per_minute(limit.rate);
    // After a refusal one message tries whether the domain takes some again.
    let room = if pace.refusals > 0 { 1 } else { room };
    // One that is slow has not all the places of this process.
    let sql = "SELECT COUNT(*) FROM outgoing WHERE state = 2 AND holder = $1 AND domain = $2";
    let held = tx.one(sql, args![holder, domain], |row| row.int(0))?.unwrap_or(0);
    let room = room.min((HELD * limit.connections - held).max(0));
    let most = rate.map_or(room, |rate| rate.allows(pace.used, now, room));
    let rows = if most > 0 { mark(tx, (&mailing.id, domain), holder, most)? } else { Vec::new() };
    let count = i64::try_from(rows.len()).unwrap_or(0);
    let used = rate.map_or(0, |rate| rate.take(pace.used, now, count));
    if count > 0 && rate.is_some() {
        pace::set_used(tx, domain, used)?;
    }
    if count < most {
        lane::settle(tx, &mailing.id, domain, 0)?;
    } else if pace.refusals > 0 {
        // Until the one that tries is back, and a moment for who does not come back.
        lane::later(tx, &mailing.id, domain, now + 5_000_000)?;
    } else if let Some(rate) = rate {
        lane::later(tx, &mailing.id, domain, rate.next(used, now))?;
    }
    let leased = rows.into_iter().map(|row| Leased {
        row,
        connections: limit.connections,
        domain_micros: rate.map_or(0, |rate| rate.take(0, 0, 1)),
        mailing_micros: 0,
        was_refused: pace.refusals > 0,
    });
    Ok(leased.collect())
}

/// Finds and marks, in one statement.
fn mark(tx: &mut Tx<'_>, (mailing, domain): (&str, &str), holder: &str, most: i64) -> Result<Vec<Outgoing>> {
    let lock = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let now = tx.now();
    let sql = format!(
        "UPDATE outgoing SET state = 2, holder = $4, update_time = $3
         WHERE id IN (SELECT id FROM outgoing WHERE mailing = $1 AND domain = $2 AND state IN (1, 4) AND due <= $3 ORDER BY mailing, domain, due, id LIMIT $5{lock})
         RETURNING {COLUMNS}"
    );
    let mut rows = tx.all(&sql, args![mailing, domain, now, holder, most], |row| read(row, 0))?;
    rows.sort_by(|left, right| left.id.cmp(&right.id));
    Ok(rows)
}

/// Gives messages back that were not sent after all, with their part of the rates, not before an instant. Those that the process has no more are left.
///
/// # Errors
/// Those of the database.
pub fn give_back(tx: &mut Tx<'_>, holder: &str, all: &[Leased], due: i64) -> Result<()> {
    let now = tx.now();
    let sql = "UPDATE outgoing SET state = CASE WHEN tries > 0 THEN 4 ELSE 1 END, holder = '', due = $3, update_time = $4 WHERE id = $1 AND state = 2 AND holder = $2";
    for leased in all {
        let row = &leased.row;
        if tx.execute(sql, args![&row.id, holder, due, now])? > 0 {
            lane::open(tx, [(row.mailing.as_str(), row.domain.as_str())].into_iter(), due)?;
            super::mark::refund(tx, leased)?;
        }
    }
    Ok(())
}

/// Ids of the messages that a process has.
///
/// # Errors
/// Those of the database.
pub fn held(conn: &mut Conn<'_>, holder: &str) -> Result<Vec<String>> {
    // No more than were leased: some dozen for each connection.
    let sql = "SELECT id FROM outgoing WHERE state = 2 AND holder = $1";
    conn.all(sql, args![holder], |row| row.string(0))
}

/// Gives messages back that this process leased and knows nothing of. What they used of the rates is not known either: it stays used.
///
/// # Errors
/// Those of the database.
pub fn give_back_lost(tx: &mut Tx<'_>, holder: &str, ids: &[String]) -> Result<()> {
    let now = tx.now();
    let sql = "UPDATE outgoing SET state = CASE WHEN tries > 0 THEN 4 ELSE 1 END, holder = '', due = $3, update_time = $3
         WHERE id = $1 AND state = 2 AND holder = $2 RETURNING mailing, domain";
    for id in ids {
        let lane = tx.one(sql, args![id, holder, now], |row| Ok((row.string(0)?, row.string(1)?)))?;
        if let Some((mailing, domain)) = lane {
            lane::open(tx, [(mailing.as_str(), domain.as_str())].into_iter(), now)?;
        }
    }
    Ok(())
}

/// Gives back what processes had that are gone. A SQLite file belongs to one process, so there whoever else had it is gone. True when there may be more.
///
/// # Errors
/// Those of the database.
pub fn take_back(tx: &mut Tx<'_>, holder: &str) -> Result<bool> {
    let now = tx.now();
    // Who takes one back just now, or has it from then on, is not waited for: by then it may be a living process'.
    let lock = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let gone = if tx.is_postgres() {
        "holder NOT IN (SELECT id FROM worker WHERE until > $2) AND $1 = $1"
    } else {
        "holder <> $1 AND $2 = $2"
    };
    let sql = format!(
        "UPDATE outgoing SET state = CASE WHEN tries > 0 THEN 4 ELSE 1 END, holder = '', due = $2, update_time = $2
         WHERE id IN (SELECT id FROM outgoing WHERE state = 2 AND {gone} LIMIT {BACK}{lock}) AND state = 2 AND {gone} RETURNING mailing, domain"
    );
    let lanes = tx.all(&sql, args![holder, now], |row| Ok((row.string(0)?, row.string(1)?)))?;
    let is_full = lanes.len() as i64 == BACK;
    if !lanes.is_empty() {
        tracing::info!(count = lanes.len(), "messages of a process that is gone are sent by this one");
    }
    let lanes: BTreeSet<(String, String)> = lanes.into_iter().collect();
    lane::open(tx, lanes.iter().map(|(mailing, domain)| (mailing.as_str(), domain.as_str())), now)?;
    Ok(is_full)
}

/// What is true of a message in the moment before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// This process has it still.
    pub is_ours: bool,
    /// Version of its mailing.
    pub version: i64,
    /// The cause of the suppression of its address or domain, or 0.
    pub suppressed: i64,
}

/// Looks a message up once more, by its keys.
///
/// # Errors
/// Those of the database.
pub fn look(conn: &mut Conn<'_>, id: &str, holder: &str, hashes: (&str, &str)) -> Result<Option<Now>> {
    let sql = "SELECT CASE WHEN outgoing.state = 2 AND holder = $2 THEN 1 ELSE 0 END, mailing.version,
                COALESCE((SELECT cause FROM suppression WHERE suppression.id = $3), (SELECT cause FROM suppression WHERE suppression.id = $4), 0)
         FROM outgoing JOIN mailing ON mailing.id = outgoing.mailing WHERE outgoing.id = $1";
    conn.one(sql, args![id, holder, hashes.0, hashes.1], |row| {
        Ok(Now { is_ours: row.int(0)? == 1, version: row.int(1)?, suppressed: row.int(2)? })
    })
}
