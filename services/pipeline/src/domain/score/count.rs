//! Counts of won and lost for one value of one variable, fading with a half-life, and the evidence that they give.
//! Called by the other files of this folder and by store/score.rs.

use super::{fading, logit, probability};

/// Outcomes after which a count weighs half. Long enough to learn rare values, short enough to forget an old market.
pub const HALF_LIFE: f64 = 2_000.0;
/// Outcomes after which a count that nobody touched is nothing: ten half-lives.
pub const LIFE: i64 = 20_000;
/// Outcomes of the rarer kind that a value must show to move half of the way from the usual rate to its own.
const STRENGTH: f64 = 4.0;

/// Won and lost, as they were at a tick of their team's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    /// Outcomes of the team when it was written.
    pub clock: i64,
    /// Won.
    pub won: f64,
    /// Lost.
    pub lost: f64,
    /// For a variable: how many of its values have counts.
    pub kinds: i64,
}

impl Count {
    /// The same as of now: only what is looked at is faded, so an outcome touches its own counts alone.
    pub fn faded(self, now: i64) -> Count {
        let age = now - self.clock;
        let rest = if age > LIFE { 0.0 } else { fading(age, HALF_LIFE) };
        Count { clock: now, won: self.won * rest, lost: self.lost * rest, ..self }
    }

    /// With one more outcome, or (a negative share) with one less. What rounding leaves of nothing is nothing.
    pub fn with(self, won: bool, share: f64) -> Count {
        let add = |count: f64| Some(count + share).filter(|sum| *sum > 1e-9).unwrap_or(0.0);
        if won { Count { won: add(self.won), ..self } } else { Count { lost: add(self.lost), ..self } }
    }

    /// Won and lost.
    pub fn total(&self) -> f64 {
        self.won + self.lost
    }
}

/// What counts say of a fact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Log-odds that it adds; 0 when nothing is known of it.
    pub logit: f64,
    /// Share of those with this value that were won.
    pub won: f64,
    /// Share of all where the variable is known that were won.
    pub usual: f64,
    /// Outcomes with this value, faded.
    pub outcomes: f64,
}

/// Evidence from the counts of a value and of its variable. `wider` is the evidence of the same fact in the whole company, which a
/// team begins with: a team that has seen nothing has the company's, and goes its own way as it learns.
///
/// The rate of a value is drawn to the rate that is expected of it, by a Beta distribution, so what was never seen adds exactly nothing.
/// This is naive Bayes: `ln P(value|won) / P(value|lost)` is the log-odds of the value's rate less those of the usual rate.
pub fn evidence([value, variable]: [Count; 2], wider: Option<Evidence>) -> Evidence {
    let (wider_logit, wider_usual) = wider.map_or((0.0, 0.5), |wider| (wider.logit, wider.usual));
    let pull = if wider.is_some() { STRENGTH } else { 0.5 };
    let usual = bounded((variable.won + pull * wider_usual) / (variable.total() + pull));
    let expected = bounded(probability(logit(usual) + wider_logit));
    let pull = STRENGTH / expected.min(1.0 - expected);
    let won = bounded((value.won + pull * expected) / (value.total() + pull));
    let share =
        if value.total() > 0.0 { value.won / value.total() } else { wider.map_or(usual, |wider| wider.won) };
    Evidence { logit: logit(won) - logit(usual), won: share, usual, outcomes: value.total() }
}

/// Away from 0 and 1, where log-odds have no end.
fn bounded(share: f64) -> f64 {
    share.clamp(0.001, 0.999)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(won: f64, lost: f64) -> Count {
        Count { won, lost, ..Count::default() }
    }

    #[test]
    fn a_value_never_seen_adds_exactly_nothing() {
        for (won, lost) in [(0.0, 0.0), (3.0, 97.0), (50.0, 0.0)] {
            let known = evidence([count(0.0, 0.0), count(won, lost)], None);
            assert!(known.logit.abs() < 1e-12, "{known:?}");
        }
    }

    #[test]
    fn a_team_without_counts_has_the_companys_evidence() {
        let company = evidence([count(30.0, 10.0), count(50.0, 150.0)], None);
        let team = evidence([Count::default(), Count::default()], Some(company));
        assert!((team.logit - company.logit).abs() < 1e-9 && company.logit > 1.0);
        let other = evidence([count(0.0, 400.0), count(100.0, 400.0)], Some(company));
        assert!(other.logit < -1.0, "{other:?}");
    }

    #[test]
    fn an_outcome_taken_back_leaves_what_was_before_and_old_ones_weigh_less() {
        let before = Count { clock: 10, won: 5.5, lost: 2.25, kinds: 0 };
        let after = before.faded(11).with(true, 1.0).faded(500).with(true, -fading(489, HALF_LIFE));
        let never = before.faded(500);
        assert!((after.won - never.won).abs() < 1e-12 && (after.lost - never.lost).abs() < 1e-12);
        assert!((count(8.0, 0.0).faded(2_000).won - 4.0).abs() < 1e-12);
        assert_eq!(count(1e6, 0.0).faded(LIFE + 1).won, 0.0);
        assert_eq!(count(0.0, 1.0).with(false, -1.0).lost, 0.0);
    }
}
