//! AMI messages to facts. Stateless but for a bounded memory of legs and click-to-calls.
//! Called by [`super::session`] for each wanted message; tests call it with the recordings.

use std::collections::HashSet;

use super::config::Rules;
use super::message::Message;
use super::tracker::Tracker;
use crate::domain::call::TransferKind;
use crate::domain::dial::OURS;
use crate::domain::fact::{CallFact, CallKey, DialStatus, FactKind, LegRef, Micros, OriginateFailure, Side};
use crate::domain::number::Party;

/// How long a failed click to call waits for its first leg before it becomes a call of its own, in microseconds.
const ORPHAN_MICROS: i64 = 5_000_000;
/// Most failed click-to-calls that wait.
const MAX_ORPHANS: usize = 256;

/// Turns messages into facts.
#[derive(Debug)]
pub struct Translator {
    connector: String,
    rules: Rules,
    tracker: Tracker,
    orphans: Vec<Orphan>,
}

/// A failed click to call of which no leg was seen yet.
#[derive(Debug)]
struct Orphan {
    device: String,
    arrived: Micros,
    time: Micros,
    action: String,
    kind: FactKind,
}

/// The names of the headers that tell of one channel.
struct Names {
    channel: &'static str,
    id: &'static str,
    call: &'static str,
    context: &'static str,
}

const SOURCE: Names = Names { channel: "Channel", id: "Uniqueid", call: "Linkedid", context: "Context" };
const DEST: Names =
    Names { channel: "DestChannel", id: "DestUniqueid", call: "DestLinkedid", context: "DestContext" };

impl Translator {
    /// A translation for one connector; `open` are the (call, leg) pairs that an earlier run left open.
    pub fn new(connector: &str, rules: Rules, open: &[(String, String)]) -> Self {
        let mut tracker = Tracker::default();
        for (call, leg) in open {
            tracker.see(leg, call);
        }
        Translator { connector: connector.to_owned(), rules, tracker, orphans: Vec::new() }
    }

    /// Adds the facts in a message to `facts`. `now` is when it came, for messages that carry no time.
    pub fn translate(&mut self, message: &Message<'_>, now: Micros, facts: &mut Vec<CallFact>) {
        let time = message.time().unwrap_or(now);
        match message.event() {
            Some("Newchannel") => self.new_channel(message, time, facts),
            Some("Newstate") => self.new_state(message, time, facts),
            Some("DialBegin") => self.dial_begin(message, time, facts),
            Some("DialState") => {
                self.leg_fact(message, &DEST, time, facts, |leg| FactKind::LegRinging { leg })
            }
            Some("DialEnd") => self.dial_end(message, time, facts),
            Some("BridgeEnter" | "BridgeLeave") => self.bridge(message, time, facts),
            Some("Hangup") => self.hangup(message, time, facts),
            Some("QueueCallerJoin" | "QueueCallerLeave" | "QueueCallerAbandon") => {
                self.queue(message, time, facts);
            }
            Some("AgentConnect") => self.agent_connect(message, time, facts),
            Some("BlindTransfer") => self.blind_transfer(message, time, facts),
            Some("AttendedTransfer") => self.attended_transfer(message, time, facts),
            Some("OriginateResponse") => self.originate_response(message, time, now, facts),
            Some("CEL") => self.cel(message, time, facts),
            Some("CoreShowChannel") => self.found_channel(message, now, facts),
            Some("QueueEntry") => self.found_in_queue(message, now, facts),
            _ => {}
        }
    }

    /// Adds failed click-to-calls that no leg was found for; call it now and then.
    pub fn flush(&mut self, now: Micros, facts: &mut Vec<CallFact>) {
        let due = |orphan: &mut Orphan| now.0.saturating_sub(orphan.arrived.0) >= ORPHAN_MICROS;
        for orphan in self.orphans.extract_if(.., due) {
            let key = CallKey { connector: self.connector.clone(), call: orphan.action };
            facts.push(CallFact { key, time: orphan.time, kind: orphan.kind });
        }
    }

    /// The (leg, call) pairs that have not ended.
    pub fn open_legs(&self) -> Vec<(String, String)> {
        self.tracker.open()
    }

    /// The call that a leg was last seen in.
    pub(crate) fn call(&self, leg: &str) -> Option<&str> {
        self.tracker.call(leg)
    }

    /// Closes the (leg, call) pairs that were open before a gap and are not there any more.
    pub fn close_missed(
        &mut self,
        before: Vec<(String, String)>,
        found: &HashSet<String>,
        restarted: bool,
        now: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        let mut lost = HashSet::new();
        for (leg, call) in before.into_iter().filter(|(leg, _)| !found.contains(leg)) {
            self.tracker.close(&leg);
            facts.push(self.fact(&call, now, FactKind::LegLost { leg }));
            if restarted && lost.insert(call.clone()) {
                facts.push(self.fact(&call, now, FactKind::Lost));
            }
        }
    }

