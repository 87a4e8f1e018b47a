//! Sums over all opportunities that a filter lets through: one pass, row by row, so that memory does not grow with their number.
//! Called by rpc/summary.rs.

use std::collections::HashMap;

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result, args};

use super::opportunity::condition;
use crate::domain::money::{Money, Recurring};
use crate::domain::summary::{Row, Summary};
use crate::domain::worth::Worth;

/// Adds up what the caller may see, in `company`, the company's currency; only those that rot at this instant when one is given.
///
/// # Errors
/// INVALID_ARGUMENT naming filter.
pub fn summary(
    conn: &mut Conn<'_>,
    caller: &Caller,
    filter: &str,
    rotting_at: Option<i64>,
    company: &str,
) -> Result<Summary> {
    let (condition, args) = condition(caller, filter, rotting_at)?;
    // There are few stages and many opportunities.
    let mut stages = HashMap::new();
    conn.each("SELECT name, probability FROM stage", args![], |row| {
        stages.insert(row.string(0)?, row.int(1)?);
        Ok(())
    })?;
    let sql = format!(
        "SELECT state, stage, probability, currency, amount, recurring_amount, recurring_months, rate, rate_currency FROM opportunity
         WHERE {condition}"
    );
    let mut summary = Summary::default();
    conn.each(&sql, &args, |row| {
        let percent = match (row.int(0)?, row.opt_int(2)?) {
            (2, _) => 100,
            (3, _) => 0,
            (_, Some(percent)) => percent,
            (_, None) => stages.get(row.text(1)?).copied().unwrap_or(0),
        };
        let currency = row.text(3)?;
        let monthly = monthly(currency, row.text(5)?, row.int(6)?)?;
        let worth = Worth::of(row.text(4)?, &monthly)?;
        summary.add(company, Row { currency, worth, rate: row.text(7)?, base: row.text(8)?, percent })
    })?;
    Ok(summary)
}

fn monthly(currency: &str, amount: &str, months: i64) -> Result<String> {
    if amount.is_empty() {
        return Ok(String::new());
    }
    let money = Money { currency: currency.to_owned(), amount: amount.to_owned() };
    let months = i32::try_from(months).map_err(Error::internal)?;
    Ok(Recurring { money, months }.monthly()?.to_string())
}
