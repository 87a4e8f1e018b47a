//! What the pipeline publishes: one event for each thing that happened. What follows from a change of an opportunity in its own transaction
//! (its state in the history, its next step) is done here too, so that no change can leave it out. What it hears of tasks stands in next_steps.rs, what it hears of partners in partners.rs.
//! Called by the rpc files inside the transaction of the change.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::outbox::NewEvent;
use kontor_kit::resource::Stored;
use kontor_kit::{Result, clock};
use kontor_proto::pipeline::v1::{
    LeadDeleted, LeadMerged, OpportunityCreated, OpportunityDeleted, OpportunityMerged,
    OpportunityStageMoved, OpportunityUpdated,
};
use prost::{Message, Name};

use crate::domain::lead::Lead;
use crate::domain::opportunity::Opportunity;
use crate::{next_steps, store};

/// Something happened to a lead, which is written already.
///
/// # Errors
/// Those of the database.
pub fn of_lead<P: Message + Name>(
    tx: &mut Tx<'_>,
    caller: &Caller,
    lead: &Lead,
    partner: &str,
    payload: &P,
) -> Result<()> {
    let gone = [LeadDeleted::full_name(), LeadMerged::full_name()].contains(&P::full_name());
    store::duplicate::note(tx, lead, gone)?;
    let event = NewEvent::new("pipeline", lead.name(), &lead.guard(), payload);
    tx.publish(event.partner(partner).actor(caller.name()));
    Ok(())
}

/// Something happened to an opportunity, which is written already.
///
/// # Errors
/// Those of the database.
pub fn of_opportunity<P: Message + Name>(
    tx: &mut Tx<'_>,
    caller: &Caller,
    opportunity: &Opportunity,
    payload: &P,
) -> Result<()> {
    let kind = P::full_name();
    let gone = kind == OpportunityDeleted::full_name();
    store::forecast::note_deal(tx, opportunity, gone)?;
    // A new one has no steps, and a stage is nothing that a step shows.
    if kind != OpportunityCreated::full_name() && kind != OpportunityStageMoved::full_name() {
        next_steps::follow(tx, caller, opportunity, gone)?;
    }
    let event = NewEvent::new("pipeline", opportunity.name(), &opportunity.guard(), payload);
    tx.publish(event.partner(&opportunity.details.partner).actor(caller.name()));
    Ok(())
}

/// An opportunity was created.
///
/// # Errors
/// Those of the database.
pub fn created(tx: &mut Tx<'_>, caller: &Caller, opportunity: &Opportunity, stage: &str) -> Result<()> {
    let details = &opportunity.details;
    let payload = OpportunityCreated {
        title: details.title.clone(),
        stage: stage.to_owned(),
        expected_close_date: details.expected_close_date.clone(),
    };
    of_opportunity(tx, caller, opportunity, &payload)
}

/// Fields of an opportunity changed; who keeps something of it learns how it is now.
///
/// # Errors
/// Those of the database.
pub fn updated(
    tx: &mut Tx<'_>,
    caller: &Caller,
    opportunity: &Opportunity,
    fields: Vec<String>,
) -> Result<()> {
    let details = &opportunity.details;
    let moves = fields.iter().any(|field| ["partner", "assignee", "team"].contains(&field.as_str()));
    let payload = OpportunityUpdated {
        fields,
        title: details.title.clone(),
        expected_close_date: details.expected_close_date.clone(),
        state: i32::try_from(opportunity.outcome.number()).unwrap_or(0),
    };
    of_opportunity(tx, caller, opportunity, &payload)?;
    if moves { gone_follow(tx, caller, opportunity, &[]) } else { Ok(()) }
}

/// All that went into an opportunity, and into those, but `known` (ids), belongs where it belongs now: who keeps their history learns it.
///
/// # Errors
/// Those of the database.
pub fn gone_follow(tx: &mut Tx<'_>, caller: &Caller, survivor: &Opportunity, known: &[String]) -> Result<()> {
    let details = &survivor.details;
    let gone = store::merge_rows::all_gone::<Opportunity>(tx, &survivor.id)?;
    for gone in gone.into_iter().filter(|gone| !known.contains(&gone.id)) {
        let payload = OpportunityMerged {
            survivor: format!("opportunities/{}", gone.survivor),
            title: gone.title,
            merge_time: Some(clock::to_proto(gone.merge_time)),
            assignee: details.assignee.clone(),
            team: details.team.clone(),
        };
        let event = NewEvent::new("pipeline", format!("opportunities/{}", gone.id), &gone.guard, &payload);
        tx.publish(event.partner(&details.partner).actor(caller.name()));
    }
    Ok(())
}