    fn new_channel(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        // state 4 is "Ring": the far end calls. A channel that we dial begins in state 0, "Down"
        let arriving = message.get("ChannelState") == Some("4");
        let party = message.get("CallerIDNum").and_then(|text| self.rules.numbers.caller(text));
        let exten = message.get("Exten").filter(|_| arriving);
        let numbers = self.rules.numbers.clone();
        self.leg_fact(message, &SOURCE, time, facts, |leg| {
            let dialled = exten.filter(|text| has_digit(text)).and_then(|text| match leg.side {
                Side::Trunk => numbers.caller(text),
                _ => numbers.dialled(text),
            });
            FactKind::LegStarted { leg, arriving, found: false, party, dialled }
        });
    }

    fn new_state(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        match message.get("ChannelState") {
            Some("5") => self.leg_fact(message, &SOURCE, time, facts, |leg| FactKind::LegRinging { leg }),
            Some("6") => self.leg_fact(message, &SOURCE, time, facts, |leg| FactKind::LegUp { leg }),
            _ => {}
        }
    }

    fn dial_begin(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        let Some((call, leg)) = self.leg(message, &DEST, time, facts) else { return };
        let by = message.get(SOURCE.id).map(str::to_owned);
        if by.is_none() {
            self.tracker.originate(&call, &leg.channel, time);
        }
        let party = message.get("DestCallerIDNum").and_then(|text| self.party_of(&leg, text));
        let target = if leg.side == Side::Trunk { self.dial_target(message) } else { None };
        facts.push(self.fact(&call, time, FactKind::Dialled { leg, by, party, target, found: false }));
        self.adopt_orphans(facts);
    }

    /// Who is at the far end by a later word: click to call writes the wanted number over a telephone's own.
    fn party_of(&self, leg: &LegRef, text: &str) -> Option<Party> {
        let party = self.rules.numbers.caller(text)?;
        let fits = leg.side == Side::Trunk || matches!(party, Party::Internal(_));
        fits.then_some(party)
    }

    /// The number dialled over a trunk: as the user dialled it where that is the same number, else as sent.
    fn dial_target(&self, message: &Message<'_>) -> Option<Party> {
        let numbers = &self.rules.numbers;
        let sent = message.get("DialString").map(dialled_part);
        let sent = sent.filter(|text| has_digit(text)).and_then(|text| numbers.dialled(text));
        let typed =
            message.get("Exten").filter(|text| has_digit(text)).and_then(|text| numbers.dialled(text));
        match (typed, sent) {
            (Some(typed), Some(sent)) if typed.e164().is_some() && typed.e164() == sent.e164() => Some(typed),
            (typed, Some(sent)) => {
                if sent.e164().is_some() {
                    Some(sent)
                } else {
                    typed
                }
            }
            (typed, None) => typed,
        }
    }

    fn dial_end(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        let status = match message.get("DialStatus") {
            Some("ANSWER") => DialStatus::Answered,
            Some("NOANSWER") => DialStatus::NoAnswer,
            Some("BUSY") => DialStatus::Busy,
            Some("CANCEL" | "ABORT") => DialStatus::Cancelled,
            Some("CHANUNAVAIL" | "CONGESTION" | "DONTCALL" | "TORTURE" | "INVALIDARGS") => DialStatus::Failed,
            // CONTINUE and GOTO: the dial plan goes on and will say more
            _ => return,
        };
        let Some((call, leg)) = self.leg(message, &DEST, time, facts) else { return };
        let by = message.get(SOURCE.id).map(str::to_owned);
        if by.is_none() && status == DialStatus::Answered {
            self.tracker.originate_answered(&call);
        }
        facts.push(self.fact(&call, time, FactKind::DialEnded { leg, by, status }));
    }

    fn bridge(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        // in a holding bridge callers hear music, not each other
        if message.get("BridgeTechnology") == Some("holding_bridge")
            || message.get("BridgeType") == Some("holding")
        {
            return;
        }
        let Some(bridge) = message.get("BridgeUniqueid").map(str::to_owned) else { return };
        let entered = message.event() == Some("BridgeEnter");
        self.leg_fact(message, &SOURCE, time, facts, |leg| {
            if entered {
                FactKind::BridgeEntered { leg, bridge }
            } else {
                FactKind::BridgeLeft { leg, bridge }
            }
        });
    }

