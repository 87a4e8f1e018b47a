//! RFM scores: how recently, how often and for how much partners bought, in fifths.
//! Called by rfm.rs, which keeps them up to date.

/// What a partner bought in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bought {
    /// The partner.
    pub ord: u32,
    /// The last sale: microseconds UTC.
    pub last: i64,
    /// Sales.
    pub count: i64,
    /// Sales less refunds: ten-thousandths.
    pub total: i64,
}

/// Scores of 1 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scores {
    /// How recently.
    pub recency: i64,
    /// How often.
    pub frequency: i64,
    /// For how much.
    pub monetary: i64,
}

/// Boundaries of the fifths: the least value of the second, third, fourth and fifth one.
type Fifths = [i64; 4];

/// Scores of all, in their order. Partners with the same value have the same score.
pub fn score(all: &[Bought]) -> Vec<Scores> {
    let recency = fifths(all.iter().map(|it| it.last));
    let frequency = fifths(all.iter().map(|it| it.count));
    let monetary = fifths(all.iter().map(|it| it.total));
    let one = |it: &Bought| Scores {
        recency: place(recency, it.last),
        frequency: place(frequency, it.count),
        monetary: place(monetary, it.total),
    };
    all.iter().map(one).collect()
}

fn fifths(values: impl Iterator<Item = i64>) -> Fifths {
    let mut values: Vec<i64> = values.collect();
    values.sort_unstable();
    let at = |fifth: usize| values.get(values.len() * fifth / 5).copied().unwrap_or(i64::MAX);
    [at(1), at(2), at(3), at(4)]
}

fn place(fifths: Fifths, value: i64) -> i64 {
    1 + fifths.iter().filter(|least| value >= **least).count() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifths_are_equal_where_values_differ_and_equal_values_stay_together() {
        let bought =
            |number: i64| Bought { ord: number as u32, last: number, count: 1 + number / 50, total: 7 };
        let all: Vec<Bought> = (0..100).map(bought).collect();
        let scores = score(&all);
        for fifth in 1..=5 {
            assert_eq!(scores.iter().filter(|it| it.recency == fifth).count(), 20);
        }
        assert!(scores.iter().all(|it| it.monetary == scores[0].monetary));
        assert!(scores[..50].iter().all(|it| it.frequency == scores[0].frequency));
        assert!(scores[99].frequency > scores[0].frequency);
        assert_eq!(score(&[]), []);
    }
}
