//! Events to facts. Stateless but for a bounded memory of legs and of the orders that we gave.
//! Called by [`super::line`] for each event and channel; tests call it with texts.

use std::collections::{HashMap, HashSet};

use super::config::Rules;
use super::event::Event;
use super::listing::Row;
use super::tracker::Tracker;
use crate::domain::call::TransferKind;
use crate::domain::fact::{CallFact, CallKey, DialStatus, FactKind, LegRef, Micros, OriginateFailure, Side};
use crate::domain::number::Party;

/// Turns events into facts.
#[derive(Debug)]
pub struct Translator {
    connector: String,
    rules: Rules,
    tracker: Tracker,
}

impl Translator {
    /// A translation for one connector; `open` are the (call, leg) pairs that an earlier run left open.
    pub fn new(connector: &str, rules: Rules, open: &[(String, String)]) -> Self {
        let mut tracker = Tracker::default();
        for (call, leg) in open {
            tracker.see(leg, None, Some(call));
        }
        Translator { connector: connector.to_owned(), rules, tracker }
    }

    /// Adds the facts in an event to `facts`. `now` is when it came, for events that carry no time.
    pub fn translate(&mut self, event: &Event<'_>, now: Micros, facts: &mut Vec<CallFact>) {
        let time = event.time().unwrap_or(now);
        match event.name() {
            "BACKGROUND_JOB" => self.job(event, time, facts),
            "CUSTOM" if event.get("Event-Subclass") == Some("callcenter::info") => {
                self.queue(event, time, facts);
            }
            name if name.starts_with("CHANNEL_") => self.channel(event, time, facts),
            _ => {}
        }
    }

    fn channel(&mut self, event: &Event<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        let Some((call, leg)) = self.leg(event, time, facts) else { return };
        let outbound = event.get("Call-Direction") == Some("outbound");
        match event.name() {
            "CHANNEL_CREATE" => {
                facts.push(self.started(&call, leg.clone(), event, time));
                // who had it dialled may be told only later: a leg of ours is known by its id
                if outbound && (parent(event).is_some() || self.tracker.is_ordered(&leg.id)) {
                    self.dialled(&call, leg, event, time, facts);
                }
            }
            "CHANNEL_ORIGINATE" if outbound => self.dialled(&call, leg, event, time, facts),
            "CHANNEL_PROGRESS" | "CHANNEL_PROGRESS_MEDIA" if outbound => {
                self.dialled(&call, leg.clone(), event, time, facts);
                facts.push(self.fact(&call, time, FactKind::LegRinging { leg }));
            }
            "CHANNEL_ANSWER" => {
                if outbound {
                    self.dialled(&call, leg.clone(), event, time, facts);
                    self.dial_ended(&call, &leg, time, DialStatus::Answered, facts);
                }
                self.tracker.taken(&leg.id);
                if let Some(other) = self.tracker.take_early(&leg.id) {
                    self.bridged(&call, leg.clone(), &other, true, time, facts);
                }
                facts.push(self.fact(&call, time, FactKind::LegUp { leg }));
            }
            "CHANNEL_BRIDGE" => self.bridge(event, &call, leg, true, time, facts),
            "CHANNEL_UNBRIDGE" => self.bridge(event, &call, leg, false, time, facts),
            "CHANNEL_HANGUP" => self.hangup(event, &call, leg, outbound, time, facts),
            _ => {}
        }
    }

    fn started(&mut self, call: &str, leg: LegRef, event: &Event<'_>, time: Micros) -> CallFact {
        let arriving = event.get("Call-Direction") == Some("inbound");
        let numbers = &self.rules.numbers;
        let called = event.get("Caller-Destination-Number").filter(|text| has_digit(text));
        let (party, dialled) = if arriving {
            let party = event.get("Caller-Caller-ID-Number").and_then(|text| numbers.caller(text));
            let dialled = called.and_then(|text| match leg.side {
                Side::Trunk => numbers.caller(text),
                _ => numbers.dialled(text),
            });
            (party, dialled)
        } else {
            (called.and_then(|text| self.party_of(leg.side, text)), None)
        };
        self.tracker.meet(&leg.id, party.as_ref());
        self.fact(call, time, FactKind::LegStarted { leg, arriving, found: false, party, dialled })
    }

    /// Who is at the far end of a leg that was dialled: a telephone has an extension, else it is the number that it was told of.
    fn party_of(&self, side: Side, text: &str) -> Option<Party> {
        let party = self.rules.numbers.dialled(text)?;
        (side == Side::Trunk || matches!(party, Party::Internal(_))).then_some(party)
    }

