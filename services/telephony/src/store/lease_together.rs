//! Leases for several takers in three statements. Its way is the straight one of lease.rs: one set of time zones is open, nothing waits that is due.
//! Called by rpc/takes.rs.

use std::collections::HashSet;

use kontor_kit::Result;
use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::resource::Stored;

use super::lease::{Plan, Taker};
use super::list_entry::COLUMNS_TEXT;
use crate::domain::list_entry::{ListEntry, State};

/// An entry or none for each taker, in their order. None for who must take alone: the way is not straight, a personal call-back waits for him,
/// the list has changed since the plan was read, or the queue has no more.
///
/// # Errors
/// Those of the database.
pub fn take(tx: &mut Tx<'_>, plan: &Plan, takers: &[Taker<'_>]) -> Result<Vec<Option<ListEntry>>> {
    let open = plan.open(tx.now());
    let [zone_key] = open.as_slice() else { return Ok(vec![None; takers.len()]) };
    let own = with_call_backs(tx, plan, takers, *zone_key)?;
    let common: Vec<&Taker<'_>> = takers.iter().filter(|taker| !own.contains(taker.operator)).collect();
    let mut found = first_of_queue(tx, plan, *zone_key, common.len())?;
    hand_out(tx, plan, &mut found, &common)?;
    let mut found = found.into_iter();
    Ok(takers.iter().map(|taker| if own.contains(taker.operator) { None } else { found.next() }).collect())
}

/// Those for whom a personal call-back is in the queue.
fn with_call_backs(
    conn: &mut Conn<'_>,
    plan: &Plan,
    takers: &[Taker<'_>],
    zone_key: i64,
) -> Result<HashSet<String>> {
    let mut args: Vec<Value> = vec![plan.list.id.as_str().into(), zone_key.into()];
    args.extend(takers.iter().map(|taker| Value::from(taker.operator)));
    let places: Vec<String> = (3..=args.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "SELECT DISTINCT owner FROM call_entry WHERE list = $1 AND owner IN ({}) AND owner <> '' AND zone_key = $2 AND queued = 1",
        places.join(", ")
    );
    Ok(conn.all(&sql, &args, |row| row.string(0))?.into_iter().collect())
}

/// The first entries of the common queue, held. None when the list is another one than in the plan, or something is overdue.
fn first_of_queue(tx: &mut Tx<'_>, plan: &Plan, zone_key: i64, count: usize) -> Result<Vec<ListEntry>> {
    let (list, now) = (&plan.list, tx.now());
    let lock = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!(
        "SELECT {COLUMNS_TEXT} FROM call_entry WHERE list = $1 AND owner = '' AND zone_key = $2 AND queued = 1 AND tries < $3
           AND NOT EXISTS (SELECT 1 FROM do_not_call WHERE do_not_call.e164 = call_entry.e164)
           AND EXISTS (SELECT 1 FROM call_list WHERE id = $1 AND version = $4 AND state = 1)
           AND NOT EXISTS (SELECT 1 FROM call_entry overdue WHERE overdue.list = $1 AND overdue.queued = 0 AND overdue.ready_time <= $5)
         ORDER BY priority DESC, due_time, id LIMIT $6{lock}"
    );
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let args: [Value; 6] = [
        list.id.as_str().into(),
        zone_key.into(),
        list.max_tries.into(),
        list.version.into(),
        now.into(),
        count.into(),
    ];
    tx.all(&sql, &args, |row| ListEntry::from_row(row, 0))
}

/// Leases the entries, the first to the first taker and so on.
fn hand_out(tx: &mut Tx<'_>, plan: &Plan, entries: &mut [ListEntry], takers: &[&Taker<'_>]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let (now, until) = (tx.now(), tx.now() + plan.list.lease);
    let mut args: Vec<Value> = vec![until.into(), now.into()];
    let mut rows = Vec::with_capacity(entries.len());
    for (entry, taker) in entries.iter_mut().zip(takers) {
        rows.push(format!("(${}, ${}, ${})", args.len() + 1, args.len() + 2, args.len() + 3));
        args.extend([entry.id.as_str().into(), taker.operator.into(), taker.secret.into()]);
        entry.version += 1;
        entry.state = State::Leased;
        entry.queued = false;
        entry.ready = Some(until);
        taker.operator.clone_into(&mut entry.operator);
        taker.secret.clone_into(&mut entry.secret);
        entry.update_time = now;
    }
    // Both databases name the columns of such rows column1 and so on.
    let sql = format!(
        "UPDATE call_entry SET version = version + 1, state = 2, queued = 0, ready_time = $1, update_time = $2,
           operator = given.column2, secret = given.column3
         FROM (VALUES {}) AS given WHERE call_entry.id = given.column1",
        rows.join(", ")
    );
    tx.execute(&sql, &args).map(|_| ())
}
