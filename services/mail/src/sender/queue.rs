//! Messages of this process that are ready to go: the first one whose domain has room is next, so that a slow domain holds up no other.
//! Filled by prepare.rs, emptied by the deliverers.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::domain::mailing::Mailing;
use crate::store::lease::Leased;

/// A message that is ready.
pub struct Job {
    /// Its row, and what it used of the rates.
    pub leased: Leased,
    /// Its mailing as it was when the message was made.
    pub mailing: Arc<Mailing>,
    /// The whole message.
    pub message: String,
    /// Where bounces go.
    pub from: lettre::Address,
    /// Where it goes.
    pub to: lettre::Address,
    /// Keyed hashes of the address and of its domain.
    pub hashes: (String, String),
    /// When consent was asked and the message made.
    pub made: Instant,
}

impl Job {
    fn domain(&self) -> &str {
        &self.leased.row.domain
    }
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Job>,
    busy: HashMap<String, i64>,
    is_closed: bool,
}

/// The queue of one process.
pub struct Queue {
    inner: Mutex<Inner>,
    wake: Notify,
    /// How many processes share the connections to a domain.
    processes: AtomicI64,
}

impl Queue {
    /// An empty one.
    pub fn new() -> Queue {
        Queue { inner: Mutex::default(), wake: Notify::new(), processes: AtomicI64::new(1) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how many processes send.
    pub fn set_processes(&self, count: i64) {
        self.processes.store(count.max(1), Ordering::Relaxed);
    }

    /// Adds messages. Those come back for which it is too late: the process stops.
    pub fn push(&self, jobs: Vec<Job>) -> Vec<Job> {
        let mut inner = self.lock();
        if inner.is_closed {
            return jobs;
        }
        inner.waiting.extend(jobs);
        drop(inner);
        self.wake.notify_waiters();
        Vec::new()
    }

    /// The next message; none when the process stops. `done` follows each.
    pub async fn pop(&self) -> Option<Job> {
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            {
                let mut inner = self.lock();
                if inner.is_closed {
                    return None;
                }
                if let Some(job) = self.next(&mut inner) {
                    return Some(job);
                }
            }
            woken.await;
        }
    }

    fn next(&self, inner: &mut Inner) -> Option<Job> {
        let processes = self.processes.load(Ordering::Relaxed);
        let busy = &inner.busy;
        let has_room = |job: &Job| {
            let share = (job.leased.connections / processes).max(1);
            busy.get(job.domain()).is_none_or(|busy| *busy < share)
        };
        let at = inner.waiting.iter().position(has_room)?;
        let job = inner.waiting.remove(at)?;
        *inner.busy.entry(job.domain().to_owned()).or_default() += 1;
        Some(job)
    }

    /// A message to this domain is not on its way any more.
    pub fn done(&self, domain: &str) {
        let mut inner = self.lock();
        if let Some(busy) = inner.busy.get_mut(domain) {
            *busy -= 1;
            if *busy <= 0 {
                inner.busy.remove(domain);
            }
        }
        let may_go = !inner.waiting.is_empty();
        drop(inner);
        if may_go {
            self.wake.notify_waiters();
        }
    }

    /// Takes messages out that are not to go now.
    pub fn take(&self, which: impl Fn(&Job) -> bool) -> Vec<Job> {
        let mut inner = self.lock();
        let (taken, left): (Vec<Job>, Vec<Job>) = inner.waiting.drain(..).partition(which);
        inner.waiting = left.into();
        taken
    }

    /// Takes those to a domain out.
    pub fn take_domain(&self, domain: &str) -> Vec<Job> {
        self.take(|job| job.domain() == domain)
    }

    /// Takes all out, and no more in: the process stops.
    pub fn close(&self) -> Vec<Job> {
        let mut inner = self.lock();
        inner.is_closed = true;
        let left = inner.waiting.drain(..).collect();
        drop(inner);
        self.wake.notify_waiters();
        left
    }
}
