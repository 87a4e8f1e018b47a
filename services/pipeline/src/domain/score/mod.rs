//! The score: how likely an opportunity is won, learned from those that were closed. Pure arithmetic; its rows are kept by store/score.rs.
//! Called by store/score.rs and rpc/score.rs. The choice of the model and its figures: docs/adr/0010-score.md.
//!
//! `logit = prior + sum of contributions`. The prior is the team's base rate of late (`base.rs`) and the calibration's intercept. A contribution is the
//! slope of the calibration, times the trust in the variable, times the evidence of its value's counts (`count.rs`).

pub mod base;
pub mod count;
pub mod fact;
pub mod learn;
pub mod quality;
pub mod words;

use std::collections::HashMap;

use base::Base;
use count::{Count, Evidence};
use fact::Fact;

/// The company as a whole, where a team's name stands.
pub const COMPANY: &str = "";
/// Name of the weight that multiplies all evidence.
pub const SLOPE: &str = "slope";
/// Name of the weight that is added.
pub const INTERCEPT: &str = "intercept";

/// What was learned, or the part of it that the facts at hand need.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Number of changes.
    pub version: i64,
    /// The company and its teams, by name.
    pub teams: HashMap<String, Team>,
    /// Learned weights, by name: slope, intercept, and a trust for each variable.
    pub weights: HashMap<String, Weight>,
    /// Counts by key: of a value ("source=web") and of a variable ("source").
    pub counts: HashMap<String, Counts>,
}

/// Counts of one key.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Of the company and of each team, by name.
    pub of: HashMap<String, Count>,
}

/// The outcomes of a team or of the company.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Team {
    /// Outcomes ever learned: the clock by which counts fade. It never goes back.
    pub outcomes: i64,
    /// Outcomes learned and not taken back.
    pub counted: i64,
    /// Those won.
    pub won: i64,
    /// Its base rate.
    pub base: Base,
}

/// A weight that is learned by steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// Value.
    pub value: f64,
    /// Sum of squared gradients: steps become smaller as it grows (AdaGrad).
    pub gradient: f64,
}

impl Weight {
    /// Of a name not learned yet. Trust begins below 1, for variables say the same thing twice.
    pub fn first(name: &str) -> Weight {
        let value = match name {
            SLOPE => 1.0,
            INTERCEPT => 0.0,
            _ => 0.7,
        };
        Weight { value, gradient: 1.0 }
    }
}

/// Why a score is what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Log-odds: `prior` and all contributions.
    pub logit: f64,
    /// Log-odds before anything is known.
    pub prior: f64,
    /// One for each fact, in the order of the facts.
    pub contributions: Vec<Contribution>,
}

/// What one fact adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Log-odds.
    pub logit: f64,
    /// What it comes from.
    pub evidence: Evidence,
}

impl Explanation {
    /// 0 to 1.
    pub fn probability(&self) -> f64 {
        probability(self.logit)
    }
}

impl Model {
    /// Why an opportunity of this team with these facts has its score.
    pub fn explain(&self, team: &str, facts: &[Fact]) -> Explanation {
        let prior = self.prior(team);
        let contributions: Vec<_> = facts.iter().map(|fact| self.contribution(team, fact)).collect();
        let logit = contributions.iter().fold(prior, |sum, one| sum + one.logit);
        Explanation { logit, prior, contributions }
    }

    /// Log-odds of a team's opportunity of which nothing is known, calibrated.
    pub fn prior(&self, team: &str) -> f64 {
        self.base(team) + self.weight(INTERCEPT).value
    }

    /// What one fact adds to the log-odds.
    pub fn contribution(&self, team: &str, fact: &Fact) -> Contribution {
        let evidence = self.evidence(team, fact);
        let factor = self.weight(SLOPE).value * self.weight(fact.variable()).value;
        Contribution { logit: factor * evidence.logit, evidence }
    }

    /// Log-odds of the base rate. A team that is new, or has no outcome yet, has the company's.
    fn base(&self, team: &str) -> f64 {
        let company = self.team(COMPANY).base.logit(None);
        match self.teams.get(team) {
            Some(own) if team != COMPANY => own.base.logit(Some(company)),
            _ => company,
        }
    }

    /// What the counts say of a fact: the company's first, and on top of it how the team differs.
    fn evidence(&self, team: &str, fact: &Fact) -> Evidence {
        let company = self.tally(COMPANY, fact);
        let known = count::evidence(company, None);
        if team == COMPANY || !self.teams.contains_key(team) {
            return known;
        }
        count::evidence(self.tally(team, fact), Some(known))
    }

    /// Counts of the value and of its variable, faded to now.
    fn tally(&self, team: &str, fact: &Fact) -> [Count; 2] {
        let now = self.teams.get(team).map_or(0, |team| team.outcomes);
        [fact.key(), fact.variable()].map(|key| {
            let count = self.counts.get(key).and_then(|counts| counts.of.get(team));
            count.map_or_else(Count::default, |count| count.faded(now))
        })
    }

    /// A team, or one without outcomes.
    pub fn team(&self, team: &str) -> Team {
        self.teams.get(team).cloned().unwrap_or_default()
    }

    /// A weight, or what it begins with.
    pub fn weight(&self, name: &str) -> Weight {
        self.weights.get(name).copied().unwrap_or_else(|| Weight::first(name))
    }
}

/// Log-odds of a probability that is neither 0 nor 1.
pub fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

/// Probability of log-odds.
pub fn probability(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// What remains of a weight after so many outcomes.
pub fn fading(age: i64, half_life: f64) -> f64 {
    (-(age.max(0) as f64) / half_life).exp2()
}
