//! Items to members at the least cost, by shortest augmenting paths over the members.
//! Called by domain/plan.rs.
//!
//! Each member has a capacity; each further item costs its `step` more than the one before. An item that gets nobody waits: as many as
//! possible get someone, and among those answers the cheapest is taken.

/// Cost of a pair that is not allowed.
pub const NEVER: i64 = i64::MAX;

/// Cost of waiting: above any chain of moves between members (1,000 moves of 10^14 at most).
const WAIT: i64 = 100_000_000_000_000_000;

/// A solution that grows by one item at a time.
pub struct Solver {
    /// How many more each member takes.
    capacity: Vec<usize>,
    /// What each member had before, for the rising price.
    used: Vec<i64>,
    /// By how much each further item of a member costs more.
    steps: Vec<i64>,
    /// `costs[item][member]`; the column behind the last member is waiting.
    costs: Vec<Vec<i64>>,
    /// Items of each member, then those that wait.
    held: Vec<Vec<usize>>,
    /// `prices[from][to]`: what it costs to move the cheapest item; NEVER when there is none.
    prices: Vec<Vec<i64>>,
    /// `moved[from][to]`: that item.
    moved: Vec<Vec<usize>>,
    /// Items that have somebody.
    given: usize,
}

impl Solver {
    /// Nothing given yet.
    pub fn new(capacity: Vec<usize>, used: Vec<i64>, steps: Vec<i64>) -> Self {
        let nodes = capacity.len() + 1;
        Solver {
            capacity,
            used,
            steps,
            costs: Vec::new(),
            held: vec![Vec::new(); nodes],
            prices: vec![vec![NEVER; nodes]; nodes],
            moved: vec![vec![0; nodes]; nodes],
            given: 0,
        }
    }

    /// Items that were added.
    pub fn added(&self) -> usize {
        self.costs.len()
    }

    /// Items that have somebody.
    pub fn given(&self) -> usize {
        self.given
    }

    /// Adds an item with its cost at each member, 0 to 10^14 or NEVER. Where it finds no room, it may take the place of one that waits then
    /// in its stead; when it may not displace, it is left out of all that follows instead, which keeps the rest the cheapest.
    pub fn add(&mut self, costs: Vec<i64>, may_displace: bool) {
        let item = self.costs.len();
        self.costs.push(costs);
        let (best, before) = self.ways(item);
        let members = self.capacity.len();
        let price = |node: usize| -> i64 {
            let full = node < members && self.held[node].len() >= self.capacity[node];
            if full || best[node] == NEVER {
                return NEVER;
            }
            let had = if node < members { self.used[node] + self.held[node].len() as i64 } else { 0 };
            best[node] + if node < members { had * self.steps[node] } else { 0 }
        };
        let end = (0..=members).min_by_key(|node| price(*node)).unwrap_or(members);
        if end < members {
            self.given += 1;
        } else if !may_displace {
            self.costs[item] = Vec::new();
            return;
        }
        self.augment(item, end, &before);
    }

    /// Owner of each item; none waits.
    pub fn owners(&self) -> Vec<Option<usize>> {
        let mut owners = vec![None; self.costs.len()];
        for (member, items) in self.held.iter().take(self.capacity.len()).enumerate() {
            for item in items {
                owners[*item] = Some(member);
            }
        }
        owners
    }

    /// The cheapest way of a new item to each node, and from where it comes there.
    fn ways(&self, item: usize) -> (Vec<i64>, Vec<usize>) {
        let nodes = self.held.len();
        let mut best: Vec<i64> = (0..nodes).map(|node| self.cost(item, node)).collect();
        let mut before = vec![nodes; nodes];
        // Only from where a way became cheaper can another one become so.
        let is_start = |node: &usize| !self.held[*node].is_empty() && best[*node] != NEVER;
        let mut cheaper: Vec<usize> = (0..nodes).filter(is_start).collect();
        let mut waits = vec![false; nodes];
        while !cheaper.is_empty() {
            let mut next = Vec::new();
            for from in cheaper {
                waits[from] = false;
                let here = best[from];
                for (to, cost) in self.prices[from].iter().enumerate() {
                    if *cost < best[to].saturating_sub(here) {
                        (best[to], before[to]) = (here + cost, from);
                        if !waits[to] && !self.held[to].is_empty() {
                            waits[to] = true;
                            next.push(to);
                        }
                    }
                }
            }
            cheaper = next;
        }
        (best, before)
    }

    fn cost(&self, item: usize, node: usize) -> i64 {
        self.costs[item].get(node).copied().unwrap_or(WAIT)
    }

    /// Moves one item along each step of the path that ends at `end`, then puts the new item at its start.
    fn augment(&mut self, item: usize, end: usize, before: &[usize]) {
        let mut to = end;
        while before[to] < self.held.len() {
            let from = before[to];
            let moved = self.moved[from][to];
            self.take(from, moved);
            self.put(to, moved);
            to = from;
        }
        self.put(to, item);
    }

    fn put(&mut self, node: usize, item: usize) {
        self.held[node].push(item);
        for to in (0..self.held.len()).filter(|to| *to != node) {
            if let Some(price) = self.price(item, node, to)
                && (price, item) < (self.prices[node][to], self.moved[node][to])
            {
                (self.prices[node][to], self.moved[node][to]) = (price, item);
            }
        }
    }

