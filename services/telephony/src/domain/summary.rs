//! What the state of a call means: direction, parties, outcome and times.
//! Called by the store after each change and by the RPCs; rules from the recordings of a real Asterisk.

use super::call::{Call, Direction, LocalParty, Originate, Outcome, QueueVisit, State};
use super::fact::{DialStatus, Micros, OriginateFailure, Side};
use super::fold::CallState;
use super::leg::Leg;
use super::number::Party;
use super::talk::{Talk, meeting};

/// How long to wait after the end for late facts, unless configured: the recordings' latest came 0.3 s late.
pub const GRACE_MICROS: u64 = 3_000_000;

impl CallState {
    /// The call as it looks at `now`. It is settled when nothing was heard for `grace_micros` after its end.
    pub fn summary(&self, now: Micros, grace_micros: u64) -> Call {
        let end = self.end();
        let talk = Talk::of(self, end.map_or(now, |(time, _)| time));
        let answer_time = self.answer_time(&talk);
        let direction = self.direction();
        let quiet = end.is_some_and(|(time, _)| now.since(time.max(self.last_time())) >= grace_micros);
        Call {
            key: self.key.clone(),
            direction,
            remote: self.remote(direction).cloned(),
            dialled: self.dialled(direction).cloned(),
            locals: self.locals(direction),
            state: match (end, answer_time) {
                (Some(_), _) => State::Ended,
                (None, Some(_)) => State::Answered,
                (None, None) => State::Ringing,
            },
            settled: quiet,
            outcome: self.outcome(direction, end, answer_time.is_some()),
            start_time: self.start(),
            answer_time,
            end_time: end.map(|(time, _)| time),
            end_estimated: end.is_some_and(|(_, estimated)| estimated),
            ring_micros: self.ring_micros(answer_time, end.map_or(now, |(time, _)| time), end.is_some()),
            talk_micros: self.talk_micros(&talk, answer_time, end.map_or(now, |(time, _)| time)),
            queue: self.queue_visit(end.map_or(now, |(time, _)| time)),
            transfers: self.transfers.iter().cloned().collect(),
            originate: self.originate(),
            truncated: self.truncated,
        }
    }

    /// The leg that began the call: Asterisk gives it the id of the call.
    fn first_leg(&self) -> Option<(&String, &Leg)> {
        let named = self.legs.get_key_value(&self.key.call);
        named.or_else(|| self.legs.iter().min_by_key(|(id, leg)| (leg.first_time(), *id)))
    }

    /// The first thing that was told; the first that was found by asking, when the beginning was missed.
    fn start(&self) -> Micros {
        let told = self.first_leg().is_some_and(|(_, leg)| leg.began_before_us());
        let found = self.found_first.get().filter(|_| !told);
        let first = [self.first.get(), found].into_iter().flatten().min();
        first.or(self.last.get()).copied().unwrap_or_default()
    }

    fn direction(&self) -> Option<Direction> {
        if let Some((_, direction)) = self.whole.direction.get() {
            return Some(*direction);
        }
        let (id, first) = match self.first_leg() {
            Some((id, leg)) => (Some(id), Some(leg)),
            None => (None, None),
        };
        // seen from its middle, a trunk that was dialled looks like one that calls: only the first leg is sure
        let sure = id.is_some_and(|id| *id == self.key.call) || first.is_some_and(|leg| leg.arriving);
        if sure && first.is_some_and(|leg| leg.side() == Side::Trunk && leg.dialled.is_none()) {
            return Some(Direction::Inbound);
        }
        let trunk_called = self.legs.values().any(|leg| leg.side() == Side::Trunk);
        let wants_outside = matches!(self.originate_target(), Some(Party::Number(_)));
        if trunk_called || wants_outside {
            return Some(Direction::Outbound);
        }
        if self.originate_target().is_some() || (sure && first.is_some_and(|leg| !leg.is_originated())) {
            return Some(Direction::Internal);
        }
        self.direction_by_parties()
    }

    fn direction_by_parties(&self) -> Option<Direction> {
        let from = self.whole.from.get().map(|(_, party)| party);
        let to = self.whole.to.get().map(|(_, party)| party);
        match (from, to) {
            (Some(Party::Internal(_)), Some(Party::Internal(_))) => Some(Direction::Internal),
            (Some(Party::Internal(_)), Some(_)) => Some(Direction::Outbound),
            (Some(_), Some(Party::Internal(_))) => Some(Direction::Inbound),
            _ => None,
        }
    }

    fn originate_target(&self) -> Option<&Party> {
        let reached = self.originated.get().and_then(|(_, _, target)| target.as_ref());
        reached.or_else(|| self.originate_failed.get().and_then(|(_, _, target, _)| target.as_ref()))
    }