    fn dialled(
        &mut self,
        call: &str,
        leg: LegRef,
        event: &Event<'_>,
        time: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        if self.tracker.dialled_by(&leg.id).is_some() {
            return;
        }
        let by = parent(event);
        self.tracker.dialled(&leg.id, by);
        let called = event.get("Caller-Destination-Number").filter(|text| has_digit(text));
        let party = called.and_then(|text| self.party_of(leg.side, text));
        let target = party.clone().filter(|_| leg.side == Side::Trunk);
        let by = by.map(str::to_owned);
        facts.push(self.fact(call, time, FactKind::Dialled { leg, by, party, target, found: false }));
    }

    fn dial_ended(
        &self,
        call: &str,
        leg: &LegRef,
        time: Micros,
        status: DialStatus,
        facts: &mut Vec<CallFact>,
    ) {
        let by = self.tracker.dialled_by(&leg.id).flatten();
        facts.push(self.fact(call, time, FactKind::DialEnded { leg: leg.clone(), by, status }));
    }

    fn bridge(
        &mut self,
        event: &Event<'_>,
        call: &str,
        leg: LegRef,
        entered: bool,
        time: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        let ends = ["Bridge-A-Unique-ID", "Bridge-B-Unique-ID", "Other-Leg-Unique-ID"];
        let other = ends.iter().filter_map(|key| event.get(key)).find(|id| *id != leg.id);
        let Some(other) = other.map(str::to_owned) else { return };
        if entered {
            // both speak to each other, so they are in one call from now on
            let first = leg.id.clone();
            self.see(&other, Some(&first), None, time, facts);
            // before it is taken, a leg only lets its ringing be heard
            for (early, with) in [(&other, &leg.id), (&leg.id, &other)] {
                if self.tracker.rings(early) {
                    self.tracker.early(early, with);
                    return;
                }
            }
        } else {
            self.tracker.take_early(&other);
            self.tracker.take_early(&leg.id);
        }
        self.bridged(call, leg, &other, entered, time, facts);
    }

    fn bridged(
        &self,
        call: &str,
        leg: LegRef,
        other: &str,
        entered: bool,
        time: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        let bridge = bridge_id(&leg.id, other);
        let unseen = || LegRef { id: other.to_owned(), channel: String::new(), side: Side::Phone };
        let other = self.tracker.leg(other).unwrap_or_else(unseen);
        for leg in [leg, other] {
            let bridge = bridge.clone();
            let kind = if entered {
                FactKind::BridgeEntered { leg, bridge }
            } else {
                FactKind::BridgeLeft { leg, bridge }
            };
            facts.push(self.fact(call, time, kind));
        }
    }

    fn hangup(
        &mut self,
        event: &Event<'_>,
        call: &str,
        leg: LegRef,
        outbound: bool,
        time: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        let cause = event.get("Hangup-Cause").unwrap_or_default();
        let unanswered = event.get("Caller-Channel-Answered-Time") == Some("0");
        if outbound && unanswered && self.tracker.dialled_by(&leg.id).is_some() {
            self.dial_ended(call, &leg, time, dial_status(cause), facts);
        }
        let told = event.get("variable_endpoint_disposition").unwrap_or(cause);
        let kind = [("BLIND_TRANSFER", TransferKind::Blind), ("ATTENDED_TRANSFER", TransferKind::Attended)];
        if let Some((_, kind)) = kind.into_iter().find(|(name, _)| told == *name || cause == *name) {
            let to = event.get("variable_sip_refer_to").and_then(user_part);
            let to = to.and_then(|text| self.rules.numbers.dialled(text));
            facts.push(self.fact(call, time, FactKind::Transferred { kind, by: leg.id.clone(), to }));
        }
        let q850 = event.get("variable_hangup_cause_q850").and_then(|text| text.parse().ok());
        self.tracker.close(&leg.id);
        facts.push(self.fact(call, time, FactKind::LegEnded { leg, cause: q850 }));
    }

    /// The end of an order of ours: the user's telephone was reached, or was not.
    fn job(&self, event: &Event<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        let (Some(job), Some(body)) = (event.get("Job-UUID"), event.get("_body")) else { return };
        // everybody hears of everybody's jobs
        if event.get("Job-Command") != Some("originate") || !self.tracker.is_ours(job) {
            return;
        }
        let call = self.tracker.call(job).unwrap_or(job);
        let (action, target) = (job.to_owned(), None);
        let kind = if body.starts_with("+OK") {
            FactKind::Originated { action, target }
        } else {
            let busy = body.contains("USER_BUSY");
            let reason = if busy { OriginateFailure::Busy } else { OriginateFailure::Other };
            FactKind::OriginateFailed { action, target, reason }
        };
        facts.push(self.fact(call, time, kind));
    }