    fn hangup(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        let cause = message.get("Cause").and_then(|text| text.parse().ok());
        self.leg_fact(message, &SOURCE, time, facts, |leg| FactKind::LegEnded { leg, cause });
        if let Some(leg) = message.get(SOURCE.id) {
            self.tracker.close(leg);
        }
    }

    fn queue(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        let Some(queue) = message.get("Queue").map(str::to_owned) else { return };
        let Some((call, _)) = self.leg(message, &SOURCE, time, facts) else { return };
        let kind = match message.event() {
            Some("QueueCallerJoin") => FactKind::QueueEntered { queue, found: false },
            Some("QueueCallerAbandon") => FactKind::QueueAbandoned { queue },
            _ => FactKind::QueueLeft { queue },
        };
        facts.push(self.fact(&call, time, kind));
    }

    fn agent_connect(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        let Some(queue) = message.get("Queue").map(str::to_owned) else { return };
        self.leg_fact(message, &DEST, time, facts, |agent| FactKind::AgentConnected { queue, agent });
    }

    fn blind_transfer(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        let to = message.get("Extension").and_then(|text| self.rules.numbers.dialled(text));
        let by = message.get("TransfererUniqueid");
        let call = message.get("TransfererLinkedid");
        self.transferred(message, TransferKind::Blind, call, by, to, time, facts);
    }

    fn attended_transfer(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        let headers =
            ["TransferTargetCallerIDNum", "SecondTransfererConnectedLineNum", "SecondTransfererExten"];
        let to = headers.iter().find_map(|header| message.get(header));
        let to = to.and_then(|text| self.rules.numbers.dialled(text));
        let by = message.get("OrigTransfererUniqueid");
        let call = message.get("OrigTransfererLinkedid");
        self.transferred(message, TransferKind::Attended, call, by, to, time, facts);
    }

    #[expect(clippy::too_many_arguments, reason = "both kinds of transfer differ in these headers only")]
    fn transferred(
        &self,
        message: &Message<'_>,
        kind: TransferKind,
        call: Option<&str>,
        by: Option<&str>,
        to: Option<Party>,
        time: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        let (Some(call), Some(by), Some("Success")) = (call, by, message.get("Result")) else { return };
        facts.push(self.fact(call, time, FactKind::Transferred { kind, by: by.to_owned(), to }));
    }

    fn originate_response(
        &mut self,
        message: &Message<'_>,
        time: Micros,
        now: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        let action = message.get("ActionID").unwrap_or_default().to_owned();
        let target = message.get("Exten").filter(|text| has_digit(text));
        let target = target.and_then(|text| self.rules.numbers.dialled(text));
        if message.get("Response") == Some("Success") {
            let Some(leg) = message.get(SOURCE.id) else { return };
            let call = self.tracker.call(leg).unwrap_or(leg).to_owned();
            facts.push(self.fact(&call, time, FactKind::Originated { action, target }));
            return;
        }
        // reason 5 is "busy" and 8 "congestion" (AST_CONTROL_BUSY, AST_CONTROL_CONGESTION)
        let busy = message.get("Reason") == Some("5");
        let reason = if busy { OriginateFailure::Busy } else { OriginateFailure::Other };
        let device = message.get("Channel").unwrap_or_default().to_owned();
        let kind = FactKind::OriginateFailed { action: action.clone(), target, reason };
        // an order of ours has the id of its call, so that none has to be looked for, not even when there was no leg
        let ours = |id: &&str| id.starts_with(OURS) || self.tracker.call(id).is_some();
        let named = message.get(SOURCE.id).or_else(|| Some(&*action).filter(ours));
        if let Some(leg) = named {
            let call = self.tracker.call(leg).unwrap_or(leg).to_owned();
            facts.push(self.fact(&call, time, kind));
        } else if self.orphans.len() < MAX_ORPHANS && !action.is_empty() {
            self.orphans.push(Orphan { device, arrived: now, time, action, kind });
            self.adopt_orphans(facts);
        }
    }

    /// Gives failed click-to-calls to the calls whose first leg they tell of.
    fn adopt_orphans(&mut self, facts: &mut Vec<CallFact>) {
        let tracker = &mut self.tracker;
        let connector = &self.connector;
        self.orphans.retain(|orphan| {
            let Some(call) = tracker.failed_originate(&orphan.action, &orphan.device, orphan.time) else {
                return true;
            };
            let key = CallKey { connector: connector.clone(), call };
            facts.push(CallFact { key, time: orphan.time, kind: orphan.kind.clone() });
            false
        });
    }

    fn cel(&mut self, message: &Message<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        if message.get("EventName") == Some("LINKEDID_END")
            && let Some(call) = message.get("LinkedID")
        {
            facts.push(self.fact(call, time, FactKind::Over));
        }
    }

