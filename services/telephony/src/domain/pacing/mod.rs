//! Pacing: how many calls of a list may be placed at this moment, and why, in words.
//! Called by rpc/pacing.rs and by the simulation; pure, exact, and without an allocation per decision.

pub mod binomial;
pub mod estimate;

use std::fmt;

/// The legal cap of dropped calls, of those that a person answered, unless a list sets its own.
pub const CAP: f64 = 0.03;
/// Below so many operators predictive pacing gains little, and one surprise more drops a call.
pub const SMALL_TEAM: u32 = 8;
/// What is used of the cap: the rest is for what no estimate foresees.
const OF_CAP: f64 = 0.8;
/// What is used of the operators who are, or will be, free.
const OF_FREE: f64 = 0.9;
/// Calls that one decision may, as expected, drop beyond what is left of the budget.
const BEYOND: f64 = 0.000_2;

/// How calls are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The operator sees the record first, and starts the call.
    Preview,
    /// One call for each free operator: nobody is ever dropped.
    Progressive,
    /// More calls than free operators, as many as the cap of dropped calls allows.
    Predictive,
}

impl Mode {
    /// The mode of a list that names none.
    pub fn usual(operators: u32) -> Mode {
        if operators < SMALL_TEAM { Mode::Progressive } else { Mode::Predictive }
    }
}

/// What is known at the moment of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Operators who work on the list: not offline, not on a break.
    pub operators: u32,
    /// Those who are free.
    pub idle: u32,
    /// How many of the others come free while a call rings, as expected: a fraction too. See `estimate::Handling`.
    pub freeing: f64,
    /// Calls that ring already.
    pub ringing: u32,
    /// The share of calls that are answered, with its caution: see `estimate::AnswerRate::cautious`.
    pub answer_rate: f64,
    /// Calls that a person answered, in the time that the cap is about.
    pub answered: u64,
    /// Those of them for whom nobody was free.
    pub dropped: u64,
    /// Calls that may ring at once at most: lines.
    pub lines: u32,
}

/// What to do, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// Calls to place now.
    pub place: u32,
    /// Why so many.
    pub why: Why,
}

/// The reason for a number of calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// Nobody works on the list.
    NoOperators,
    /// The mode is preview: operators start calls themselves.
    Preview,
    /// The mode is progressive.
    OneToOne,
    /// Predictive, but the budget is spent: no whole call may be dropped.
    BudgetSpent {
        /// What is left: below one.
        budget: f64,
    },
    /// Predictive.
    Predicted {
        /// Answers that find somebody, as reckoned.
        places: f64,
        /// What is left of the budget.
        budget: f64,
    },
    /// All lines ring.
    Lines,
}

/// The running budget: what may still be dropped. `cap` is a share of 0 to 1. Nothing is lent before the first answers come, so the cap holds from the first call of a
/// list on, and not only at the end of a day.
pub fn budget(cap: f64, moment: &Moment) -> f64 {
    OF_CAP * cap * moment.answered as f64 - moment.dropped as f64
}

/// Says how many calls to place now. `cap` is a share of 0 to 1.
pub fn decide(mode: Mode, cap: f64, moment: &Moment) -> Decision {
    if moment.operators == 0 {
        return Decision { place: 0, why: Why::NoOperators };
    }
    let one_to_one = moment.idle.saturating_sub(moment.ringing);
    let (place, why) = match mode {
        Mode::Preview => (one_to_one, Why::Preview),
        Mode::Progressive => (one_to_one, Why::OneToOne),
        Mode::Predictive => predict(cap, moment, one_to_one),
    };
    let room = moment.lines.saturating_sub(moment.ringing);
    if room < place || room == 0 {
        Decision { place: room, why: Why::Lines }
    } else {
        Decision { place, why }
    }
}

