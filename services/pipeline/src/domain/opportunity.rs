//! An opportunity: its fields, and the ways from open to won or lost.
//! Called by rpc/opportunity.rs, rpc/convert.rs and store/opportunity.rs.

use std::collections::BTreeMap;

use kontor_kit::auth::Guard;
use kontor_kit::{Error, Result};

use super::exchange::Kept;
use super::money::{Money, Recurring};
use super::pipeline::Stage;
use super::text;

/// A deal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opportunity {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// What can be changed.
    pub details: Details,
    /// "pipelines/{pipeline}".
    pub pipeline: String,
    /// "pipelines/{pipeline}/stages/{stage}".
    pub stage: String,
    /// Open, or how and when it was closed.
    pub outcome: Outcome,
    /// "leads/{id}", or empty.
    pub lead: String,
    /// How its lead could be reached: "email and phone", "none"; empty when it had no lead.
    pub contact: String,
    /// Record of another service that it came from, or empty.
    pub origin: String,
    /// The rate into the company's currency that it keeps; none in that currency, without an amount, and while there is no rate.
    pub exchange: Option<Kept>,
    /// When it came to its stage: microseconds since 1970 UTC.
    pub stage_time: i64,
    /// Since when it rots there unless it goes on; none when its stage has no limit, or it is closed.
    pub rot_time: Option<i64>,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
    /// Microseconds since 1970 UTC.
    pub update_time: i64,
}

/// The fields of an opportunity that can be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// What it is about.
    pub title: String,
    /// "partners/{id}", or empty.
    pub partner: String,
    /// Expected amount.
    pub amount: Option<Money>,
    /// Expected revenue that comes again, in the same currency, for all its months together.
    pub recurring_amount: Option<Money>,
    /// For how many months that is; 0 without one.
    pub recurring_months: i32,
    /// Percent; the stage's when none.
    pub probability: Option<i32>,
    /// "users/{user}", or empty.
    pub assignee: String,
    /// "teams/{team}", or empty.
    pub team: String,
    /// "2026-12-31", or empty.
    pub expected_close_date: String,
    /// Free text.
    pub description: String,
    /// Free tags.
    pub tags: Vec<String>,
    /// Free categories.
    pub attributes: BTreeMap<String, String>,
    /// Where it came from.
    pub source: String,
}

/// Open, or how and when it was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Being worked on.
    Open,
    /// Won at this instant.
    Won(i64),
    /// Lost at this instant, for this reason (empty when none was asked for).
    Lost(i64, String),
}

impl Outcome {
    /// Number in the API and in the database.
    pub fn number(&self) -> i64 {
        match self {
            Outcome::Open => 1,
            Outcome::Won(_) => 2,
            Outcome::Lost(..) => 3,
        }
    }
}

impl Opportunity {
    /// Whose it is.
    pub fn guard(&self) -> Guard {
        Guard::new(&*self.details.assignee, &*self.details.team)
    }

    /// Moves it to another stage of its pipeline. Returns false when it is there already.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when it is closed.
    pub fn move_to(&mut self, stage: &Stage, now: i64) -> Result<bool> {
        self.must_be_open()?;
        if self.stage == stage.name {
            return Ok(false);
        }
        self.stage.clone_from(&stage.name);
        self.stage_time = now;
        self.rot_time = stage.rot_time(now);
        self.update_time = now;
        Ok(true)
    }

    /// Closes it as won.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when it is closed.
    pub fn win(&mut self, now: i64) -> Result<()> {
        self.must_be_open()?;
        self.outcome = Outcome::Won(now);
        self.rot_time = None;
        self.update_time = now;
        Ok(())
    }

    /// Closes it as lost.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when it is closed; INVALID_ARGUMENT naming reason when it is needed or too long.
    pub fn lose(&mut self, reason: &str, reason_required: bool, now: i64) -> Result<()> {
        self.must_be_open()?;
        let reason = text::line("reason", reason, 500)?;
        if reason.is_empty() && reason_required {
            return Err(Error::invalid("reason", format!("{} demands one", self.pipeline)));
        }
        self.outcome = Outcome::Lost(now, reason);
        self.rot_time = None;
        self.update_time = now;
        Ok(())
    }

    /// Opens it again in its stage, where its time begins anew. Returns how it had ended.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when it is open.
    pub fn reopen(&mut self, stage: &Stage, now: i64) -> Result<Outcome> {
        if self.outcome == Outcome::Open {
            let message = format!("opportunities/{} is open", self.id);
            return Err(Error::precondition("OPPORTUNITY_OPEN", message));
        }
        self.stage_time = now;
        self.rot_time = stage.rot_time(now);
        self.update_time = now;
        Ok(std::mem::replace(&mut self.outcome, Outcome::Open))
    }

