//! Counts posts that are refused, by connector and reason. Whoever posts rubbish must not make us write at each post.
//! Called by rpc/ingest.rs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kontor_kit::Error;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use tonic::Code;

use crate::store;

/// Pause between two writes.
const PAUSE: Duration = Duration::from_secs(1);
/// Reasons that are told as they are.
const REASONS: [&str; 6] =
    ["UNSIGNED", "WRONG_SIGNATURE", "WRONG_TIME", "REPLAYED", "NO_PUBLIC_URL", "CONNECTOR_DISABLED"];
/// Longest words that are kept, in characters.
const WORDS: usize = 500;

/// The counts. Cheap to clone.
#[derive(Clone)]
pub struct Refusals {
    context: Context,
    db: Db,
    waiting: Arc<Mutex<Waiting>>,
}

/// What is not written yet; as many entries as there are connectors that exist, times reasons.
#[derive(Default)]
struct Waiting {
    counts: BTreeMap<(String, &'static str), (i64, String)>,
    wrote: Option<Instant>,
    planned: bool,
}

impl Refusals {
    pub(super) fn new(context: &Context, db: &Db) -> Self {
        Refusals { context: context.clone(), db: db.clone(), waiting: Arc::default() }
    }

    /// Counts one. It is written at once, or within a second when the last write was just now.
    pub(super) async fn note(&self, connector: &str, cause: &Error) {
        let pause = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let words: String = cause.message().chars().filter(|it| !it.is_control()).take(WORDS).collect();
            let entry = waiting.counts.entry((connector.to_owned(), reason(cause))).or_default();
            *entry = (entry.0 + 1, words);
            let pause = waiting.wrote.map_or(Duration::ZERO, |at| PAUSE.saturating_sub(at.elapsed()));
            if waiting.planned {
                return;
            }
            waiting.planned = !pause.is_zero();
            pause
        };
        if pause.is_zero() {
            self.write().await;
            return;
        }
        let later = self.clone();
        self.context.spawn(async move {
            tokio::time::sleep(pause).await;
            later.write().await;
        });
    }

    async fn write(&self) {
        let counts = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.wrote = Some(Instant::now());
            waiting.planned = false;
            std::mem::take(&mut waiting.counts)
        };
        let job = move |tx: &mut kontor_kit::db::Tx<'_>| {
            for ((connector, reason), (posts, words)) in &counts {
                store::state::failed(tx, connector, words)?;
                store::refusal::add(tx, connector, reason, words, *posts)?;
            }
            Ok(())
        };
        if let Err(cause) = self.db.write(job).await {
            tracing::warn!(cause = %cause, "refused posts were not counted");
        }
    }
}

fn reason(cause: &Error) -> &'static str {
    match REASONS.iter().find(|known| **known == cause.reason()) {
        Some(known) => known,
        None if cause.code() == Code::InvalidArgument => "UNREADABLE",
        None if cause.code() == Code::Unauthenticated => "WRONG_SIGNATURE",
        None => "NOT_STORED",
    }
}
