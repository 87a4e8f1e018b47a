//! Leases: what waits and is due comes into the queue, and the next of the queue is given to one taker, exactly once.
//! Called by rpc/dispatch.rs, the tasks, and who dials for several operators at once.
//!
//! On SQLite there is one writer, so a statement that finds and marks is enough. On PostgreSQL several processes write: each passes over rows that
//! another one holds (SKIP LOCKED), so none waits and none gets the same row.

use jiff::tz::TimeZone;
use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use super::list_entry::COLUMNS_TEXT;
use crate::domain::call_list::CallList;
use crate::domain::list_entry::{Cancel, Happened, ListEntry, State};
use crate::domain::zones;

/// What comes into the queue in one transaction at most.
const DUE: i64 = 200;
/// Entries that are cancelled on the way because the limit of tries was lowered, in one take at most.
const DISCARDED: usize = 100;
/// Sets of time zones that one statement looks at.
const GROUPS: usize = 40;

/// A list with the sets of time zones of its numbers, as the dispatch keeps it for a moment.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The list.
    pub list: CallList,
    groups: Vec<(i64, Vec<TimeZone>)>,
    /// How long it must be calling hours from a moment on, in microseconds.
    ahead: i64,
}

impl Plan {
    /// Reads it.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub fn read(conn: &mut Conn<'_>, list: &str) -> Result<Plan> {
        let list: CallList = resource::get(conn, list)?;
        list.must_be_there()?;
        let groups = super::call_list::zones(conn, &list.id)?;
        let groups = groups.into_iter().map(|(key, names)| (key, zones::read(&names))).collect();
        Ok(Plan { list, groups, ahead: 0 })
    }

    /// Only where it is still calling hours so many microseconds later: for who takes now and dials a little later.
    #[must_use]
    pub fn ahead(mut self, micros: i64) -> Plan {
        self.ahead = micros;
        self
    }

    /// Keys of the sets of time zones in which it is calling hours.
    pub fn open(&self, now: i64) -> Vec<i64> {
        let is_open = |zones: &[TimeZone]| {
            let hours = &self.list.hours;
            hours.is_open(zones, now) && (self.ahead == 0 || hours.is_open(zones, now + self.ahead))
        };
        let open = self.groups.iter().filter(|(_, zones)| is_open(zones));
        open.map(|(key, _)| *key).collect()
    }

    /// When calling hours begin next where there are none now.
    pub fn next_opening(&self, now: i64) -> Option<i64> {
        let next = self.groups.iter().filter_map(|(_, zones)| self.list.hours.next(zones, now));
        next.filter(|next| *next > now).min()
    }
}

/// Who takes.
#[derive(Clone, Copy, Debug)]
pub struct Taker<'a> {
    /// Who gets the lease: "users/{user}"; empty for a dialler, which gets no personal call-backs.
    pub operator: &'a str,
    /// 32 random letters, new for each call.
    pub secret: &'a str,
}

/// 16 random bytes as 32 letters: from them the tokens of leases are made.
///
/// # Errors
/// When the operating system gives none.
pub fn secret() -> Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What an entry is in the heads of the queues.
const OVERDUE: i64 = 0;
const PERSONAL: i64 = 1;
const COMMON: i64 = 2;

/// The first entry of a queue.
struct Head {
    lane: i64,
    zone_key: i64,
    order: (i64, i64, i64, String),
}