    fn remote(&self, direction: Option<Direction>) -> Option<&Party> {
        match direction? {
            Direction::Inbound => {
                let caller = self.first_leg().and_then(|(_, leg)| leg.party.get());
                self.whole.from.get().map(|(_, party)| party).or(caller.map(|(_, _, party)| party))
            }
            Direction::Outbound => {
                self.whole.to.get().map(|(_, party)| party).or_else(|| self.called_outside())
            }
            Direction::Internal => None,
        }
    }

    /// The number that was called: as dialled for the trunk, else as asked for, else as the caller dialled.
    fn called_outside(&self) -> Option<&Party> {
        let trunks = self.legs.iter().filter(|(_, leg)| leg.side() == Side::Trunk);
        let (_, trunk) = trunks.min_by_key(|(id, leg)| (leg.first_time(), *id)).unzip();
        let dialled = trunk.and_then(|leg| leg.wanted.get());
        let wanted = self.first_leg().and_then(|(_, leg)| leg.wanted.get());
        let number = |party: &&Party| matches!(party, Party::Number(_));
        dialled
            .map(|(_, _, party)| party)
            .filter(number)
            .or_else(|| self.originate_target())
            .or_else(|| wanted.map(|(_, _, party)| party).filter(number))
            .or_else(|| trunk.and_then(|leg| leg.party.get()).map(|(_, _, party)| party))
    }

    fn dialled(&self, direction: Option<Direction>) -> Option<&Party> {
        if direction == Some(Direction::Outbound) {
            return self.remote(direction);
        }
        let told = self.whole.to.get().map(|(_, party)| party);
        let wanted = self.first_leg().and_then(|(_, leg)| leg.wanted.get()).map(|(_, _, party)| party);
        told.or_else(|| self.originate_target()).or(wanted)
    }

    fn locals(&self, direction: Option<Direction>) -> Vec<LocalParty> {
        let inside = |(id, leg): &(&String, &Leg)| leg.side() == Side::Phone && !self.is_outside(id);
        let mut phones: Vec<_> = self.legs.iter().filter(inside).collect();
        phones.sort_by_key(|(id, leg)| (leg.first_time(), *id));
        let mut locals: Vec<_> = phones.into_iter().map(|(id, leg)| self.local(id, leg)).collect();
        let shed = self.answers.iter().filter(|answer| {
            answer.leg.side == Side::Phone && !self.legs.contains_key(&answer.leg.id) && !answer.own
        });
        locals.extend(shed.map(|answer| LocalParty {
            extension: None,
            channel: answer.leg.channel.clone(),
            answered: true,
            dial_status: Some(DialStatus::Answered),
        }));
        if locals.is_empty() {
            locals.extend(self.told_local(direction));
        }
        locals
    }

    fn local(&self, id: &str, leg: &Leg) -> LocalParty {
        let party = leg.party.get().and_then(|(_, _, party)| party.internal());
        let taken = self.answers.iter().any(|answer| answer.leg.id == *id);
        LocalParty {
            extension: party.map(str::to_owned),
            channel: leg.channel.get().map(|(_, _, channel, _)| channel.clone()).unwrap_or_default(),
            answered: taken || self.enters.iter().any(|step| step.leg == *id),
            dial_status: leg.dial_end.get().map(|(_, status)| *status),
        }
    }

    /// The parties inside, where the system tells of no legs.
    fn told_local(&self, direction: Option<Direction>) -> Vec<LocalParty> {
        let from = self.whole.from.get().map(|(_, party)| party);
        let to = self.whole.to.get().map(|(_, party)| party);
        let inside = match direction {
            Some(Direction::Inbound) => vec![to],
            Some(Direction::Outbound) => vec![from],
            Some(Direction::Internal) => vec![from, to],
            None => Vec::new(),
        };
        let extensions = inside.into_iter().flatten().filter_map(Party::internal);
        extensions
            .map(|extension| LocalParty {
                extension: Some(extension.to_owned()),
                channel: String::new(),
                answered: !self.whole.answered.is_none(),
                dial_status: None,
            })
            .collect()
    }

    fn answer_time(&self, talk: &Talk) -> Option<Micros> {
        let told = self.whole.answered.get().copied();
        let taken = self.answers.iter().find(|it| !it.own && it.leg.side != Side::Helper).map(|it| it.time);
        let agent = self.queues.values().filter_map(|queue| queue.connected.get().copied()).min();
        // a leg that we call opens when it is answered; after a gap that is all that is known of it
        let outside = self.first_leg().filter(|(id, _)| self.is_outside(id));
        let outside = outside.and_then(|(_, leg)| leg.up.get().copied());
        let known = [told, taken, agent, outside, talk.start()].into_iter().flatten().min();
        known.or_else(|| meeting(self))
    }

