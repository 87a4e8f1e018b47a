//! A dialler's call is over: when no operator had it, its entry comes back by the rules of its list. When one had it, they tell how it went.
//! Called by the task that says that calls are over.

use kontor_kit::Result;
use kontor_kit::db::Tx;
use kontor_kit::resource;

use crate::domain::call::Outcome;
use crate::domain::call_list::CallList;
use crate::domain::entry::{Entry, number};
use crate::domain::list_entry::{Cancel, ListEntry, Reason, State};
use crate::{list_events, store};

/// Tells the entry of a call that is over how it went. `fallback` is the time zone of numbers that have none.
///
/// # Errors
/// Those of the database.
pub fn over(tx: &mut Tx<'_>, call: &Entry, fallback: &str) -> Result<()> {
    let Some(record) = call.record.as_ref().filter(|record| record.is_placed()) else { return Ok(()) };
    let Some((list, old)) = entry_of(tx, call)? else { return Ok(()) };
    if call.outcome == number::outcome(Outcome::Answered) {
        return Ok(());
    }
    let now = tx.now();
    let mut entry = old.clone();
    let mut happened = if record.never_rang() {
        vec![entry.never_rang(now + list.busy_delay, now)?]
    } else {
        entry.dialled_in_vain(&list, fallback, reason(call.outcome), now)?
    };
    // the number may have come onto the list while it rang
    if entry.state == State::Open && store::do_not_call::has(tx, &entry.e164)? {
        happened.extend(entry.cancel(Cancel::DoNotCall, now)?);
    }
    store::list_entry::update(tx, &list, &old, &mut entry)?;
    list_events::happened(tx, &list, &entry, "", happened);
    Ok(())
}

/// The entry that a dialler's call is for, held until the commit, while this is its call; with its list.
///
/// # Errors
/// Those of the database.
pub fn entry_of(tx: &mut Tx<'_>, call: &Entry) -> Result<Option<(CallList, ListEntry)>> {
    let name = call.record.as_ref().map(|record| record.list_entry()).unwrap_or_default();
    let Some((_, id)) = name.split_once("/entries/") else { return Ok(None) };
    let entry = resource::hold_if_there::<ListEntry>(tx, id)?;
    let entry = entry.filter(|entry| entry.state == State::Dialling && entry.call == call.name());
    entry.map(|entry| Ok((resource::get::<CallList>(tx, &entry.list)?, entry))).transpose()
}

/// Why nobody was spoken with. The numbers are those of the API's CallOutcome.
fn reason(outcome: i32) -> Reason {
    let is = |it: Outcome| number::outcome(it) == outcome;
    match () {
        () if is(Outcome::Busy) => Reason::Busy,
        () if is(Outcome::NoAnswer) || is(Outcome::Missed) => Reason::NoAnswer,
        () if is(Outcome::Abandoned) => Reason::Dropped,
        () if is(Outcome::Failed) => Reason::Failed,
        // nobody knows what became of it
        () => Reason::Lost,
    }
}
