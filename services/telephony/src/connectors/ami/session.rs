//! The live connector: connects, logs in, catches up, hands on facts, and begins anew when the line drops.
//! Started by the telephony service for each configured Asterisk; one task each.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::action::{Action, Originate};
use super::backoff::Backoff;
use super::config::{Config, Login};
use super::link::{Failure, Link, challenge_key};
use super::message::Message;
use super::translate::Translator;
use crate::domain::fact::{CallFact, Micros};

/// Most facts handed on at once.
pub const MAX_BATCH: usize = 512;
/// Most actions that wait for the session, and most that wait for their answer.
const MAX_ACTIONS: usize = 64;

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

/// A sink that hands batches to a channel. A full channel holds up the session, and so the Asterisk.
pub fn channel_sink(
    sender: mpsc::Sender<Vec<CallFact>>,
) -> impl FnMut(Vec<CallFact>) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Closed>> + Send>> + Send {
    move |batch| {
        let sender = sender.clone();
        Box::pin(async move { sender.send(batch).await.map_err(|_| Closed) })
    }
}

/// One action from outside and where its answer goes.
struct Request {
    action: Action,
    reply: oneshot::Sender<Result<(), String>>,
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

/// What outlives a connection: the translation, facts not yet handed on, and who waits for an answer.
struct Desk {
    translator: Translator,
    facts: Vec<CallFact>,
    found: HashSet<String>,
    replies: HashMap<String, oneshot::Sender<Result<(), String>>>,
    clock: fn() -> Micros,
    /// The Asterisk's clock less ours, in microseconds.
    ahead: i64,
}

impl Desk {
    fn new(translator: Translator, clock: fn() -> Micros) -> Self {
        let (facts, found, replies) = (Vec::new(), HashSet::new(), HashMap::new());
        Desk { translator, facts, found, replies, clock, ahead: 0 }
    }

    /// Now, by the clock of the Asterisk.
    fn now(&self) -> Micros {
        (self.clock)().plus(self.ahead)
    }

    fn take(&mut self, message: &Message<'_>) {
        if let Some(time) = message.time() {
            self.ahead = time.0.saturating_sub((self.clock)().0);
        }
        match message.event() {
            Some("CoreShowChannel") => self.found.extend(message.get("Uniqueid").map(str::to_owned)),
            Some(_) => {}
            None => self.reply(message),
        }
        let now = self.now();
        self.translator.translate(message, now, &mut self.facts);
    }

    fn reply(&mut self, message: &Message<'_>) {
        let reply = message.get("ActionID").and_then(|id| self.replies.remove(id));
        let Some(reply) = reply else { return };
        let words = message.get("Message").unwrap_or("no reason given");
        let answer = if is_success(message) { Ok(()) } else { Err(words.to_owned()) };
        // who asked may have gone away
        let _ = reply.send(answer);
    }

    fn drop_replies(&mut self) {
        self.replies.clear();
    }
}

fn is_success(message: &Message<'_>) -> bool {
    matches!(message.get("Response"), Some("Success" | "Goodbye"))
}

/// One connection at work.
struct Line<'a, S> {
    link: Link,
    desk: &'a mut Desk,
    sink: &'a mut S,
    config: &'a Config,
}

