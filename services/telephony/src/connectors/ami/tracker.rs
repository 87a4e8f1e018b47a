//! What the translation remembers between messages: which leg is in which call, and click-to-calls under way.
//! Called by [`super::translate`]; bounded, and nothing here decides how a call looks.

use std::collections::{HashMap, VecDeque};

use crate::domain::fact::{Micros, Side};

/// Most legs remembered; a busy Asterisk has some hundreds at a time.
const MAX_LEGS: usize = 8_192;
/// Most click-to-calls remembered.
const MAX_ORIGINATES: usize = 256;
/// How long after its first leg a failed click to call may be reported, in microseconds.
const ORIGINATE_MICROS: i64 = 600_000_000;

/// The legs and click-to-calls that are known.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    legs: HashMap<String, Tracked>,
    order: VecDeque<String>,
    originates: VecDeque<OriginateLeg>,
}

#[derive(Debug, Clone)]
struct Tracked {
    call: String,
    side: Option<Side>,
    open: bool,
}

#[derive(Debug)]
struct OriginateLeg {
    call: String,
    channel: String,
    began: Micros,
    answered: bool,
    action: Option<String>,
}

impl Tracker {
    /// Notes that a leg is in a call. When it was in another one before, tells which of the two it has left.
    pub(super) fn see(&mut self, leg: &str, call: &str) -> Option<String> {
        let Some(tracked) = self.legs.get_mut(leg) else {
            self.insert(leg, call);
            return None;
        };
        if tracked.call == call {
            return None;
        }
        if is_older(&tracked.call, call) {
            return Some(call.to_owned());
        }
        Some(std::mem::replace(&mut tracked.call, call.to_owned()))
    }

    fn insert(&mut self, leg: &str, call: &str) {
        if self.order.len() >= MAX_LEGS
            && let Some(oldest) = self.order.pop_front()
        {
            self.legs.remove(&oldest);
        }
        self.order.push_back(leg.to_owned());
        self.legs.insert(leg.to_owned(), Tracked { call: call.to_owned(), side: None, open: true });
    }

    /// The side of a leg: as first noted, for a transfer moves a trunk into an inner context.
    pub(super) fn side(&mut self, leg: &str, side: Side) -> Side {
        self.legs.get_mut(leg).map_or(side, |tracked| *tracked.side.get_or_insert(side))
    }

    /// The call that a leg is in.
    pub(super) fn call(&self, leg: &str) -> Option<&str> {
        self.legs.get(leg).map(|tracked| tracked.call.as_str())
    }

    /// Notes that a leg ended.
    pub(super) fn close(&mut self, leg: &str) {
        if let Some(tracked) = self.legs.get_mut(leg) {
            tracked.open = false;
        }
    }

    /// The legs that have not ended, with their calls.
    pub(super) fn open(&self) -> Vec<(String, String)> {
        let open = self.legs.iter().filter(|(_, tracked)| tracked.open);
        open.map(|(leg, tracked)| (leg.clone(), tracked.call.clone())).collect()
    }

    /// Notes the first leg of a click to call.
    pub(super) fn originate(&mut self, call: &str, channel: &str, began: Micros) {
        if self.originates.iter().any(|known| known.call == call) {
            return;
        }
        if self.originates.len() >= MAX_ORIGINATES {
            self.originates.pop_front();
        }
        let (call, channel) = (call.to_owned(), channel.to_owned());
        self.originates.push_back(OriginateLeg { call, channel, began, answered: false, action: None });
    }

    /// Notes that the first leg of a click to call was taken, so that no failure can mean it.
    pub(super) fn originate_answered(&mut self, call: &str) {
        if let Some(known) = self.originates.iter_mut().find(|known| known.call == call) {
            known.answered = true;
        }
    }

    /// The call of which a failed click to call tells: Asterisk gives it no id, only the device and our own id.
    pub(super) fn failed_originate(&mut self, action: &str, device: &str, time: Micros) -> Option<String> {
        if let Some(known) = self.originates.iter().find(|known| known.action.as_deref() == Some(action)) {
            return Some(known.call.clone());
        }
        let fits = |known: &&mut OriginateLeg| {
            let after = time.0.saturating_sub(known.began.0);
            let device_fits = known.channel.strip_prefix(device).is_some_and(|rest| rest.starts_with('-'));
            known.action.is_none() && !known.answered && device_fits && (0..ORIGINATE_MICROS).contains(&after)
        };
        // with several to the same device the oldest fails first: they have the same time to ring
        let known = self.originates.iter_mut().filter(fits).min_by_key(|known| known.began)?;
        known.action = Some(action.to_owned());
        Some(known.call.clone())
    }
}

/// Whether the first of two calls is the one that Asterisk keeps when they become one: the older.
fn is_older(kept: &str, other: &str) -> bool {
    match (age(kept), age(other)) {
        (Some(kept), Some(other)) => kept < other,
        _ => false,
    }
}

/// Second and number of an id such as `1795427910.3` or `office-1795427910.3`.
fn age(id: &str) -> Option<(u64, u64)> {
    let (seconds, number) = id.rsplit('-').next()?.split_once('.')?;
    Some((seconds.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leg_that_joins_an_older_call_leaves_the_younger_in_any_order() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.see("1700000000.9", "1700000000.9"), None);
        assert_eq!(tracker.see("1700000000.9", "1700000000.2"), Some("1700000000.9".into()));
        assert_eq!(tracker.see("1700000000.9", "1700000000.9"), Some("1700000000.9".into()));
        assert_eq!(tracker.call("1700000000.9"), Some("1700000000.2"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut tracker = Tracker::default();
        for number in 0..MAX_LEGS + 10 {
            tracker.see(&format!("1.{number}"), "1.0");
        }
        assert_eq!((tracker.legs.len(), tracker.order.len()), (MAX_LEGS, MAX_LEGS));
        assert_eq!(tracker.call("1.0"), None);
    }

    #[test]
    fn failed_originate_finds_its_leg_by_device_and_keeps_it() {
        let mut tracker = Tracker::default();
        tracker.originate("1.1", "PJSIP/bob-00000001", Micros(10));
        tracker.originate("1.2", "PJSIP/bob-00000002", Micros(20));
        tracker.originate("1.3", "PJSIP/bobby-00000003", Micros(5));
        assert_eq!(tracker.failed_originate("a", "PJSIP/bob", Micros(30)), Some("1.1".into()));
        assert_eq!(tracker.failed_originate("a", "PJSIP/bob", Micros(30)), Some("1.1".into()));
        assert_eq!(tracker.failed_originate("b", "PJSIP/bob", Micros(30)), Some("1.2".into()));
        assert_eq!(tracker.failed_originate("c", "PJSIP/bob", Micros(30)), None);
    }
}
