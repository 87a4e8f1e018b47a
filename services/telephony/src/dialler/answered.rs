//! Somebody answered a dialler: who has been free for the longest time gets the call, and nobody free means that it is dropped. Decided in the transaction that
//! learns of the answer, so that two answers never find the same operator.
//! Called by the intake.

use std::collections::HashMap;

use kontor_kit::Result;
use kontor_kit::db::Tx;
use kontor_kit::resource;

use super::over::entry_of;
use crate::domain::connector::Connector;
use crate::domain::entry::Entry;
use crate::domain::operator::{Operator, Part};
use crate::intake::users::Staff;
use crate::operators;
use crate::store::dial_step::Step;
use crate::{list_events, store};

/// How long an order to connect or to hang up is worth something, in microseconds. The dial plan hangs up who waits for longer.
const STEP_MICROS: i64 = 5_000_000;

/// Gives the call to an operator or drops it. Answers with the extension of who gets it.
///
/// # Errors
/// Those of the database.
pub fn connect(tx: &mut Tx<'_>, call: &mut Entry, staff: &HashMap<String, Staff>) -> Result<Option<String>> {
    let now = tx.now();
    let list = call.record.as_ref().map(|record| record.call_list()).unwrap_or_default();
    let found = next(tx, &list, staff)?;
    let (user, exten) = match &found {
        Some((before, extension, team)) => {
            let mut operator = before.clone();
            operator.hear(Part::Rings, &operators::of_call(&call.id, &call.queue), now);
            operators::change(tx, Some(before), &mut operator, "")?;
            call.user = format!("users/{}", operator.id);
            call.team.clone_from(team);
            bind(tx, call)?;
            (call.user.clone(), extension.clone())
        }
        None => (String::new(), String::new()),
    };
    if let Some(record) = &mut call.record {
        record.connect(&user);
    }
    let connector = resource::find::<Connector>(tx, &call.connector)?;
    let step = Step {
        call: call.id.clone(),
        connector: call.connector.clone(),
        external_id: call.external_id.clone(),
        until: now + STEP_MICROS,
        context: connector.map(|connector| connector.dial.context).unwrap_or_default(),
        exten,
    };
    store::dial_step::add(tx, &step)?;
    Ok(found.map(|(_, extension, _)| extension))
}

/// Who is next, held until the commit, with extension and team.
fn next(
    tx: &mut Tx<'_>,
    list: &str,
    staff: &HashMap<String, Staff>,
) -> Result<Option<(Operator, String, String)>> {
    for candidate in store::operator::free_for(tx, list)? {
        let user = format!("users/{candidate}");
        // who lost the extension since signing in can't be rung
        let Some((extension, staff)) = staff.iter().find(|(_, staff)| staff.user == user) else { continue };
        // another call may have taken them in this moment
        let held = store::operator::hold(tx, &candidate)?.filter(|operator| operator.is_free_for(list));
        if let Some(operator) = held {
            return Ok(Some((operator, extension.clone(), staff.team.clone())));
        }
    }
    Ok(None)
}

/// Makes the entry the operator's, who tells the outcome.
fn bind(tx: &mut Tx<'_>, call: &Entry) -> Result<()> {
    let Some((list, old)) = entry_of(tx, call)? else { return Ok(()) };
    let now = tx.now();
    let mut entry = old.clone();
    entry.bind(&call.user, now);
    entry.extend(&list, now);
    store::list_entry::update(tx, &list, &old, &mut entry)?;
    list_events::leased(tx, &list, &entry);
    Ok(())
}
