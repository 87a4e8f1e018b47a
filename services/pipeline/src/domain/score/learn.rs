//! Learning an outcome, and taking it back.
//! Called by store/score.rs, with the part of the model that the outcome's facts need.

use std::collections::BTreeSet;

use super::count::{Count, HALF_LIFE, LIFE};
use super::fact::Fact;
use super::{COMPANY, INTERCEPT, Model, SLOPE, Weight, fading};

/// Values of one variable that are counted at most: an order number as an attribute must not fill the disk.
const KINDS: i64 = 500;
/// Outcomes of the company before the calibration learns.
const FIRST: i64 = 200;
/// Step of the calibration.
const RATE: f64 = 0.05;
/// How far a weight may go.
const BOUND: f64 = 5.0;

/// An opportunity that was closed.
pub struct Outcome<'a> {
    /// "teams/{team}", or empty.
    pub team: &'a str,
    /// What its score came from.
    pub facts: &'a [Fact],
    /// What is counted: the same, with all the stages that it reached.
    pub counted: &'a [Fact],
    /// Won or lost.
    pub won: bool,
}

/// An outcome as it was learned: what is needed to take it back.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// "teams/{team}", or empty.
    pub team: String,
    /// What was counted.
    pub counted: Vec<Fact>,
    /// Won or lost.
    pub won: bool,
    /// The company's outcomes when it was learned, with it.
    pub number: i64,
    /// The team's outcomes when it was learned, with it.
    pub team_number: i64,
    /// What the score was just before.
    pub probability: f64,
}

impl Model {
    /// Learns an outcome: predicts it first, then moves calibration, base rates and counts.
    pub fn learn(&mut self, outcome: &Outcome<'_>) -> Learned {
        let Outcome { team, facts, won, .. } = *outcome;
        let predicted = self.explain(team, facts);
        let company = self.team(COMPANY).base.logit(None);
        let evidence = predicted.logit - self.prior(team) + self.weight(INTERCEPT).value;
        let raw: Vec<f64> = predicted.contributions.iter().map(|one| one.evidence.logit).collect();
        if self.team(COMPANY).outcomes >= FIRST {
            self.calibrate(facts, &raw, predicted.probability() - f64::from(u8::from(won)));
        }
        for name in facts.iter().map(Fact::variable).chain([SLOPE, INTERCEPT]) {
            let weight = self.weight(name);
            self.weights.insert(name.to_owned(), weight);
        }
        let mut numbers = [0; 2];
        for (owner, number) in owners(team).zip(&mut numbers) {
            let wider = Some(company).filter(|_| owner != COMPANY);
            let learner = self.teams.entry(owner.to_owned()).or_default();
            learner.base.learn(wider, evidence, won);
            learner.outcomes += 1;
            learner.counted += 1;
            learner.won += i64::from(won);
            *number = learner.outcomes;
            self.count(owner, outcome.counted, won, *number);
        }
        self.version += 1;
        Learned {
            team: team.to_owned(),
            counted: outcome.counted.to_vec(),
            won,
            number: numbers[0],
            team_number: numbers[1],
            probability: predicted.probability(),
        }
    }

    /// Takes an outcome back: counts and base rates are as if it had not been. The calibration is not: its steps after it built on it.
    pub fn take_back(&mut self, learned: &Learned) {
        for (owner, number) in owners(&learned.team).zip([learned.number, learned.team_number]) {
            let keeper = self.teams.entry(owner.to_owned()).or_default();
            let age = keeper.outcomes - number;
            keeper.base.take_back(age, learned.won);
            keeper.counted = (keeper.counted - 1).max(0);
            keeper.won = (keeper.won - i64::from(learned.won)).max(0);
            let now = keeper.outcomes;
            for key in keys(&learned.counted) {
                let count = self.counts.get_mut(key).and_then(|counts| counts.of.get_mut(owner));
                // What is too old weighs nothing, there and here.
                if let Some(count) = count.filter(|_| age <= LIFE) {
                    *count = count.faded(now).with(learned.won, -fading(age, HALF_LIFE));
                }
            }
        }
        self.version += 1;
    }

    /// Counts an outcome for the company or a team. A value beyond what a variable may have is not counted, as if it were always new.
    fn count(&mut self, owner: &str, facts: &[Fact], won: bool, now: i64) {
        let mut refused = BTreeSet::new();
        for fact in facts {
            let known = self.counts.get(fact.key()).and_then(|counts| counts.of.get(owner));
            if known.is_none() {
                let variable = self.counts.entry(fact.variable().to_owned()).or_default();
                let variable = variable.of.entry(owner.to_owned()).or_default();
                if variable.kinds >= KINDS {
                    refused.insert(fact.key());
                } else {
                    variable.kinds += 1;
                }
            }
        }
        for key in keys(facts).into_iter().filter(|key| !refused.contains(key)) {
            let count =
                self.counts.entry(key.to_owned()).or_default().of.entry(owner.to_owned()).or_default();
            *count = Count { clock: now, ..count.faded(now).with(won, 1.0) };
        }
    }

