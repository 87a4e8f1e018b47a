//! What the sessions of all telephone systems share: how they are told to do something, how they tell how they are, and when they try again.
//! Used by run.rs and the sessions of ami, ari and freeswitch; the keeper holds the handles.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::backoff::Backoff;
use super::failure::Failure;
use crate::domain::dial::Originate;
use crate::domain::fact::{CallFact, Micros};

/// Most facts handed on at once.
pub const MAX_BATCH: usize = 512;
/// Most orders that wait for the session, and most that wait for their answer.
pub(super) const MAX_ORDERS: usize = 64;

/// A secret that shows up in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For a connection, its banner and each answer while logging in and catching up.
    pub answer: Duration,
    /// Silence after which a sign of life is asked for.
    pub ping: Duration,
    /// Silence after that, after which the connection counts as dead.
    pub dead: Duration,
    /// Pause before the first new attempt; it doubles with each further one.
    pub first_pause: Duration,
    /// Longest pause between attempts.
    pub longest_pause: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            answer: Duration::from_secs(10),
            ping: Duration::from_secs(20),
            dead: Duration::from_secs(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// What an earlier run left behind, from the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// The (call, leg) pairs that had not ended.
    pub open: Vec<(String, String)>,
    /// Which start of the telephone system that was, as [`Status::startup`] told it.
    pub startup: Option<String>,
}

/// How the connector is doing, for the status page and for the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// What it does now.
    pub phase: Phase,
    /// Since when it is connected and caught up.
    pub connected_since: Option<Micros>,
    /// When the last message came.
    pub last_event: Option<Micros>,
    /// Why the last connection ended, in words.
    pub last_error: Option<String>,
    /// Attempts that failed since the last success.
    pub failures: u32,
    /// Connections so far that were caught up.
    pub connections: u64,
    /// The version of the interface (Asterisk: in the banner; 5 is Asterisk 16, 11 is Asterisk 22).
    pub version: Option<String>,
    /// Which start of the telephone system this is, by its own words (Asterisk: the time; FreeSWITCH: Core-UUID).
    pub startup: Option<String>,
    /// What should be set differently at the telephone system, though it works.
    pub advice: Option<&'static str>,
}

/// What the connector does now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// It connects and logs in.
    #[default]
    Connecting,
    /// It asks for what it has missed.
    CatchingUp,
    /// It hears everything.
    Connected,
    /// It pauses before the next attempt.
    Waiting,
}

/// Nobody takes facts any more; the session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// A batch on its way to the store.
pub type Storing = Pin<Box<dyn Future<Output = Result<(), Closed>> + Send>>;

/// Where facts go. It returns once a batch is stored.
pub type Sink = Box<dyn FnMut(Vec<CallFact>) -> Storing + Send>;

/// A sink that hands batches to a channel. A full channel holds up the session, and so the telephone system.
pub fn channel_sink(sender: mpsc::Sender<Vec<CallFact>>) -> impl FnMut(Vec<CallFact>) -> Storing + Send {
    move |batch| {
        let sender = sender.clone();
        Box::pin(async move { sender.send(batch).await.map_err(|_| Closed) })
    }
}

/// What a telephone system is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Call somebody for a user.
    Originate(Originate),
    /// Hang up a channel; its call ends with it.
    HangUp(String),
    /// Send a channel on, to an extension of the dial plan.
    Transfer {
        /// Name or id of the channel.
        channel: String,
        /// The dial plan context of the extension.
        context: String,
        /// The extension.
        exten: String,
    },
}

/// Why an order was not carried out, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It did not get onto the wire: it may be sent again.
    NotSent(String),
    /// The telephone system does not do it, or it cannot be written down for it.
    Refused(String),
    /// It was sent, and nobody knows what became of it.
    Lost(String),
}

impl Refusal {
    /// The words.
    pub fn words(self) -> String {
        let (Refusal::NotSent(words) | Refusal::Refused(words) | Refusal::Lost(words)) = self;
        words
    }
}

/// Where the answer to an order goes.
pub(super) type Reply = oneshot::Sender<Result<(), Refusal>>;

/// One order from outside and where its answer goes.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) order: Order,
    pub(super) reply: Reply,
}

/// Speaks to a running session.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    status: watch::Receiver<Status>,
}

