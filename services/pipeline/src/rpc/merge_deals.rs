//! Opportunities become one, with their next steps and leads, and several again.
//! Called by rpc/merge.rs inside the transaction.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, id};
use kontor_proto::pipeline::v1 as proto;
use tonic::Code;

use super::deal_answer::{to_proto, with_step};
use super::merge::{fields, to_proto as merge_to_proto};
use super::merge_leads::lighten;
use crate::domain::lead::Lead;
use crate::domain::merge as rules;
use crate::domain::next_step::{NextStep, State};
use crate::domain::opportunity::{Opportunity, Outcome};
use crate::store::merge::{self, Asked};
use crate::store::merge_children::{self as children, Moved};
use crate::store::merge_rows::{Merged, all_gone};
use crate::store::score_cache::Scores;
use crate::store::snapshot::Snapshot;
use crate::{events, next_steps, store};

/// Next steps that go along with one merge at most.
const STEPS: usize = 500;
/// What it asks of who gets it, among the fields that a merge fills; no column of its row.
const REQUIREMENTS: &str = "requirements";

/// Makes opportunities one.
///
/// # Errors
/// Those that MergeOpportunities of the contract names.
pub fn merge(
    tx: &mut Tx<'_>,
    scores: &Scores,
    caller: &Caller,
    asked: &Asked,
) -> Result<proto::MergeOpportunitiesResponse> {
    let (survivor, others) = merge::hold::<Opportunity>(tx, caller, asked)?;
    check(&survivor, &others)?;
    let known: Vec<String> =
        all_gone::<Opportunity>(tx, &survivor.id)?.into_iter().map(|gone| gone.id).collect();
    let before = texts(tx, &survivor)?;
    let theirs = others.iter().map(|other| texts(tx, other)).collect::<Result<Vec<_>>>()?;
    let after = rules::merge(Opportunity::RULES, &before, &theirs)?;
    for other in &others {
        store::assignment::forget_need(tx, other)?;
        resource::delete(tx, other)?;
        store::forecast::note_deal(tx, other, true)?;
    }
    let others: Vec<_> = others.into_iter().zip(theirs).collect();
    let done = merge::remember(tx, caller, &survivor, (&before, &after), &others)?;
    let survivor = write(tx, &survivor, &before, &after)?;
    let mut room = STEPS;
    for (other, _) in &others {
        let steps = children::steps_of(tx, &other.name(), i64::try_from(room).unwrap_or(0) + 1)?;
        room = room.checked_sub(steps.len()).ok_or_else(|| {
            let message = format!("they have more than {STEPS} next steps together: merge fewer at once");
            Error::precondition("TOO_MUCH", message)
        })?;
        for step in steps {
            take_step(tx, caller, &done.id, other, &survivor, step)?;
        }
        let leads = children::give_leads(tx, &done.id, &other.name(), &survivor.name())?;
        leads.iter().try_for_each(|lead| relinked(tx, caller, lead, &survivor))?;
    }
    events::updated(tx, caller, &survivor, fields(rules::changed(&before, &after)))?;
    events::gone_follow(tx, caller, &survivor, &known)?;
    Ok(proto::MergeOpportunitiesResponse {
        opportunity: Some(shown(tx, scores, survivor)?),
        merge: Some(merge_to_proto::<Opportunity>(done)),
    })
}

fn check(survivor: &Opportunity, others: &[Opportunity]) -> Result<()> {
    survivor.must_be_open()?;
    for other in others {
        other.must_be_open()?;
        if other.pipeline != survivor.pipeline {
            let message = format!(
                "{} is in {}, and {} in {}: only those of one pipeline are merged",
                other.name(),
                other.pipeline,
                survivor.name(),
                survivor.pipeline
            );
            return Err(Error::precondition("OTHER_PIPELINE", message));
        }
    }
    Ok(())
}

fn texts(tx: &mut Tx<'_>, deal: &Opportunity) -> Result<rules::Texts> {
    let mut texts = merge::texts(deal);
    texts.insert(REQUIREMENTS.to_owned(), children::requirements(tx, &deal.id)?);
    Ok(texts)
}

fn write(
    tx: &mut Tx<'_>,
    deal: &Opportunity,
    before: &rules::Texts,
    after: &rules::Texts,
) -> Result<Opportunity> {
    if before.get(REQUIREMENTS) != after.get(REQUIREMENTS) {
        children::set_requirements(tx, deal, after.get(REQUIREMENTS).map_or("", String::as_str))?;
    }
    merge::write_texts(tx, deal, after)
}

/// A step goes along. Where the survivor has an open one already, it is given up.
fn take_step(
    tx: &mut Tx<'_>,
    caller: &Caller,
    merge: &str,
    from: &Opportunity,
    to: &Opportunity,
    step: NextStep,
) -> Result<()> {
    let is_open = step.state == State::Open;
    let is_dropped = is_open && store::next_step::open_of(tx, &to.name())?.is_some();
    children::note_step(tx, merge, &step, is_dropped)?;
    if is_open {
        next_steps::leave(tx, &caller.name(), from, &step);
    }
    let mut moved = at(step, to);
    if is_dropped {
        moved.give_up(&caller.name(), tx.now())?;
    }
    resource::update(tx, &mut moved)?;
    if is_open && !is_dropped {
        next_steps::arrive(tx, &caller.name(), to, &moved);
    }
    Ok(())
}

