//! Sizes of what segments have in common.
//! Called by the RPCs.

use roaring::RoaringBitmap;

/// Most sets of a Venn diagram.
pub const VENN_CAP: usize = 5;

/// Two sets beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// How many are in both.
    pub both: u64,
    /// How many are only in the first one.
    pub only_first: u64,
    /// How many are only in the second one.
    pub only_second: u64,
}

/// Compares two sets.
pub fn overlap(first: &RoaringBitmap, second: &RoaringBitmap) -> Overlap {
    let both = first.intersection_len(second);
    Overlap { both, only_first: first.len() - both, only_second: second.len() - both }
}

/// How many are in exactly these of up to five sets and in no other: bit 0 of the place stands for the first set. Place 0, those in none, is 0.
/// None for more sets.
pub fn venn(sets: &[&RoaringBitmap]) -> Option<Vec<u64>> {
    if sets.len() > VENN_CAP {
        return None;
    }
    let mut counts = vec![0; 1 << sets.len()];
    shared(sets, 0, 0, None, &mut counts);
    // counts are of those in at least these sets by now; take away those who are in one more
    for bit in 0..sets.len() {
        for place in 0..counts.len() {
            if place & 1 << bit == 0 {
                counts[place] -= counts[place | 1 << bit].min(counts[place]);
            }
        }
    }
    counts[0] = 0;
    Some(counts)
}

/// Fills in how many all sets of each place share, one cut for each place.
fn shared(
    sets: &[&RoaringBitmap],
    from: usize,
    place: usize,
    cut: Option<&RoaringBitmap>,
    counts: &mut [u64],
) {
    for at in from..sets.len() {
        let place = place | 1 << at;
        let next = match cut {
            None => sets[at].clone(),
            Some(cut) => cut & sets[at],
        };
        counts[place] = next.len();
        if !next.is_empty() {
            shared(sets, at + 1, place, Some(&next), counts);
        }
    }
}