    /// One step of AdaGrad for slope, intercept and the trust in each variable.
    fn calibrate(&mut self, facts: &[Fact], evidence: &[f64], error: f64) {
        let slope = self.weight(SLOPE).value;
        let trusted = facts
            .iter()
            .zip(evidence)
            .map(|(fact, logit)| self.weight(fact.variable()).value * logit)
            .sum::<f64>();
        for (fact, logit) in facts.iter().zip(evidence) {
            self.step(fact.variable(), error * slope * logit, 0.0);
        }
        self.step(SLOPE, error * trusted, 0.0);
        self.step(INTERCEPT, error, -BOUND);
    }

    fn step(&mut self, name: &str, gradient: f64, least: f64) {
        let weight = self.weights.entry(name.to_owned()).or_insert_with(|| Weight::first(name));
        weight.gradient += gradient * gradient;
        weight.value = (weight.value - RATE * gradient / weight.gradient.sqrt()).clamp(least, BOUND);
    }
}

/// Who learns of an outcome: the company, and its team when it has one.
fn owners(team: &str) -> impl Iterator<Item = &str> {
    std::iter::once(COMPANY).chain(Some(team).filter(|team| *team != COMPANY))
}

/// Keys of the values and of their variables, each once.
pub fn keys(facts: &[Fact]) -> BTreeSet<&str> {
    facts.iter().flat_map(|fact| [fact.key(), fact.variable()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::score::quality::{self, Quality};

    /// Numbers that look random and are the same in every run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }

        fn below(&mut self, most: usize) -> usize {
            (self.roll() * most as f64) as usize
        }
    }

    fn learn(model: &mut Model, team: &str, facts: &[Fact], won: bool) -> f64 {
        model.learn(&Outcome { team, facts, counted: facts, won }).probability
    }

    /// Predicts and learns opportunities whose facts and true chance a market gives; the quality after the first 1,000.
    fn replay(
        outcomes: usize,
        mut market: impl FnMut(usize, &mut Dice) -> (Vec<Fact>, f64),
    ) -> (Quality, f64) {
        let (mut model, mut dice) = (Model::default(), Dice(7));
        let mut predictions = Vec::new();
        let mut best = 0.0;
        for number in 0..outcomes {
            let (facts, chance) = market(number, &mut dice);
            let won = dice.roll() < chance;
            let predicted = learn(&mut model, "teams/sales", &facts, won);
            if number >= 1_000 {
                predictions.push((predicted, won));
                best -= if won { chance.ln() } else { (1.0 - chance).ln() };
            }
        }
        let all = predictions.len() as f64;
        (quality::of(predictions), best / all)
    }

    fn chance(logit: f64) -> f64 {
        super::super::probability(logit)
    }

    const EFFECTS: [f64; 4] = [-0.8, -0.2, 0.3, 0.9];

    /// Facts of independent variables, and the log-odds that they truly add.
    fn drawn(dice: &mut Dice, variables: usize) -> (Vec<Fact>, f64) {
        let values: Vec<usize> = (0..variables).map(|_| dice.below(4)).collect();
        let facts =
            values.iter().enumerate().map(|(at, value)| Fact::new(&format!("v{at}"), &format!("{value}")));
        (facts.collect(), values.iter().map(|value| EFFECTS[*value]).sum())
    }

    #[test]
    fn a_market_that_stands_still_is_learned() {
        let (quality, best) = replay(6_000, |_, dice| {
            let (facts, logit) = drawn(dice, 4);
            (facts, chance(logit - 1.0))
        });
        assert!(quality.log_loss < best + 0.02, "{quality:?} {best}");
        assert!(quality.calibration_error < 0.025, "{quality:?}");
    }

    /// The peer's defect: blind to drift.
    #[test]
    fn a_market_that_turns_fourfold_is_followed() {
        let (quality, best) = replay(6_000, |number, dice| {
            let (facts, logit) = drawn(dice, 3);
            (facts, chance(logit - if number / 1_000 % 2 == 0 { 2.5 } else { 0.5 }))
        });
        assert!(quality.log_loss < best + 0.03, "{quality:?} {best}");
        assert!(quality.calibration_error < 0.03, "{quality:?}");
    }

    /// The peer's defect: overconfident, for it takes ten fields that say the same for ten reasons.
    #[test]
    fn ten_fields_that_say_the_same_are_one_reason() {
        let (quality, best) = replay(6_000, |_, dice| {
            let value = dice.below(4);
            let facts = (0..10).map(|at| Fact::new(&format!("v{at}"), &format!("{value}")));
            (facts.collect(), chance(EFFECTS[value] - 1.0))
        });
        assert!(quality.log_loss < best + 0.02, "{quality:?} {best}");
        assert!(quality.calibration_error < 0.03, "{quality:?}");
    }

    #[test]
    fn values_that_are_always_new_and_fields_that_are_often_missing_do_no_harm() {
        let (quality, best) = replay(4_000, |number, dice| {
            let (mut facts, logit) = drawn(dice, 3);
            let kept = dice.below(2) == 0;
            // What is missing tells nothing here: its effect is drawn all the same.
            facts.retain(|fact| kept || fact.variable() != "v0");
            facts.push(Fact::new("order", &number.to_string()));
            (facts, chance(logit - 1.0))
        });
        assert!(quality.log_loss < best + 0.05, "{quality:?} {best}");
        assert!(quality.calibration_error < 0.03, "{quality:?}");
    }

    #[test]
    fn a_variable_counts_so_many_values_at_most() {
        let mut model = Model::default();
        for number in 0..600 {
            learn(&mut model, "teams/sales", &[Fact::new("order", &number.to_string())], number % 2 == 0);
        }
        assert_eq!(model.counts.len(), 501, "500 values and their variable");
        assert_eq!(model.counts["order"].of[COMPANY].kinds, 500);
        assert!(!model.counts.contains_key("order=599"));
    }

    #[test]
    fn every_explanation_adds_up() {
        let (mut model, mut dice) = (Model::default(), Dice(3));
        for number in 0..500 {
            let team = ["teams/a", "teams/b", COMPANY][dice.below(3)];
            let (facts, logit) = drawn(&mut dice, 5);
            let explained = model.explain(team, &facts);
            let sum = explained.prior + explained.contributions.iter().map(|one| one.logit).sum::<f64>();
            assert!((sum - explained.logit).abs() < 1e-9 && explained.logit.is_finite());
            learn(&mut model, team, &facts, dice.roll() < chance(logit) && number > 20);
        }
    }

    /// Counts and base rates after an outcome was taken back are those of a model that never saw it, but for the time that passed.
    #[test]
    fn an_outcome_taken_back_leaves_no_trace_in_the_counts() {
        let mut dice = Dice(5);
        let mut model = Model::default();
        for _ in 0..50 {
            let (facts, _) = drawn(&mut dice, 3);
            let won = dice.below(3) == 0;
            learn(&mut model, "teams/sales", &facts, won);
        }
        let before = model.clone();
        let facts = [Fact::new("v0", "1"), Fact::new("v1", "never before")];
        let learned =
            model.learn(&Outcome { team: "teams/sales", facts: &facts, counted: &facts, won: true });
        model.take_back(&learned);
        for owner in [COMPANY, "teams/sales"] {
            let (now, then) = (model.team(owner), before.team(owner));
            assert_eq!((now.counted, now.won, now.outcomes), (then.counted, then.won, then.outcomes + 1));
            for (key, counts) in &model.counts {
                let count = |counts: Option<&super::super::Counts>| {
                    counts
                        .and_then(|counts| counts.of.get(owner))
                        .copied()
                        .unwrap_or_default()
                        .faded(now.outcomes)
                };
                let (now, then) = (count(Some(counts)), count(before.counts.get(key)));
                assert!((now.won - then.won).abs() < 1e-12 && (now.lost - then.lost).abs() < 1e-12, "{key}");
            }
        }
        // A second one, learned before others and taken back after them.
        let early = model.learn(&Outcome { team: "teams/sales", facts: &facts, counted: &facts, won: false });
        let mut without = before.clone();
        for team in without.teams.values_mut() {
            team.outcomes += 2;
        }
        for number in 0..40 {
            let facts = [Fact::new("v0", if number % 2 == 0 { "1" } else { "2" })];
            learn(&mut model, "teams/sales", &facts, number % 5 == 0);
            learn(&mut without, "teams/sales", &facts, number % 5 == 0);
        }
        model.take_back(&early);
        for (key, counts) in &without.counts {
            for (owner, count) in &counts.of {
                let now = model.team(owner).outcomes;
                let (with, without) = (model.counts[key].of[owner].faded(now), count.faded(now));
                assert!((with.total() - without.total()).abs() < 1e-9, "{key} {with:?} {without:?}");
            }
        }
    }
}
