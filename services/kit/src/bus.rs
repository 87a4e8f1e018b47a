//! Events between services: each consumer follows the outbox of a source, at least once on the way, once in effect.
//! Offered and listened to by services at their start.
//!
//! A source in this process is read from its database; one in another process through its ChangeService.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{self, Either};
use kontor_proto::r#type::v1::{Event, WatchChangesRequest, WatchChangesResponse};
use tokio::sync::watch;

use crate::audit::Who;
use crate::auth::Caller;
use crate::context::Context;
use crate::db::{Db, Tx};
use crate::link::Link;
use crate::{Error, Result, args, outbox};

/// Where the events of each source can be read.
#[derive(Clone)]
pub struct Bus(Arc<watch::Sender<HashMap<String, Source>>>);

#[derive(Clone)]
enum Source {
    Local(Db),
    Remote(Link),
}

/// Events taken in one transaction of a consumer.
const BATCH: i64 = 200;
/// Events that a consumer does not want and passes over before its cursor is written: so many are read again at most after a start.
const PASSED: usize = 1_000;
/// How often a source is looked at when nothing wakes us: another process may have written.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Pause after the first error of a consumer. It doubles with each error until something is taken.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Default for Bus {
    fn default() -> Self {
        Bus(Arc::new(watch::channel(HashMap::new()).0))
    }
}

impl Bus {
    /// Offers the outbox of a service in this process.
    pub fn offer(&self, source: &str, db: Db) {
        self.0.send_modify(|sources| {
            sources.insert(source.to_owned(), Source::Local(db));
        });
    }

    /// Offers the change stream of a service in another process.
    pub fn offer_remote(&self, source: &str, link: Link) {
        self.0.send_modify(|sources| {
            sources.insert(source.to_owned(), Source::Remote(link));
        });
    }

    /// Names of all sources that can be reached from this process, in order.
    pub fn sources(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.borrow().keys().cloned().collect();
        names.sort();
        names
    }

