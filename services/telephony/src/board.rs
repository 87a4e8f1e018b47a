//! The board inside this process: read from the database while somebody watches, at most four times a second, once for all who watch.
//! Started by lib.rs; rpc/board.rs gives each watcher what the caller may see.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::{Conn, Db};
use tokio::sync::{Notify, watch};

use crate::domain::figure::{Counts, Window};
use crate::domain::operator::Operator;
use crate::store;

/// Shortest pause between two readings.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest pause: another process may have written, and windows move on.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// All that the board shows, before it is known to whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Who is not offline, by name.
    pub operators: Vec<Operator>,
    /// Counts by scope and window; none without any.
    pub figures: BTreeMap<(String, Window), Counts>,
    /// The team of each call list: who may see its figures.
    pub teams: HashMap<String, String>,
    /// As of when, in microseconds since 1970 UTC.
    pub time: i64,
}

/// Reads the board for all watchers. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    db: Db,
    zone: TimeZone,
    sender: watch::Sender<Arc<Board>>,
    wake: Notify,
    /// Somebody began to watch: the next board goes out even if it is as the last one was, for theirs may be another.
    joined: AtomicBool,
}

impl Hub {
    /// Waits for watchers for as long as the process runs.
    pub fn start(context: &Context, db: &Db) -> Hub {
        let sender = watch::channel(Arc::default()).0;
        let zone = context.zone();
        let hub = Hub(Arc::new(Inner {
            db: db.clone(),
            zone,
            sender,
            wake: Notify::new(),
            joined: AtomicBool::new(false),
        }));
        context.spawn(hub.clone().follow());
        hub
    }

    /// The board as it is now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn read(&self) -> Result<Board> {
        let zone = self.0.zone.clone();
        let now = self.0.db.clock().now();
        self.0.db.read(move |conn| read(conn, now, &zone)).await
    }

    /// The newest board whenever it changes; what lies between two looks is skipped.
    pub fn watch(&self) -> watch::Receiver<Arc<Board>> {
        let receiver = self.0.sender.subscribe();
        self.0.joined.store(true, Ordering::SeqCst);
        self.0.wake.notify_one();
        receiver
    }

    async fn follow(self) {
        let mut published = self.0.db.published();
        loop {
            if self.0.sender.receiver_count() == 0 {
                self.0.wake.notified().await;
            }
            let joined = self.0.joined.swap(false, Ordering::SeqCst);
            match self.read().await {
                Ok(board) => {
                    self.0.sender.send_if_modified(|last| {
                        let same = !joined
                            && last.operators == board.operators
                            && last.figures == board.figures
                            && last.teams == board.teams;
                        if !same {
                            *last = Arc::new(board);
                        }
                        !same
                    });
                }
                Err(cause) => tracing::warn!(cause = %cause, "the board can't be read"),
            }
            tokio::time::sleep(PAUSE).await;
            let _ = tokio::time::timeout(LOOK_AGAIN - PAUSE, published.changed()).await;
        }
    }
}

fn read(conn: &mut Conn<'_>, now: i64, zone: &TimeZone) -> Result<Board> {
    let mut figures = BTreeMap::new();
    for window in Window::ALL {
        let (span, bucket) = window.buckets(now, zone);
        let sums = store::figure::since(conn, span, bucket)?;
        let some = sums.into_iter().filter(|(_, counts)| !counts.is_empty());
        figures.extend(some.map(|(scope, counts)| ((scope, window), counts)));
    }
    let (operators, teams) = (store::operator::at_work(conn)?, store::call_list::teams(conn)?);
    Ok(Board { operators, figures, teams, time: now })
}
