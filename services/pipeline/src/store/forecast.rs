//! How opportunities and stages stood at every instant, so that a forecast of any past instant can be made.
//! Written by events.rs and store/pipeline.rs in the transaction of each change; read by rpc/forecast.rs.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

use crate::domain::forecast::{Deal, Forecast, Groups};
use crate::domain::opportunity::Opportunity;
use crate::domain::summary::Row;
use crate::domain::worth::{self, Worth};

/// `valid_until` of what stands now.
const NOW: i64 = i64::MAX;
/// State of an opportunity that was deleted.
const GONE: i64 = 4;

/// What a forecast is asked for.
#[derive(Clone, Debug)]
pub struct Question {
    /// Microseconds since 1970 UTC.
    pub as_of: i64,
    /// By what to group.
    pub groups: Groups,
    /// "pipelines/{pipeline}", or empty for all.
    pub pipeline: String,
    /// "2026-11", or empty.
    pub start_month: String,
    /// "2026-12", or empty.
    pub end_month: String,
    /// The company's currency, to bring amounts into it; none leaves each in its own.
    pub company: Option<String>,
}

/// Adds up the open opportunities that the caller may see, as they stood.
///
/// # Errors
/// FAILED_PRECONDITION when there are too many rows.
pub fn forecast(conn: &mut Conn<'_>, caller: &Caller, question: &Question) -> Result<Forecast> {
    let mut args: Vec<Value> = vec![question.as_of.into()];
    let mut condition = caller.scope("d.assignee", "d.team", &mut args);
    for (sql, value) in [
        ("d.pipeline = ", question.pipeline.clone()),
        ("d.close_date <> '' AND d.close_date >= ", question.start_month.clone()),
        // Every day of the month sorts before this.
        ("d.close_date <> '' AND d.close_date < ", above(&question.end_month)),
    ] {
        if !value.is_empty() {
            args.push(value.into());
            condition = format!("{condition} AND {sql}${}", args.len());
        }
    }
    // A stage keeps its row when it is taken away: nobody stands in it then.
    let sql = format!(
        "SELECT d.close_date, d.team, d.assignee, d.currency, d.amount, COALESCE(d.probability, s.probability, 0), d.monthly,
         d.rate, d.rate_currency
         FROM deal_history d LEFT JOIN stage_history s ON s.stage = d.stage AND s.valid_from <= $1 AND s.valid_until > $1
         WHERE d.state = 1 AND d.valid_from <= $1 AND d.valid_until > $1 AND {condition}"
    );
    let mut forecast = Forecast::default();
    conn.each(&sql, &args, |row| {
        let deal = Deal {
            close_date: row.text(0)?,
            team: row.text(1)?,
            owner: row.text(2)?,
            row: Row {
                currency: row.text(3)?,
                worth: Worth::of(row.text(4)?, row.text(6)?)?,
                rate: row.text(7)?,
                base: row.text(8)?,
                percent: row.int(5)?,
            },
        };
        forecast.add(question.groups, question.company.as_deref(), deal)
    })?;
    Ok(forecast)
}

fn above(month: &str) -> String {
    if month.is_empty() { String::new() } else { format!("{month}-99") }
}

/// Keeps how an opportunity stands from now on, when that is new. `gone` says that it is deleted.
///
/// # Errors
/// Those of the database.
pub fn note_deal(tx: &mut Tx<'_>, deal: &Opportunity, gone: bool) -> Result<()> {
    let name = deal.name();
    let details = &deal.details;
    let monthly = worth::monthly_text(details)?;
    let (rate, base) = deal.exchange.as_ref().map_or(("", ""), |kept| (&kept.rate, &kept.base));
    let state = if gone { GONE } else { deal.outcome.number() };
    let texts = [
        deal.pipeline.as_str(),
        &deal.stage,
        details.currency().unwrap_or(""),
        details.amount.as_ref().map_or("", |money| &money.amount),
        &details.expected_close_date,
        &details.assignee,
        &details.team,
        &monthly,
        rate,
        base,
    ];
    let probability = details.probability.map(i64::from);
    let present = tx.one(
        "SELECT valid_from, state, probability, pipeline, stage, currency, amount, close_date, assignee, team, monthly, rate, rate_currency
         FROM deal_history WHERE opportunity = $1 ORDER BY valid_from DESC LIMIT 1",
        args![&name],
        |row| {
            let mut same = row.int(1)? == state && row.opt_int(2)? == probability;
            for (place, text) in texts.iter().enumerate() {
                same = same && row.text(3 + place)? == *text;
            }
            Ok((row.int(0)?, same))
        },
    )?;
    let mut from = tx.now();
    if let Some((since, same)) = present {
        if same {
            return Ok(());
        }
        // The clocks of two processes may differ a little; history runs forward.
        from = from.max(since);
        tx.execute(
            "UPDATE deal_history SET valid_until = $3 WHERE opportunity = $1 AND valid_from = $2",
            args![&name, since, from],
        )?;
    }
    let [pipeline, stage, currency, amount, close_date, assignee, team, monthly, rate, base] = texts;
    // Of several changes at one instant the last one stands.
    tx.execute(
        "INSERT INTO deal_history (opportunity, valid_from, valid_until, state, pipeline, stage, currency, amount, probability, close_date,
         assignee, team, monthly, rate, rate_currency) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (opportunity, valid_from) DO UPDATE SET valid_until = excluded.valid_until, state = excluded.state,
         pipeline = excluded.pipeline, stage = excluded.stage, currency = excluded.currency, amount = excluded.amount,
         probability = excluded.probability, close_date = excluded.close_date, assignee = excluded.assignee, team = excluded.team,
         monthly = excluded.monthly, rate = excluded.rate, rate_currency = excluded.rate_currency",
        args![
            &name,
            from,
            NOW,
            state,
            pipeline,
            stage,
            currency,
            amount,
            probability,
            close_date,
            assignee,
            team,
            monthly,
            rate,
            base
        ],
    )?;
    Ok(())
}

/// Keeps the probability that a stage has from now on, when that is new.
///
/// # Errors
/// Those of the database.
pub fn note_stage(tx: &mut Tx<'_>, stage: &str, probability: i32) -> Result<()> {
    let probability = i64::from(probability);
    let present = tx.one(
        "SELECT valid_from, probability FROM stage_history WHERE stage = $1 ORDER BY valid_from DESC LIMIT 1",
        args![stage],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )?;
    let mut from = tx.now();
    if let Some((since, before)) = present {
        if before == probability {
            return Ok(());
        }
        from = from.max(since);
        tx.execute(
            "UPDATE stage_history SET valid_until = $3 WHERE stage = $1 AND valid_from = $2",
            args![stage, since, from],
        )?;
    }
    tx.execute(
        "INSERT INTO stage_history (stage, valid_from, valid_until, probability) VALUES ($1, $2, $3, $4)
         ON CONFLICT (stage, valid_from) DO UPDATE SET valid_until = excluded.valid_until, probability = excluded.probability",
        args![stage, from, NOW, probability],
    )?;
    Ok(())
}
