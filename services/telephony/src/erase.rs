//! Erases a partner in its calls and in entries of call lists, which stay for what is counted: number, name, note and links to the partner go.
//! Numbers that are not to be called stay on that list, without the note: else the person would be called again.
//! The plan is started by `start`; kit/src/erase.rs works it off.

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::erase::{self, Batch, Person, Plan, Step};
use kontor_kit::resource::{self, Stored};

use crate::domain::call_list::CallList;
use crate::domain::do_not_call::DoNotCall;
use crate::domain::erasure;
use crate::domain::list_entry::{Cancel, ListEntry, State};
use crate::{events, list_events, store};

/// Hears of erasures for as long as the process runs.
pub fn start(context: &Context, db: &Db) {
    let steps = vec![
        Step::new("calls", store::erasure::calls, erase_calls).waits_for(calls_that_go_on),
        Step::new("list entries", store::erasure::list_entries, erase_list_entries)
            .waits_for(|ids| format!("entries of call lists that are being called: {}", ids.len())),
        Step::new("do-not-call notes", store::erasure::do_not_call_notes, erase_notes),
    ];
    let plan = Plan { service: "telephony", consumer: "telephony.erasure", waits_for: None, steps };
    erase::start(context, db, plan);
}

/// Calls that are named in a report at most.
const NAMED: usize = 5;

fn calls_that_go_on(ids: &[String]) -> String {
    let names: Vec<String> = ids.iter().take(NAMED).map(|id| format!("calls/{id}")).collect();
    let more = if ids.len() > NAMED { " and others" } else { "" };
    format!("calls that go on and are erased when they are over: {}{more}", names.join(", "))
}

/// A call that goes on is left until it is over.
fn erase_calls(tx: &mut Tx<'_>, person: &Person, ids: &[String]) -> Result<Batch> {
    let mut records = Vec::new();
    for id in ids {
        let Some(mut call) = store::erasure::hold(tx, id)?.filter(erasure::is_over) else { continue };
        erasure::erase(&mut call, &person.partners, &person.phones);
        events::set_said(&mut call);
        resource::update(tx, &mut call)?;
        records.push(call.name());
    }
    let counts = vec![("calls", i64::try_from(records.len()).unwrap_or(0))];
    Ok(Batch { counts, records })
}

/// An entry that is being called is left until that is over.
fn erase_list_entries(tx: &mut Tx<'_>, _: &Person, ids: &[String]) -> Result<Batch> {
    let mut records = Vec::new();
    for id in ids {
        let old = resource::hold_if_there::<ListEntry>(tx, id)?;
        let Some(old) = old.filter(|entry| entry.state != State::Dialling) else { continue };
        let list: CallList = resource::get(tx, &old.list)?;
        let mut entry = old.clone();
        let happened = if entry.is_closed() { Vec::new() } else { entry.cancel(Cancel::Erased, tx.now())? };
        erasure::erase_list_entry(&mut entry);
        store::list_entry::update(tx, &list, &old, &mut entry)?;
        list_events::happened(tx, &list, &entry, "", happened);
        records.push(entry.full_name());
    }
    let counts = vec![("list entries", i64::try_from(records.len()).unwrap_or(0))];
    Ok(Batch { counts, records })
}

fn erase_notes(tx: &mut Tx<'_>, _: &Person, ids: &[String]) -> Result<Batch> {
    let mut records = Vec::new();
    for id in ids {
        let Some(mut number) = resource::hold_if_there::<DoNotCall>(tx, id)? else { continue };
        number.note.clear();
        resource::update(tx, &mut number)?;
        records.push(number.name());
    }
    let counts = vec![("do-not-call notes", i64::try_from(records.len()).unwrap_or(0))];
    Ok(Batch { counts, records })
}
