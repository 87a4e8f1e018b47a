//! Takes that wait for the writer at the same time are served together: a few statements for all of them instead of some for each.
//! Called by rpc/dispatch.rs; who gets nothing here takes alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kontor_kit::Result;
use kontor_kit::db::{Db, Tx};
use tokio::sync::oneshot;

use crate::domain::list_entry::ListEntry;
use crate::list_events;
use crate::store::lease::{self, Plan, Taker};
use crate::store::lease_together;

/// Takes that one transaction serves at most.
const TOGETHER: usize = 64;

/// Id of a list, and its version.
type Key = (String, i64);

/// The takes that wait. Cheap to clone.
#[derive(Clone, Default)]
pub struct Takes(Arc<Mutex<HashMap<Key, Vec<Waiting>>>>);

struct Waiting {
    operator: String,
    reply: oneshot::Sender<Option<ListEntry>>,
}

impl Takes {
    /// The next entry of the plan's list for an operator ("users/{user}"), leased and told of; none when he must take alone: the list has
    /// changed, something is overdue, a call-back of his own waits, several sets of time zones are open, the queue is empty.
    pub async fn next(&self, db: &Db, plan: &Arc<Plan>, operator: &str, zone: &str) -> Option<ListEntry> {
        let (reply, answer) = oneshot::channel();
        let key = (plan.list.id.clone(), plan.list.version);
        let first = {
            let mut takes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = takes.entry(key.clone()).or_default();
            waiting.push(Waiting { operator: operator.to_owned(), reply });
            waiting.len() == 1
        };
        if first {
            let (takes, db, plan, zone) = (self.clone(), db.clone(), plan.clone(), zone.to_owned());
            // Its own task: the others wait for it, also when this caller has gone.
            tokio::spawn(async move { takes.serve(&db, plan, key, zone).await });
        }
        answer.await.ok().flatten()
    }

    /// Serves those who wait when the writer comes to it.
    async fn serve(&self, db: &Db, plan: Arc<Plan>, key: Key, zone: String) {
        let (takes, key_of_job) = (self.clone(), key.clone());
        let members: Arc<Mutex<Vec<Waiting>>> = Arc::default();
        let drawn = members.clone();
        let outcome = db
            .write(move |tx| {
                let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
                // It runs again when its group could not be committed: for the same ones.
                if drawn.is_empty() {
                    *drawn = takes.draw(&key_of_job);
                }
                lease_all(tx, &plan, &drawn, &zone)
            })
            .await;
        let members = std::mem::take(&mut *members.lock().unwrap_or_else(PoisonError::into_inner));
        // Those of a write that never ran are still in the line.
        let members = if members.is_empty() { self.draw(&key) } else { members };
        let mut entries = outcome.unwrap_or_default().into_iter();
        for member in members {
            let _ = member.reply.send(entries.next().flatten());
        }
    }

    /// All that wait: who comes after this begins a new line, and is the first of it.
    fn draw(&self, key: &Key) -> Vec<Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key).unwrap_or_default()
    }
}

/// The next entry of one list for one taker, leased and told of.
///
/// # Errors
/// FAILED_PRECONDITION with reason PLAN_IS_OLD when the list has changed since the plan was read.
pub fn take_one(tx: &mut Tx<'_>, plan: &Plan, taker: Taker<'_>, zone: &str) -> Result<Option<ListEntry>> {
    let mut taken = lease::take(tx, plan, taker, 1, zone)?;
    for (entry, happened) in taken.others {
        list_events::happened(tx, &plan.list, &entry, "", happened);
    }
    let entry = taken.entries.pop();
    if let Some(entry) = &entry {
        list_events::leased(tx, &plan.list, entry);
    }
    Ok(entry)
}

/// An entry or none for each, in their order.
fn lease_all(
    tx: &mut Tx<'_>,
    plan: &Plan,
    members: &[Waiting],
    zone: &str,
) -> Result<Vec<Option<ListEntry>>> {
    let secrets = members.iter().map(|_| lease::secret()).collect::<Result<Vec<_>>>()?;
    let takers: Vec<Taker<'_>> = members
        .iter()
        .zip(&secrets)
        .map(|(member, secret)| Taker { operator: &member.operator, secret })
        .collect();
    if let [taker] = takers.as_slice() {
        return Ok(vec![take_one(tx, plan, *taker, zone)?]);
    }
    let mut leased = Vec::with_capacity(takers.len());
    for some in takers.chunks(TOGETHER) {
        leased.extend(lease_together::take(tx, plan, some)?);
    }
    for entry in leased.iter().flatten() {
        list_events::leased(tx, &plan.list, entry);
    }
    Ok(leased)
}
