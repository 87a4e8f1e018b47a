//! One event in the neutral form of webhooks and gRPC, checked, and turned into items for the fold.
//! Called by rpc/ingest.rs, with messages and with what `post` read.

use kontor_kit::{Error, Result};

use super::call::{Direction, Outcome, TransferKind};
use super::fact::{CallFact, CallKey, FactKind, Micros};
use super::number::{MAX_RAW_BYTES, NumberRules};
use super::record::Item;
use super::webhook::{Phase, WebhookEvent};

/// How far ahead of our clock an event may be, in microseconds: a day, for clocks set to a wrong zone.
const AHEAD_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It rings.
    Ringing,
    /// Someone answered.
    Answered,
    /// It is over.
    HungUp,
    /// It was passed on.
    Transferred,
}

/// An event as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The telephone system's id of the call.
    pub call_id: String,
    /// What happened.
    pub kind: Option<Kind>,
    /// When, in microseconds since 1970 UTC.
    pub time: Option<i64>,
    /// Which way.
    pub direction: Option<Direction>,
    /// Who calls.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// Name of the caller.
    pub from_name: String,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Extension of the user concerned.
    pub extension: String,
    /// To whom it was passed on.
    pub transfer_to: String,
    /// Queue that it waits in, or call list that it is for.
    pub queue: String,
}

impl Told {
    /// Checks the event and turns it into items. `place` stands before the field's name in errors: "events[3].".
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn items(self, connector: &str, rules: &NumberRules, now: i64, place: &str) -> Result<Vec<Item>> {
        let wrong = |field: &str, message: &str| Error::invalid(format!("{place}{field}"), message);
        if !(1..=200).contains(&self.call_id.chars().count()) || self.call_id.chars().any(char::is_control) {
            return Err(wrong("call_id", "give 1 to 200 characters: the telephone system's id of the call"));
        }
        let kind = self
            .kind
            .ok_or_else(|| wrong("kind", "it is missing: give RINGING, ANSWERED, HUNGUP or TRANSFERRED"))?;
        let time = self
            .time
            .ok_or_else(|| wrong("event_time", "it is missing: give an instant like 2026-11-23T09:00:00Z"))?;
        if time < 0 || time > now.saturating_add(AHEAD_MICROS) {
            return Err(wrong(
                "event_time",
                "it is before 1970 or more than a day ahead of the server's clock",
            ));
        }
        for (field, text) in [("from", &self.from), ("to", &self.to), ("transfer_to", &self.transfer_to)] {
            if text.len() > MAX_RAW_BYTES || text.chars().any(char::is_control) {
                return Err(wrong(field, "a number has at most 96 bytes and no control characters"));
            }
        }
        if self.from_name.chars().count() > 200 || self.from_name.chars().any(char::is_control) {
            return Err(wrong("from_name", "use at most 200 characters without control characters"));
        }
        if self.extension.len() > 32 || self.extension.chars().any(char::is_control) {
            return Err(wrong("extension", "an extension has at most 32 bytes"));
        }
        if self.queue.chars().count() > 100 || self.queue.chars().any(char::is_control) {
            return Err(wrong("queue", "the name of a queue has at most 100 characters on one line"));
        }
        if kind == Kind::Transferred && self.transfer_to.trim().is_empty() {
            return Err(wrong("transfer_to", "it is missing: say to whom the call was passed on"));
        }
        let key = CallKey { connector: connector.to_owned(), call: self.call_id.clone() };
        Ok(self.known(key, kind, Micros(time), rules))
    }

    fn known(self, key: CallKey, kind: Kind, time: Micros, rules: &NumberRules) -> Vec<Item> {
        let phase = match kind {
            Kind::Ringing => Phase::Ringing,
            Kind::Answered => Phase::Answered,
            Kind::HungUp => Phase::HungUp,
            Kind::Transferred => Phase::Started,
        };
        let event = WebhookEvent {
            key: key.clone(),
            time,
            phase,
            direction: self.direction,
            from: rules.caller(&self.from),
            to: rules.dialled(&self.to),
            outcome: self.outcome,
        };
        let mut facts = event.facts();
        let queue = self.queue.trim();
        if !queue.is_empty() {
            let kind = FactKind::QueueEntered { queue: queue.to_owned(), found: false };
            facts.push(CallFact { key: key.clone(), time, kind });
        }
        if kind == Kind::Transferred {
            let (kind, to) = (TransferKind::Attended, rules.dialled(&self.transfer_to));
            let kind = FactKind::Transferred { kind, by: self.extension.clone(), to };
            facts.push(CallFact { key, time, kind });
        }
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let (caller_name, extension) = (some(&self.from_name), some(&self.extension));
        let items = facts.into_iter().map(|fact| Item {
            fact,
            caller_name: caller_name.clone(),
            extension: extension.clone(),
        });
        items.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::number::Region;

    #[test]
    fn no_text_brings_a_control_character_in() {
        let rules = NumberRules {
            region: Region::parse("BE").expect("a country"),
            outside_prefix: String::new(),
            internal_digits: 4,
        };
        let told =
            || Told { call_id: "1".into(), kind: Some(Kind::Transferred), time: Some(1), ..Told::default() };
        let told = || Told { transfer_to: "102".into(), ..told() };
        assert!(told().items("a", &rules, 2, "").is_ok());
        type Change = fn(&mut Told);
        let changes: [(&str, Change); 7] = [
            ("call_id", |it| it.call_id.push('\0')),
            ("from", |it| it.from.push('\0')),
            ("to", |it| it.to.push('\0')),
            ("from_name", |it| it.from_name.push('\0')),
            ("extension", |it| it.extension.push('\0')),
            ("transfer_to", |it| it.transfer_to.push('\0')),
            ("queue", |it| it.queue.push('\0')),
        ];
        for (field, change) in changes {
            let mut wrong = told();
            change(&mut wrong);
            let refused = wrong.items("a", &rules, 2, "events[3].").expect_err(field);
            assert!(refused.message().starts_with(&format!("events[3].{field}")), "{refused}");
        }
    }
}
