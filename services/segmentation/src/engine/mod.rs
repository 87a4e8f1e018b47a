//! The running engine: facts and memberships of this process in memory, kept up with the log, and asked by the RPCs.
//! Started by lib.rs. `load.rs` builds it, `work.rs` keeps it up, `write.rs` writes what one process of the installation may write (ADR 23).

mod load;
mod work;
mod write;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::{Error, Result, id};
use tokio::sync::{Notify, watch};

use crate::domain::membership::Engine;
use crate::store;

/// How long a write waits until its memberships are there. It is written whatever becomes of that.
const PATIENCE: Duration = Duration::from_secs(10);

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

struct Shared {
    db: Db,
    /// The installation's time zone, whose days the history of sizes has.
    zone: jiff::tz::TimeZone,
    /// This process, among those of the installation.
    holder: String,
    engine: RwLock<Engine>,
    /// The last entry of the log that is in memory; none before it is loaded.
    reached: watch::Sender<Option<i64>>,
    /// Whether this process writes.
    writes: watch::Sender<bool>,
    wake: Notify,
    /// Grows whenever memberships or definitions are otherwise in memory.
    generation: AtomicU64,
    /// Changes that stand beside the chunks of segments at most, as far as it is known here: counting them looks at each.
    beside: Mutex<HashMap<String, usize>>,
}

impl Live {
    /// Starts it.
    pub fn start(context: &Context, db: &Db) -> Live {
        let zone = jiff::tz::TimeZone::get(&context.company.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let live = Live(Arc::new(Shared {
            db: db.clone(),
            zone,
            holder: id::new(),
            engine: RwLock::default(),
            reached: watch::channel(None).0,
            writes: watch::channel(false).0,
            wake: Notify::new(),
            generation: AtomicU64::new(0),
            beside: Mutex::default(),
        }));
        context.spawn(live.clone().run());
        live
    }

    /// Says that something stands in the log.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// A number that grows whenever memberships or definitions change: while it is the same, so is all that comes of them.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Whether this process is the one that writes.
    pub fn is_writing(&self) -> bool {
        *self.0.writes.borrow()
    }

    /// Checks in a transaction that this process is still the one that writes.
    ///
    /// # Errors
    /// ABORTED when it is not.
    pub fn check_writing(&self, tx: &mut Tx<'_>) -> Result<()> {
        store::engine::holds(tx, &self.0.holder)
    }

    /// Waits until all that was committed before is in memory here.
    ///
    /// # Errors
    /// UNAVAILABLE when that takes too long: it is written, and memberships follow.
    pub async fn settled(&self) -> Result<()> {
        let head = self.0.db.read_few(|conn| Ok(store::engine::state(conn)?.head)).await?;
        self.wake();
        let mut reached = self.0.reached.subscribe();
        let wait = reached.wait_for(|reached| reached.is_some_and(|reached| reached >= head));
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::unavailable("segments are being computed: try again in some seconds")),
        }
    }

    /// Asks the engine, on a thread that may take some milliseconds.
    ///
    /// # Errors
    /// UNAVAILABLE until it is loaded; those of `ask`.
    pub async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Engine) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut reached = self.0.reached.subscribe();
        let wait = reached.wait_for(Option::is_some);
        if !matches!(tokio::time::timeout(PATIENCE, wait).await, Ok(Ok(_))) {
            return Err(Error::unavailable("segments are being loaded: try again in some seconds"));
        }
        let live = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            ask(&live.0.engine.read().unwrap_or_else(PoisonError::into_inner))
        });
        answer.await.map_err(Error::internal)?
    }

    /// The day of an instant where the installation is: "2026-11-30".
    pub fn day(&self, micros: i64) -> String {
        let instant = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
        self.0.zone.to_datetime(instant).date().to_string()
    }
}

/// A segment's name in the engine.
pub fn segment_name(id: &str) -> String {
    format!("segments/{id}")
}

/// The names of a segment's static list and its exclusion list in the engine.
pub fn list_names(id: &str) -> (String, String) {
    (format!("lists/{id}/static"), format!("lists/{id}/exclusion"))
}
