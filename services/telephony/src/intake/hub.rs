//! Pops inside this process: whose telephone rings, for whoever watches. Other processes' pops come from the database.
//! Rung by the intake after its commit; watched by rpc/pop.rs.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kontor_kit::db::Db;
use tokio::sync::broadcast;

use crate::store;

/// Rings that wait for a slow watcher; then it loses the oldest.
const LAG: usize = 1_024;
/// Rings remembered, so that none goes out twice.
const SEEN: usize = 8_192;
/// How often the database is asked for rings of other processes while somebody watches.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How far back is looked, in microseconds: a commit may be late.
const BACK_MICROS: i64 = 5_000_000;

/// A user's telephone rings for a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ring {
    /// Id of the call.
    pub call: String,
    /// "users/{user}"
    pub user: String,
}

/// The hub. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    sender: broadcast::Sender<Ring>,
    seen: Mutex<(HashSet<Ring>, VecDeque<Ring>)>,
}

impl Default for Hub {
    fn default() -> Self {
        Hub(Arc::new(Inner { sender: broadcast::channel(LAG).0, seen: Mutex::default() }))
    }
}

impl Hub {
    /// Tells all watchers, unless they were told before.
    pub fn ring(&self, call: &str, user: &str) {
        let ring = Ring { call: call.to_owned(), user: user.to_owned() };
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (set, order) = &mut *seen;
        if !set.insert(ring.clone()) {
            return;
        }
        order.push_back(ring.clone());
        if order.len() > SEEN {
            order.pop_front().map(|oldest| set.remove(&oldest));
        }
        drop(seen);
        // nobody may be watching
        let _ = self.0.sender.send(ring);
    }

    /// All rings from now on.
    pub fn watch(&self) -> broadcast::Receiver<Ring> {
        self.0.sender.subscribe()
    }

    /// Looks for the rings of other processes, for as long as this one runs. Only PostgreSQL has other processes.
    pub async fn follow(self, db: Db) {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if self.0.sender.receiver_count() == 0 {
                continue;
            }
            let since = db.clock().now() - BACK_MICROS;
            match db.read(move |conn| store::pop::since(conn, since)).await {
                Ok(rings) => rings.iter().for_each(|(call, user)| self.ring(call, user)),
                Err(cause) => {
                    tracing::debug!(cause = %cause, "the rings of other processes can't be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}
