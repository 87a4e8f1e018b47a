//! What telephony publishes of call lists: leases, dials, outcomes, call-backs, imports.
//! Called by rpc/ and the tasks inside their transactions.

use kontor_kit::clock;
use kontor_kit::db::Tx;
use kontor_kit::outbox::NewEvent;
use kontor_kit::resource::Stored;
use kontor_proto::telephony::v1 as proto;
use prost::{Message, Name};

use crate::domain::call_list::CallList;
use crate::domain::list_entry::{Cancel, Happened, ListEntry};

/// Says that an entry was leased, which its operator did.
pub fn leased(tx: &mut Tx<'_>, list: &CallList, entry: &ListEntry) {
    let event = proto::CallListEntryLeased {
        call_list: list.name(),
        operator: entry.operator.clone(),
        lease_expire_time: entry.ready.map(clock::to_proto),
    };
    publish(tx, (list, entry, &entry.operator), &event);
}

/// Says what happened to an entry, in order, and who did it: "users/{user}", or nobody.
pub fn happened(tx: &mut Tx<'_>, list: &CallList, entry: &ListEntry, actor: &str, happened: Vec<Happened>) {
    let about = (list, entry, actor);
    let call_list = list.name();
    for what in happened {
        match what {
            Happened::Released { operator, expired } => {
                publish(
                    tx,
                    about,
                    &proto::CallListEntryReleased { call_list: call_list.clone(), operator, expired },
                );
            }
            Happened::Dialled => {
                let operator = entry.operator.clone();
                publish(tx, about, &proto::CallListEntryDialled { call_list: call_list.clone(), operator });
            }
            Happened::Held => {
                let event = proto::CallListEntryHeld {
                    call_list: call_list.clone(),
                    operator: entry.operator.clone(),
                    dial_time: entry.dial_time.map(clock::to_proto),
                    call: entry.call.clone(),
                };
                publish(tx, about, &event);
            }
            Happened::NotHeld { operator, reason } => {
                let event = proto::CallListEntryNotHeld {
                    call_list: call_list.clone(),
                    operator,
                    reason: reason as i32,
                    tries: entry.tries,
                    dial_time: entry.dial_time.map(clock::to_proto),
                    call: entry.call.clone(),
                };
                publish(tx, about, &event);
            }
            Happened::Cancelled(cancel) => cancelled(tx, about, cancel),
            Happened::CallBackPlanned => planned(tx, about),
            Happened::CallBackMoved => moved(tx, about),
            Happened::CallBackEnded { operator } => {
                publish(tx, about, &proto::CallBackEnded { call_list: call_list.clone(), operator });
            }
        }
    }
}

fn cancelled(tx: &mut Tx<'_>, about: About<'_>, cancel: Cancel) {
    let event = proto::CallListEntryCancelled { call_list: about.0.name(), reason: cancel as i32 };
    publish(tx, about, &event);
}

fn planned(tx: &mut Tx<'_>, about: About<'_>) {
    let (list, entry, _) = about;
    let Some(call_back) = &entry.call_back else { return };
    let event = proto::CallBackPlanned {
        call_list: list.name(),
        operator: call_back.operator.clone(),
        personal: call_back.personal,
        call_back_time: entry.due.map(clock::to_proto),
        display_name: entry.display_name.clone(),
        number: entry.e164.clone(),
    };
    publish(tx, about, &event);
}

fn moved(tx: &mut Tx<'_>, about: About<'_>) {
    let (list, entry, _) = about;
    let Some(call_back) = &entry.call_back else { return };
    let event = proto::CallBackMoved {
        call_list: list.name(),
        operator: call_back.operator.clone(),
        personal: call_back.personal,
        call_back_time: entry.due.map(clock::to_proto),
    };
    publish(tx, about, &event);
}

/// Says that an entry became an opportunity.
pub fn converted(tx: &mut Tx<'_>, list: &CallList, entry: &ListEntry, actor: &str) {
    let event =
        proto::CallListEntryConverted { call_list: list.name(), opportunity: entry.opportunity.clone() };
    publish(tx, (list, entry, actor), &event);
}

/// Says that rows were written.
pub fn imported(tx: &mut Tx<'_>, list: &CallList, created: i64, merged: i64) {
    let event = proto::CallListEntriesImported { created_rows: created, merged_rows: merged };
    tx.publish(NewEvent::new("telephony", list.name(), &list.guard(), &event));
}

/// Says that a list is in another state.
pub fn state_changed(tx: &mut Tx<'_>, list: &CallList) {
    let event = proto::CallListStateChanged { state: list.state as i32 };
    tx.publish(NewEvent::new("telephony", list.name(), &list.guard(), &event));
}

/// Says that a list was deleted.
pub fn deleted(tx: &mut Tx<'_>, list: &CallList, actor: &str) {
    let event = NewEvent::new("telephony", list.name(), &list.guard(), &proto::CallListDeleted {});
    tx.publish(event.actor(actor));
}

/// The list, the entry, and who did it.
type About<'a> = (&'a CallList, &'a ListEntry, &'a str);

/// Who may see the list may see what happens to its entries.
fn publish<P: Message + Name>(tx: &mut Tx<'_>, (list, entry, actor): About<'_>, payload: &P) {
    let event = NewEvent::new("telephony", entry.full_name(), &list.guard(), payload);
    tx.publish(event.partner(&entry.partner).actor(actor));
}
