//! Scores that are shown: computed from a copy of the model in memory, which is asked for its age in the same snapshot as the opportunities.
//! Called by the rpc files.
//!
//! The copy is true in every process: it is used only when the database has the same number of changes, and brought up to it by reading
//! the rows that changed. A transaction, whose own changes nobody else may see, reads its few rows from the database instead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kontor_kit::Result;
use kontor_kit::db::Conn;

use super::score_rows as score;
use crate::domain::opportunity::{Opportunity, Outcome};
use crate::domain::score::fact::{self, Fact};
use crate::domain::score::{COMPANY, Model, probability};

/// Changes that a short read may bring the copy forward by.
const FEW: i64 = 16;

/// The copy. Cheap to clone.
#[derive(Clone)]
pub struct Scores(Arc<Mutex<Held>>);

/// What a short read found of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// As the database is.
    Fresh,
    /// So far behind that only a read on a thread of the database should bring it forward: `Scores::catch_up`.
    Behind,
}

struct Held {
    model: Model,
    /// Log-odds already computed: of each team, and of each of its facts.
    priors: HashMap<String, f64>,
    contributions: HashMap<String, HashMap<String, f64>>,
}

impl Scores {
    /// Reads the whole model.
    ///
    /// # Errors
    /// Those of the database.
    pub fn read(conn: &mut Conn<'_>) -> Result<Scores> {
        let mut model = Model { version: -1, ..Model::default() };
        score::changes(conn, &mut model)?;
        let copy = Held { model, priors: HashMap::new(), contributions: HashMap::new() };
        Ok(Scores(Arc::new(Mutex::new(copy))))
    }

    /// Percent, of an opportunity that a transaction has at hand; none when it is closed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn of(&self, conn: &mut Conn<'_>, deal: &Opportunity) -> Result<Option<f64>> {
        if deal.outcome != Outcome::Open {
            return Ok(None);
        }
        let now = score::version(conn)?;
        let mut copy = self.copy();
        if copy.model.version >= now {
            return Ok(Some(copy.score(deal)));
        }
        drop(copy);
        Self::from_database(conn, deal).map(Some)
    }

    fn from_database(conn: &mut Conn<'_>, deal: &Opportunity) -> Result<f64> {
        let (facts, team) = (fact::of(deal), &deal.details.team);
        let part = score::part(conn, team, &facts)?;
        Ok(100.0 * part.explain(team, &facts).probability())
    }

    /// The same for a short read outside of a transaction, and whether the copy needs `catch_up`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn of_read(&self, conn: &mut Conn<'_>, deal: &Opportunity) -> Result<(Option<f64>, Copy)> {
        if deal.outcome != Outcome::Open {
            return Ok((None, Copy::Fresh));
        }
        let now = score::version(conn)?;
        let behind = now - self.copy().model.version;
        if behind > FEW {
            return Ok((Some(Self::from_database(conn, deal)?), Copy::Behind));
        }
        self.catch_up_to(conn, now)?;
        Ok((Some(self.copy().score(deal)), Copy::Fresh))
    }

    /// Brings the copy forward. What changed is read without holding it, for a read of many changes takes long, and threads of the runtime ask for scores
    /// meanwhile: nobody who wants the copy ever waits for the database.
    ///
    /// # Errors
    /// Those of the database.
    pub fn catch_up(&self, conn: &mut Conn<'_>) -> Result<()> {
        let now = score::version(conn)?;
        self.catch_up_to(conn, now)
    }

    fn catch_up_to(&self, conn: &mut Conn<'_>, now: i64) -> Result<()> {
        let since = self.copy().model.version;
        if since >= now {
            return Ok(());
        }
        let mut news = Model { version: since, ..Model::default() };
        score::changes(conn, &mut news)?;
        self.copy().take(news);
        Ok(())
    }

    /// Percent of each, in their order, also on a thread that has other requests to serve: a read of many changes ends there by its budget and
    /// leaves nothing behind.
    ///
    /// # Errors
    /// Those of the database.
    pub fn of_all<'a>(
        &self,
        conn: &mut Conn<'_>,
        deals: impl Iterator<Item = &'a Opportunity>,
    ) -> Result<Vec<Option<f64>>> {
        self.catch_up(conn)?;
        let mut copy = self.copy();
        let mut score = |deal: &Opportunity| {
            let open = deal.outcome == Outcome::Open;
            open.then(|| copy.score(deal))
        };
        Ok(deals.map(&mut score).collect())
    }

    fn copy(&self) -> MutexGuard<'_, Held> {
        // A panic leaves rows that were taken and a number that is too low: they are read again.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Takes over what changed since a version that the copy had. Another one may have brought it further meanwhile: rows are whole, so the newer ones stay.
    fn take(&mut self, news: Model) {
        if news.version <= self.model.version {
            return;
        }
        self.priors.clear();
        self.contributions.clear();
        self.model.teams.extend(news.teams);
        self.model.weights.extend(news.weights);
        for (key, counts) in news.counts {
            self.model.counts.entry(key).or_default().of.extend(counts.of);
        }
        self.model.version = news.version;
    }

    fn score(&mut self, deal: &Opportunity) -> f64 {
        // A team that the model does not know has the company's scores, and must not fill the memory.
        let team = Some(deal.details.team.as_str()).filter(|team| self.model.teams.contains_key(*team));
        let team = team.unwrap_or(COMPANY);
        let prior = match self.priors.get(team) {
            Some(prior) => *prior,
            None => *self.priors.entry(team.to_owned()).or_insert_with(|| self.model.prior(team)),
        };
        if !self.contributions.contains_key(team) {
            self.contributions.insert(team.to_owned(), HashMap::new());
        }
        let Held { model, contributions, .. } = self;
        let Some(known) = contributions.get_mut(team) else { return 100.0 * probability(prior) };
        let mut sum = prior;
        fact::each(deal, |key, _| {
            sum += match known.get(key) {
                Some(logit) => *logit,
                // What was never counted adds nothing, and is not kept.
                None if !model.counts.contains_key(key) => 0.0,
                None => {
                    let logit = Fact::from_key(key).map_or(0.0, |fact| model.contribution(team, &fact).logit);
                    known.insert(key.to_owned(), logit);
                    logit
                }
            };
        });
        100.0 * probability(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::score::Team;

    fn model(version: i64, outcomes: i64) -> Model {
        let team = Team { outcomes, ..Team::default() };
        Model { version, teams: [(COMPANY.to_owned(), team)].into(), ..Model::default() }
    }

    #[test]
    fn what_was_read_before_newer_news_changes_nothing() {
        let mut copy = Held { model: model(3, 3), priors: HashMap::new(), contributions: HashMap::new() };
        copy.take(model(7, 7));
        // Read at the same time from an older snapshot, and slower.
        copy.take(model(5, 5));
        assert_eq!((copy.model.version, copy.model.teams[COMPANY].outcomes), (7, 7));
    }
}
