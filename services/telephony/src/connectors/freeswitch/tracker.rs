//! What the translation remembers between events: which leg is in which call and what it is, and the orders that we gave.
//! Called by [`super::translate`]; bounded, and nothing here decides how a call looks.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::domain::fact::{LegRef, Side};
use crate::domain::number::Party;

/// Most legs remembered; a busy FreeSWITCH has some thousands at a time.
const MAX_LEGS: usize = 16_384;
/// Most orders remembered.
const MAX_ORDERS: usize = 256;

/// The legs and orders that are known.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    legs: HashMap<String, Tracked>,
    order: VecDeque<String>,
    orders: VecDeque<String>,
}

#[derive(Debug)]
struct Tracked {
    call: String,
    channel: String,
    side: Option<Side>,
    party: Option<Party>,
    /// Which leg had it dialled; none inside for a click to call, none outside while that is not known.
    dialled_by: Option<Option<String>>,
    taken: bool,
    /// The leg with which it was bridged before it was taken.
    early: Option<String>,
    open: bool,
}

impl Tracker {
    /// Notes a leg and the call that it is said to be in: that of its parent where it has one, else the one that is told.
    /// When it was in another one before, tells which it has left.
    pub(super) fn see(&mut self, leg: &str, parent: Option<&str>, told: Option<&str>) -> Option<String> {
        let named = parent.or(told.filter(|told| *told != leg));
        let call = named.map(|other| self.call(other).unwrap_or(other).to_owned());
        let Some(tracked) = self.legs.get_mut(leg) else {
            self.insert(leg, call.as_deref().unwrap_or(leg));
            return None;
        };
        // a leg that was taken into a call stays there: its own id is what it had before
        let call = call.filter(|call| tracked.call != *call && call != leg)?;
        Some(std::mem::replace(&mut tracked.call, call))
    }

    fn insert(&mut self, leg: &str, call: &str) {
        if self.order.len() >= MAX_LEGS
            && let Some(oldest) = self.order.pop_front()
        {
            self.legs.remove(&oldest);
        }
        self.order.push_back(leg.to_owned());
        let (call, channel) = (call.to_owned(), String::new());
        let tracked = Tracked {
            call,
            channel,
            side: None,
            party: None,
            dialled_by: None,
            taken: false,
            early: None,
            open: true,
        };
        self.legs.insert(leg.to_owned(), tracked);
    }

    /// The call that a leg is in.
    pub(super) fn call(&self, leg: &str) -> Option<&str> {
        self.legs.get(leg).map(|tracked| tracked.call.as_str())
    }

    /// Notes name and side of a leg and gives them back: the side stays as first noted, for a transfer changes the context.
    pub(super) fn name(&mut self, leg: &str, channel: &str, side: Side) -> LegRef {
        let Some(tracked) = self.legs.get_mut(leg) else {
            return LegRef { id: leg.to_owned(), channel: channel.to_owned(), side };
        };
        if !channel.is_empty() {
            channel.clone_into(&mut tracked.channel);
        }
        let side =
            if channel.is_empty() { tracked.side.unwrap_or(side) } else { *tracked.side.get_or_insert(side) };
        LegRef { id: leg.to_owned(), channel: tracked.channel.clone(), side }
    }

    /// A leg as it was noted.
    pub(super) fn leg(&self, leg: &str) -> Option<LegRef> {
        let tracked = self.legs.get(leg)?;
        let side = tracked.side.unwrap_or(Side::Phone);
        Some(LegRef { id: leg.to_owned(), channel: tracked.channel.clone(), side })
    }

    /// Notes who is at the far end of a leg.
    pub(super) fn meet(&mut self, leg: &str, party: Option<&Party>) {
        if let (Some(tracked), Some(party)) = (self.legs.get_mut(leg), party) {
            tracked.party.get_or_insert_with(|| party.clone());
        }
    }

    /// Who is at the far end of a leg.
    pub(super) fn party(&self, leg: &str) -> Option<Party> {
        self.legs.get(leg)?.party.clone()
    }

    /// Notes who had a leg dialled.
    pub(super) fn dialled(&mut self, leg: &str, by: Option<&str>) {
        if let Some(tracked) = self.legs.get_mut(leg) {
            tracked.dialled_by.get_or_insert(by.map(str::to_owned));
        }
    }

    /// Who had a leg dialled.
    pub(super) fn dialled_by(&self, leg: &str) -> Option<Option<String>> {
        self.legs.get(leg)?.dialled_by.clone()
    }

    /// Notes that a leg was taken.
    pub(super) fn taken(&mut self, leg: &str) {
        if let Some(tracked) = self.legs.get_mut(leg) {
            tracked.taken = true;
        }
    }

    /// Whether a leg was dialled and not taken yet.
    pub(super) fn rings(&self, leg: &str) -> bool {
        self.legs.get(leg).is_some_and(|tracked| tracked.dialled_by.is_some() && !tracked.taken)
    }

    /// Notes that a leg was bridged before it was taken.
    pub(super) fn early(&mut self, leg: &str, with: &str) {
        if let Some(tracked) = self.legs.get_mut(leg) {
            tracked.early = Some(with.to_owned());
        }
    }

    /// The leg with which it was bridged before it was taken, once.
    pub(super) fn take_early(&mut self, leg: &str) -> Option<String> {
        self.legs.get_mut(leg)?.early.take()
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

    /// Notes an order of ours.
    pub(super) fn ordered(&mut self, id: &str) {
        if self.orders.len() >= MAX_ORDERS {
            self.orders.pop_front();
        }
        self.orders.push_back(id.to_owned());
    }

    /// Whether an order was given here.
    pub(super) fn is_ordered(&self, id: &str) -> bool {
        self.orders.iter().any(|known| known == id)
    }

    /// Whether an order is ours: given here, or its leg was seen.
    pub(super) fn is_ours(&self, id: &str) -> bool {
        self.legs.contains_key(id) || self.is_ordered(id)
    }

    /// The open legs that are not among those found.
    pub(super) fn missing(
        &self,
        before: &[(String, String)],
        found: &HashSet<String>,
    ) -> Vec<(String, String)> {
        let gone = before.iter().filter(|(leg, _)| !found.contains(leg));
        // one that ended since the question was asked told of it itself
        let open = gone.filter(|(leg, _)| self.legs.get(leg).is_none_or(|tracked| tracked.open));
        open.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leg_is_in_the_call_of_its_parent_and_stays_there() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.see("a", None, Some("a")), None);
        assert_eq!(tracker.see("b", Some("a"), Some("b")), None);
        assert_eq!(tracker.see("c", Some("b"), None), None);
        assert_eq!((tracker.call("b"), tracker.call("c")), (Some("a"), Some("a")));
        assert_eq!(tracker.see("b", None, Some("b")), None, "an old word about itself");
        assert_eq!(tracker.call("b"), Some("a"));
        assert_eq!(tracker.see("d", None, Some("d")), None);
        assert_eq!(tracker.see("d", None, Some("b")), Some("d".into()), "it was taken into the call");
        assert_eq!(tracker.call("d"), Some("a"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut tracker = Tracker::default();
        for number in 0..MAX_LEGS + 10 {
            tracker.see(&number.to_string(), None, None);
            tracker.ordered(&number.to_string());
        }
        assert_eq!((tracker.legs.len(), tracker.order.len()), (MAX_LEGS, MAX_LEGS));
        assert_eq!(tracker.orders.len(), MAX_ORDERS);
        assert!(tracker.call("1").is_none() && !tracker.is_ours("1") && tracker.is_ours("100"));
    }
}