    /// What mod_callcenter says of callers who wait.
    fn queue(&self, event: &Event<'_>, time: Micros, facts: &mut Vec<CallFact>) {
        let (Some(queue), Some(leg)) = (event.get("CC-Queue"), event.get("CC-Member-Session-UUID")) else {
            return;
        };
        // "support@default": the queue and its profile
        let queue = queue.split('@').next().unwrap_or(queue).to_owned();
        let call = self.tracker.call(leg).unwrap_or(leg).to_owned();
        let kind = match event.get("CC-Action") {
            Some("member-queue-start") => FactKind::QueueEntered { queue, found: false },
            Some("bridge-agent-start") => {
                let agent = event.get("CC-Agent-UUID").and_then(|leg| self.tracker.leg(leg));
                let Some(agent) = agent else { return };
                FactKind::AgentConnected { queue, agent }
            }
            Some("member-queue-end") => {
                let gave_up = event.get("CC-Cause") == Some("Cancel")
                    && event.get("CC-Cancel-Reason") == Some("BREAK_OUT");
                if gave_up { FactKind::QueueAbandoned { queue } } else { FactKind::QueueLeft { queue } }
            }
            _ => return,
        };
        facts.push(self.fact(&call, time, kind));
    }

    /// The channels that are there now: all that was missed of them, as well as can be told. Unless `all`, only of those that nothing was heard of.
    pub fn found(&mut self, rows: &[Row], all: bool, now: Micros, facts: &mut Vec<CallFact>) {
        let mut speaking: HashMap<&str, Vec<&str>> = HashMap::new();
        for row in rows.iter().filter(|row| row.speaks()) {
            speaking.entry(row.call()).or_default().push(&row.uuid);
        }
        for row in rows {
            if all || self.tracker.call(&row.uuid).is_none() {
                let together = speaking.get(row.call()).map(Vec::as_slice).unwrap_or_default();
                self.found_one(row, together, now, facts);
            }
        }
    }

    fn found_one(&mut self, row: &Row, together: &[&str], now: Micros, facts: &mut Vec<CallFact>) {
        let arriving = row.direction == "inbound";
        let told = Some(row.call_uuid.as_str()).filter(|call| !call.is_empty());
        self.see(&row.uuid, None, told, now, facts);
        let call = self.tracker.call(&row.uuid).unwrap_or(&row.uuid).to_owned();
        let side = self.rules.trunks.side(&row.name, Some(&row.context), arriving);
        let leg = self.tracker.name(&row.uuid, &row.name, side);
        let began = row.created_epoch.parse::<i64>().ok().filter(|time| (1..10_000_000_000).contains(time));
        let began = began.map_or(now, |seconds| Micros(seconds * 1_000_000));
        let numbers = &self.rules.numbers;
        let called = Some(row.dest.as_str()).filter(|text| has_digit(text));
        let (party, dialled) = if arriving {
            (numbers.caller(&row.cid_num), called.and_then(|text| numbers.dialled(text)))
        } else {
            (called.and_then(|text| self.party_of(leg.side, text)), None)
        };
        self.tracker.meet(&row.uuid, party.as_ref());
        let kind =
            FactKind::LegStarted { leg: leg.clone(), arriving, found: true, party: party.clone(), dialled };
        facts.push(self.fact(&call, began, kind));
        if !arriving && self.tracker.dialled_by(&row.uuid).is_none() {
            let by = Some(call.clone()).filter(|call| *call != row.uuid);
            self.tracker.dialled(&row.uuid, by.as_deref());
            let target = party.filter(|_| leg.side == Side::Trunk);
            let kind = FactKind::Dialled { leg: leg.clone(), by, party: None, target, found: true };
            facts.push(self.fact(&call, began, kind));
        }
        match row.callstate.as_str() {
            "RINGING" | "EARLY" if !arriving => {
                facts.push(self.fact(&call, now, FactKind::LegRinging { leg }));
            }
            _ if row.speaks() => {
                self.tracker.taken(&row.uuid);
                facts.push(self.fact(&call, now, FactKind::LegUp { leg: leg.clone() }));
                if let [one, two] = together {
                    let bridge = bridge_id(one, two);
                    facts.push(self.fact(&call, now, FactKind::BridgeEntered { leg, bridge }));
                }
            }
            _ => {}
        }
    }