/// Leases at most `count` entries, best first: own call-backs, then the highest priority, then the longest due.
/// With them comes what happened to others on the way: leases that had expired.
///
/// # Errors
/// FAILED_PRECONDITION with reason PLAN_IS_OLD when the list has changed since the plan was read: read it again.
pub fn take(tx: &mut Tx<'_>, plan: &Plan, taker: Taker<'_>, count: usize, fallback: &str) -> Result<Taken> {
    let now = tx.now();
    let open = plan.open(now);
    let mut taken = Taken::default();
    let mut discarded = 0;
    if count == 1
        && let [key] = open.as_slice()
        && let Some(entry) = straight(tx, plan, taker, *key)?
    {
        if entry.tries < plan.list.max_tries {
            taken.entries.push(entry);
            return Ok(taken);
        }
        discard(tx, plan, entry, &mut taken)?;
        discarded += 1;
    }
    let mut heads = heads(tx, plan, taker.operator, &open, now)?;
    if heads.first().is_some_and(|head| head.lane == OVERDUE) {
        taken.others = bring_due(tx, &plan.list, fallback)?;
        heads = self::heads(tx, plan, taker.operator, &open, now)?;
        heads.retain(|head| head.lane != OVERDUE);
    }
    while taken.entries.len() < count && !heads.is_empty() && discarded < DISCARDED {
        // the best queue may be followed up to where the next one is better
        let alone = heads.len() == 1;
        let head = heads.remove(0);
        let most = if alone { count - taken.entries.len() } else { 1 };
        let owner = if head.lane == PERSONAL { taker.operator } else { "" };
        let found = mark(tx, plan, taker, owner, head.zone_key, most)?;
        let none = found.is_empty();
        // the limit of tries may have been lowered since
        let (good, over): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|entry| entry.tries < plan.list.max_tries);
        taken.entries.extend(good);
        let again = !over.is_empty() || (!none && !alone && taken.entries.len() < count);
        for old in over {
            discarded += 1;
            discard(tx, plan, old, &mut taken)?;
        }
        if again {
            heads = self::heads(tx, plan, taker.operator, &open, now)?;
            heads.retain(|head| head.lane != OVERDUE);
        }
    }
    if taken.entries.is_empty() {
        must_be_new(tx, &plan.list)?;
    }
    Ok(taken)
}

/// Cancels an entry that was tried often enough by now.
fn discard(tx: &mut Tx<'_>, plan: &Plan, old: ListEntry, taken: &mut Taken) -> Result<()> {
    let mut entry = old.clone();
    let happened = entry.cancel(Cancel::MaxAttempts, tx.now())?;
    super::list_entry::update(tx, &plan.list, &old, &mut entry)?;
    taken.others.push((entry, happened));
    Ok(())
}

/// The way of nearly all takes, in one statement: one set of time zones is open, and nothing waits that is due. None when that is not so, or there is nothing.
fn straight(tx: &mut Tx<'_>, plan: &Plan, taker: Taker<'_>, zone_key: i64) -> Result<Option<ListEntry>> {
    let now = tx.now();
    let lock = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let queue = "zone_key = $3 AND queued = 1 AND NOT EXISTS (SELECT 1 FROM do_not_call WHERE do_not_call.e164 = call_entry.e164)";
    let order = format!("ORDER BY priority DESC, due_time, id LIMIT 1{lock}");
    let sql = format!(
        "WITH own AS MATERIALIZED (SELECT id FROM call_entry WHERE list = $1 AND owner = $2 AND owner <> '' AND {queue} {order}),
           common AS MATERIALIZED (SELECT id FROM call_entry WHERE list = $1 AND owner = '' AND NOT EXISTS (SELECT 1 FROM own) AND {queue} {order})
         UPDATE call_entry SET version = version + 1, state = 2, queued = 0, ready_time = $4, operator = $2, secret = $5, update_time = $6
         WHERE id IN (SELECT id FROM own UNION ALL SELECT id FROM common)
           AND EXISTS (SELECT 1 FROM call_list WHERE id = $1 AND version = $7 AND state = 1)
           AND NOT EXISTS (SELECT 1 FROM call_entry WHERE list = $1 AND queued = 0 AND ready_time <= $6)
         RETURNING {COLUMNS_TEXT}"
    );
    let (list, until) = (&plan.list, now + plan.list.lease);
    let args = args![&list.id, taker.operator, zone_key, until, taker.secret, now, list.version];
    tx.one(&sql, args, |row| ListEntry::from_row(row, 0))
}

/// What a take brought about.
#[derive(Debug, Default)]
pub struct Taken {
    /// Leased entries.
    pub entries: Vec<ListEntry>,
    /// Others whose lease had expired, with what happened to them.
    pub others: Vec<(ListEntry, Vec<Happened>)>,
}

