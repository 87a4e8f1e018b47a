//! The base rate of a team: measured over spans from 10 to 3,000 outcomes, and mixed by how well each foretold of late.
//! Called by the other files of this folder and by store/score.rs.

use super::{fading, logit, probability};

/// Half-lives in outcomes. When the market turns, the short ones tell it within weeks; while it stands, the long ones have less noise. Which
/// is better now is learned (`losses`), not set.
pub const SPANS: [f64; 6] = [10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0];
/// Half-life of the losses: how far back the choice between the spans looks.
const MEMORY: f64 = 300.0;
/// Outcomes that the wider rate counts for in a span.
const PULL: f64 = 2.0;

/// Base rate of a team or of the company.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Base {
    /// Won and all, faded with each span's half-life.
    rates: [[f64; 2]; SPANS.len()],
    /// Log loss of late of each span, and of the company's rate in the last place.
    losses: [f64; SPANS.len() + 1],
}

impl Base {
    /// Log-odds; `wider` are those of the company, for a team.
    pub fn logit(&self, wider: Option<f64>) -> f64 {
        self.spans(wider).iter().map(|(share, logit)| share * logit).sum()
    }

    /// Share and log-odds of each span, and of the company's rate in the last place. Mixed in log-odds, so that the sum stays a sum.
    pub fn spans(&self, wider: Option<f64>) -> [(f64, f64); SPANS.len() + 1] {
        let [won, all] = self.rates[SPANS.len() - 1];
        let wider = wider.unwrap_or_else(|| logit((won + 0.5) / (all + 1.0)));
        let rate = probability(wider);
        let least = self.losses.iter().copied().fold(f64::INFINITY, f64::min);
        let weights = self.losses.map(|loss| (least - loss).exp());
        let sum: f64 = weights.iter().sum();
        std::array::from_fn(|place| {
            let logit = match self.rates.get(place) {
                Some([won, all]) => logit((won + PULL * rate) / (all + PULL)),
                None => wider,
            };
            (weights[place] / sum, logit)
        })
    }

    /// Learns an outcome; `evidence` are the log-odds that were added to the base rate in its prediction.
    pub fn learn(&mut self, wider: Option<f64>, evidence: f64, won: bool) {
        let spans = self.spans(wider);
        for (loss, (_, logit)) in self.losses.iter_mut().zip(spans) {
            *loss = *loss * fading(1, MEMORY) + log_loss(logit + evidence, won);
        }
        for ([wins, all], half_life) in self.rates.iter_mut().zip(SPANS) {
            let rest = fading(1, half_life);
            (*wins, *all) = (*wins * rest + f64::from(u8::from(won)), *all * rest + 1.0);
        }
    }

    /// Takes back an outcome that was learned so many outcomes ago.
    pub fn take_back(&mut self, age: i64, won: bool) {
        for ([wins, all], half_life) in self.rates.iter_mut().zip(SPANS) {
            let share = fading(age, half_life);
            *all = (*all - share).max(0.0);
            *wins = (*wins - if won { share } else { 0.0 }).clamp(0.0, *all);
        }
    }

    /// All numbers, to be kept.
    pub fn numbers(&self) -> Vec<f64> {
        self.rates.iter().flatten().chain(&self.losses).copied().collect()
    }

    /// From kept numbers; none when they are not as many as they should be.
    pub fn from_numbers(numbers: &[f64]) -> Option<Base> {
        let (rates, losses) = numbers.split_at_checked(2 * SPANS.len())?;
        let mut base = Base { losses: losses.try_into().ok()?, ..Base::default() };
        for (rate, kept) in base.rates.iter_mut().zip(rates.chunks_exact(2)) {
            rate.copy_from_slice(kept);
        }
        Some(base)
    }
}

/// -ln of the probability that was given to what happened.
pub fn log_loss(logit: f64, won: bool) -> f64 {
    let against = if won { -logit } else { logit };
    // ln(1 + e^x) without overflow.
    against.max(0.0) + (-against.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(outcomes: impl Iterator<Item = bool>) -> Base {
        let mut base = Base::default();
        outcomes.for_each(|won| base.learn(None, 0.0, won));
        base
    }

    #[test]
    fn follows_a_fourfold_base_rate_most_of_the_way_within_a_hundred_outcomes() {
        let rate = |turned: usize| {
            let steady = (0..3_000).map(|number| number % 20 == 0);
            let turned = (0..turned).map(|number| number % 5 == 0);
            probability(after(steady.chain(turned)).logit(None))
        };
        assert!((0.04..0.06).contains(&rate(0)), "{}", rate(0));
        assert!((0.12..0.25).contains(&rate(100)), "{}", rate(100));
        assert!((0.17..0.23).contains(&rate(300)), "{}", rate(300));
    }

    #[test]
    fn a_team_without_outcomes_has_the_companys_rate() {
        for wider in [-3.0, 0.0, 2.5] {
            assert!((Base::default().logit(Some(wider)) - wider).abs() < 1e-9);
        }
        assert!(Base::default().logit(None).abs() < 1e-9);
    }

    #[test]
    fn an_outcome_taken_back_leaves_the_rates_as_if_it_had_not_been() {
        let mut base = after([true, false, false, true].into_iter());
        base.take_back(2, false);
        for ([won, all], half_life) in base.rates.iter().zip(SPANS) {
            let one = fading(1, half_life);
            assert!((won - one.powi(3) - 1.0).abs() < 1e-12, "{won}");
            assert!((all - one.powi(3) - one - 1.0).abs() < 1e-12, "{all}");
        }
        let mut only = after([true].into_iter());
        only.take_back(0, true);
        assert_eq!(only.rates, Base::default().rates);
    }

    #[test]
    fn numbers_are_kept_to_the_last_bit() {
        let base = after((0..50).map(|number| number % 3 == 0));
        assert_eq!(Base::from_numbers(&base.numbers()), Some(base));
        assert_eq!(Base::from_numbers(&[1.0]), None);
    }
}