    /// Notes an order of ours, so that its end is known.
    pub fn ordered(&mut self, id: &str) {
        self.tracker.ordered(id);
    }

    /// The (leg, call) pairs that have not ended.
    pub fn open_legs(&self) -> Vec<(String, String)> {
        self.tracker.open()
    }

    /// Adds that those of `before` that are not among `found` are gone; when it was started anew, that their calls are lost.
    pub fn close_missing(
        &mut self,
        before: &[(String, String)],
        found: &HashSet<String>,
        restarted: bool,
        now: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        let mut lost = HashSet::new();
        for (leg, call) in self.tracker.missing(before, found) {
            self.tracker.close(&leg);
            facts.push(self.fact(&call, now, FactKind::LegLost { leg }));
            if restarted && lost.insert(call.clone()) {
                facts.push(self.fact(&call, now, FactKind::Lost));
            }
        }
    }

    /// The call and leg that an event tells of. When the leg has moved from another call, that is added as a fact.
    fn leg(
        &mut self,
        event: &Event<'_>,
        time: Micros,
        facts: &mut Vec<CallFact>,
    ) -> Option<(String, LegRef)> {
        let id = event.get("Unique-ID")?;
        let arriving = event.get("Call-Direction") == Some("inbound");
        let above = if arriving { None } else { parent(event) };
        self.see(id, above, event.get("Channel-Call-UUID"), time, facts);
        let channel = event.get("Channel-Name").unwrap_or_default();
        let side = self.rules.trunks.side(channel, event.get("Caller-Context"), arriving);
        let leg = self.tracker.name(id, channel, side);
        let call = self.tracker.call(id).unwrap_or(id).to_owned();
        Some((call, leg))
    }

    fn see(
        &mut self,
        leg: &str,
        parent: Option<&str>,
        told: Option<&str>,
        time: Micros,
        facts: &mut Vec<CallFact>,
    ) {
        if let Some(left) = self.tracker.see(leg, parent, told) {
            let to = self.tracker.call(leg).unwrap_or(leg).to_owned();
            facts.push(self.fact(&left, time, FactKind::LegMoved { leg: leg.to_owned(), to: to.clone() }));
            // the call that it joined has not heard who it is
            if let (Some(known), Some(party)) = (self.tracker.leg(leg), self.tracker.party(leg)) {
                let (arriving, party) = (false, Some(party));
                let kind = FactKind::LegStarted { leg: known, arriving, found: true, party, dialled: None };
                facts.push(self.fact(&to, time, kind));
            }
        }
    }

    fn fact(&self, call: &str, time: Micros, kind: FactKind) -> CallFact {
        let key = CallKey { connector: self.connector.clone(), call: call.to_owned() };
        CallFact { key, time, kind }
    }
}

/// The leg that had this one dialled, or for which the queue had it dialled.
fn parent<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    let originator =
        (event.get("Other-Type") == Some("originator")).then(|| event.get("Other-Leg-Unique-ID"));
    let told = originator.flatten().or_else(|| event.get("variable_originating_leg_uuid"));
    told.or_else(|| event.get("variable_cc_member_session_uuid"))
        .filter(|id| event.get("Unique-ID") != Some(id))
}

/// One id for two legs that speak to each other, whichever tells of it.
fn bridge_id(one: &str, two: &str) -> String {
    if one < two { format!("{one}+{two}") } else { format!("{two}+{one}") }
}

/// How dialling a leg that was not taken ended, by its hang-up cause.
pub(super) fn dial_status(cause: &str) -> DialStatus {
    match cause {
        "ORIGINATOR_CANCEL" | "LOSE_RACE" | "PICKED_OFF" | "NORMAL_CLEARING" | "MANAGER_REQUEST" => {
            DialStatus::Cancelled
        }
        "NO_ANSWER" | "ALLOTTED_TIMEOUT" | "NO_USER_RESPONSE" | "PROGRESS_TIMEOUT" | "MEDIA_TIMEOUT" => {
            DialStatus::NoAnswer
        }
        "USER_BUSY" => DialStatus::Busy,
        _ => DialStatus::Failed,
    }
}

/// The user in `<sip:102@10.0.0.1>`.
pub(super) fn user_part(text: &str) -> Option<&str> {
    let rest = text.split_once("sip:")?.1;
    rest.split(['@', '>', ';', '?']).next().filter(|user| !user.is_empty())
}

/// Destinations such as `park` are places in the dial plan and not what anybody dialled.
pub(super) fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}