fn predict(cap: f64, moment: &Moment, one_to_one: u32) -> (u32, Why) {
    let budget = budget(cap, moment);
    if budget < 1.0 {
        return (one_to_one, Why::BudgetSpent { budget });
    }
    let places = OF_FREE * (f64::from(moment.idle) + moment.freeing);
    let (rate, lines) = (moment.answer_rate, moment.lines);
    let by_cap = binomial::largest(places, rate, OF_CAP * cap, 0.0, lines);
    // The cap is kept on the average by that, and the budget by this: a burst of answers must not take more than is left.
    let by_budget = binomial::largest(places + budget.floor(), rate, 0.0, BEYOND, by_cap);
    let rings = by_cap.min(by_budget);
    (rings.saturating_sub(moment.ringing).max(one_to_one), Why::Predicted { places, budget })
}

impl fmt::Display for Decision {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place;
        match self.why {
            Why::NoOperators => write!(to, "no operator is signed in and at work: place none"),
            Why::Preview => write!(to, "preview: {place} operators may each start a call"),
            Why::OneToOne => write!(to, "one call for each free operator: place {place}"),
            Why::BudgetSpent { budget } => write!(
                to,
                "no call may be dropped now (budget {budget:.1}): one call for each free operator, place {place}"
            ),
            Why::Predicted { places, budget } => write!(
                to,
                "about {places:.1} answers find an operator, and {budget:.1} calls may still be dropped: place {place}"
            ),
            Why::Lines => write!(to, "all lines are taken then: place {place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment {
        Moment {
            operators: 20,
            idle: 4,
            freeing: 2.0,
            ringing: 3,
            answer_rate: 0.2,
            answered: 1_000,
            dropped: 10,
            lines: 200,
        }
    }

    #[test]
    fn one_to_one_never_rings_more_than_are_free() {
        for mode in [Mode::Preview, Mode::Progressive] {
            assert_eq!(decide(mode, CAP, &moment()).place, 1);
            assert_eq!(decide(mode, CAP, &Moment { ringing: 9, ..moment() }).place, 0);
        }
    }

    #[test]
    fn predictive_rings_more_and_no_more_than_the_cap_allows() {
        let rings = decide(Mode::Predictive, CAP, &moment()).place + 3;
        assert!(rings > 10, "{rings}");
        assert!(binomial::surplus(rings, 5.4, 0.2) <= 0.024 * f64::from(rings) * 0.2);
        let strict = decide(Mode::Predictive, 0.001, &Moment { dropped: 0, ..moment() }).place + 3;
        assert!(strict < rings, "{strict} of {rings}");
    }

    #[test]
    fn a_spent_budget_falls_back_to_one_to_one() {
        for (answered, dropped) in [(0, 0), (1_000, 24), (1_000, 500)] {
            let decision = decide(Mode::Predictive, CAP, &Moment { answered, dropped, ..moment() });
            assert!(matches!(decision.why, Why::BudgetSpent { .. }) && decision.place == 1, "{decision:?}");
        }
        let little = decide(Mode::Predictive, CAP, &Moment { answered: 1_000, dropped: 23, ..moment() });
        let much = decide(Mode::Predictive, CAP, &Moment { answered: 1_000, dropped: 0, ..moment() });
        assert!(little.place < much.place, "{little:?}, {much:?}");
    }

    #[test]
    fn nobody_and_no_lines_place_nothing() {
        assert_eq!(decide(Mode::Predictive, CAP, &Moment { operators: 0, ..moment() }).place, 0);
        let full = decide(Mode::Predictive, CAP, &Moment { lines: 3, ..moment() });
        assert_eq!((full.place, full.why), (0, Why::Lines));
        let nearly = decide(Mode::Predictive, CAP, &Moment { lines: 5, ..moment() });
        assert_eq!(nearly.place, 2);
    }

    #[test]
    fn small_teams_are_paced_one_to_one() {
        assert_eq!(Mode::usual(7), Mode::Progressive);
        assert_eq!(Mode::usual(8), Mode::Predictive);
    }

    #[test]
    fn a_decision_says_why() {
        let said = decide(Mode::Predictive, CAP, &moment()).to_string();
        assert!(
            said.starts_with(
                "about 5.4 answers find an operator, and 14.0 calls may still be dropped: place "
            )
        );
    }
}
