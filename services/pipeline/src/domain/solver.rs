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
    /// `moves[from][to]`: the cheapest item to move and what that costs.
    moves: Vec<Vec<(i64, usize)>>,
}

/// Owner of each item; none waits. `used` is what each member had before, for the rising price. `costs[item][member]` is 0 to
/// 10^14 or NEVER.
pub fn solve(costs: &[Vec<i64>], capacity: &[usize], used: &[i64], steps: &[i64]) -> Vec<Option<usize>> {
    let members = capacity.len();
    let nodes = members + 1;
    let mut flow = Flow { costs, held: vec![Vec::new(); nodes], moves: vec![vec![(NEVER, 0); nodes]; nodes] };
    for item in 0..costs.len() {
        let mut best: Vec<i64> = (0..nodes).map(|node| flow.cost(item, node)).collect();
        let mut before = vec![nodes; nodes];
        let mut rising = true;
        while rising {
            rising = false;
            for from in (0..nodes).filter(|from| !flow.held[*from].is_empty()) {
                if best[from] == NEVER {
                    continue;
                }
                for to in 0..nodes {
                    let (cost, _) = flow.moves[from][to];
                    if cost != NEVER && best[from] + cost < best[to] {
                        (best[to], before[to], rising) = (best[from] + cost, from, true);
                    }
                }
            }
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
        let nodes = self.held.len();
        let (mut to, mut touched) = (end, vec![end]);
        while before[to] < nodes {
            let from = before[to];
            let (_, moved) = self.moves[from][to];
            self.held[from].retain(|held| *held != moved);
            self.held[to].push(moved);
            touched.push(from);
            to = from;
        }
        self.held[to].push(item);
        for from in touched {
            for to in 0..nodes {
                let held = self.held[from].iter().filter(|item| to != from && self.cost(**item, to) != NEVER);
                let gain = |item: &usize| (self.cost(*item, to) - self.cost(*item, from), *item);
                self.moves[from][to] = held.map(gain).min().unwrap_or((NEVER, 0));
            }
        }
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
