//! What the pipeline publishes: one event for each thing that happened. It hears nothing.
//! Called by the rpc files inside the transaction of the change.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::outbox::NewEvent;
use kontor_kit::resource::Stored;
use kontor_proto::pipeline::v1::{OpportunityCreated, OpportunityUpdated};
use prost::{Message, Name};

use crate::domain::lead::Lead;
use crate::domain::opportunity::Opportunity;

/// Something happened to a lead.
pub fn of_lead<P: Message + Name>(tx: &mut Tx<'_>, caller: &Caller, lead: &Lead, partner: &str, payload: &P) {
    let event = NewEvent::new("pipeline", lead.name(), &lead.guard(), payload);
    tx.publish(event.partner(partner).actor(caller.name()));
}

/// Something happened to an opportunity.
pub fn of_opportunity<P: Message + Name>(
    tx: &mut Tx<'_>,
    caller: &Caller,
    opportunity: &Opportunity,
    payload: &P,
) {
    let event = NewEvent::new("pipeline", opportunity.name(), &opportunity.guard(), payload);
    tx.publish(event.partner(&opportunity.details.partner).actor(caller.name()));
}

/// An opportunity was created.
pub fn created(tx: &mut Tx<'_>, caller: &Caller, opportunity: &Opportunity, stage: &str) {
    let details = &opportunity.details;
    let payload = OpportunityCreated {
        title: details.title.clone(),
        stage: stage.to_owned(),
        expected_close_date: details.expected_close_date.clone(),
    };
    of_opportunity(tx, caller, opportunity, &payload);
}

/// Fields of an opportunity changed; who keeps something of it learns how it is now.
pub fn updated(tx: &mut Tx<'_>, caller: &Caller, opportunity: &Opportunity, fields: Vec<String>) {
    let details = &opportunity.details;
    let payload = OpportunityUpdated {
        fields,
        title: details.title.clone(),
        expected_close_date: details.expected_close_date.clone(),
        state: i32::try_from(opportunity.outcome.number()).unwrap_or(0),
    };
    of_opportunity(tx, caller, opportunity, &payload);
}
