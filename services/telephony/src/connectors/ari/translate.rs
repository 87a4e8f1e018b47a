//! Events of ARI in the words of AMI, and so to facts. It remembers what ARI alone does not say: who waits in which queue.
//! Called by [`super::line`] and [`super::replay`].

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::config::Rules;
use super::event::{Bridge, Channel, Event, read_time};
use crate::connectors::ami::message::Message;
use crate::connectors::ami::translate as ami;
use crate::domain::fact::{CallFact, Micros};

/// Most channels of which a stay in a queue or an order is remembered.
const MAX_KEPT: usize = 4_096;

/// Turns events into facts.
#[derive(Debug)]
pub struct Translator {
    words: ami::Translator,
    /// Who waits in which queue; ARI only tells that the application Queue runs.
    queues: HashMap<String, String>,
    /// Channels that were dialled by nobody and taken, until they begin what they were dialled for.
    clicks: HashSet<String>,
    /// Whether a channel came without its call.
    unlinked: bool,
}

type Headers<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// Where the facts go, and when the event came.
struct Out<'a> {
    time: Option<Micros>,
    now: Micros,
    facts: &'a mut Vec<CallFact>,
}

impl Translator {
    /// A translation for one connector; `open` are the (call, leg) pairs that an earlier run left open.
    pub fn new(connector: &str, rules: Rules, open: &[(String, String)]) -> Self {
        let words = ami::Translator::new(connector, rules, open);
        Translator { words, queues: HashMap::new(), clicks: HashSet::new(), unlinked: false }
    }

    /// Adds the facts in an event to `facts`. `now` is when it came, for events that carry no time.
    pub fn translate(&mut self, event: &Event, now: Micros, facts: &mut Vec<CallFact>) {
        let out = &mut Out { time: event.time(), now, facts };
        if let (Some(peer), "Dial") = (&event.peer, event.kind.as_str()) {
            return self.dial(event, peer, out);
        }
        if event.kind == "BridgeAttendedTransfer" {
            return self.attended_transfer(event, out);
        }
        let Some(channel) = &event.channel else { return };
        self.unlinked |= channel.linked().is_none();
        match event.kind.as_str() {
            "ChannelCreated" => self.say("Newchannel", source(channel), out),
            "ChannelStateChange" => self.say("Newstate", source(channel), out),
            "ChannelDialplan" => self.dialplan(event, channel, out),
            "ChannelEnteredBridge" => self.bridge("BridgeEnter", channel, event.bridge.as_ref(), out),
            "ChannelLeftBridge" => self.bridge("BridgeLeave", channel, event.bridge.as_ref(), out),
            "ChannelHangupRequest" => self.leave(channel, true, out),
            "ChannelDestroyed" => {
                self.leave(channel, false, out);
                self.clicks.remove(&channel.id);
                let mut headers = source(channel);
                headers.extend(event.cause.map(|cause| ("Cause", cause.to_string().into())));
                self.say("Hangup", headers, out);
            }
            "BridgeBlindTransfer" => {
                let headers = vec![
                    ("TransfererUniqueid", (&*channel.id).into()),
                    ("TransfererLinkedid", self.call_of(channel).into()),
                    ("Extension", (&*event.exten).into()),
                    ("Result", (&*event.result).into()),
                ];
                self.say("BlindTransfer", headers, out);
            }
            _ => {}
        }
    }

    /// Adds a channel that was found by asking, and the bridge that it is in.
    pub(super) fn found(
        &mut self,
        channel: &Channel,
        bridge: Option<&Bridge>,
        now: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        self.unlinked |= channel.linked().is_none();
        let out = &mut Out { time: None, now, facts };
        let mut headers = source(channel);
        headers.push(("Application", (&*channel.dialplan.app_name).into()));
        if let Some(began) = read_time(&channel.creationtime) {
            headers.push(("Began", seconds(began).into()));
        }
        // in a holding bridge callers hear music, not each other
        let bridge = bridge.filter(|bridge| bridge.bridge_type != "holding");
        headers.extend(bridge.map(|bridge| ("BridgeId", Cow::from(&*bridge.id))));
        self.say("CoreShowChannel", headers, out);
        if let Some(queue) = queue(channel) {
            let headers = vec![("Uniqueid", (&*channel.id).into()), ("Queue", queue.into())];
            self.say("QueueEntry", headers, out);
            if bridge.is_none() {
                self.wait(channel, queue);
            }
        }
    }

