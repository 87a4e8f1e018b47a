//! A next step: what is to be done for an opportunity, by when, and what became of it.
//! Called by rpc/next_step.rs, next_steps.rs and store/next_step.rs.

use std::ops::RangeInclusive;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use kontor_kit::auth::Guard;
use kontor_kit::{Error, Result};

use super::opportunity::Opportunity;
use super::text;

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// "opportunities/{id}".
    pub opportunity: String,
    /// What can be changed.
    pub facts: Facts,
    /// To be done, or what became of it.
    pub state: State,
    /// Title of the opportunity.
    pub deal_title: String,
    /// The opportunity's: "users/{user}", or empty.
    pub assignee: String,
    /// The opportunity's: "teams/{team}", or empty.
    pub team: String,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
    /// Microseconds since 1970 UTC.
    pub update_time: i64,
}

/// What can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What is to be done.
    pub title: String,
    /// Free text.
    pub note: String,
    /// By when.
    pub due: Due,
}

/// By when a step is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The instant from which on it is late: microseconds since 1970 UTC.
    pub late: i64,
    /// "2026-12-31", or empty when it is due at the instant itself.
    pub day: String,
}

/// To be done, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// To be done.
    Open,
    /// Done at this instant by this user.
    Done(i64, String),
    /// Given up at this instant by this user.
    Dropped(i64, String),
}

impl State {
    /// Number in the API and in the database.
    pub fn number(&self) -> i64 {
        match self {
            State::Open => 1,
            State::Done(..) => 2,
            State::Dropped(..) => 3,
        }
    }
}

/// Years in which a step may be due: those that a task in a calendar may have in any zone.
const YEARS: RangeInclusive<i16> = 1971..=9998;

impl Due {
    /// A day as it runs in this zone.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field`.
    pub fn day(field: &str, day: &str, zone: &TimeZone) -> Result<Due> {
        let wrong = || Error::invalid(field, format!("{day:?} is no day like 2026-12-31"));
        let date: Date = day.parse().ok().filter(|_| day.len() == 10).ok_or_else(wrong)?;
        if !YEARS.contains(&date.year()) {
            return Err(far(field));
        }
        let next = date.checked_add(1.day()).map_err(|_| wrong())?;
        let end = zone.to_timestamp(next.at(0, 0, 0, 0)).map_err(|_| wrong())?;
        Ok(Due { late: end.as_microsecond(), day: day.to_owned() })
    }

    /// An instant in microseconds since 1970 UTC.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field`.
    pub fn time(field: &str, micros: i64) -> Result<Due> {
        let time = Timestamp::from_microsecond(micros).map_err(|_| far(field))?;
        if YEARS.contains(&TimeZone::UTC.to_datetime(time).year()) {
            return Ok(Due { late: micros, day: String::new() });
        }
        Err(far(field))
    }
}

fn far(field: &str) -> Error {
    Error::invalid(field, format!("it is not between {} and {}", YEARS.start(), YEARS.end()))
}

impl Facts {
    /// The same, trimmed, when all is right. `field` is the step's in the request.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn checked(self, field: &str) -> Result<Facts> {
        Ok(Facts {
            title: text::filled_line(&format!("{field}.title"), &self.title, 500)?,
            note: text::free(&format!("{field}.note"), &self.note)?,
            due: self.due,
        })
    }
}

impl NextStep {
    /// A new one of an opportunity.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when the opportunity is closed.
    pub fn new(id: String, deal: &Opportunity, facts: Facts, now: i64) -> Result<NextStep> {
        deal.must_be_open()?;
        Ok(NextStep {
            id,
            version: 1,
            opportunity: format!("opportunities/{}", deal.id),
            facts,
            state: State::Open,
            deal_title: deal.details.title.clone(),
            assignee: deal.details.assignee.clone(),
            team: deal.details.team.clone(),
            create_time: now,
            update_time: now,
        })
    }

    /// Whose it is.
    pub fn guard(&self) -> Guard {
        Guard::new(&*self.assignee, &*self.team)
    }

    /// Takes other facts over. False when they are the same.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when it is closed.
    pub fn change(&mut self, facts: Facts, now: i64) -> Result<bool> {
        self.must_be_open()?;
        if self.facts == facts {
            return Ok(false);
        }
        self.facts = facts;
        self.update_time = now;
        Ok(true)
    }

    /// Completes it.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when it is closed.
    pub fn complete(&mut self, by: &str, now: i64) -> Result<()> {
        self.close(State::Done(now, by.to_owned()), now)
    }

    /// Gives it up.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when it is closed.
    pub fn give_up(&mut self, by: &str, now: i64) -> Result<()> {
        self.close(State::Dropped(now, by.to_owned()), now)
    }

    fn close(&mut self, state: State, now: i64) -> Result<()> {
        self.must_be_open()?;
        self.state = state;
        self.update_time = now;
        Ok(())
    }

    fn must_be_open(&self) -> Result<()> {
        if self.state == State::Open {
            return Ok(());
        }
        let message = format!("{}/nextSteps/{} is done or dropped already", self.opportunity, self.id);
        Err(Error::precondition("NEXT_STEP_CLOSED", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_late_when_it_is_over_where_the_company_is() {
        let zone = TimeZone::get("Europe/Brussels").expect("a zone");
        let late = |day: &str| Due::day("due", day, &zone).map(|due| due.late);
        let at = |text: &str| text.parse::<jiff::Timestamp>().expect("an instant").as_microsecond();
        assert_eq!(late("2026-11-23").expect("a day"), at("2026-11-23T23:00:00Z"));
        // The night in which the clocks change.
        assert_eq!(late("2026-03-28").expect("a day"), at("2026-03-28T23:00:00Z"));
        assert_eq!(late("2026-03-29").expect("a day"), at("2026-03-29T22:00:00Z"));
        for wrong in ["", "2026-2-1", "2026-02-30", "9999-12-31", "2026-12-31T00:00"] {
            assert!(late(wrong).is_err(), "{wrong}");
        }
        assert!(Due::time("due", -1).is_err() && Due::time("due", i64::MAX).is_err());
    }
}
