//! What the pipeline publishes: one event for each thing that happened. It hears nothing.
//! Called by the rpc files inside the transaction of the change.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::outbox::NewEvent;
use kontor_kit::resource::Stored;
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