    /// The (leg, call) pairs that have not ended.
    pub fn open_legs(&self) -> Vec<(String, String)> {
        self.words.open_legs()
    }

    /// Closes those of `before` that were not found, and forgets what was remembered of them.
    pub(super) fn close_missed(
        &mut self,
        before: Vec<(String, String)>,
        found: &HashSet<String>,
        restarted: bool,
        now: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        self.queues.retain(|leg, _| found.contains(leg));
        self.clicks.retain(|leg| found.contains(leg));
        self.words.close_missed(before, found, restarted, now, facts);
    }

    /// Whether channels came without their call: ari.conf does not show it.
    pub(super) fn is_unlinked(&self) -> bool {
        self.unlinked
    }

    fn dial(&mut self, event: &Event, peer: &Channel, out: &mut Out<'_>) {
        self.unlinked |= peer.linked().is_none();
        let by = event.caller.as_ref();
        let call = peer.linked().map(str::to_owned).or_else(|| by.map(|by| self.call_of(by)));
        let mut headers = by.map(source).unwrap_or_default();
        headers.extend(call.map(|call| ("DestLinkedid", Cow::from(call))));
        headers.extend([
            ("DestUniqueid", Cow::from(&*peer.id)),
            ("DestChannel", (&*peer.name).into()),
            ("DestContext", (&*peer.dialplan.context).into()),
            ("DestCallerIDNum", (&*peer.caller.number).into()),
            ("DialString", (&*event.dialstring).into()),
            ("DialStatus", (&*event.dialstatus).into()),
        ]);
        match event.dialstatus.as_str() {
            "" => self.say("DialBegin", headers, out),
            "RINGING" => self.say("DialState", headers, out),
            "PROGRESS" | "PROCEEDING" => {}
            "ANSWER" => {
                self.say("DialEnd", headers, out);
                match by {
                    Some(by) => self.agent(by, peer, out),
                    None if self.clicks.len() < MAX_KEPT => {
                        self.clicks.insert(peer.id.clone());
                    }
                    None => {}
                }
            }
            _ => {
                self.say("DialEnd", headers, out);
                if by.is_none() {
                    self.click_failed(peer, out);
                }
            }
        }
    }

    /// An order to dial did not reach its telephone. ARI has no word for it; the channel's id is that of the order, when it is ours.
    fn click_failed(&mut self, peer: &Channel, out: &mut Out<'_>) {
        let headers = vec![
            ("Response", "Failure".into()),
            ("Uniqueid", (&*peer.id).into()),
            ("ActionID", (&*peer.id).into()),
        ];
        self.say("OriginateResponse", headers, out);
    }

    /// Somebody took a caller out of a queue.
    fn agent(&mut self, by: &Channel, peer: &Channel, out: &mut Out<'_>) {
        let Some(queue) = queue(by) else { return };
        self.leave(by, false, out);
        let headers = vec![
            ("Queue", queue.into()),
            ("DestUniqueid", (&*peer.id).into()),
            ("DestChannel", (&*peer.name).into()),
            ("DestLinkedid", self.call_of(by).into()),
        ];
        self.say("AgentConnect", headers, out);
    }

    fn dialplan(&mut self, event: &Event, channel: &Channel, out: &mut Out<'_>) {
        if self.clicks.remove(&channel.id) {
            let headers = vec![
                ("Response", "Success".into()),
                ("Uniqueid", (&*channel.id).into()),
                ("ActionID", (&*channel.id).into()),
                ("Exten", (&*channel.dialplan.exten).into()),
            ];
            self.say("OriginateResponse", headers, out);
        }
        let enters = event.dialplan_app == "Queue";
        let name = queue_name(&event.dialplan_app_data);
        if self.queues.get(&channel.id).is_some_and(|queue| !enters || queue != name) {
            self.leave(channel, false, out);
        }
        if enters && !name.is_empty() {
            self.wait(channel, name);
            self.in_queue("QueueCallerJoin", channel, name, out);
        }
    }

