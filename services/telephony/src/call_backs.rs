//! What users do to the events of their call-backs (C10), as the calendar's events tell it: who moves the event moves the call-back, and who deletes
//! it leaves the call-back to everybody who may call. `listen` is called by lib.rs; kontor-calendar's call_backs.rs is the other end.

use kontor_kit::auth::Caller;
use kontor_kit::clock::from_proto;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox;
use kontor_kit::{Result, id};
use kontor_proto::calendar::v1::CallBackEventChanged;
use kontor_proto::calendar::v1::call_back_event_changed::Change;
use kontor_proto::r#type::v1::Event;
use prost::Name;

use crate::domain::call_back;
use crate::{list_events, store};

/// Follows the calendar from its first event on.
pub fn listen(context: &Context, db: &Db) {
    let zone = context.company.time_zone.clone();
    let wants = |event: &Event| outbox::kind(event) == CallBackEventChanged::full_name();
    context.bus.listen_for(context, "calendar", "telephony.calendar", db.clone(), wants, move |tx, event| {
        match outbox::payload::<CallBackEventChanged>(event).and_then(|changed| changed.change) {
            Some(change) => take(tx, event, &change, &zone),
            None => Ok(()),
        }
    });
}

/// Applies what a user did to an event. The calendar has checked that it is the user's own; here it is checked that the call-back still is.
fn take(tx: &mut Tx<'_>, event: &Event, change: &Change, zone: &str) -> Result<()> {
    // What is wrong in an event would be wrong at every repeat, so it is left out.
    let Ok((list, entry)) = id::parse_child("callLists", "entries", &event.subject, "subject") else {
        return Ok(());
    };
    let (list, old) = match store::list_entry::hold(tx, &Caller::system(), list, entry) {
        Err(cause) if cause.is_not_found() => return Ok(()),
        found => found?,
    };
    let owner = event.audience.as_ref().map_or("", |audience| audience.owner.as_str());
    if !call_back::is_of(&old, owner) {
        // The calendar has the news of that, or they are on their way.
        return Ok(());
    }
    if store::do_not_call::has(tx, &old.e164)? {
        return Ok(());
    }
    let (mut entry, now) = (old.clone(), tx.now());
    let happened = match change {
        Change::CallBackTime(time) => call_back::follow_event(&mut entry, &list, zone, from_proto(time), now),
        Change::Deleted(_) => entry.give_to("", now),
    };
    if entry != old {
        store::list_entry::update(tx, &list, &old, &mut entry)?;
    }
    list_events::happened(tx, &list, &entry, &event.actor, happened);
    Ok(())
}
