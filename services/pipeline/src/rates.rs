//! Which rate an opportunity keeps (ADR 12), and the work behind a new rate: open opportunities that wait for it get it.
//! Called by the rpc files inside the transaction of a change; `follow` by `start`.
//!
//! An opportunity takes the rate that is valid on the day when its amounts change. An open one without a rate takes the first that is valid, and
//! an open one follows a correction of the rate that it keeps. Closing freezes the rate. When the company's currency was changed, open ones get the rate into the new one.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Conn, Db, Tx};
use kontor_kit::{Error, Result, resource};
use tokio::sync::Notify;

use crate::domain::currency;
use crate::domain::exchange::ExchangeRate;
use crate::domain::opportunity::{Details, Opportunity, Outcome};
use crate::{events, store};

/// Opportunities of one transaction: the writer serves others too.
const BATCH: usize = 100;
/// How often a rate is looked for that begins to be valid, or that another process was given.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// The company's currency, and on which day it is there. Cheap to clone.
#[derive(Clone)]
pub struct Rates {
    company: Arc<str>,
    zone: TimeZone,
    wake: Arc<Notify>,
}

impl Rates {
    /// For the company of this process.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when its currency is none.
    pub fn new(context: &Context) -> Result<Rates> {
        let company = context.company.currency.as_str();
        currency::check("company.currency", company)?;
        Ok(Rates { company: company.into(), zone: context.zone(), wake: Arc::default() })
    }

    /// The company's currency.
    pub fn company(&self) -> &str {
        &self.company
    }

    /// Takes the rate that is valid now for an open opportunity, or was valid on the day of its closing. None when there is none.
    ///
    /// # Errors
    /// Those of the database.
    pub fn take(&self, conn: &mut Conn<'_>, deal: &mut Opportunity, now: i64) -> Result<()> {
        deal.exchange = None;
        let Some(currency) = deal.details.currency().filter(|currency| *currency != &*self.company) else {
            return Ok(());
        };
        let day = match deal.outcome {
            Outcome::Open => self.day(now)?,
            Outcome::Won(time) | Outcome::Lost(time, _) => self.day(time)?,
        };
        let rate = store::exchange_rate::valid_on(conn, &self.company, currency, &day)?;
        deal.exchange = rate.map(|rate| rate.kept());
        Ok(())
    }

    /// The same for an open one without a rate. Others keep what they have.
    ///
    /// # Errors
    /// Those of the database.
    pub fn take_missing(&self, conn: &mut Conn<'_>, deal: &mut Opportunity, now: i64) -> Result<()> {
        if deal.exchange.is_none() && deal.outcome == Outcome::Open {
            self.take(conn, deal, now)
        } else {
            Ok(())
        }
    }

    /// After a change of its fields at its `update_time`: other amounts take a new rate, but the frozen rate of a closed one holds for as long as its currency does.
    ///
    /// # Errors
    /// Those of the database.
    pub fn take_changed(&self, conn: &mut Conn<'_>, deal: &mut Opportunity, before: &Details) -> Result<()> {
        let details = &deal.details;
        let same = details.amount == before.amount && details.recurring() == before.recurring();
        let now = deal.update_time;
        let open = deal.outcome == Outcome::Open;
        let frozen = !open && deal.exchange.is_some() && details.currency() == before.currency();
        match (same, frozen) {
            (true, _) => self.take_missing(conn, deal, now),
            (false, true) => Ok(()),
            (false, false) => self.take(conn, deal, now),
        }
    }

    /// After rates were set: opportunities may wait for them.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// "2026-11-29" where the company is.
    fn day(&self, now: i64) -> Result<String> {
        let now = jiff::Timestamp::from_microsecond(now).map_err(Error::internal)?;
        Ok(self.zone.to_datetime(now).date().to_string())
    }
}