    /// Follows `source` from where `consumer` stopped, for as long as the process runs. `handle` runs in a transaction of `db`
    /// that also moves the cursor; an event that was seen before is left out. An error is tried again with growing pauses.
    pub fn listen<F>(
        &self,
        context: &Context,
        source: &'static str,
        consumer: &'static str,
        db: Db,
        handle: F,
    ) where
        F: Fn(&mut Tx<'_>, &Event) -> Result<()> + Send + Sync + 'static,
    {
        self.listen_for(context, source, consumer, db, |_| true, handle);
    }

    /// As `listen`, for the events that `wants` picks. The others cost this consumer no transaction: its cursor passes over them with the next one that
    /// it wants, after a thousand, or when nothing comes for a while.
    pub fn listen_for<W, F>(
        &self,
        context: &Context,
        source: &'static str,
        consumer: &'static str,
        db: Db,
        wants: W,
        handle: F,
    ) where
        W: Fn(&Event) -> bool + Send + Sync + 'static,
        F: Fn(&mut Tx<'_>, &Event) -> Result<()> + Send + Sync + 'static,
    {
        let bus = self.clone();
        let handle: Handler = Arc::new(handle);
        context.spawn(async move {
            let last_error = Mutex::new(String::new());
            let follower = Follower { source, consumer, db, wants: Box::new(wants), handle, last_error };
            let mut pause = FIRST_PAUSE;
            loop {
                let cause = follower.follow(bus.find(source).await, &mut pause).await;
                follower.warn(&cause);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// Waits until the source is offered.
    async fn find(&self, source: &str) -> Source {
        let mut sources = self.0.subscribe();
        loop {
            if let Some(found) = sources.borrow_and_update().get(source) {
                return found.clone();
            }
            if sources.changed().await.is_err() {
                future::pending::<()>().await;
            }
        }
    }

    /// Every kept event of a source from the beginning, in batches, for a rebuild. Ends at the newest.
    ///
    /// # Errors
    /// UNAVAILABLE when the source is not there; those of the database and of `take`.
    pub async fn replay<F>(&self, source: &str, mut take: F) -> Result<()>
    where
        F: AsyncFnMut(Vec<Event>) -> Result<()>,
    {
        let found = self.0.borrow().get(source).cloned();
        let found =
            found.ok_or_else(|| Error::unavailable(format!("the events of {source} can't be reached")))?;
        let mut reader = Reader::new(found, 0, true);
        loop {
            let events = reader.next_batch(source).await?;
            if events.is_empty() {
                return Ok(());
            }
            take(events).await?;
        }
    }
}

type Handler = Arc<dyn Fn(&mut Tx<'_>, &Event) -> Result<()> + Send + Sync>;

struct Follower {
    source: &'static str,
    consumer: &'static str,
    db: Db,
    wants: Box<dyn Fn(&Event) -> bool + Send + Sync>,
    handle: Handler,
    last_error: Mutex<String>,
}

impl Follower {
    /// Takes what comes until something fails, and returns that. `pause` is short again after each success.
    async fn follow(&self, source: Source, pause: &mut Duration) -> Error {
        let mut reader = match self.cursor().await {
            Ok(cursor) => Reader::new(source, cursor, false),
            Err(cause) => return cause,
        };
        loop {
            match self.take_next(&mut reader).await {
                Ok(true) => {
                    *pause = FIRST_PAUSE;
                    self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
                Ok(false) => {
                    // Who waits for the cursor to get there (an erasure does) must not wait for the next thousand events.
                    if reader.wait().await && reader.passed > 0 {
                        match self.take(Arc::new([]), 0..0, reader.sequence).await {
                            Ok(()) => reader.passed = 0,
                            Err(cause) => return cause,
                        }
                    }
                }
                Err(cause) => return cause,
            }
        }
    }

    /// Takes the next batch; false when there is none now.
    async fn take_next(&self, reader: &mut Reader) -> Result<bool> {
        let mut events = match reader.passed {
            0 => reader.next_batch(self.source).await?,
            // A source in another process is waited for here.
            _ => match tokio::time::timeout(LOOK_AGAIN, reader.next_batch(self.source)).await {
                Ok(events) => events?,
                Err(_) => Vec::new(),
            },
        };
        if events.is_empty() {
            return Ok(false);
        }
        let count = events.len();
        events.retain(|event| (self.wants)(event));
        reader.passed += count - events.len();
        if events.is_empty() && reader.passed < PASSED {
            return Ok(true);
        }
        let (events, reached): (Arc<[Event]>, i64) = (events.into(), reader.sequence);
        let count = events.len();
        match self.take(events.clone(), 0..count, reached).await {
            // One bad event must not hold up those before it.
            Err(_) if count > 1 => {
                for place in 0..count {
                    self.take(events.clone(), place..place + 1, events[place].sequence).await?;
                }
            }
            outcome => outcome?,
        }
        reader.passed = 0;
        Ok(true)
    }

    async fn cursor(&self) -> Result<i64> {
        let (consumer, source) = (self.consumer, self.source);
        self.db
            .read(move |conn| {
                let sql = "SELECT sequence FROM kit_cursor WHERE consumer = $1 AND source = $2";
                Ok(conn.one(sql, args![consumer, source], |row| row.int(0))?.unwrap_or(0))
            })
            .await
    }

    /// Takes a part of the events and moves the cursor to `reached`.
    async fn take(&self, events: Arc<[Event]>, part: Range<usize>, reached: i64) -> Result<()> {
        let (consumer, source, handle) = (self.consumer, self.source, self.handle.clone());
        self.db
            .write(move |tx| {
                for event in &events[part.clone()] {
                    take_one(tx, consumer, &handle, event)?;
                }
                tx.execute(
                    "INSERT INTO kit_cursor (consumer, source, sequence) VALUES ($1, $2, $3)
                     ON CONFLICT (consumer, source) DO UPDATE SET sequence = excluded.sequence
                     WHERE excluded.sequence > kit_cursor.sequence",
                    args![consumer, source, reached],
                )?;
                Ok(())
            })
            .await
    }

    /// Logs an error once, not at every try.
    fn warn(&self, cause: &Error) {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != cause.message() {
            tracing::warn!(source = self.source, consumer = self.consumer, cause = %cause, "events wait");
            *last = cause.message().to_owned();
        }
    }
}

fn take_one(tx: &mut Tx<'_>, consumer: &str, handle: &Handler, event: &Event) -> Result<()> {
    let now = tx.now();
    let new = tx.execute(
        "INSERT INTO kit_seen (consumer, event_id, time) VALUES ($1, $2, $3) ON CONFLICT (consumer, event_id) DO NOTHING",
        args![consumer, &event.event_id, now],
    )?;
    if new == 0 {
        return Ok(());
    }
    // What follows from an event is the doing of who brought it about.
    tx.act_as(Who::new(&event.actor, format!("event {}", event.event_id)));
    handle(tx, event)
}

/// Reads a source forwards.
struct Reader {
    source: Source,
    sequence: i64,
    until_now: bool,
    /// Events passed over since the cursor was written.
    passed: usize,
    stream: Option<tonic::Streaming<WatchChangesResponse>>,
}

impl Reader {
    fn new(source: Source, sequence: i64, until_now: bool) -> Self {
        Reader { source, sequence, until_now, passed: 0, stream: None }
    }

    /// The next events; empty when there are none now.
    async fn next_batch(&mut self, name: &str) -> Result<Vec<Event>> {
        let from = self.sequence;
        let events = match &self.source {
            Source::Local(db) => db.read(move |conn| outbox::after(conn, from, BATCH)).await?,
            Source::Remote(link) => {
                let link = link.clone();
                self.next_remote(link, name).await?
            }
        };
        if let Some(last) = events.last() {
            self.sequence = last.sequence;
        }
        Ok(events)
    }

    async fn next_remote(&mut self, link: Link, name: &str) -> Result<Vec<Event>> {
        // It stays in its place while it is waited for: who gives up waiting loses nothing. After an error the whole reader is made anew.
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(open(link, name, self.sequence, self.until_now).await?),
        };
        loop {
            match stream.message().await.map_err(Error::from)? {
                None if self.until_now => return Ok(Vec::new()),
                None => return Err(Error::unavailable(format!("the change stream of {name} ended"))),
                Some(WatchChangesResponse { event: Some(event), .. }) => return Ok(vec![event]),
                Some(_) => {}
            }
        }
    }

    /// Waits for more; true when nothing came for a while.
    async fn wait(&self) -> bool {
        let Source::Local(db) = &self.source else { return true };
        let mut published = db.published();
        published.mark_unchanged();
        if *published.borrow() > self.sequence {
            return false;
        }
        let changed = std::pin::pin!(published.changed());
        let pause = std::pin::pin!(tokio::time::sleep(LOOK_AGAIN));
        match future::select(changed, pause).await {
            Either::Left((Ok(()), _)) => false,
            Either::Left((Err(_), pause)) => {
                pause.await;
                true
            }
            Either::Right(_) => true,
        }
    }
}

/// Opens `WatchChanges` of any service: the method has the same messages everywhere, only the path differs.
async fn open(
    link: Link,
    name: &str,
    from: i64,
    until_now: bool,
) -> Result<tonic::Streaming<WatchChangesResponse>> {
    let path = format!("/kontor.{name}.v1.ChangeService/WatchChanges");
    let path = http::uri::PathAndQuery::try_from(path).map_err(Error::internal)?;
    let mut client = tonic::client::Grpc::new(link);
    client.ready().await.map_err(|cause| Error::unavailable(cause.to_string()))?;
    let request = WatchChangesRequest { resume_token: from.to_string(), until_now, ..Default::default() };
    let codec = tonic_prost::ProstCodec::default();
    let answer = client.server_streaming(Caller::system().request(request), path, codec).await?;
    Ok(answer.into_inner())
}
