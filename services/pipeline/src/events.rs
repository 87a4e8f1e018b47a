//! What the pipeline publishes: one event for each thing that happened. What follows from a change of an opportunity in its own transaction
//! (its state in the history, its next step) is done here too, so that no change can leave it out. What it hears stands in next_steps.rs.
//! Called by the rpc files inside the transaction of the change.

use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::outbox::NewEvent;
use kontor_kit::resource::Stored;
use kontor_proto::pipeline::v1::{OpportunityCreated, OpportunityDeleted, OpportunityUpdated};
use prost::{Message, Name};

use crate::domain::lead::Lead;
use crate::domain::opportunity::Opportunity;
use crate::{next_steps, store};

/// Something happened to a lead.
pub fn of_lead<P: Message + Name>(tx: &mut Tx<'_>, caller: &Caller, lead: &Lead, partner: &str, payload: &P) {
    let event = NewEvent::new("pipeline", lead.name(), &lead.guard(), payload);
    tx.publish(event.partner(partner).actor(caller.name()));
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
    let gone = P::full_name() == OpportunityDeleted::full_name();
    store::forecast::note_deal(tx, opportunity, gone)?;
    next_steps::follow(tx, caller, opportunity, gone)?;
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
    let payload = OpportunityUpdated {
        fields,
        title: details.title.clone(),
        expected_close_date: details.expected_close_date.clone(),
        state: i32::try_from(opportunity.outcome.number()).unwrap_or(0),
    };
    of_opportunity(tx, caller, opportunity, &payload)
}
