//! One connection at work: log-in, catch-up, listening, and what is handed over from one connection to the next.
//! Called by [`super::session`], which decides when to connect and when to give up.

use std::collections::{HashMap, HashSet};

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::action::{self, Action};
use super::config::{Config, Login};
use super::link::{Link, challenge_key};
use super::message::Message;
use super::translate::Translator;
use crate::connectors::failure::{Failure, optional};
use crate::connectors::session::{
    Closed, MAX_BATCH, MAX_ORDERS, Order, Refusal, Reply, Request, Sink, Status,
};
use crate::domain::fact::{CallFact, Micros};

/// What outlives a connection: the translation, facts not yet handed on, and who waits for an answer.
pub(super) struct Desk {
    pub(super) translator: Translator,
    facts: Vec<CallFact>,
    found: HashSet<String>,
    replies: HashMap<String, Reply>,
    pub(super) clock: fn() -> Micros,
    /// The Asterisk's clock less ours, in microseconds.
    ahead: i64,
}

impl Desk {
    /// A desk at which nothing has happened yet.
    pub(super) fn new(translator: Translator, clock: fn() -> Micros) -> Self {
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
        let answer = if is_success(message) { Ok(()) } else { Err(Refusal::Refused(words.to_owned())) };
        // who asked may have gone away
        let _ = reply.send(answer);
    }

    /// Tells all who wait that their answer will not come.
    pub(super) fn drop_replies(&mut self) {
        self.replies.clear();
    }
}

fn is_success(message: &Message<'_>) -> bool {
    matches!(message.get("Response"), Some("Success" | "Goodbye"))
}

/// One connection at work.
pub(super) struct Line<'a> {
    pub(super) link: Link,
    pub(super) desk: &'a mut Desk,
    pub(super) sink: &'a mut Sink,
    pub(super) config: &'a Config,
}

impl Line<'_> {
    /// Proves who we are and asks for the events.
    pub(super) async fn log_in(&mut self) -> Result<(), Failure> {
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
    pub(super) async fn catch_up(
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
            let now = self.desk.now();
            let Desk { translator, found, facts, .. } = &mut *self.desk;
            translator.close_missed(before, found, restarted, now, facts);
        }
        self.deliver().await?;
        Ok(startup)
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
    pub(super) async fn listen(
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
        if self.desk.replies.len() >= MAX_ORDERS {
            let words = "the telephone system does not answer".to_owned();
            let _ = request.reply.send(Err(Refusal::NotSent(words)));
            return Ok(());
        }
        let action = match &request.order {
            Order::Originate(order) => action::originate(order),
            Order::HangUp(channel) => Action::new("Hangup").with("Channel", channel),
            Order::Transfer { channel, context, exten } => action::redirect(channel, context, exten),
        };
        match self.link.send(&action).await {
            Ok(id) => {
                self.desk.replies.insert(id, request.reply);
            }
            // that is the asker's fault and no reason to hang up
            Err(Failure::BadOrder(words)) => {
                let _ = request.reply.send(Err(Refusal::Refused(words)));
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