    /// When the call ended, and whether that is a guess.
    fn end(&self) -> Option<(Micros, bool)> {
        if let Some(time) = self.whole.hung_up.get() {
            return Some((*time, false));
        }
        let ends = || self.legs.values().filter_map(|leg| leg.ended.get());
        let latest = ends().map(|end| end.time).max();
        if !self.legs.is_empty() && self.legs.values().all(|leg| !leg.ended.is_none()) {
            return latest.map(|time| (time, ends().any(|end| end.estimated)));
        }
        if let Some(over) = self.over.get() {
            return Some((latest.map_or(*over, |time| time.max(*over)), false));
        }
        if let Some(lost) = self.lost.get() {
            return Some((*lost, true));
        }
        let failed = self.originate_failed.get().filter(|_| self.legs.is_empty());
        failed.map(|(time, ..)| (*time, false))
    }

    fn outcome(
        &self,
        direction: Option<Direction>,
        end: Option<(Micros, bool)>,
        answered: bool,
    ) -> Option<Outcome> {
        let handed_on = end.is_some() && !self.transfers.is_empty();
        match (answered, end) {
            // somebody outside answered a dialler, and met nobody
            (true, Some(_)) if self.outside_first && !self.met_phone() => Some(Outcome::Abandoned),
            (true, _) if handed_on => Some(Outcome::Transferred),
            (true, _) => Some(Outcome::Answered),
            (false, None) => None,
            (false, Some((_, estimated))) => Some(self.outcome_unanswered(direction, estimated)),
        }
    }

    /// Whether one of our telephones was taken.
    pub(super) fn met_phone(&self) -> bool {
        let entered = self.enters.iter().filter(|step| !self.is_outside(&step.leg));
        let mut answers = self.answers.iter().filter(|answer| !self.is_outside(&answer.leg.id));
        answers.any(|answer| answer.leg.side == Side::Phone)
            || entered.filter_map(|step| self.legs.get(&step.leg)).any(|leg| leg.side() == Side::Phone)
    }

    fn outcome_unanswered(&self, direction: Option<Direction>, estimated: bool) -> Outcome {
        if let Some((_, told)) = self.whole.outcome.get() {
            return *told;
        }
        if self.queues.values().any(|queue| !queue.abandoned.is_none()) {
            return Outcome::Abandoned;
        }
        // of a dialler's call the leg itself says more than the order's answer
        let leg_tells = self.outside_first && !self.unanswered.is_none();
        if let Some((.., reason)) = self.originate_failed.get().filter(|_| !leg_tells) {
            return if *reason == OriginateFailure::Busy { Outcome::Busy } else { Outcome::Failed };
        }
        let gave_up =
            if direction == Some(Direction::Outbound) { Outcome::NoAnswer } else { Outcome::Missed };
        match self.unanswered.get() {
            Some((_, DialStatus::Cancelled)) => return gave_up,
            Some((_, DialStatus::Busy)) => return Outcome::Busy,
            Some((_, DialStatus::NoAnswer)) => return Outcome::NoAnswer,
            Some((_, DialStatus::Failed)) => return Outcome::Failed,
            Some((_, DialStatus::Answered)) | None => {}
        }
        if estimated {
            return Outcome::Unknown;
        }
        let first = self.first_leg().map(|(_, leg)| leg);
        match direction {
            _ if !self.whole.hung_up.is_none() => gave_up,
            // the queue sent the caller away: nobody was free in time
            Some(Direction::Inbound) if !self.queues.is_empty() => Outcome::NoAnswer,
            Some(Direction::Inbound) => Outcome::Missed,
            // somebody listens to the voice mail: no call between people
            Some(Direction::Internal) if first.is_some_and(|leg| !leg.up.is_none()) => Outcome::Unknown,
            Some(Direction::Outbound | Direction::Internal) => Outcome::Failed,
            None if first.is_some_and(Leg::is_originated) => Outcome::Failed,
            None => Outcome::Unknown,
        }
    }

    fn ring_micros(&self, answer: Option<Micros>, until: Micros, ended: bool) -> u64 {
        let legs = || self.legs.values().filter(|leg| leg.is_called());
        let told = self.whole.ringing.get().copied();
        let Some(start) = legs().filter_map(Leg::ring_start).chain(told).min() else { return 0 };
        let given_up = self.unanswered.get().map(|(time, _)| *time);
        let gone = legs().filter_map(|leg| leg.ended.get()).map(|end| end.time).max();
        let stop = match (answer, ended) {
            (Some(answer), _) => answer,
            (None, true) => given_up.or(gone).unwrap_or(until),
            (None, false) => until,
        };
        stop.since(start)
    }

