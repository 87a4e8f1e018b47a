//! One connection at work: catch-up, listening, orders, and what is handed over from one connection to the next.
//! Called by [`super::session`]; `run.rs` decides when to connect and when to give up.

use std::collections::HashSet;
use std::convert::Infallible;

use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::warn;

use super::config::Config;
use super::event::{Bridge, Channel, Event, WANTED, read_time};
use super::link::{Heard, Link};
use super::rest::{Rest, encoded};
use super::translate::Translator;
use crate::connectors::failure::{Failure, optional};
use crate::connectors::session::{Closed, MAX_BATCH, MAX_ORDERS, Order, Refusal, Request, Sink, Status};
use crate::domain::fact::{CallFact, Micros};

/// What is wrong with an ari.conf that does not show calls.
const UNLINKED: &str = "ari.conf does not show which call a channel is in, so that a transfer may look like two calls: set channelvars = CHANNEL(linkedid)";

/// What outlives a connection: the translation and facts not yet handed on.
pub(super) struct Desk {
    pub(super) translator: Translator,
    facts: Vec<CallFact>,
    pub(super) clock: fn() -> Micros,
    /// The Asterisk's clock less ours, in microseconds.
    ahead: i64,
}

impl Desk {
    /// A desk at which nothing has happened yet.
    pub(super) fn new(translator: Translator, clock: fn() -> Micros) -> Self {
        Desk { translator, facts: Vec::new(), clock, ahead: 0 }
    }

    /// Now, by the clock of the Asterisk.
    fn now(&self) -> Micros {
        (self.clock)().plus(self.ahead)
    }

    fn take(&mut self, event: &Event) {
        if let Some(time) = event.time() {
            self.ahead = time.0.saturating_sub((self.clock)().0);
        }
        let now = self.now();
        self.translator.translate(event, now, &mut self.facts);
    }
}

/// What an Asterisk says of itself.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    system: System,
    status: Started,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct System {
    version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Started {
    startup_time: String,
}

/// What is known after catching up.
pub(super) struct About {
    pub(super) version: Option<String>,
    pub(super) startup: Option<String>,
}

/// One connection at work.
pub(super) struct Line<'a> {
    pub(super) link: Link,
    pub(super) rest: Rest,
    pub(super) desk: &'a mut Desk,
    pub(super) sink: &'a mut Sink,
    pub(super) config: &'a Config,
}

impl Line<'_> {
    /// Asks for all that a gap can have hidden. The events have begun: what happens meanwhile waits in the socket.
    pub(super) async fn catch_up(
        &mut self,
        before: Vec<(String, String)>,
        known: Option<String>,
    ) -> Result<About, Failure> {
        let wanted: Vec<_> = WANTED.iter().map(|kind| serde_json::json!({ "type": kind })).collect();
        let path = format!("applications/{}/eventFilter", encoded(&self.config.application));
        // an Asterisk that is too old for it tells everything, and the door drops it
        optional(
            self.rest
                .put("the choice of events", &path, serde_json::json!({"allowed": wanted}).to_string())
                .await,
        )?;
        let info: Info = optional(self.rest.get("who it is", "asterisk/info").await)?.unwrap_or_default();
        let startup = Some(info.status.startup_time).filter(|text| !text.is_empty());
        let channels: Option<Vec<Channel>> = optional(self.rest.get("the channel list", "channels").await)?;
        let bridges: Vec<Bridge> =
            optional(self.rest.get("the bridge list", "bridges").await)?.unwrap_or_default();
        let restarted = known.is_some() && startup.is_some() && known != startup;
        let now = self.desk.now();
        let mut found = HashSet::new();
        for channel in channels.iter().flatten() {
            let bridge = bridges.iter().find(|bridge| bridge.channels.contains(&channel.id));
            self.desk.translator.found(channel, bridge, now, &mut self.desk.facts);
            found.insert(channel.id.clone());
        }
        if channels.is_some() || restarted {
            self.desk.translator.close_missed(before, &found, restarted, now, &mut self.desk.facts);
        }
        self.deliver().await?;
        let startup = startup.filter(|text| read_time(text).is_some());
        let version =
            Some(info.system.version.chars().take(100).collect()).filter(|it: &String| !it.is_empty());
        Ok(About { version, startup })
    }

    /// Hears events until the line drops.
    pub(super) async fn listen(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        status: &watch::Sender<Status>,
    ) -> Result<Infallible, Failure> {
        let timing = self.config.timing;
        // when the line drops they are dropped too, and who asked hears that nobody knows
        let mut orders = JoinSet::new();
        let mut pinged = false;
        loop {
            let silence = if pinged { timing.dead } else { timing.ping };
            let full = self.desk.facts.len() >= MAX_BATCH;
            tokio::select! {
                biased;
                // what is there already goes into one batch
                heard = self.link.hear(silence), if !full => match heard {
                    Err(Failure::Silent(_)) if !pinged => {
                        self.link.ping(timing.dead).await?;
                        pinged = true;
                    }
                    heard => {
                        pinged = false;
                        self.heard(heard?, status)?;
                    }
                },
                Some(request) = requests.recv() => self.request(request, &mut orders),
                Some(_) = orders.join_next() => {}
                () = std::future::ready(()), if !self.desk.facts.is_empty() => self.deliver().await?,
            }
        }
    }

    fn heard(&mut self, heard: Heard, status: &watch::Sender<Status>) -> Result<(), Failure> {
        let now = (self.desk.clock)();
        if let Heard::Event(text) = heard {
            match Event::read(&text) {
                Ok(Some(event)) if event.kind == "ApplicationReplaced" => {
                    let words = format!(
                        "another program has taken the name {:?} over: two connections with one name can't be",
                        self.config.application
                    );
                    return Err(Failure::Refused { what: "the subscription", words });
                }
                Ok(Some(event)) => self.desk.take(&event),
                Ok(None) => {}
                // one odd event is no reason to lose the others
                Err(words) => warn!(words, "an event of the telephone system can't be read"),
            }
        }
        let advice = self.desk.translator.is_unlinked().then_some(UNLINKED);
        status.send_modify(|status| {
            status.last_event = Some(now);
            status.advice = advice;
        });
        Ok(())
    }

    fn request(&self, request: Request, orders: &mut JoinSet<()>) {
        let Request { order, reply } = request;
        if orders.len() >= MAX_ORDERS {
            let words = "the telephone system does not answer".to_owned();
            let _ = reply.send(Err(Refusal::NotSent(words)));
            return;
        }
        let rest = self.rest.clone();
        orders.spawn(async move {
            let answer = match &order {
                Order::Originate(order) => rest.originate(order).await,
                Order::HangUp(channel) => rest.hang_up(channel).await,
                // It moves channels that an application of ours holds, not those of the dial plan.
                Order::Transfer { .. } => {
                    Err(Refusal::Refused("ARI hands no calls on: lists are dialled by AMI".to_owned()))
                }
            };
            // who asked may have gone away
            let _ = reply.send(answer);
        });
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