    fn wait(&mut self, channel: &Channel, queue: &str) {
        if self.queues.len() < MAX_KEPT {
            self.queues.insert(channel.id.clone(), queue.to_owned());
        }
    }

    /// A caller leaves the queue, if it is in one.
    fn leave(&mut self, channel: &Channel, gives_up: bool, out: &mut Out<'_>) {
        let Some(queue) = self.queues.remove(&channel.id) else { return };
        if gives_up {
            self.in_queue("QueueCallerAbandon", channel, &queue, out);
        }
        self.in_queue("QueueCallerLeave", channel, &queue, out);
    }

    fn in_queue(&mut self, event: &'static str, channel: &Channel, queue: &str, out: &mut Out<'_>) {
        let mut headers = source(channel);
        headers.push(("Queue", queue.into()));
        self.say(event, headers, out);
    }

    fn bridge(&mut self, event: &'static str, channel: &Channel, bridge: Option<&Bridge>, out: &mut Out<'_>) {
        let Some(bridge) = bridge else { return };
        let mut headers = source(channel);
        headers.push(("BridgeUniqueid", (&*bridge.id).into()));
        headers.push(("BridgeType", (&*bridge.bridge_type).into()));
        self.say(event, headers, out);
    }

    fn attended_transfer(&mut self, event: &Event, out: &mut Out<'_>) {
        let Some(first) = &event.transferer_first_leg else { return };
        let number = |channel: &'_ Option<Channel>, connected: bool| {
            let channel = channel.as_ref()?;
            let number = if connected { &channel.connected } else { &channel.caller };
            Some(number.number.clone())
        };
        let target = number(&event.transfer_target, false).unwrap_or_default();
        let second = number(&event.transferer_second_leg, true).unwrap_or_default();
        let headers = vec![
            ("OrigTransfererUniqueid", (&*first.id).into()),
            ("OrigTransfererLinkedid", self.call_of(first).into()),
            ("TransferTargetCallerIDNum", target.into()),
            ("SecondTransfererConnectedLineNum", second.into()),
            ("Result", (&*event.result).into()),
        ];
        self.say("AttendedTransfer", headers, out);
    }

    /// The call of a leg: as Asterisk says, else as it was seen before, else its own.
    fn call_of(&self, channel: &Channel) -> String {
        let known = channel.linked().or_else(|| self.words.call(&channel.id));
        known.unwrap_or(&channel.id).to_owned()
    }

    fn say(&mut self, event: &'static str, mut headers: Headers<'_>, out: &mut Out<'_>) {
        headers.push(("Event", event.into()));
        headers.extend(out.time.map(|time| ("Timestamp", Cow::from(seconds(time)))));
        self.words.translate(&Message::of(headers), out.now, out.facts);
    }
}

/// The headers of the channel that an event is about.
fn source(channel: &Channel) -> Headers<'_> {
    let state = match channel.state.as_str() {
        "Ring" => "4",
        "Ringing" => "5",
        "Up" => "6",
        _ => "0",
    };
    let mut headers: Headers<'_> = vec![
        ("Uniqueid", (&*channel.id).into()),
        ("Channel", (&*channel.name).into()),
        ("ChannelState", state.into()),
        ("CallerIDNum", (&*channel.caller.number).into()),
        ("Context", (&*channel.dialplan.context).into()),
        ("Exten", (&*channel.dialplan.exten).into()),
    ];
    headers.extend(channel.linked().map(|call| ("Linkedid", call.into())));
    headers
}

/// The queue in which a channel is.
fn queue(channel: &Channel) -> Option<&str> {
    let name = queue_name(&channel.dialplan.app_data);
    (channel.dialplan.app_name == "Queue" && !name.is_empty()).then_some(name)
}

/// The name in what the application Queue was called with: `support,t,,,60`.
fn queue_name(data: &str) -> &str {
    data.split(',').next().unwrap_or_default().trim()
}

/// An instant as AMI writes it.
fn seconds(time: Micros) -> String {
    format!("{}.{:06}", time.0.div_euclid(1_000_000), time.0.rem_euclid(1_000_000))
}