    fn talk_micros(&self, talk: &Talk, answer: Option<Micros>, until: Micros) -> u64 {
        let told = answer.map_or(0, |answer| until.since(answer));
        // a system without bridges, or one whose bridge fell into a gap, leaves the time from answer to end
        if talk.is_empty() { told } else { talk.micros() }
    }

    fn queue_visit(&self, until: Micros) -> Option<QueueVisit> {
        let time = |queue: &super::fold::Queue| {
            let entered = queue.entered.get().map(|(_, time)| time);
            let left = queue.abandoned.get().or(queue.left.get());
            entered.or(queue.connected.get()).or(left).copied()
        };
        let (name, queue) = self.queues.iter().max_by_key(|(name, queue)| (time(queue), *name))?;
        let stop = queue.connected.get().or(queue.abandoned.get()).or(queue.left.get());
        Some(QueueVisit {
            name: name.clone(),
            wait_micros: queue.entered.get().map_or(0, |(_, t)| stop.copied().unwrap_or(until).since(*t)),
            connected: !queue.connected.is_none(),
            abandoned: !queue.abandoned.is_none(),
        })
    }

    fn originate(&self) -> Option<Originate> {
        let reached = self.originated.get().map(|(_, action, _)| action);
        let action = reached.or_else(|| self.originate_failed.get().map(|(_, action, ..)| action))?;
        let channel = self.first_leg().map(|(id, _)| id.clone());
        Some(Originate { action: action.clone(), channel })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fact::{CallFact, CallKey, FactKind, LegRef};
    use super::super::number::{NumberRules, Region};
    use super::super::record::Record;
    use super::*;

    fn key() -> CallKey {
        CallKey { connector: "office".to_owned(), call: "ours".to_owned() }
    }

    fn leg(id: &str) -> LegRef {
        // what a channel outside the known trunks looks like
        LegRef { id: id.to_owned(), channel: format!("PJSIP/{id}-1"), side: Side::Phone }
    }

    fn tell(record: &mut Record, time: i64, kind: FactKind) {
        record.learn(&CallFact { key: key(), time: Micros(time), kind }.into());
    }

    fn placed() -> Record {
        let region = Region::parse("BE").expect("Belgium is a region");
        let rules = NumberRules { region, outside_prefix: String::new(), internal_digits: 3 };
        let to = rules.caller("+32470000000").expect("a number");
        Record::placed(key(), Micros(1), &to, "callLists/fair/entries/1")
    }

    #[test]
    fn a_diallers_call_is_answered_with_a_telephone_of_ours_and_abandoned_without() {
        let mut record = placed();
        assert!(!record.wants_operator(&record.view(Micros(2))));
        // all that is known after a gap
        tell(&mut record, 2, FactKind::LegUp { leg: leg("ours") });
        assert!(record.wants_operator(&record.view(Micros(3))));
        record.connect("users/ann");
        assert_eq!(record.connects(), Some("users/ann"));
        let mut alone = record.clone();
        let over = |id: &str| FactKind::LegEnded { leg: leg(id), cause: Some(16) };
        tell(&mut alone, 9, over("ours"));
        assert_eq!(alone.view(Micros(10)).outcome, Some(Outcome::Abandoned));
        let taken = FactKind::DialEnded {
            leg: leg("phone"),
            by: Some("ours".to_owned()),
            status: DialStatus::Answered,
        };
        tell(&mut record, 4, taken);
        assert_eq!(record.connects(), None);
        tell(&mut record, 9, over("phone"));
        tell(&mut record, 9, over("ours"));
        let view = record.view(Micros(10));
        assert_eq!((view.outcome, view.answer), (Some(Outcome::Answered), Some(Micros(2))));
    }

    #[test]
    fn of_a_diallers_call_in_vain_the_leg_says_more_than_the_order() {
        for (status, outcome) in
            [(DialStatus::NoAnswer, Outcome::NoAnswer), (DialStatus::Busy, Outcome::Busy)]
        {
            let mut record = placed();
            let ended = FactKind::DialEnded { leg: leg("ours"), by: None, status };
            tell(&mut record, 4, ended);
            tell(&mut record, 5, FactKind::LegEnded { leg: leg("ours"), cause: None });
            let (action, reason) = ("ours".to_owned(), OriginateFailure::Other);
            tell(&mut record, 6, FactKind::OriginateFailed { action, target: None, reason });
            assert_eq!(record.view(Micros(7)).outcome, Some(outcome));
        }
    }
}