    /// A channel in the answer to CoreShowChannels: all that was missed of it, as well as can be told.
    fn found_channel(&mut self, message: &Message<'_>, now: Micros, facts: &mut Vec<CallFact>) {
        let Some((call, leg)) = self.leg(message, &SOURCE, now, facts) else { return };
        let age = || message.get("Duration").and_then(read_duration).unwrap_or(0);
        let began = message.began().unwrap_or_else(|| now.plus(-age()));
        let party = message.get("CallerIDNum").and_then(|text| self.party_of(&leg, text));
        let exten = message.get("Exten").filter(|text| has_digit(text));
        let wanted = exten.and_then(|text| self.rules.numbers.dialled(text));
        let state = message.get("ChannelState");
        let first = call == leg.id;
        let mut add = |time, kind| facts.push(self.fact(&call, time, kind));
        let dialled = wanted.clone().filter(|_| first);
        let arriving = state == Some("4");
        add(began, FactKind::LegStarted { leg: leg.clone(), arriving, found: true, party, dialled });
        let by = match message.get("Application") {
            Some("AppDial" | "AppQueue") if !first => Some(Some(call.clone())),
            Some("AppDial2") => Some(None),
            _ => None,
        };
        if let Some(by) = by {
            let target = wanted.filter(|party| leg.side == Side::Trunk && party.e164().is_some());
            add(began, FactKind::Dialled { leg: leg.clone(), by, party: None, target, found: true });
        }
        match state {
            Some("5") => add(now, FactKind::LegRinging { leg: leg.clone() }),
            Some("6") => add(now, FactKind::LegUp { leg: leg.clone() }),
            _ => {}
        }
        if let Some(bridge) = message.get("BridgeId") {
            add(now, FactKind::BridgeEntered { leg, bridge: bridge.to_owned() });
        }
    }

    fn found_in_queue(&mut self, message: &Message<'_>, now: Micros, facts: &mut Vec<CallFact>) {
        let (Some(queue), Some(leg)) = (message.get("Queue"), message.get(SOURCE.id)) else { return };
        let Some(call) = self.tracker.call(leg) else { return };
        let waited = message.get("Wait").and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let since = now.plus(-i64::from(waited) * 1_000_000);
        facts.push(self.fact(call, since, FactKind::QueueEntered { queue: queue.to_owned(), found: true }));
    }

    /// Adds a fact about the leg that `names` tell of.
    fn leg_fact(
        &mut self,
        message: &Message<'_>,
        names: &Names,
        time: Micros,
        facts: &mut Vec<CallFact>,
        kind: impl FnOnce(LegRef) -> FactKind,
    ) {
        if let Some((call, leg)) = self.leg(message, names, time, facts) {
            facts.push(self.fact(&call, time, kind(leg)));
        }
    }

    /// The call and leg that `names` tell of. When the leg has moved from another call, that is added as a fact.
    fn leg(
        &mut self,
        message: &Message<'_>,
        names: &Names,
        time: Micros,
        facts: &mut Vec<CallFact>,
    ) -> Option<(String, LegRef)> {
        let id = message.get(names.id)?;
        let channel = message.get(names.channel).unwrap_or_default();
        let call = message.get(names.call).or_else(|| self.tracker.call(id)).unwrap_or(id).to_owned();
        if let Some(left) = self.tracker.see(id, &call) {
            let to = self.tracker.call(id).unwrap_or(&call).to_owned();
            facts.push(self.fact(&left, time, FactKind::LegMoved { leg: id.to_owned(), to }));
        }
        let side = self.rules.trunks.side(channel, message.get(names.context));
        let side = self.tracker.side(id, side);
        Some((call, LegRef { id: id.to_owned(), channel: channel.to_owned(), side }))
    }

    fn fact(&self, call: &str, time: Micros, kind: FactKind) -> CallFact {
        let key = CallKey { connector: self.connector.clone(), call: call.to_owned() };
        CallFact { key, time, kind }
    }
}

/// Extensions such as `s`, `h` and `i` are places in the dial plan and not what anybody dialled.
fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// The number in a dial string such as `0145559876@trunk` or `PJSIP/trunk/0145559876`.
fn dialled_part(text: &str) -> &str {
    let text = text.split_once('@').map_or(text, |(number, _)| number);
    text.rsplit_once('/').map_or(text, |(_, number)| number)
}

/// Reads `hours:minutes:seconds` as microseconds.
fn read_duration(text: &str) -> Option<i64> {
    let seconds = text.split(':').try_fold(0_i64, |sum, part| {
        sum.checked_mul(60)?.checked_add(i64::from(part.parse::<u32>().ok()?))
    })?;
    seconds.checked_mul(1_000_000)
}
