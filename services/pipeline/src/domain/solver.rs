//! Items to members at the least cost, by shortest augmenting paths over the members.
//! Called by domain/assignment.rs.
//!
//! Each member has a capacity; each further item costs its `step` more than the one before. An item that gets nobody waits: as many as
//! possible get someone, and among those answers the cheapest is taken.

/// Cost of a pair that is not allowed.
pub const NEVER: i64 = i64::MAX;

/// Cost of waiting: above any chain of moves between members (1,000 moves of 10^14 at most).
const WAIT: i64 = 100_000_000_000_000_000;

/// The state of a solution that grows by one item at a time.
struct Flow<'a> {
    /// `costs[item][member]`; the column behind the last member is waiting.
    costs: &'a [Vec<i64>],
    /// Items of each member, then those that wait.
    held: Vec<Vec<usize>>,
    /// `prices[from][to]`: what it costs to move the cheapest item; NEVER when there is none.
    prices: Vec<Vec<i64>>,
    /// `moved[from][to]`: that item.
    moved: Vec<Vec<usize>>,
}

/// Owner of each item; none waits. `used` is what each member had before, for the rising price. `costs[item][member]` is 0 to
/// 10^14 or NEVER.
pub fn solve(costs: &[Vec<i64>], capacity: &[usize], used: &[i64], steps: &[i64]) -> Vec<Option<usize>> {
    let members = capacity.len();
    let nodes = members + 1;
    let mut flow = Flow {
        costs,
        held: vec![Vec::new(); nodes],
        prices: vec![vec![NEVER; nodes]; nodes],
        moved: vec![vec![0; nodes]; nodes],
    };
    for item in 0..costs.len() {
        let mut best: Vec<i64> = (0..nodes).map(|node| flow.cost(item, node)).collect();
        let mut before = vec![nodes; nodes];
        // Only from where a way became cheaper can another one become so.
        let is_start = |node: &usize| !flow.held[*node].is_empty() && best[*node] != NEVER;
        let mut cheaper: Vec<usize> = (0..nodes).filter(is_start).collect();
        let mut waits = vec![false; nodes];
        while !cheaper.is_empty() {
            let mut next = Vec::new();
            for from in cheaper {
                waits[from] = false;
                let here = best[from];
                for (to, cost) in flow.prices[from].iter().enumerate() {
                    if *cost < best[to].saturating_sub(here) {
                        (best[to], before[to]) = (here + cost, from);
                        if !waits[to] && !flow.held[to].is_empty() {
                            waits[to] = true;
                            next.push(to);
                        }
                    }
                }
            }
            cheaper = next;
        }
        let price = |node: usize| -> i64 {
            let full = node < members && flow.held[node].len() >= capacity[node];
            if full || best[node] == NEVER {
                return NEVER;
            }
            let had = if node < members { used[node] + flow.held[node].len() as i64 } else { 0 };
            best[node] + if node < members { had * steps[node] } else { 0 }
        };
        let end = (0..nodes).min_by_key(|node| price(*node)).unwrap_or(members);
        flow.augment(item, end, &before);
    }
    let mut owners = vec![None; costs.len()];
    for (member, items) in flow.held.iter().take(members).enumerate() {
        for item in items {
            owners[*item] = Some(member);
        }
    }
    owners
}

impl Flow<'_> {
    fn cost(&self, item: usize, node: usize) -> i64 {
        self.costs[item].get(node).copied().unwrap_or(WAIT)
    }

    /// Moves one item along each step of the path that ends at `end`, then puts the new item at its start.
    fn augment(&mut self, item: usize, end: usize, before: &[usize]) {
        let mut to = end;
        while before[to] < self.held.len() {
            let from = before[to];
            let moved = self.moved[from][to];
            self.remove(from, moved);
            self.add(to, moved);
            to = from;
        }
        self.add(to, item);
    }

    fn add(&mut self, node: usize, item: usize) {
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
    fn remove(&mut self, node: usize, item: usize) {
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