/// The first entry of each queue, in order; before them one that is overdue, when there is one.
fn heads(conn: &mut Conn<'_>, plan: &Plan, operator: &str, open: &[i64], now: i64) -> Result<Vec<Head>> {
    let mut heads = Vec::new();
    let mut some = open.chunks(GROUPS);
    let mut first = true;
    loop {
        let keys = some.next();
        if keys.is_none() && !first {
            break;
        }
        let keys = keys.unwrap_or_default();
        let mut args = args![&plan.list.id].to_vec();
        let mut parts = Vec::new();
        let mut lane = |lane: i64, condition: String, args: &mut Vec<Value>| {
            for key in keys {
                args.push((*key).into());
                parts.push(format!(
                    "SELECT lane, zone_key, priority, due_time, id FROM (SELECT {lane} AS lane, zone_key, priority, due_time, id FROM call_entry \
                     WHERE list = $1 AND {condition} AND zone_key = ${} AND queued = 1 ORDER BY priority DESC, due_time, id LIMIT 1) AS part_{}",
                    args.len(),
                    args.len()
                ));
            }
        };
        lane(COMMON, "owner = ''".to_owned(), &mut args);
        if !operator.is_empty() && !keys.is_empty() {
            args.push(operator.into());
            lane(PERSONAL, format!("owner = ${}", args.len()), &mut args);
        }
        if first {
            args.push(now.into());
            parts.push(format!(
                "SELECT lane, zone_key, priority, due_time, id FROM (SELECT {OVERDUE} AS lane, zone_key, priority, COALESCE(due_time, 0) AS due_time, id FROM call_entry \
                 WHERE list = $1 AND queued = 0 AND ready_time <= ${} LIMIT 1) AS part_0",
                args.len()
            ));
        }
        first = false;
        conn.each(&parts.join(" UNION ALL "), &args, |row| {
            let lane = row.int(0)?;
            let order = (lane, -row.int(2)?, row.int(3)?, row.string(4)?);
            heads.push(Head { lane, zone_key: row.int(1)?, order });
            Ok(())
        })?;
    }
    heads.sort_by(|one, other| one.order.cmp(&other.order));
    Ok(heads)
}

/// Marks the first entries of one queue as leased, in one statement. The list must be as it is in the plan, and active.
fn mark(
    tx: &mut Tx<'_>,
    plan: &Plan,
    taker: Taker<'_>,
    owner: &str,
    zone_key: i64,
    most: usize,
) -> Result<Vec<ListEntry>> {
    let now = tx.now();
    let until = now + plan.list.lease;
    let lock = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!(
        "WITH picked AS MATERIALIZED (SELECT id FROM call_entry WHERE list = $1 AND owner = $2 AND zone_key = $3 AND queued = 1
           AND NOT EXISTS (SELECT 1 FROM do_not_call WHERE do_not_call.e164 = call_entry.e164)
           ORDER BY priority DESC, due_time, id LIMIT $4{lock})
         UPDATE call_entry SET version = version + 1, state = 2, queued = 0, ready_time = $5, operator = $6, secret = $7, update_time = $8
         WHERE id IN (SELECT id FROM picked) AND EXISTS (SELECT 1 FROM call_list WHERE id = $1 AND version = $9 AND state = 1)
         RETURNING {COLUMNS_TEXT}"
    );
    let most = i64::try_from(most).unwrap_or(1);
    let list = &plan.list;
    let args = args![&list.id, owner, zone_key, most, until, taker.operator, taker.secret, now, list.version];
    let mut found = tx.all(&sql, args, |row| ListEntry::from_row(row, 0))?;
    found.sort_by(|one, other| {
        let key = |entry: &ListEntry| (-entry.priority, entry.due, entry.id.clone());
        key(one).cmp(&key(other))
    });
    Ok(found)
}

fn must_be_new(conn: &mut Conn<'_>, list: &CallList) -> Result<()> {
    let sql = "SELECT 1 FROM call_list WHERE id = $1 AND version = $2";
    match conn.one(sql, args![&list.id, list.version], |_| Ok(()))? {
        Some(()) => Ok(()),
        None => Err(Error::precondition(PLAN_IS_OLD, "the call list was changed: try again")),
    }
}

