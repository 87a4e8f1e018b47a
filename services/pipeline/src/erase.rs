//! Erases a partner: its opportunities stay as business records without the person, so that every sum stays; the leads that they came from and
//! those with its addresses lose all that speaks of it.
//! The plan is started by `start`; kit/src/erase.rs works it off.

use std::collections::BTreeMap;

use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::erase::{self, Batch, ERASED, Person, Plan, Step};
use kontor_kit::resource::{self, Stored};
use kontor_proto::pipeline::v1 as proto;

use crate::domain::lead::Lead;
use crate::domain::next_step::NextStep;
use crate::domain::opportunity::{Details, Opportunity, Outcome};
use crate::{domain, events, next_steps, partners, store};

/// Fields of an opportunity that the erasure empties.
const FIELDS: [&str; 6] = ["title", "partner", "description", "tags", "attributes", "lost_reason"];
/// Fields of a lead.
const LEAD_FIELDS: [&str; 8] =
    ["title", "contact_name", "company_name", "email", "phone", "description", "tags", "attributes"];

/// Hears of erasures for as long as the process runs.
pub fn start(context: &Context, db: &Db) {
    let steps = vec![
        // First each opportunity is to be where it belongs.
        Step::new("merges that opportunities follow", store::erasure::walks, follow),
        Step::new("opportunities", store::erasure::opportunities, erase_opportunities),
        Step::new("leads", store::erasure::leads, erase_leads),
        Step::new("merges", store::erasure::merges, store::erasure::erase_merges),
        Step::new("moves between partners", store::erasure::moves, store::erasure::erase_moves),
    ];
    let plan = Plan { service: "pipeline", consumer: "pipeline.erasure", waits_for: None, steps };
    erase::start(context, db, plan);
}

/// One batch of the merges that opportunities still follow.
fn follow(tx: &mut Tx<'_>, _: &Person, _: &[String]) -> Result<Batch> {
    partners::step(tx)?;
    Ok(Batch::default())
}

fn erase_opportunities(tx: &mut Tx<'_>, _: &Person, ids: &[String]) -> Result<Batch> {
    let mut batch = Batch::default();
    let (mut deals, mut leads, mut steps) = (0, 0, 0);
    for id in ids {
        let Some(mut deal) = resource::hold_if_there::<Opportunity>(tx, id)? else { continue };
        let erased = erase_opportunity(tx, &mut deal)?;
        steps += i64::try_from(erased.len()).unwrap_or(0);
        deals += 1;
        batch.records.extend(erased.iter().map(Stored::name));
        batch.records.push(deal.name());
        let lead = deal.lead.strip_prefix("leads/").unwrap_or_default();
        if let Some(lead) = resource::hold_if_there::<Lead>(tx, lead)? {
            leads += 1;
            batch.records.push(lead.name());
            erase_lead(tx, lead)?;
        }
    }
    batch.counts = vec![("opportunities", deals), ("leads", leads), ("next steps", steps)];
    Ok(batch)
}

/// Amount, stage, probability, day of closing, owner, team, source and times stay: what is summed up.
fn erase_opportunity(tx: &mut Tx<'_>, deal: &mut Opportunity) -> Result<Vec<NextStep>> {
    store::score::erased(tx, &deal.id)?;
    store::erasure::erase_merges_into::<Opportunity>(tx, &deal.id)?;
    store::assignment::forget_need(tx, deal)?;
    store::erasure::note(tx, &deal.name())?;
    deal.details = Details {
        title: ERASED.to_owned(),
        partner: String::new(),
        description: String::new(),
        tags: Vec::new(),
        attributes: BTreeMap::new(),
        ..deal.details.clone()
    };
    if let Outcome::Lost(_, reason) = &mut deal.outcome {
        reason.clear();
    }
    deal.update_time = tx.now();
    resource::update(tx, deal)?;
    let steps = store::erasure::erase_steps(tx, &deal.name())?;
    events::updated(tx, &Caller::system(), deal, FIELDS.map(str::to_owned).to_vec())?;
    // Those that are done stand in task lists for a while too.
    for step in &steps {
        next_steps::tell(tx, deal, step);
    }
    Ok(steps)
}

fn erase_leads(tx: &mut Tx<'_>, _: &Person, ids: &[String]) -> Result<Batch> {
    let mut batch = Batch::default();
    for id in ids {
        if let Some(lead) = resource::hold_if_there::<Lead>(tx, id)? {
            batch.records.push(lead.name());
            erase_lead(tx, lead)?;
        }
    }
    batch.counts = vec![("leads", i64::try_from(batch.records.len()).unwrap_or(0))];
    Ok(batch)
}

fn erase_lead(tx: &mut Tx<'_>, mut lead: Lead) -> Result<()> {
    store::erasure::erase_merges_into::<Lead>(tx, &lead.id)?;
    let old = lead.details;
    lead.details = domain::lead::Details {
        title: ERASED.to_owned(),
        region: old.region,
        source: old.source,
        assignee: old.assignee,
        team: old.team,
        state: old.state,
        ..domain::lead::Details::default()
    };
    lead.update_time = tx.now();
    resource::update(tx, &mut lead)?;
    let fields = LEAD_FIELDS.map(str::to_owned).to_vec();
    events::of_lead(tx, &Caller::system(), &lead, "", &proto::LeadUpdated { fields })
}