    /// Percent: 100 when won, 0 when lost, its own, else its stage's.
    pub fn probability(&self, stage: i32) -> i32 {
        match self.outcome {
            Outcome::Open => self.details.probability.unwrap_or(stage),
            Outcome::Won(_) => 100,
            Outcome::Lost(..) => 0,
        }
    }

    /// Checks that it can be worked on.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when it is closed.
    pub fn must_be_open(&self) -> Result<()> {
        match self.outcome {
            Outcome::Open => Ok(()),
            _ => {
                let message = format!("opportunities/{} is already closed", self.id);
                Err(Error::precondition("OPPORTUNITY_CLOSED", message))
            }
        }
    }
}

impl Details {
    /// The currency of its amounts; none without them.
    pub fn currency(&self) -> Option<&str> {
        let money = self.amount.as_ref().or(self.recurring_amount.as_ref());
        money.map(|money| money.currency.as_str())
    }

    /// Expected revenue that comes again.
    pub fn recurring(&self) -> Option<Recurring> {
        let months = self.recurring_months;
        self.recurring_amount.clone().map(|money| Recurring { money, months })
    }

    /// The same, trimmed, when all is right. Names of users, teams and partners are checked elsewhere.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn checked(self) -> Result<Details> {
        if let Some(probability) = self.probability {
            text::percent("opportunity.probability", probability)?;
        }
        check_day(&self.expected_close_date)?;
        Recurring::check("opportunity.recurring", self.recurring_amount.as_ref(), self.recurring_months)?;
        if let (Some(amount), Some(recurring)) = (&self.amount, &self.recurring_amount) {
            let (one, other) = (&amount.currency, &recurring.currency);
            if one != other {
                let message =
                    format!("it is {other}, and the amount is in {one}: one opportunity has one currency");
                return Err(Error::invalid("opportunity.recurring_amount.currency_code", message));
            }
        }
        Ok(Details {
            title: text::filled_line("opportunity.title", &self.title, 500)?,
            description: text::free("opportunity.description", &self.description)?,
            tags: text::tags("opportunity.tags", &self.tags)?,
            attributes: text::attributes("opportunity.attributes", &self.attributes)?,
            source: text::line("opportunity.source", &self.source, 100)?,
            ..self
        })
    }
}

fn check_day(day: &str) -> Result<()> {
    // Only the one form that sorts as text.
    let good = |day: &str| day.len() == 10 && day.parse::<jiff::civil::Date>().is_ok();
    if day.is_empty() || good(day) {
        return Ok(());
    }
    Err(Error::invalid("opportunity.expected_close_date", format!("{day:?} is no day like 2026-12-31")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opportunity() -> Opportunity {
        Opportunity {
            id: "1".to_owned(),
            version: 1,
            details: Details { title: "Roof".to_owned(), ..Details::default() },
            pipeline: "pipelines/default".to_owned(),
            stage: "pipelines/default/stages/new".to_owned(),
            outcome: Outcome::Open,
            lead: String::new(),
            contact: String::new(),
            origin: String::new(),
            exchange: None,
            rot_time: None,
            stage_time: 1,
            create_time: 1,
            update_time: 1,
        }
    }

    #[test]
    fn lost_without_a_needed_reason_stays_open() {
        let mut deal = opportunity();
        assert!(deal.lose("  ", true, 5).unwrap_err().message().starts_with("reason"));
        assert_eq!(deal, opportunity());
        deal.lose(" price ", true, 5).unwrap();
        assert_eq!(deal.outcome, Outcome::Lost(5, "price".to_owned()));
        assert_eq!(deal.win(6).unwrap_err().reason(), "OPPORTUNITY_CLOSED");
        assert_eq!(deal.probability(30), 0);
    }

    #[test]
    fn move_to_the_same_stage_changes_nothing() {
        let mut deal = opportunity();
        let stage = |name: &str| Stage {
            name: name.to_owned(),
            display_name: "x".to_owned(),
            probability: 30,
            ..Stage::default()
        };
        assert!(!deal.move_to(&stage("pipelines/default/stages/new"), 9).unwrap());
        assert_eq!(deal.stage_time, 1);
        assert!(deal.move_to(&stage("pipelines/default/stages/qualified"), 9).unwrap());
        assert_eq!(deal.stage_time, 9);
    }

    #[test]
    fn days_are_written_in_full() {
        let day =
            |day: &str| Details { expected_close_date: day.to_owned(), ..opportunity().details }.checked();
        assert!(day("2026-12-31").is_ok() && day("").is_ok());
        for wrong in ["2026-2-1", "2026-02-30", "31.12.2026", "2026-12-31T00:00"] {
            assert!(day(wrong).unwrap_err().message().contains("expected_close_date"), "{wrong}");
        }
    }
}
