//! One connection at work: log-in, catch-up, listening, and what is handed over from one connection to the next.
//! Called by [`super::session`], which decides when to connect and when to give up.

use std::collections::{HashSet, VecDeque};

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::warn;

use super::command;
use super::config::Config;
use super::event::{Event, WANTED};
use super::link::Link;
use super::listing::{self, Row};
use super::translate::Translator;
use super::wire::Frame;
use crate::connectors::failure::{Failure, optional};
use crate::connectors::session::{
    Closed, MAX_BATCH, MAX_ORDERS, Order, Refusal, Reply, Request, Sink, Status,
};
use crate::domain::fact::{CallFact, Micros};

/// The question which channels there are.
const CHANNELS: &str = "api show channels as json";
/// Longest version that is kept, in characters.
const VERSION: usize = 100;

/// What outlives a connection: the translation and facts not yet handed on.
pub(super) struct Desk {
    pub(super) translator: Translator,
    facts: Vec<CallFact>,
    pub(super) clock: fn() -> Micros,
    /// The FreeSWITCH's clock less ours, in microseconds.
    ahead: i64,
}

impl Desk {
    /// A desk at which nothing has happened yet.
    pub(super) fn new(translator: Translator, clock: fn() -> Micros) -> Self {
        Desk { translator, facts: Vec::new(), clock, ahead: 0 }
    }

    /// Now, by the clock of the FreeSWITCH.
    fn now(&self) -> Micros {
        (self.clock)().plus(self.ahead)
    }

    /// Takes an event; tells the Core-UUID in it.
    fn take(&mut self, frame: &Frame) -> Option<String> {
        let event = if frame.kind == "text/event-plain" {
            Ok(Event::plain(&frame.body))
        } else {
            Event::json(&frame.body)
        };
        let event = match event {
            Ok(event) => event,
            Err(words) => {
                warn!(words, "an event of the telephone system can't be read");
                return None;
            }
        };
        if let Some(time) = event.time() {
            self.ahead = time.0.saturating_sub((self.clock)().0);
        }
        let now = self.now();
        self.translator.translate(&event, now, &mut self.facts);
        event.get("Core-UUID").map(str::to_owned)
    }
}

/// Whose answer comes next: answers have no ids, they come in the order of the commands.
enum Waiting {
    Order(Reply),
    Ping,
    /// And the legs that were open before the question.
    Survey(Vec<(String, String)>),
}

/// One connection at work.
pub(super) struct Line<'a> {
    pub(super) link: Link,
    pub(super) desk: &'a mut Desk,
    pub(super) sink: &'a mut Sink,
    pub(super) config: &'a Config,
    core: Option<String>,
    waiting: VecDeque<Waiting>,
}

/// What a FreeSWITCH says of itself.
pub(super) struct About {
    pub(super) core: Option<String>,
    pub(super) version: Option<String>,
}

impl<'a> Line<'a> {
    pub(super) fn new(link: Link, desk: &'a mut Desk, sink: &'a mut Sink, config: &'a Config) -> Self {
        Line { link, desk, sink, config, core: None, waiting: VecDeque::new() }
    }

    /// Waits to be asked who we are, and says it.
    pub(super) async fn log_in(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + self.config.timing.answer;
        let asked = self.frame(until).await?;
        if asked.kind != "auth/request" {
            return Err(unexpected("the connection", &asked));
        }
        self.command("the log-in", &format!("auth {}", self.config.password.0)).await
    }

    /// Asks for the events, then for all that a gap can have hidden.
    pub(super) async fn catch_up(
        &mut self,
        before: Vec<(String, String)>,
        known: Option<String>,
    ) -> Result<About, Failure> {
        let core = optional(self.ask("the core's id", "api global_getvar core_uuid").await)?;
        let core = core.map(|text| text.trim().to_owned()).filter(|text| (1..=64).contains(&text.len()));
        let version = optional(self.ask("the version", "api version").await)?;
        let version =
            version.map(|text| text.lines().next().unwrap_or_default().chars().take(VERSION).collect());
        self.core.clone_from(&core);
        // the events first: what happens while the channels are listed must not be missed
        self.command("the events", &format!("event json {WANTED}")).await?;
        let listed = optional(self.ask("the channel list", CHANNELS).await)?;
        let restarted = known.is_some() && core.is_some() && known != core;
        self.surveyed(listed.as_deref(), &before, restarted, true);
        self.deliver().await?;
        Ok(About { core, version })
    }

    /// Takes the channels that are there, and closes those that are not any more.
    fn surveyed(&mut self, listed: Option<&str>, before: &[(String, String)], restarted: bool, all: bool) {
        let now = self.desk.now();
        let rows: Vec<Row> = match listed.map(|text| listing::read(text.as_bytes())) {
            Some(Ok(rows)) => rows,
            Some(Err(words)) => {
                warn!(words, "the telephone system does not tell which channels there are");
                return;
            }
            // who was started anew has none of the old channels, listed or not
            None if restarted => Vec::new(),
            None => return,
        };
        self.desk.translator.found(&rows, all, now, &mut self.desk.facts);
        let found: HashSet<String> = rows.into_iter().map(|row| row.uuid).collect();
        self.desk.translator.close_missing(before, &found, restarted, now, &mut self.desk.facts);
    }

    /// Sends a command that is answered with +OK or -ERR.
    async fn command(&mut self, what: &'static str, text: &str) -> Result<(), Failure> {
        let reply = self.answer(text).await?.reply;
        if reply.starts_with("+OK") { Ok(()) } else { Err(Failure::Refused { what, words: reply }) }
    }

