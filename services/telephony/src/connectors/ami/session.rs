//! The live connector: connects, logs in, catches up, hands on facts, and begins anew when the line drops.
//! Started by the telephony service for each configured Asterisk; one task each.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::action::{Action, Originate};
use super::backoff::Backoff;
use super::config::Config;
use super::line::{Desk, Line, MAX_ACTIONS, Request};
use super::link::{Failure, Link};
use super::translate::Translator;
use crate::domain::fact::{CallFact, Micros};

/// Most facts handed on at once.
pub const MAX_BATCH: usize = 512;

/// What an earlier run left behind, from the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// The (call, leg) pairs that had not ended.
    pub open: Vec<(String, String)>,
    /// When the Asterisk was started, as [`Status::startup`] told it.
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
    /// The version in the banner; 5 is Asterisk 16, 11 is Asterisk 22.
    pub version: Option<String>,
    /// When the Asterisk was started, by its own words.
    pub startup: Option<String>,
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

/// A sink that hands batches to a channel. A full channel holds up the session, and so the Asterisk.
pub fn channel_sink(sender: mpsc::Sender<Vec<CallFact>>) -> impl FnMut(Vec<CallFact>) -> Storing + Send {
    move |batch| {
        let sender = sender.clone();
        Box::pin(async move { sender.send(batch).await.map_err(|_| Closed) })
    }
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
    /// Words for people: the connector is not connected, or the Asterisk refused.
    pub async fn originate(&self, originate: &Originate) -> Result<(), String> {
        self.send(originate.action()).await
    }

    /// Hangs up a channel, such as `PJSIP/alice-00000009`; its call ends with it.
    ///
    /// # Errors
    /// As [`Handle::originate`].
    pub async fn hang_up(&self, channel: &str) -> Result<(), String> {
        self.send(Action::new("Hangup").with("Channel", channel)).await
    }

    /// How the connector is doing; wait on it to follow the changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    async fn send(&self, action: Action) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        let gone = || "the telephone connector has stopped".to_owned();
        self.requests.send(Request { action, reply }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err("the connection was lost before the answer came".to_owned()))
    }
}

/// One connector. [`Session::run`] lives until it is stopped.
pub struct Session {
    config: Config,
    desk: Desk,
    requests: mpsc::Receiver<Request>,
    status: watch::Sender<Status>,
    backoff: Backoff,
    jitter: fn() -> f64,
}

impl Session {
    /// A session and the handle to speak to it.
    pub fn new(config: Config, resume: Resume) -> (Session, Handle) {
        let (sender, requests) = mpsc::channel(MAX_ACTIONS);
        let status = Status { startup: resume.startup, ..Status::default() };
        let (status, watched) = watch::channel(status);
        let translator = Translator::new(&config.connector, config.rules.clone(), &resume.open);
        let backoff = Backoff::new(config.timing.first_pause, config.timing.longest_pause);
        let desk = Desk::new(translator, || jiff::Timestamp::now().into());
        let session = Session { config, desk, requests, status, backoff, jitter: random };
        (session, Handle { requests: sender, status: watched })
    }

    /// Uses another clock and another source of jitter (0 to 1), for tests.
    #[must_use]
    pub fn with(mut self, clock: fn() -> Micros, jitter: fn() -> f64) -> Self {
        self.desk.clock = clock;
        self.jitter = jitter;
        self
    }

    /// Runs until `stop` is ready or `sink` is closed. `sink` returns once a batch is stored; until then nothing
    /// more is read. Facts may be handed on twice: the fold does not mind.
    pub async fn run<S, F>(mut self, mut sink: S, stop: impl Future<Output = ()>)
    where
        S: FnMut(Vec<CallFact>) -> F,
        F: Future<Output = Result<(), Closed>>,
    {
        let connector = self.config.connector.clone();
        tokio::select! {
            () = stop => info!(connector, "telephone connector stopped"),
            () = self.serve(&mut sink) => info!(connector, "telephone connector ended: facts are not taken"),
        }
    }

    async fn serve<S, F>(&mut self, sink: &mut S)
    where
        S: FnMut(Vec<CallFact>) -> F,
        F: Future<Output = Result<(), Closed>>,
    {
        loop {
            let Err(failure) = self.attempt(sink).await;
            if matches!(failure, Failure::Unwanted) {
                return;
            }
            self.desk.drop_replies();
            let refused = matches!(failure, Failure::Refused { .. });
            let pause = self.backoff.failed((self.jitter)());
            // a wrong secret does not become right in a second, and Asterisk's owner may ban who tries too often
            let pause = if refused { pause.max(self.config.timing.longest_pause / 2) } else { pause };
            warn!(connector = self.config.connector, error = %failure, ?pause, "telephone system lost");
            let failures = self.backoff.failures();
            self.status.send_modify(|status| {
                status.phase = Phase::Waiting;
                status.connected_since = None;
                status.last_error = Some(failure.to_string());
                status.failures = failures;
            });
            self.pause(pause).await;
        }
    }

    /// Waits, and meanwhile tells everybody that nothing can be asked.
    async fn pause(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while let Ok(Some(request)) = tokio::time::timeout_at(until, self.requests.recv()).await {
            let _ = request.reply.send(Err("the telephone system is not connected".to_owned()));
        }
        tokio::time::sleep_until(until).await;
    }

    /// One connection from its beginning to its end.
    async fn attempt<S, F>(&mut self, sink: &mut S) -> Result<std::convert::Infallible, Failure>
    where
        S: FnMut(Vec<CallFact>) -> F,
        F: Future<Output = Result<(), Closed>>,
    {
        self.status.send_modify(|status| status.phase = Phase::Connecting);
        // a leg that begins after this moment tells of itself and must not count as gone
        let before = self.desk.translator.open_legs();
        let link = Link::connect(&self.config).await?;
        let mut line = Line { link, desk: &mut self.desk, sink, config: &self.config };
        line.log_in().await?;
        self.status.send_modify(|status| status.phase = Phase::CatchingUp);
        let known = self.status.borrow().startup.clone();
        let startup = line.catch_up(before, known).await?;
        self.backoff.succeeded();
        let now = (line.desk.clock)();
        let version = line.link.version().map(str::to_owned);
        info!(connector = self.config.connector, version, "telephone system connected");
        self.status.send_modify(|status| {
            status.phase = Phase::Connected;
            status.connected_since = Some(now);
            status.failures = 0;
            status.version = version;
            status.startup = startup.or(status.startup.take());
        });
        line.listen(&mut self.requests, &self.status).await
    }
}

fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}
