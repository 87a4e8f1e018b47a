//! UpdateCallListEntry: a call-back at another time or of somebody else, and what is known of a number.
//! Called by rpc/call_list.rs.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::mask::Mask;
use kontor_kit::resource::Stored;
use kontor_kit::{Error, Result, clock};
use kontor_proto::telephony::v1 as proto;

use super::call_list::entry_ids;
use super::list_convert;
use crate::domain::call_list::{CallList, MAX_PRIORITY};
use crate::domain::entry_import::{check_name, check_note};
use crate::domain::list_entry::ListEntry;
use crate::{list_events, store};

const FIELDS: [&str; 6] = ["due_time", "owner", "priority", "display_name", "partner", "note"];

/// A change that was read and checked in itself.
pub(super) struct Update {
    pub(super) request: proto::UpdateCallListEntryRequest,
    given: proto::CallListEntry,
    list: String,
    entry: String,
    mask: Mask,
}

impl Update {
    pub(super) fn read(request: proto::UpdateCallListEntryRequest) -> Result<Update> {
        let given = request.entry.clone().ok_or_else(|| Error::invalid("entry", "it is missing"))?;
        let (list, entry) = entry_ids(&given.name, "entry.name")?;
        let set = [
            ("due_time", given.due_time.is_some()),
            ("owner", !given.owner.is_empty()),
            ("priority", given.priority != 0),
            ("display_name", !given.display_name.is_empty()),
            ("partner", !given.partner.is_empty()),
            ("note", !given.note.is_empty()),
        ];
        let set: Vec<&str> = set.into_iter().filter(|(_, set)| *set).map(|(field, _)| field).collect();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &set)?;
        if mask.has("due_time") && given.due_time.is_none() {
            return Err(Error::invalid("entry.due_time", "update_mask names it, but it is missing"));
        }
        if mask.has("priority") && !(0..=MAX_PRIORITY).contains(&given.priority) {
            return Err(Error::invalid("entry.priority", format!("use 0 to {MAX_PRIORITY}")));
        }
        let text = check_name(&given.display_name).and_then(|()| check_note(&given.note));
        text.map_err(|fault| Error::invalid(format!("entry.{}", fault.field), fault.message))?;
        Ok(Update { request, given, list, entry, mask })
    }

    /// The partner that it names, or empty.
    pub(super) fn partner(&self) -> &str {
        if self.mask.has("partner") { &self.given.partner } else { "" }
    }

    /// The owner that it names, or empty.
    pub(super) fn owner(&self) -> &str {
        if self.mask.has("owner") { &self.given.owner } else { "" }
    }

    pub(super) fn run(&self, tx: &mut Tx<'_>, caller: &Caller, zone: &str) -> Result<proto::CallListEntry> {
        let (list, old) = store::list_entry::hold(tx, caller, &self.list, &self.entry)?;
        self.must_be_allowed(caller, &list, &old)?;
        if !self.given.etag.is_empty() && self.given.etag != old.etag() {
            return Err(Error::etag_mismatch(old.full_name()));
        }
        let now = tx.now();
        let mut entry = old.clone();
        self.apply(&mut entry, now);
        let mut happened = Vec::new();
        if self.mask.has("due_time") || self.mask.has("owner") {
            let name = old.full_name();
            if old.is_closed() {
                return Err(Error::precondition("ENTRY_CLOSED", format!("{name} is not called any more")));
            }
            if old.is_leased() {
                return Err(Error::precondition(
                    "ENTRY_LEASED",
                    format!("{name} is being called: wait for the outcome"),
                ));
            }
        }
        if self.mask.has("owner") {
            happened.extend(entry.give_to(&self.given.owner, now));
        }
        if let Some(due) = self.given.due_time.as_ref().filter(|_| self.mask.has("due_time")) {
            let moved = entry.move_to(&list, zone, clock::from_proto(due), now)?;
            // who is given a call-back is told its time at once
            if happened.is_empty() {
                happened = moved;
            }
        }
        store::list_entry::update(tx, &list, &old, &mut entry)?;
        list_events::happened(tx, &list, &entry, &caller.name(), happened);
        Ok(list_convert::entry(&entry, zone))
    }

    fn apply(&self, entry: &mut ListEntry, now: i64) {
        let given = &self.given;
        if self.mask.has("priority") {
            entry.priority = given.priority;
        }
        if self.mask.has("display_name") {
            entry.display_name = given.display_name.trim().to_owned();
        }
        if self.mask.has("partner") {
            entry.partner.clone_from(&given.partner);
        }
        if self.mask.has("note") {
            entry.note.clone_from(&given.note);
        }
        entry.update_time = now;
    }

    fn must_be_allowed(&self, caller: &Caller, list: &CallList, entry: &ListEntry) -> Result<()> {
        if list.is_managed_by(caller) {
            return Ok(());
        }
        let owner = entry.owner();
        if !owner.is_empty() && owner != caller.name() {
            let message =
                format!("{} is a call-back of {owner}: ask them or the team's leader", entry.full_name());
            return Err(Error::denied(message));
        }
        let new = self.owner();
        if self.mask.has("owner") && !new.is_empty() && new != caller.name() {
            return Err(Error::denied("only leaders and administrators give a call-back to somebody else"));
        }
        Ok(())
    }
}