    /// Sends a question and waits for the text of its answer.
    async fn ask(&mut self, what: &'static str, text: &str) -> Result<String, Failure> {
        let frame = self.answer(text).await?;
        let body = String::from_utf8_lossy(&frame.body).into_owned();
        let words = if frame.kind == "api/response" { body } else { frame.reply };
        if words.is_empty() || words.starts_with("-ERR") {
            return Err(Failure::Refused { what, words });
        }
        Ok(words)
    }

    async fn answer(&mut self, text: &str) -> Result<Frame, Failure> {
        let command = command::line(text, &[]).map_err(Failure::BadOrder)?;
        self.link.send(&command).await?;
        let until = Instant::now() + self.config.timing.answer;
        loop {
            let frame = self.frame(until).await?;
            if is_answer(&frame) {
                return Ok(frame);
            }
            self.event(&frame)?;
        }
    }

    async fn frame(&mut self, until: Instant) -> Result<Frame, Failure> {
        loop {
            if let Some(frame) = self.link.next()? {
                return Ok(frame);
            }
            self.deliver().await?;
            if Instant::now() >= until {
                return Err(Failure::Silent(self.config.timing.answer));
            }
            self.link.fill(until - Instant::now()).await?;
        }
    }

    /// Takes a frame that answers nothing.
    fn event(&mut self, frame: &Frame) -> Result<(), Failure> {
        match frame.kind.as_str() {
            "text/event-json" | "text/event-plain" => {
                let core = self.desk.take(frame);
                if core.is_some() && self.core.is_some() && core != self.core {
                    return Err(Failure::Restarted);
                }
                Ok(())
            }
            "text/rude-rejection" => Err(unexpected("the connection", frame)),
            "text/disconnect-notice" => Err(Failure::Closed),
            _ => Ok(()),
        }
    }

    /// Hears events until the line drops.
    pub(super) async fn listen(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        status: &watch::Sender<Status>,
    ) -> Result<std::convert::Infallible, Failure> {
        let timing = self.config.timing;
        let mut surveys = interval_at(Instant::now() + self.config.survey, self.config.survey);
        surveys.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pinged = false;
        loop {
            while let Some(frame) = self.link.next()? {
                if is_answer(&frame) {
                    self.answered(&frame)
                } else {
                    self.event(&frame)?
                }
                if self.desk.facts.len() >= MAX_BATCH {
                    self.deliver().await?;
                }
            }
            self.deliver().await?;
            let silence = if pinged { timing.dead } else { timing.ping };
            tokio::select! {
                filled = self.link.fill(silence) => match filled {
                    Err(Failure::Silent(_)) if !pinged => {
                        self.question("api echo kontor", Waiting::Ping).await?;
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
                _ = surveys.tick() => {
                    let before = self.desk.translator.open_legs();
                    self.question(CHANNELS, Waiting::Survey(before)).await?;
                }
            }
        }
    }

    async fn question(&mut self, text: &str, waiting: Waiting) -> Result<(), Failure> {
        let command = command::line(text, &[]).map_err(Failure::BadOrder)?;
        self.waiting.push_back(waiting);
        self.link.send(&command).await
    }

    async fn request(&mut self, request: Request) -> Result<(), Failure> {
        if self.waiting.len() >= MAX_ORDERS {
            let words = "the telephone system does not answer".to_owned();
            let _ = request.reply.send(Err(Refusal::NotSent(words)));
            return Ok(());
        }
        let command = match &request.order {
            Order::Originate(order) => {
                self.desk.translator.ordered(&order.id);
                command::originate(order)
            }
            Order::HangUp(channel) if channel.contains(' ') => Err(format!("{channel:?} is no channel")),
            Order::HangUp(channel) => command::line(&format!("api uuid_kill {channel}"), &[]),
            Order::Transfer { channel, context, exten } => command::transfer(channel, context, exten),
        };
        match command {
            // that is the asker's fault and no reason to hang up
            Err(words) => {
                let _ = request.reply.send(Err(Refusal::Refused(words)));
                Ok(())
            }
            Ok(command) => {
                self.waiting.push_back(Waiting::Order(request.reply));
                self.link.send(&command).await
            }
        }
    }

    /// Gives the answer to whoever is next.
    fn answered(&mut self, frame: &Frame) {
        match self.waiting.pop_front() {
            Some(Waiting::Order(reply)) => {
                let body = String::from_utf8_lossy(&frame.body);
                let words = if frame.kind == "api/response" { body.trim() } else { frame.reply.as_str() };
                let refused = || Refusal::Refused(words.trim_start_matches("-ERR").trim().to_owned());
                // who asked may have gone away
                let _ = reply.send(if words.starts_with("+OK") { Ok(()) } else { Err(refused()) });
            }
            Some(Waiting::Survey(before)) => {
                let body = String::from_utf8_lossy(&frame.body).into_owned();
                self.surveyed(Some(&body), &before, false, false);
            }
            Some(Waiting::Ping) | None => {}
        }
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

fn is_answer(frame: &Frame) -> bool {
    matches!(frame.kind.as_str(), "command/reply" | "api/response")
}

fn unexpected(what: &'static str, frame: &Frame) -> Failure {
    let body = String::from_utf8_lossy(&frame.body[..frame.body.len().min(200)]).trim().to_owned();
    let words = if body.is_empty() { format!("it said {}", frame.kind) } else { body };
    Failure::Refused { what, words }
}
