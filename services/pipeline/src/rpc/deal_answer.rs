//! An opportunity as the API shows it: its fields, its score, its next step.
//! Called by the rpc files that answer with opportunities.

use std::collections::HashMap;

use kontor_kit::clock;
use kontor_kit::db::Conn;
use kontor_kit::resource::Stored;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::r#type::v1 as shared;

use crate::domain::currency;
use crate::domain::decimal::Decimal;
use crate::domain::money::Money;
use crate::domain::next_step::NextStep;
use crate::domain::opportunity::{Opportunity, Outcome};
use crate::domain::worth::weighted;
use crate::{next_steps, store};

/// An amount from the wire; none when it is not set or empty.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn money(field: &str, amount: Option<&shared::Money>) -> kontor_kit::Result<Option<Money>> {
    match amount {
        Some(money) if *money != shared::Money::default() => {
            Money::parse(field, &money.currency_code, &money.amount).map(Some)
        }
        _ => Ok(None),
    }
}

/// An amount with the digits of its currency; none when that has no room.
pub fn rounded(code: &str, value: Decimal) -> Option<shared::Money> {
    let amount = value.round(currency::scale_or_most(code))?.to_string();
    Some(shared::Money { currency_code: code.to_owned(), amount })
}

/// An opportunity as the API shows it; `stage_probability` and `score` (of an open one, from `Scores`) in percent.
pub fn to_proto(
    deal: Opportunity,
    stage_probability: i32,
    score: Option<f64>,
    now: i64,
) -> proto::Opportunity {
    let (close_time, lost_reason) = match &deal.outcome {
        Outcome::Open => (None, String::new()),
        Outcome::Won(time) => (Some(*time), String::new()),
        Outcome::Lost(time, reason) => (Some(*time), reason.clone()),
    };
    let percent = deal.probability(stage_probability);
    let code = deal.details.currency().unwrap_or("").to_owned();
    let digits = currency::scale_or_most(&code);
    let weight = |value: Option<Decimal>| rounded(&code, weighted(value?, percent, digits)?);
    let amount = deal.details.amount.clone();
    let value = amount.as_ref().and_then(|money| money.value().ok());
    let recurring = deal.details.recurring();
    let monthly = recurring.as_ref().and_then(|recurring| recurring.monthly().ok());
    let (exchange_rate, exchange_rate_date) =
        deal.exchange.clone().map(|kept| (kept.rate, kept.day)).unwrap_or_default();
    proto::Opportunity {
        name: deal.name(),
        etag: deal.etag(),
        probability: Some(percent),
        recurring_months: recurring.as_ref().map_or(0, |recurring| recurring.months),
        recurring_amount: recurring.map(|recurring| shown(recurring.money)),
        monthly_recurring_amount: monthly.and_then(|monthly| rounded(&code, monthly)),
        weighted_amount: weight(value),
        weighted_monthly_recurring_amount: weight(monthly),
        exchange_rate,
        exchange_rate_date,
        state: i32::try_from(deal.outcome.number()).unwrap_or(0),
        title: deal.details.title,
        partner: deal.details.partner,
        pipeline: deal.pipeline,
        stage: deal.stage,
        amount: amount.map(shown),
        assignee: deal.details.assignee,
        team: deal.details.team,
        expected_close_date: deal.details.expected_close_date,
        description: deal.details.description,
        tags: deal.details.tags,
        lead: deal.lead,
        origin: deal.origin,
        lost_reason,
        close_time: close_time.map(clock::to_proto),
        stage_time: Some(clock::to_proto(deal.stage_time)),
        create_time: Some(clock::to_proto(deal.create_time)),
        update_time: Some(clock::to_proto(deal.update_time)),
        rotting: deal.rot_time.is_some_and(|time| time < now),
        rot_time: deal.rot_time.map(clock::to_proto),
        attributes: deal.details.attributes,
        source: deal.details.source,
        score,
        // Unless with_step finds one.
        next_step: None,
        needs_next_step: deal.outcome == Outcome::Open,
    }
}

fn shown(money: Money) -> shared::Money {
    shared::Money { currency_code: money.currency, amount: money.amount }
}

/// An opportunity with its next step.
///
/// # Errors
/// Those of the database.
pub fn with_step(
    conn: &mut Conn<'_>,
    mut deal: proto::Opportunity,
) -> kontor_kit::Result<proto::Opportunity> {
    with_steps(conn, std::slice::from_mut(&mut deal))?;
    Ok(deal)
}

/// Adds the next step of each, those of a whole page in one statement.
///
/// # Errors
/// Those of the database.
pub fn with_steps(conn: &mut Conn<'_>, deals: &mut [proto::Opportunity]) -> kontor_kit::Result<()> {
    let open = i32::from(proto::OpportunityState::Open);
    let names: Vec<String> =
        deals.iter().filter(|deal| deal.state == open).map(|deal| deal.name.clone()).collect();
    let steps = store::next_step::open_of_all(conn, &names)?;
    let steps: HashMap<&str, &NextStep> =
        steps.iter().map(|step| (step.opportunity.as_str(), step)).collect();
    for deal in deals.iter_mut().filter(|deal| deal.state == open) {
        deal.next_step = steps.get(deal.name.as_str()).map(|step| next_steps::message(step));
        deal.needs_next_step = deal.next_step.is_none();
    }
    Ok(())
}