impl Handle {
    /// Asks for a click to call. That it was taken says nothing yet about the call: events tell how it goes.
    ///
    /// # Errors
    /// Why not.
    pub async fn place(&self, originate: &Originate) -> Result<(), Refusal> {
        self.send(Order::Originate(originate.clone())).await
    }

    /// As [`Handle::place`], with the words alone.
    ///
    /// # Errors
    /// Words for people: the connector is not connected, or the telephone system refused.
    pub async fn originate(&self, originate: &Originate) -> Result<(), String> {
        self.place(originate).await.map_err(Refusal::words)
    }

    /// Hangs up a channel, such as `PJSIP/alice-00000009`; its call ends with it.
    ///
    /// # Errors
    /// As [`Handle::originate`].
    pub async fn hang_up(&self, channel: &str) -> Result<(), String> {
        self.send(Order::HangUp(channel.to_owned())).await.map_err(Refusal::words)
    }

    /// Sends a channel on to an extension, or with an empty one hangs it up. That it was taken says nothing yet: events tell how it goes.
    ///
    /// # Errors
    /// Why not.
    pub async fn send_on(&self, channel: &str, context: &str, exten: &str) -> Result<(), Refusal> {
        let channel = channel.to_owned();
        if exten.is_empty() {
            return self.send(Order::HangUp(channel)).await;
        }
        let (context, exten) = (context.to_owned(), exten.to_owned());
        self.send(Order::Transfer { channel, context, exten }).await
    }

    /// How the connector is doing; wait on it to follow the changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    async fn send(&self, order: Order) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        let gone = |_| Refusal::NotSent("the telephone connector has stopped".to_owned());
        self.requests.send(Request { order, reply }).await.map_err(gone)?;
        let lost = || Refusal::Lost("the connection was lost before the answer came".to_owned());
        answer.await.unwrap_or_else(|_| Err(lost()))
    }
}

/// A session's end of the handle, and its patience.
pub struct Seat {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) status: watch::Sender<Status>,
    backoff: Backoff,
    longest_pause: Duration,
    pub(super) jitter: fn() -> f64,
}

impl Seat {
    /// A seat, and the handle that speaks to it.
    pub(super) fn new(timing: &Timing, startup: Option<String>) -> (Seat, Handle) {
        let (sender, requests) = mpsc::channel(MAX_ORDERS);
        let (status, watched) = watch::channel(Status { startup, ..Status::default() });
        let backoff = Backoff::new(timing.first_pause, timing.longest_pause);
        let longest_pause = timing.longest_pause;
        let seat = Seat { requests, status, backoff, longest_pause, jitter: random };
        (seat, Handle { requests: sender, status: watched })
    }

    /// Tells what it does now.
    pub(super) fn phase(&self, phase: Phase) {
        self.status.send_modify(|status| status.phase = phase);
    }

    /// Tells that it is connected and has caught up.
    pub(super) fn connected(
        &mut self,
        connector: &str,
        now: Micros,
        version: Option<String>,
        startup: Option<String>,
    ) {
        self.backoff.succeeded();
        info!(connector, version, "telephone system connected");
        self.status.send_modify(|status| {
            status.phase = Phase::Connected;
            status.connected_since = Some(now);
            status.connections += 1;
            status.failures = 0;
            status.version = version;
            status.startup = startup.or(status.startup.take());
        });
    }

    /// Tells why a connection ended, and waits before the next attempt.
    pub(super) async fn lost(&mut self, connector: &str, failure: &Failure) {
        let pause = self.backoff.failed((self.jitter)());
        // a wrong secret does not become right in a second, and the owner of the telephone system may ban who tries too often
        let pause = if failure.is_refusal() { pause.max(self.longest_pause / 2) } else { pause };
        warn!(connector, error = %failure, ?pause, "telephone system lost");
        let failures = self.backoff.failures();
        self.status.send_modify(|status| {
            status.phase = Phase::Waiting;
            status.connected_since = None;
            status.last_error = Some(failure.to_string());
            status.failures = failures;
        });
        self.pause(pause).await;
    }

    /// Waits, and meanwhile tells everybody that nothing can be asked.
    async fn pause(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while let Ok(Some(request)) = tokio::time::timeout_at(until, self.requests.recv()).await {
            let words = "the telephone system is not connected".to_owned();
            let _ = request.reply.send(Err(Refusal::NotSent(words)));
        }
        tokio::time::sleep_until(until).await;
    }
}

fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}