/// The step as it stands at an opportunity.
fn at(step: NextStep, deal: &Opportunity) -> NextStep {
    NextStep {
        opportunity: deal.name(),
        deal_title: deal.details.title.clone(),
        assignee: deal.details.assignee.clone(),
        team: deal.details.team.clone(),
        ..step
    }
}

fn relinked(tx: &mut Tx<'_>, caller: &Caller, lead: &Lead, deal: &Opportunity) -> Result<()> {
    let updated = proto::LeadUpdated { fields: vec!["opportunity".to_owned()] };
    events::of_lead(tx, caller, lead, &deal.details.partner, &updated)
}

/// Takes a merge of opportunities back.
///
/// # Errors
/// Those that UnmergeOpportunities of the contract names.
pub fn unmerge(
    tx: &mut Tx<'_>,
    scores: &Scores,
    caller: &Caller,
    id: &str,
) -> Result<proto::UnmergeOpportunitiesResponse> {
    let undone = merge::undo::<Opportunity>(tx, caller, id)?;
    let mut back = Vec::with_capacity(undone.gone.len() + 1);
    if let Some(survivor) = &undone.survivor {
        let before = texts(tx, survivor)?;
        let after = lighten::<Opportunity>(tx, &before, &undone.past, undone.later)?;
        let lighter = write(tx, survivor, &before, &after)?;
        if lighter.outcome == Outcome::Open {
            let stage = store::pipeline::stage(tx, &lighter.stage)?;
            stage.must_keep(&survivor.details, &lighter.details)?;
        }
        events::updated(tx, caller, &lighter, fields(rules::changed(&before, &after)))?;
        back.push(lighter);
    }
    for (snapshot, fields) in undone.gone {
        let snapshot = placed(tx, snapshot)?;
        let deal: Opportunity = merge::bring_back(tx, snapshot)?;
        children::set_requirements(tx, &deal, fields.get(REQUIREMENTS).map_or("", String::as_str))?;
        for moved in children::take_steps(tx, &undone.id, &deal.name())? {
            give_step(tx, caller, undone.survivor.as_ref(), &deal, moved)?;
        }
        let leads = children::take_leads(tx, &undone.id, &deal.name(), &undone.survivor_name)?;
        leads.iter().try_for_each(|lead| relinked(tx, caller, lead, &deal))?;
        let unmerged = proto::OpportunityUnmerged {
            survivor: undone.survivor_name.clone(),
            title: deal.details.title.clone(),
            expected_close_date: deal.details.expected_close_date.clone(),
        };
        events::of_opportunity(tx, caller, &deal, &unmerged)?;
        events::gone_follow(tx, caller, &deal, &[])?;
        back.push(deal);
    }
    let opportunities = back.into_iter().map(|deal| shown(tx, scores, deal)).collect::<Result<_>>()?;
    Ok(proto::UnmergeOpportunitiesResponse { opportunities })
}

/// The row of one that went, in its stage as that is now; in the first one of its pipeline when the stage is gone.
fn placed(tx: &mut Tx<'_>, mut snapshot: Snapshot) -> Result<Snapshot> {
    let (name, stage) = (snapshot.text("pipeline").to_owned(), snapshot.text("stage").to_owned());
    let found = store::pipeline::get_for_use(tx, id::parse("pipelines", &name, "pipeline")?);
    let pipeline = found.map_err(|cause| match cause.code() {
        Code::NotFound => {
            let message = format!("opportunities/{} was in {name}, which is gone", snapshot.text("id"));
            Error::precondition("PIPELINE_GONE", message)
        }
        _ => cause,
    })?;
    match pipeline.stage("stage", &stage) {
        Ok(stage) => snapshot.set("rot_time", stage.rot_time(snapshot.int("stage_time"))),
        Err(_) => {
            let (first, now) = (pipeline.first_stage()?, tx.now());
            snapshot.set("stage", &first.name);
            snapshot.set("stage_time", now);
            snapshot.set("rot_time", first.rot_time(now));
        }
    }
    Ok(snapshot)
}

/// A step goes back: as it was, but for what somebody did to it meanwhile.
fn give_step(
    tx: &mut Tx<'_>,
    caller: &Caller,
    survivor: Option<&Opportunity>,
    deal: &Opportunity,
    moved: Moved,
) -> Result<()> {
    let Some(present) = children::step(tx, moved.before.text("id"))? else {
        // It went with the survivor.
        let mut before = moved.before;
        let version = before.int("version") + 1;
        before.set("version", version);
        before.set("update_time", tx.now());
        let step: NextStep = before.insert(tx)?;
        if step.state == State::Open {
            next_steps::arrive(tx, &caller.name(), deal, &step);
        }
        return Ok(());
    };
    if let Some(survivor) = survivor.filter(|_| present.state == State::Open) {
        next_steps::leave(tx, &caller.name(), survivor, &present);
    }
    let mut step = at(present, deal);
    if moved.is_dropped {
        step.state = State::Open;
    }
    step.update_time = tx.now();
    resource::update(tx, &mut step)?;
    if step.state == State::Open {
        next_steps::arrive(tx, &caller.name(), deal, &step);
    }
    Ok(())
}

fn shown(tx: &mut Tx<'_>, scores: &Scores, deal: Opportunity) -> Result<proto::Opportunity> {
    let probability = store::pipeline::probability(tx, &deal.stage)?;
    let score = scores.of(tx, &deal)?;
    let shown = to_proto(deal, probability, score, tx.now());
    with_step(tx, shown)
}
