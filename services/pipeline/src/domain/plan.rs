//! A batch over a queue: who gets what of the items that are looked at, one after the other.
//! Called by rpc/assignment_batch.rs. All sums are whole numbers, so that every copy answers the same.

use super::assignment::{Item, Member, Past, lot, score};
use super::solver::{NEVER, Solver};

/// A score is above this, in thousandths.
const FLOOR: i64 = 2_000_000;
/// Thousandths of a score weigh so much more than ties.
const WEIGHT: i64 = 10_000_000;
/// One more in the window weighs so much more than the ties behind it.
const RECENT: i64 = 1_000;

/// Items that a batch looks at, at most.
const LOOK: usize = 5_000;
/// Pairs of an item and a member that a batch looks at, at most; `count` items are always looked at.
const PAIRS: usize = 1_000_000;

/// A plan that grows by one item of the queue at a time, until it gives `count` or has looked far enough.
pub struct Batch<'a> {
    members: &'a [(Member, Past)],
    count: usize,
    seed: u64,
    solver: Solver,
    /// Of each item that was looked at, its number in the solver; none when it fits nobody.
    places: Vec<Option<usize>>,
    /// How many the members have room for.
    room: usize,
    /// Items that are looked at, at most.
    look: usize,
}

impl<'a> Batch<'a> {
    /// An empty plan that gives `count` at most.
    pub fn new(members: &'a [(Member, Past)], count: usize, seed: u64) -> Self {
        let left = |(member, past): &(Member, Past)| {
            let gets = member.active && !past.disabled && past.away.is_none();
            usize::try_from(i64::from(member.capacity) - past.recent).unwrap_or(0) * usize::from(gets)
        };
        let capacity: Vec<usize> = members.iter().map(left).collect();
        let steps = members.iter().map(|(member, _)| member.share() * WEIGHT + RECENT).collect();
        let used = members.iter().map(|(_, past)| past.recent).collect();
        Batch {
            members,
            count,
            seed,
            room: capacity.iter().sum(),
            look: (PAIRS / members.len().max(1)).min(LOOK).max(count),
            solver: Solver::new(capacity, used, steps),
            places: Vec::new(),
        }
    }

    /// How many more are to be given.
    pub fn missing(&self) -> usize {
        self.count - self.solver.given()
    }

    /// Whether there is nothing more to look at: all are given, or the members are full, or enough was looked at.
    pub fn is_done(&self) -> bool {
        let (looked, given) = (self.places.len(), self.solver.given());
        given >= self.count || looked >= self.look || (looked >= self.count && given >= self.room)
    }

    /// Whether it ended because enough was looked at: more is to be given, and there is room.
    pub fn has_looked_far(&self) -> bool {
        let given = self.solver.given();
        self.places.len() >= self.look && given < self.count && given < self.room
    }

    /// Looks at as many again, further behind in the queue.
    pub fn look_further(&mut self) {
        self.look += self.places.len();
    }

    /// Looks at the next item of the queue. Of the first `count` items that fit somebody as many as possible get somebody, then the best sum of scores
    /// is taken; an item behind them takes room that is left, but never the place of one that came before.
    pub fn look_at(&mut self, item: &Item) {
        let fit = |at: &usize| {
            let (member, past) = &self.members[*at];
            member.fits(&item.need, past)
        };
        let mut turn: Vec<usize> = (0..self.members.len()).filter(fit).collect();
        if turn.is_empty() {
            self.places.push(None);
            return;
        }
        turn.sort_by_cached_key(|at| {
            let (member, past) = &self.members[*at];
            (past.last, lot(self.seed, &item.id, &member.id))
        });
        let mut costs = vec![NEVER; self.members.len()];
        for (place, at) in turn.into_iter().enumerate() {
            let (member, past) = &self.members[at];
            // The rising price of the solver takes the capacity's term off again, item by item.
            let fixed = score(&member.terms(item, &Past { recent: 0, ..past.clone() }));
            costs[at] = (FLOOR - fixed) * WEIGHT + place as i64;
        }
        let may_displace = self.solver.added() < self.count;
        self.places.push(Some(self.solver.added()));
        self.solver.add(costs, may_displace);
    }