    /// Only where the item was the cheapest to move is another one looked for.
    fn take(&mut self, node: usize, item: usize) {
        self.held[node].retain(|held| *held != item);
        for to in (0..self.held.len()).filter(|to| *to != node) {
            if self.prices[node][to] != NEVER && self.moved[node][to] == item {
                let others = self.held[node].iter();
                let prices = others.filter_map(|held| Some((self.price(*held, node, to)?, *held)));
                (self.prices[node][to], self.moved[node][to]) = prices.min().unwrap_or((NEVER, 0));
            }
        }
    }

    /// What it costs to move an item; none when it may not go there.
    fn price(&self, item: usize, from: usize, to: usize) -> Option<i64> {
        let cost = self.cost(item, to);
        (cost != NEVER).then(|| cost - self.cost(item, from))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn solve(costs: &[Vec<i64>], capacity: &[usize], used: &[i64], steps: &[i64]) -> Vec<Option<usize>> {
        let mut solver = Solver::new(capacity.to_vec(), used.to_vec(), steps.to_vec());
        for costs in costs {
            solver.add(costs.clone(), true);
        }
        assert_eq!(solver.given(), solver.owners().iter().flatten().count());
        solver.owners()
    }

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    fn total(costs: &[Vec<i64>], owners: &[Option<usize>], used: &[i64], steps: &[i64]) -> i64 {
        let mut had = used.to_vec();
        let of = |(item, owner): (usize, &Option<usize>)| match owner {
            None => WAIT,
            Some(member) => {
                had[*member] += 1;
                costs[item][*member] + (had[*member] - 1) * steps[*member]
            }
        };
        owners.iter().enumerate().map(of).sum()
    }

    fn brute(
        costs: &[Vec<i64>],
        left: &mut [usize],
        owners: &mut Vec<Option<usize>>,
        used: &[i64],
        steps: &[i64],
    ) -> i64 {
        let item = owners.len();
        if item == costs.len() {
            return total(costs, owners, used, steps);
        }
        owners.push(None);
        let mut best = brute(costs, left, owners, used, steps);
        owners.pop();
        for member in 0..left.len() {
            if left[member] > 0 && costs[item][member] != NEVER {
                left[member] -= 1;
                owners.push(Some(member));
                best = best.min(brute(costs, left, owners, used, steps));
                owners.pop();
                left[member] += 1;
            }
        }
        best
    }

    #[test]
    fn the_answer_is_the_optimum_of_brute_force() {
        let mut seed = 7;
        for _ in 0..500 {
            let (items, members) = (next(&mut seed) as usize % 6 + 1, next(&mut seed) as usize % 3 + 1);
            let mut cost =
                || if next(&mut seed).is_multiple_of(4) { NEVER } else { (next(&mut seed) % 50) as i64 };
            let costs: Vec<Vec<i64>> = (0..items).map(|_| (0..members).map(|_| cost()).collect()).collect();
            let mut capacity: Vec<usize> = (0..members).map(|_| next(&mut seed) as usize % 4).collect();
            let used: Vec<i64> = (0..members).map(|_| (next(&mut seed) % 5) as i64).collect();
            let owners = solve(&costs, &capacity, &used, &[7, 11, 3]);
            for (member, capacity) in capacity.iter().enumerate() {
                assert!(owners.iter().filter(|owner| **owner == Some(member)).count() <= *capacity);
            }
            let best = brute(&costs, &mut capacity, &mut Vec::new(), &used, &[7, 11, 3]);
            assert_eq!(total(&costs, &owners, &used, &[7, 11, 3]), best);
        }
    }

    #[test]
    fn what_may_not_displace_takes_no_place_of_those_before_and_fills_what_is_left() {
        let mut solver = Solver::new(vec![1, 1], vec![0, 0], vec![1, 1]);
        solver.add(vec![50, NEVER], true);
        solver.add(vec![10, NEVER], false);
        solver.add(vec![10, 90], false);
        solver.add(vec![1, 1], false);
        assert_eq!(solver.owners(), [Some(0), None, Some(1), None]);
        assert_eq!(solver.given(), 2);
        // One that may displace is cheaper: the one before it waits, and as many as before have somebody.
        solver.add(vec![5, NEVER], true);
        assert_eq!(solver.owners(), [None, None, Some(1), None, Some(0)]);
        assert_eq!(solver.given(), 2);
    }

    /// `cargo test --release -p kontor-pipeline -- --ignored --nocapture ten_thousand`
    #[test]
    #[ignore = "a measurement"]
    fn ten_thousand_items_to_two_hundred_members() {
        let mut seed = 9;
        let mut cost =
            || if next(&mut seed).is_multiple_of(3) { NEVER } else { (next(&mut seed) % 100_000_000) as i64 };
        let costs: Vec<Vec<i64>> = (0..10_000).map(|_| (0..200).map(|_| cost()).collect()).collect();
        let start = Instant::now();
        let owners = solve(&costs, &[45; 200], &[0; 200], &[1; 200]);
        println!("10,000 items to 200 members: {:?}", start.elapsed());
        assert_eq!(owners.iter().flatten().count(), 9_000);
    }
}