/// Reason of an error after which the plan is to be read again.
pub const PLAN_IS_OLD: &str = "PLAN_IS_OLD";

/// Brings into the queue what waited and is due by now, and ends leases that have expired. A batch; what happened to each is for the events.
///
/// # Errors
/// Those of the database.
pub fn bring_due(
    tx: &mut Tx<'_>,
    list: &CallList,
    fallback: &str,
) -> Result<Vec<(ListEntry, Vec<Happened>)>> {
    let now = tx.now();
    let lock = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!(
        "WITH due AS MATERIALIZED (SELECT id FROM call_entry WHERE list = $1 AND queued = 0 AND ready_time <= $2 AND state = 1 ORDER BY ready_time LIMIT $3{lock})
         UPDATE call_entry SET queued = 1 WHERE id IN (SELECT id FROM due)"
    );
    tx.execute(&sql, args![&list.id, now, DUE])?;
    let sql = format!(
        "SELECT {COLUMNS_TEXT} FROM call_entry WHERE list = $1 AND queued = 0 AND ready_time <= $2 AND state IN (2, 3) ORDER BY ready_time LIMIT $3{lock}"
    );
    let expired = tx.all(&sql, args![&list.id, now, DUE], |row| ListEntry::from_row(row, 0))?;
    let mut all = Vec::with_capacity(expired.len());
    for old in expired {
        let mut entry = old.clone();
        let happened = entry.expire(list, fallback, now)?;
        if old.state == State::Leased {
            give_back(tx, &mut entry)?;
        } else {
            super::list_entry::update(tx, list, &old, &mut entry)?;
        }
        all.push((entry, happened));
    }
    Ok(all)
}

/// Writes an entry whose lease ended undialled. As the lease itself it is no change that the audit tells of.
///
/// # Errors
/// ABORTED when someone changed it since it was read.
pub fn give_back(tx: &mut Tx<'_>, entry: &mut ListEntry) -> Result<()> {
    let read = entry.version;
    entry.version += 1;
    let sql = "UPDATE call_entry SET version = $3, state = $4, queued = $5, ready_time = $6, due_time = $7, operator = $8, secret = $9, update_time = $10 WHERE id = $1 AND version = $2";
    let args = args![
        &entry.id,
        read,
        entry.version,
        entry.state as i64,
        entry.queued,
        entry.ready,
        entry.due,
        &entry.operator,
        &entry.secret,
        entry.update_time
    ];
    if tx.execute(sql, args)? == 0 {
        return Err(Error::etag_mismatch(entry.full_name()));
    }
    Ok(())
}

/// How many entries anybody of the team could be given now, counted up to `most`.
///
/// # Errors
/// Those of the database.
pub fn callable(conn: &mut Conn<'_>, plan: &Plan, now: i64, most: i64) -> Result<i64> {
    let mut count = 0;
    for key in plan.open(now) {
        let queries = [
            "SELECT COUNT(*) FROM (SELECT 1 FROM call_entry WHERE list = $1 AND owner = '' AND zone_key = $2 AND queued = 1 LIMIT $3) AS queue",
            "SELECT COUNT(*) FROM (SELECT 1 FROM call_entry WHERE list = $1 AND owner = '' AND zone_key = $2 AND queued = 0 AND ready_time <= $4 AND state <= 2 LIMIT $3) AS due",
        ];
        for (query, sql) in queries.into_iter().enumerate() {
            let mut args = args![&plan.list.id, key, most - count].to_vec();
            if query == 1 {
                args.push(now.into());
            }
            count += conn.one(sql, &args, |row| row.int(0))?.unwrap_or(0);
            if count >= most {
                return Ok(most);
            }
        }
    }
    Ok(count)
}

/// When the first entry of those that wait is due.
///
/// # Errors
/// Those of the database.
pub fn next_due(conn: &mut Conn<'_>, list: &str) -> Result<Option<i64>> {
    let sql =
        "SELECT MIN(ready_time) FROM call_entry WHERE list = $1 AND queued = 0 AND ready_time IS NOT NULL";
    Ok(conn.one(sql, args![list], |row| row.opt_int(0))?.flatten())
}