    /// Owner of each item in the order in which they were looked at: an index into the members, or none.
    pub fn owners(&self) -> Vec<Option<usize>> {
        let owners = self.solver.owners();
        self.places.iter().map(|place| place.and_then(|place| owners[place])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::assignment::Need;

    fn member(id: &str, capacity: i32) -> (Member, Past) {
        let member = Member {
            id: id.to_owned(),
            version: 1,
            team: "teams/sales".to_owned(),
            active: true,
            capacity,
            skills: Vec::new(),
            territories: Vec::new(),
            home: None,
            radius_km: 0,
            preference: 0,
        };
        (member, Past { free: Some(0), ..Past::default() })
    }

    fn item(id: usize, skill: &str) -> Item {
        let skills = if skill.is_empty() { Vec::new() } else { vec![(skill.to_owned(), 1)] };
        Item { id: format!("item {id}"), need: Need { skills, ..Need::default() }, known: Vec::new() }
    }

    fn planned(members: &[(Member, Past)], items: &[Item], count: usize, seed: u64) -> Vec<Option<usize>> {
        let mut batch = Batch::new(members, count, seed);
        for item in items {
            if batch.is_done() {
                break;
            }
            batch.look_at(item);
        }
        batch.owners()
    }

    #[test]
    fn the_seed_decides_between_equals_and_the_same_seed_answers_the_same() {
        let members = [member("anna", 50), member("ben", 50)];
        let items: Vec<Item> = (0..40).map(|number| item(number, "")).collect();
        let first = planned(&members, &items, 40, 1);
        assert_eq!(planned(&members, &items, 40, 1), first);
        assert_ne!(planned(&members, &items, 40, 2), first, "the seed is ignored");
        assert_eq!(first.iter().filter(|owner| **owner == Some(0)).count(), 20);
    }

    #[test]
    fn the_seed_does_not_weigh_more_than_who_waits_longer() {
        let (anna, past) = member("anna", 50);
        let members = [(anna, Past { last: 9, ..past }), member("ben", 50)];
        for seed in 0..20 {
            assert_eq!(planned(&members, &[item(1, "")], 1, seed), [Some(1)]);
        }
    }

    #[test]
    fn what_fits_nobody_does_not_use_up_the_count() {
        let members = [member("anna", 50)];
        let mut items: Vec<Item> = (0..150).map(|number| item(number, "flying")).collect();
        items.extend((150..170).map(|number| item(number, "")));
        let owners = planned(&members, &items, 10, 1);
        assert_eq!(owners.len(), 160, "it stops when all are given");
        assert!(owners[..150].iter().all(Option::is_none) && owners[150..].iter().all(Option::is_some));
    }

    #[test]
    fn what_waits_for_a_full_member_does_not_hold_up_others_and_keeps_its_turn() {
        let (anna, past) = member("anna", 1);
        let roofer = Member { skills: vec![("roof".to_owned(), 1)], preference: 100, ..anna };
        let members = [(roofer, past), member("ben", 50)];
        // Three roofs for the one who can do one, then two for anybody: those go to Ben, although Anna is preferred.
        let items = [item(0, "roof"), item(1, "roof"), item(2, "roof"), item(3, ""), item(4, "")];
        let owners = planned(&members, &items, 3, 1);
        assert_eq!(owners[..3].iter().filter(|owner| **owner == Some(0)).count(), 1);
        assert_eq!(owners[3..], [Some(1), Some(1)]);
    }

    #[test]
    fn a_batch_looks_at_a_bounded_number() {
        let full = [member("anna", 0)];
        let easy: Vec<Item> = (0..20).map(|number| item(number, "")).collect();
        assert_eq!(planned(&full, &easy, 5, 1).len(), 5, "nobody has room");
        let free = [member("anna", 50)];
        let hard: Vec<Item> = (0..LOOK + 10).map(|number| item(number, "flying")).collect();
        assert_eq!(planned(&free, &hard, 5, 1).len(), LOOK);
    }
}