impl<S, F> Line<'_, S>
where
    S: FnMut(Vec<CallFact>) -> F,
    F: Future<Output = Result<(), Closed>>,
{
    async fn log_in(&mut self) -> Result<(), Failure> {
        let login = Action::new("Login").with("Username", &self.config.user).with("Events", "off");
        let login = match self.config.login {
            Login::Plain => login.with("Secret", &self.config.secret.0),
            Login::Md5 => {
                let challenge = Action::new("Challenge").with("AuthType", "MD5");
                let challenge = self.ask("the challenge", &challenge, "Challenge").await?.unwrap_or_default();
                let key = challenge_key(&challenge, &self.config.secret.0);
                login.with("AuthType", "MD5").with("Key", key)
            }
        };
        self.ask("the log-in", &login, "").await?;
        let mask = Action::new("Events").with("EventMask", &self.config.event_mask);
        self.ask("the event mask", &mask, "").await.map(|_| ())
    }

    /// Asks for all that a gap can have hidden. Answers with the start-up time of the Asterisk.
    async fn catch_up(
        &mut self,
        before: Vec<(String, String)>,
        known: Option<String>,
    ) -> Result<Option<String>, Failure> {
        // the answer has the time there, which channel lists have not
        self.ask("a ping", &Action::new("Ping"), "").await?;
        let status = Action::new("CoreStatus");
        let startup =
            optional(self.ask("the core status", &status, "CoreStartupDate CoreStartupTime").await)?;
        let startup = startup.flatten();
        self.desk.found.clear();
        let channels = Action::new("CoreShowChannels");
        let listed = optional(self.list("the channel list", &channels, "CoreShowChannelsComplete").await)?;
        optional(self.list("the queues", &Action::new("QueueStatus"), "QueueStatusComplete").await)?;
        let restarted = known.is_some() && startup.is_some() && known != startup;
        if listed.is_some() || restarted {
            self.close_missed(before, restarted);
        }
        self.deliver().await?;
        Ok(startup)
    }

    /// Closes what was open before the gap and is not there any more.
    fn close_missed(&mut self, before: Vec<(String, String)>, restarted: bool) {
        let now = self.desk.now();
        let mut lost = HashSet::new();
        for (leg, call) in before {
            if self.desk.found.contains(&leg) {
                continue;
            }
            self.desk.translator.leg_lost(&leg, &call, now, &mut self.desk.facts);
            if restarted && lost.insert(call.clone()) {
                self.desk.translator.call_lost(&call, now, &mut self.desk.facts);
            }
        }
    }

    /// Sends an action and waits for its answer; tells the values of the headers named in `wanted`.
    async fn ask(
        &mut self,
        what: &'static str,
        action: &Action,
        wanted: &str,
    ) -> Result<Option<String>, Failure> {
        let id = self.link.send(action).await?;
        let until = Instant::now() + self.config.timing.answer;
        loop {
            while let Some(message) = self.link.next()? {
                self.desk.take(&message);
                if message.event().is_some() || message.get("ActionID") != Some(&*id) {
                    continue;
                }
                if !is_success(&message) {
                    let words = message.get("Message").unwrap_or("no reason given").to_owned();
                    return Err(Failure::Refused { what, words });
                }
                let values: Option<Vec<_>> = wanted.split_whitespace().map(|key| message.get(key)).collect();
                return Ok(values.filter(|values| !values.is_empty()).map(|values| values.join(" ")));
            }
            self.more(until).await?;
        }
    }

    /// Sends an action whose answer is a list of events and waits for the last of them.
    async fn list(&mut self, what: &'static str, action: &Action, last: &str) -> Result<(), Failure> {
        let id = self.link.send(action).await?;
        let until = Instant::now() + self.config.timing.answer;
        loop {
            while let Some(message) = self.link.next()? {
                self.desk.take(&message);
                if message.get("ActionID") != Some(&*id) {
                    continue;
                }
                if message.event() == Some(last) {
                    return Ok(());
                }
                if message.event().is_none() && !is_success(&message) {
                    let words = message.get("Message").unwrap_or("no reason given").to_owned();
                    return Err(Failure::Refused { what, words });
                }
            }
            self.more(until).await?;
        }
    }

    async fn more(&mut self, until: Instant) -> Result<(), Failure> {
        self.deliver().await?;
        if Instant::now() >= until {
            return Err(Failure::Silent(self.config.timing.answer));
        }
        self.link.fill(until - Instant::now()).await
    }

    /// Hears events until the line drops.
    async fn listen(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        status: &watch::Sender<Status>,
    ) -> Result<std::convert::Infallible, Failure> {
        let timing = self.config.timing;
        let mut pinged = false;
        loop {
            while let Some(message) = self.link.next()? {
                self.desk.take(&message);
                if self.desk.facts.len() >= MAX_BATCH {
                    self.deliver().await?;
                }
            }
            let now = self.desk.now();
            self.desk.translator.flush(now, &mut self.desk.facts);
            self.deliver().await?;
            let silence = if pinged { timing.dead } else { timing.ping };
            tokio::select! {
                filled = self.link.fill(silence) => match filled {
                    Err(Failure::Silent(_)) if !pinged => {
                        self.link.send(&Action::new("Ping")).await?;
                        pinged = true;
                    }
                    filled => {
                        filled?;
                        pinged = false;
                        let now = (self.desk.clock)();
                        status.send_modify(|status| status.last_event = Some(now));
                    }
                },
                Some(request) = requests.recv() => self.request(request).await?,
            }
        }
    }

    async fn request(&mut self, request: Request) -> Result<(), Failure> {
        if self.desk.replies.len() >= MAX_ACTIONS {
            let _ = request.reply.send(Err("the telephone system does not answer".to_owned()));
            return Ok(());
        }
        match self.link.send(&request.action).await {
            Ok(id) => {
                self.desk.replies.insert(id, request.reply);
            }
            // that is the asker's fault and no reason to hang up
            Err(Failure::BadAction(error)) => {
                let _ = request.reply.send(Err(error.to_string()));
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Hands on what there is, and waits until it is stored.
    async fn deliver(&mut self) -> Result<(), Failure> {
        if self.desk.facts.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.desk.facts);
        (self.sink)(batch).await.map_err(|Closed| Failure::Unwanted)
    }
}

/// A refused question is no reason to hang up: the manager user may lack a right, or there are no queues.
fn optional<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Failure::Refused { what, words }) => {
            warn!(what, words, "telephone system does not tell everything");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}