/// Gives rates to the open opportunities that wait for them, for as long as the process runs.
pub fn follow(context: &Context, db: &Db, rates: &Rates) {
    let (db, rates) = (db.clone(), rates.clone());
    context.spawn(async move {
        loop {
            let done = match rebase(&db, &rates).await {
                Ok(()) => catch_up(&db, &rates).await,
                Err(cause) => Err(cause),
            };
            if let Err(cause) = done {
                tracing::warn!(cause = %cause, "opportunities wait for their exchange rate");
            }
            // A rate that is set before this waits leaves a permit, so none is missed.
            drop(tokio::time::timeout(LOOK_AGAIN, rates.wake.notified()).await);
        }
    });
}

/// Brings the open opportunities to the company's currency when that is another than it was: once, in batches, and after a stop from where it was.
async fn rebase(db: &Db, rates: &Rates) -> Result<()> {
    loop {
        let company = rates.company.clone();
        let found = db.read(move |conn| store::exchange_rate::to_rebase(conn, &company, BATCH)).await?;
        let Some(ids) = found else { return Ok(()) };
        let rates = rates.clone();
        db.write(move |tx| {
            for id in &ids {
                rerate(tx, &rates, id)?;
            }
            let last = ids.last().filter(|_| ids.len() == BATCH);
            store::exchange_rate::rebased(tx, &rates.company, last.map(String::as_str))
        })
        .await?;
    }
}

fn rerate(tx: &mut Tx<'_>, rates: &Rates, id: &str) -> Result<()> {
    let Some(mut deal) = resource::hold_if_there::<Opportunity>(tx, id)? else { return Ok(()) };
    let is_so = deal.exchange.as_ref().is_some_and(|kept| *kept.base == *rates.company);
    if deal.outcome != Outcome::Open || is_so {
        return Ok(());
    }
    let (before, now) = (deal.exchange.clone(), tx.now());
    rates.take(tx, &mut deal, now)?;
    if deal.exchange == before {
        return Ok(());
    }
    deal.update_time = now;
    resource::update(tx, &mut deal)?;
    events::updated(tx, &Caller::system(), &deal, vec!["exchange_rate".to_owned()])
}

async fn catch_up(db: &Db, rates: &Rates) -> Result<()> {
    loop {
        let (company, today) = (rates.company.clone(), rates.day(db.clock().now())?);
        let due = db.read(move |conn| store::exchange_rate::due(conn, &company, &today)).await?;
        if due.is_empty() {
            return Ok(());
        }
        for rate in due {
            for day in ["", rate.day.as_str()] {
                let mut after = Some(String::new());
                while let Some(last) = after {
                    let (rates, rate, day) = (rates.clone(), rate.clone(), day.to_owned());
                    after = db.write(move |tx| give(tx, &rates, &rate, &day, &last)).await?;
                }
            }
            db.write(move |tx| store::exchange_rate::reached_all(tx, &rate)).await?;
        }
    }
}

/// Gives a rate to some of those that keep none, or that keep the rate of its day. Returns the last id when there may be more.
fn give(
    tx: &mut Tx<'_>,
    rates: &Rates,
    rate: &ExchangeRate,
    day: &str,
    after: &str,
) -> Result<Option<String>> {
    let ids = store::exchange_rate::open_with(tx, &rate.currency, day, after, BATCH)?;
    let now = tx.now();
    for id in &ids {
        let Some(mut deal) = resource::hold_if_there::<Opportunity>(tx, id)? else { continue };
        let before = deal.exchange.clone();
        match &before {
            None => rates.take_missing(tx, &mut deal, now)?,
            Some(kept) if deal.outcome == Outcome::Open && kept.day == rate.day && kept.base == rate.base => {
                deal.exchange = Some(rate.kept());
            }
            Some(_) => {}
        }
        if deal.exchange != before {
            deal.update_time = now;
            resource::update(tx, &mut deal)?;
            events::updated(tx, &Caller::system(), &deal, vec!["exchange_rate".to_owned()])?;
        }
    }
    Ok(ids.last().filter(|_| ids.len() == BATCH).cloned())
}
