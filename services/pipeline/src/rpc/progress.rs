//! How an opportunity goes on: to another stage, to its end, and back from there.
//! Called by rpc/opportunity.rs inside the transaction.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::{id, resource};
use kontor_proto::pipeline::v1 as proto;

use super::deal_answer::{to_proto, with_step};
use crate::domain::opportunity::{Opportunity, Outcome};
use crate::domain::pipeline::{Pipeline, Stage};
use crate::rates::Rates;
use crate::store::score_cache::Scores;
use crate::{events, store};

/// Moves it to a stage.
///
/// # Errors
/// Those that MoveStage of the contract names.
pub fn move_stage(
    tx: &mut Tx<'_>,
    scores: &Scores,
    caller: &Caller,
    mut deal: Opportunity,
    stage: &str,
) -> kontor_kit::Result<proto::Opportunity> {
    let pipeline = store::pipeline::get_for_use(tx, id::parse("pipelines", &deal.pipeline, "pipeline")?)?;
    let to = pipeline.stage("stage", stage)?;
    go_to(tx, caller, &mut deal, &pipeline, to)?;
    let score = scores.of(tx, &deal)?;
    let shown = to_proto(deal, to.probability, score, tx.now());
    with_step(tx, shown)
}

/// Moves it to a stage of its pipeline, with the event. Returns false when it is there already.
///
/// # Errors
/// FAILED_PRECONDITION when it is closed, or has not what the stage demands.
pub fn go_to(
    tx: &mut Tx<'_>,
    caller: &Caller,
    deal: &mut Opportunity,
    pipeline: &Pipeline,
    to: &Stage,
) -> kontor_kit::Result<bool> {
    let from = deal.stage.clone();
    if !deal.move_to(to, tx.now())? {
        return Ok(false);
    }
    let from = pipeline.stage("stage", &from)?;
    to.must_have(deal)?;
    resource::update(tx, deal)?;
    let moved = proto::OpportunityStageMoved {
        title: deal.details.title.clone(),
        from_stage: from.display_name.clone(),
        to_stage: to.display_name.clone(),
    };
    events::of_opportunity(tx, caller, deal, &moved)?;
    Ok(true)
}

/// Closes it as won.
///
/// # Errors
/// FAILED_PRECONDITION when it is closed.
pub fn win(
    tx: &mut Tx<'_>,
    rates: &Rates,
    caller: &Caller,
    mut deal: Opportunity,
) -> kontor_kit::Result<proto::Opportunity> {
    let pipeline = store::pipeline::get(tx, id::parse("pipelines", &deal.pipeline, "pipeline")?)?;
    let now = tx.now();
    rates.take_missing(tx, &mut deal, now)?;
    deal.win(now)?;
    resource::update(tx, &mut deal)?;
    store::score::closed(tx, &deal, &pipeline.stage_names(), true)?;
    let title = deal.details.title.clone();
    events::of_opportunity(tx, caller, &deal, &proto::OpportunityWon { title })?;
    shown(tx, deal, &pipeline)
}

/// Closes it as lost.
///
/// # Errors
/// Those that LoseOpportunity of the contract names.
pub fn lose(
    tx: &mut Tx<'_>,
    rates: &Rates,
    caller: &Caller,
    mut deal: Opportunity,
    reason: &str,
) -> kontor_kit::Result<proto::Opportunity> {
    let pipeline = store::pipeline::get(tx, id::parse("pipelines", &deal.pipeline, "pipeline")?)?;
    let now = tx.now();
    rates.take_missing(tx, &mut deal, now)?;
    deal.lose(reason, pipeline.lost_reason_required, now)?;
    resource::update(tx, &mut deal)?;
    store::score::closed(tx, &deal, &pipeline.stage_names(), false)?;
    let title = deal.details.title.clone();
    let lost = proto::OpportunityLost { title, reason: reason.trim().to_owned() };
    events::of_opportunity(tx, caller, &deal, &lost)?;
    shown(tx, deal, &pipeline)
}

/// Opens a closed one again, in the stage that it had. What its end taught the score is taken back.
///
/// # Errors
/// FAILED_PRECONDITION when it is open.
pub fn reopen(
    tx: &mut Tx<'_>,
    (scores, rates): (&Scores, &Rates),
    caller: &Caller,
    mut deal: Opportunity,
) -> kontor_kit::Result<proto::Opportunity> {
    // Held, so that a new limit of the stage does not miss it.
    let pipeline = store::pipeline::get_for_use(tx, id::parse("pipelines", &deal.pipeline, "pipeline")?)?;
    let stage = pipeline.stage("stage", &deal.stage)?;
    let now = tx.now();
    let before = deal.reopen(stage, now)?;
    rates.take_missing(tx, &mut deal, now)?;
    resource::update(tx, &mut deal)?;
    store::score::taken_back(tx, &deal.id)?;
    let reopened = proto::OpportunityReopened {
        title: deal.details.title.clone(),
        stage: stage.display_name.clone(),
        expected_close_date: deal.details.expected_close_date.clone(),
        lost_reason: match before {
            Outcome::Lost(_, reason) => reason,
            _ => String::new(),
        },
    };
    events::of_opportunity(tx, caller, &deal, &reopened)?;
    let score = scores.of(tx, &deal)?;
    let shown = to_proto(deal, stage.probability, score, tx.now());
    with_step(tx, shown)
}

/// A closed one: it has no score.
fn shown(tx: &mut Tx<'_>, deal: Opportunity, pipeline: &Pipeline) -> kontor_kit::Result<proto::Opportunity> {
    let probability = pipeline.stage("stage", &deal.stage)?.probability;
    let shown = to_proto(deal, probability, None, tx.now());
    with_step(tx, shown)
}
