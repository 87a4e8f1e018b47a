//! What a change of a calendar means for each partner: a meeting scheduled, changed or removed.
//! Called by events.rs with the partners before and after.

use std::collections::BTreeMap;

/// What happened to a meeting, seen by one partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is new to the partner.
    Scheduled,
    /// It is still with the partner and something of it changed.
    Changed,
    /// It is gone, cancelled, or no longer with the partner.
    Removed,
}

/// One effect a partner at most, in order of their names.
pub fn effects(before: &[String], after: &[String], changed: bool) -> Vec<(String, Effect)> {
    let mut sides: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    before.iter().for_each(|partner| sides.entry(partner).or_default().0 = true);
    after.iter().for_each(|partner| sides.entry(partner).or_default().1 = true);
    let effect = |side: (bool, bool)| match side {
        (false, _) => Some(Effect::Scheduled),
        (true, false) => Some(Effect::Removed),
        (true, true) => changed.then_some(Effect::Changed),
    };
    sides.into_iter().filter_map(|(partner, side)| Some((partner.to_owned(), effect(side)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Effect, effects};

    #[test]
    fn each_partner_hears_of_a_change_once() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = effects(&names(&["a", "b", "b"]), &names(&["b", "c"]), true);
        let wanted = [("a", Effect::Removed), ("b", Effect::Changed), ("c", Effect::Scheduled)];
        assert_eq!(found, wanted.map(|(name, effect)| (name.to_owned(), effect)));
        assert_eq!(effects(&names(&["b"]), &names(&["b"]), false), []);
    }
}
