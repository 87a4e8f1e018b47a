//! Segments that stand on other segments: the order in which they are evaluated, and no circles.
//! Called by the engine.

use std::collections::BTreeMap;

use super::Definition;

/// The segments that a definition needs, each once.
pub fn needs(definition: &Definition) -> Vec<&str> {
    let rule = definition.rule.iter().flat_map(|rule| rule.segments());
    let mut all: Vec<&str> = definition.parents.iter().chain(rule).map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The way from a segment along what it needs back to it, when there is one.
pub fn cycle(name: &str, definitions: &BTreeMap<&str, &Definition>) -> Option<Vec<String>> {
    // depth first; each segment is entered once, so the work is bounded by the edges
    let mut path: Vec<(&str, Vec<&str>)> = vec![(name, definitions.get(name).map(|own| needs(own))?)];
    let mut seen = vec![name];
    while let Some((_, open)) = path.last_mut() {
        let Some(next) = open.pop() else {
            path.pop();
            continue;
        };
        if next == name {
            let way = path.iter().map(|(name, _)| (*name).to_owned());
            return Some(way.chain([name.to_owned()]).collect());
        }
        if !seen.contains(&next)
            && let Some(definition) = definitions.get(next)
        {
            seen.push(next);
            path.push((next, needs(definition)));
        }
    }
    None
}

/// Segments by level: each needs only those of levels before. There are no circles among them.
pub fn levels(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut level = vec![0_usize; needs.len()];
    // at most so many rounds as segments stand on each other
    let mut moved = true;
    while moved {
        moved = false;
        for (at, needed) in needs.iter().enumerate() {
            let own = needed.iter().map(|needed| level[*needed] + 1).max().unwrap_or(0);
            if own != level[at] {
                level[at] = own;
                moved = true;
            }
        }
    }
    let mut levels = vec![Vec::new(); level.iter().max().map_or(0, |most| most + 1)];
    level.iter().enumerate().for_each(|(at, level)| levels[*level].push(at));
    levels
}
