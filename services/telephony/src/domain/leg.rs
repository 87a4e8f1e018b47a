//! What is kept of one leg, and the small values that forget order and doubling.
//! Called by [`super::fold`] (to learn) and [`super::summary`] (to tell).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fact::{DialStatus, LegRef, Micros, Side};
use super::number::Party;

/// The least value seen so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Least<T>(Option<T>);

/// The greatest value seen so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Most<T>(Option<T>);

macro_rules! extreme {
    ($name:ident, $better:tt) => {
        impl<T> Default for $name<T> {
            fn default() -> Self {
                $name(None)
            }
        }

        impl<T: Ord> $name<T> {
            /// Learns a value; true when it changed what is kept.
            pub(crate) fn learn(&mut self, value: T) -> bool {
                let better = self.0.as_ref().is_none_or(|kept| value $better *kept);
                if better {
                    self.0 = Some(value);
                }
                better
            }
        }

        impl<T> $name<T> {
            /// The value kept.
            pub(crate) fn get(&self) -> Option<&T> {
                self.0.as_ref()
            }

            /// Whether nothing was learnt.
            pub(crate) fn is_none(&self) -> bool {
                self.0.is_none()
            }
        }
    };
}

extreme!(Least, <);
extreme!(Most, >);

/// The `N` least of the values seen so far. Which ones stay does not depend on the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Few<T: Ord, const N: usize>(BTreeSet<T>);

impl<T: Ord, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Few(BTreeSet::new())
    }
}

impl<T: Ord, const N: usize> Few<T, N> {
    /// Learns a value; true when it changed what is kept. Sets `truncated` when one had to go.
    pub(crate) fn learn(&mut self, value: T, truncated: &mut bool) -> bool {
        if self.0.len() >= N && !self.0.contains(&value) {
            let news = !*truncated;
            *truncated = true;
            if self.0.last().is_some_and(|last| *last < value) {
                return news;
            }
        }
        let added = self.0.insert(value);
        if self.0.len() > N {
            self.0.pop_last();
        }
        added
    }

    /// The values kept, least first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.iter()
    }

    /// Whether nothing was learnt.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How far what is said of a leg can be trusted: click to call puts the number called over the caller's own,
/// and a transfer moves a trunk into an inner context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Trust {
    /// Told when the leg came to be.
    First,
    /// Told later, when it was dialled or moved.
    Later,
    /// Found by asking after a gap.
    Found,
}

impl Trust {
    /// The trust in a beginning that was told, or found by asking.
    pub(crate) fn of(found: bool) -> Trust {
        if found { Trust::Found } else { Trust::First }
    }
}

/// What is kept of one leg.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leg {
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(crate) channel: Least<(Trust, Micros, String, Side)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(crate) party: Least<(Trust, Micros, Party)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(crate) wanted: Least<(Trust, Micros, Party)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) arriving: bool,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(crate) started: Least<(Trust, Micros)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(crate) ringing: Least<Micros>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(crate) up: Least<Micros>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(crate) dialled: Least<(Trust, Micros, Option<String>)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(crate) dial_end: Least<(Micros, DialStatus)>,
    #[serde(default, skip_serializing_if = "Least::is_none")]
    pub(crate) ended: Least<LegEnd>,
}

/// When a leg ended. A known end comes before a guess, whatever their times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LegEnd {
    pub(crate) estimated: bool,
    pub(crate) time: Micros,
    pub(crate) cause: Option<u16>,
}

impl Leg {
    /// Learns the channel's name and side.
    pub(crate) fn see(&mut self, trust: Trust, time: Micros, leg: &LegRef) -> bool {
        self.channel.learn((trust, time, leg.channel.clone(), leg.side))
    }

    /// What is at the far end; a leg of which only the end is known counts as a telephone.
    pub(crate) fn side(&self) -> Side {
        self.channel.get().map_or(Side::Phone, |(.., side)| *side)
    }

    /// Whether its beginning was told, and not found by asking.
    pub(crate) fn began_before_us(&self) -> bool {
        self.started.get().is_some_and(|(trust, _)| *trust == Trust::First)
    }

    /// Whether a click to call dialled it: the asker's own telephone, unless it is a trunk.
    pub(crate) fn is_originated(&self) -> bool {
        self.dialled.get().is_some_and(|(.., by)| by.is_none())
    }

    /// Whether its ringing is the ringing of the called party.
    pub(crate) fn is_called(&self) -> bool {
        match self.dialled.get() {
            Some((.., Some(_))) => true,
            Some((.., None)) => self.side() == Side::Trunk,
            None => false,
        }
    }

    /// When it first made itself known.
    pub(crate) fn first_time(&self) -> Micros {
        let dialled = self.dialled.get().map(|(_, time, _)| *time);
        let started = self.started.get().map(|(_, time)| *time);
        let seen = self.channel.get().map(|(_, time, ..)| *time);
        [started, dialled, seen].into_iter().flatten().min().unwrap_or_default()
    }

    /// When it began to ring, or to be dialled where ringing is not told.
    pub(crate) fn ring_start(&self) -> Option<Micros> {
        self.ringing.get().copied().or_else(|| self.dialled.get().map(|(_, time, _)| *time))
    }
}
