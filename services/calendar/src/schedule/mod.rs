//! Implicit scheduling (RFC 6638): what a write means for the other users whom a meeting concerns, in the transaction of the write.
//! Called by hook.rs for every change of an object with an organizer and guests; other objects never come here.

pub mod counter;
mod deliver;
mod invite;
pub mod partners;
pub mod receive;
mod reply;
mod send;

use std::collections::BTreeSet;

use bytes::Bytes;
use kontor_collection::store::collection::by_target;
use kontor_collection::store::object;
use kontor_collection::{Admission, Admitted, Collection, Prepared, Removal, Target, Tell};
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, id};
use tonic::Code;

use crate::domain::scheduling::{
    Addresses, Read, Role, allowed, answer, copy, has_nobody, has_one_organizer,
};
use crate::domain::scheduling::{organizer, organizer_of, role};
use crate::events::{self, Answered, Meeting};
use crate::hook::{CalendarHooks, Parsed, read};
use crate::store::{heard, people, proposals};

/// Bytes that one change may write into the calendars of others.
const WORK: usize = 64 * 1024 * 1024;

/// What became of a message (RFC 6638 section 3.2.9).
mod status {
    /// SCHEDULE-FORCE-SEND has a value that nobody knows.
    pub const BAD_PARAMETER: &str = "2.3";
    /// Waits for the service that sends mail.
    pub const PENDING: &str = "1.0";
    /// In the user's calendar.
    pub const DELIVERED: &str = "1.2";
    /// No such user.
    pub const UNKNOWN: &str = "3.7";
    /// Somebody else has a meeting of this UID, or the guest is not invited.
    pub const NO_AUTHORITY: &str = "3.8";
    /// The organizer has no such meeting.
    pub const FAILED: &str = "5.1";
}

/// One user on whose behalf messages are sent.
struct Sender<'s> {
    hooks: &'s CalendarHooks,
    collection: &'s Collection,
    own: Addresses,
    /// Who did it: "users/{user}".
    actor: String,
    now: i64,
}

/// Addresses of a user.
fn addresses(tx: &mut Tx<'_>, login: &str) -> Result<Addresses> {
    Ok(Addresses::of(login, &people::address(tx, login)?))
}

/// Decides on a write, and tells the others. None when nothing is scheduled by it.
///
/// # Errors
/// FAILED_PRECONDITION with a reason of RFC 6638 section 3.2.4; those of the database.
pub fn admit(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    admission: &Admission<'_, Parsed>,
) -> Result<Option<Admitted<Parsed>>> {
    let collection = admission.collection;
    let was = admission.old.filter(|old| !old.schedule_tag.is_empty());
    // Nobody is the calendar user of the company's calendar.
    if (was.is_none() && !admission.prepared.typed.typed.schedules) || collection.is_company() {
        return Ok(None);
    }
    let present = was.map(|old| object::data(tx, old.num)).transpose()?;
    let before = present.as_deref().map(Read::of).transpose()?;
    let after = Read::of(admission.data)?;
    let own = addresses(tx, &collection.owner)?;
    let actor = admission.caller.name();
    let sender = Sender { hooks, collection, own, actor, now: tx.now() };
    let old_role = before.as_ref().map_or(Role::Neither, |before| role(&before.object, &sender.own));
    let new_role = role(&after.object, &sender.own);
    check(tx, admission, &after, (old_role, new_role), &sender.own)?;
    match (old_role, new_role) {
        (Role::Organizer, _) | (_, Role::Organizer) => {
            organized(tx, &sender, admission, before.as_ref(), &after, new_role).map(Some)
        }
        (_, Role::Attendee) => attended(tx, &sender, admission, before.as_ref(), &after).map(Some),
        (Role::Attendee, Role::Neither) => left(tx, &sender, admission, before.as_ref()).map(Some),
        _ => Ok(None),
    }
}

/// The preconditions of RFC 6638 section 3.2.4.
fn check(
    tx: &mut Tx<'_>,
    admission: &Admission<'_, Parsed>,
    after: &Read<'_>,
    roles: (Role, Role),
    own: &Addresses,
) -> Result<()> {
    if roles.1 != Role::Neither {
        if !has_one_organizer(&after.object) {
            return Err(refused("SAME_ORGANIZER", "all components must have the same ORGANIZER"));
        }
        must_be_few(after)?;
        if admission.old.is_none() {
            let others = object::by_uid(tx, &admission.collection.owner, &admission.prepared.uid)?;
            let mut others = others.into_iter().filter(|(other, _)| !other.schedule_tag.is_empty());
            if let Some((other, calendar)) = others.next() {
                let calendar = by_target(tx, &Target::id(calendar))?;
                let slug = calendar.map(|calendar| calendar.slug).unwrap_or_default();
                let refusal =
                    refused("UNIQUE_SCHEDULING_OBJECT", "this meeting stands in another calendar already");
                return Err(refusal.with("name", other.name).with("slug", slug));
            }
        }
    }
    let organizer = organizer_of(&after.object);
    match roles {
        (Role::Organizer, _) if !organizer.is_empty() && !own.has(organizer) => Err(refused(
            "ALLOWED_ORGANIZER_CHANGE",
            "the organizer of a meeting can't hand it over to somebody else",
        )),
        // Without organizer and guests it is an event of the user's own (RFC 6638 section 3.2.3.1).
        (Role::Attendee, Role::Neither) if organizer.is_empty() && has_nobody(&after.object) => Ok(()),
        (Role::Attendee, Role::Organizer | Role::Neither) => {
            Err(refused("ALLOWED_ATTENDEE_CHANGE", "a guest can't change ORGANIZER or leave the guests"))
        }
        _ => Ok(()),
    }
}

/// Refuses too many guests (CALDAV:max-attendees-per-instance).
fn must_be_few(read: &Read<'_>) -> Result<()> {
    if organizer::has_too_many_guests(read) {
        let message = format!("a meeting has at most {} guests", organizer::MAX_GUESTS);
        return Err(refused("MAX_ATTENDEES", message));
    }
    Ok(())
}

fn refused(reason: &'static str, message: impl Into<String>) -> Error {
    Error::new(Code::FailedPrecondition, reason, message)
}

/// A change of the organizer.
fn organized(
    tx: &mut Tx<'_>,
    sender: &Sender<'_>,
    admission: &Admission<'_, Parsed>,
    before: Option<&Read<'_>>,
    after: &Read<'_>,
    new_role: Role,
) -> Result<Admitted<Parsed>> {
    // What was somebody's own before is no message to compare with.
    let before = before.filter(|before| role(&before.object, &sender.own) == Role::Organizer);
    let guests = organizer::all_guests(after, &sender.own);
    let known = before.map(|before| organizer::all_guests(before, &sender.own)).unwrap_or_default();
    let addresses: BTreeSet<&String> = guests.keys().chain(known.keys()).collect();
    let users = people::users(tx, addresses.into_iter().map(String::as_str))?;
    let settled = organizer::settle(before, after, &sender.own, &users);
    let after = Read::of(&settled)?;
    let mut statuses = sender.send(tx, before, (new_role == Role::Organizer).then_some(&after), "")?;
    for guest in organizer::wrongly_forced(&after) {
        statuses.entry(guest).or_insert(status::BAD_PARAMETER);
    }
    let marked = organizer::mark(&settled, &statuses)?;
    if let (Some(before), Some(old)) = (before, admission.old) {
        counter::end_outdated(tx, old, before, &after, &sender.own)?;
        if new_role != Role::Organizer {
            heard::clear(tx, old.num)?;
            proposals::clear(tx, old.num)?;
        }
        let meeting = Meeting {
            collection: sender.collection,
            object: &old.id,
            actor: sender.actor.clone(),
            summary: admission.prepared.typed.typed.face.told(),
            start: 0,
        };
        for (attendee, participation, instance) in organizer::new_answers(before, &after, &sender.own) {
            if !users.contains_key(&attendee) {
                let answered = Answered {
                    num: old.num,
                    attendee: &attendee,
                    participation: &participation,
                    instance,
                    comment: "",
                };
                events::publish_answer(tx, &meeting, &answered)?;
            }
        }
    }
    admitted(admission, marked, new_role != Role::Neither, admission.prepared.typed.found.clone(), sender.now)
}

/// A change of a guest.
fn attended(
    tx: &mut Tx<'_>,
    sender: &Sender<'_>,
    admission: &Admission<'_, Parsed>,
    before: Option<&Read<'_>>,
    after: &Read<'_>,
) -> Result<Admitted<Parsed>> {
    let organizer = organizer_of(&after.object).to_owned();
    let host = people::users(tx, std::iter::once(organizer.as_str()))?.remove(&organizer);
    // A partner has a meeting once on the timeline: from the organizer's calendar.
    let found = if host.is_some() { Some(Vec::new()) } else { admission.prepared.typed.found.clone() };
    if answer::is_left_to_client(after) {
        return admitted(admission, admission.data.to_vec(), true, found, sender.now);
    }
    let before = before.filter(|before| role(&before.object, &sender.own) == Role::Attendee);
    let mut data = admission.data.to_vec();
    if let Some(before) = before {
        if let Err(what) = allowed::check(before, after, &sender.own) {
            let message = format!("a guest may not change {what}");
            return Err(refused("ALLOWED_ATTENDEE_CHANGE", message));
        }
        data = copy::with_others(before, after, &sender.own);
    }
    let after = Read::of(&data)?;
    let answers = answer::answers(before, &after, &sender.own);
    if answers.is_empty() {
        if answer::is_wrongly_forced(&after) {
            data = answer::mark_organizer(&data, status::BAD_PARAMETER)?;
        }
        return admitted(admission, data, true, found, sender.now);
    }
    let status = sender.reply(tx, &after, &answers, host.as_deref())?;
    let marked = answer::mark_organizer(&data, status)?;
    admitted(admission, marked, true, found, sender.now)
}

/// A guest makes an event of the own of it: for the organizer it is as if the copy were deleted.
fn left(
    tx: &mut Tx<'_>,
    sender: &Sender<'_>,
    admission: &Admission<'_, Parsed>,
    before: Option<&Read<'_>>,
) -> Result<Admitted<Parsed>> {
    if let Some(before) = before {
        sender.refuse(tx, before)?;
    }
    if let Some(old) = admission.old {
        heard::clear(tx, old.num)?;
    }
    let found = admission.prepared.typed.found.clone();
    admitted(admission, admission.data.to_vec(), false, found, sender.now)
}

/// What is stored: with a new schedule tag, for a client changed it (RFC 6638 section 3.2.10).
fn admitted(
    admission: &Admission<'_, Parsed>,
    data: Vec<u8>,
    schedules: bool,
    found: Option<Vec<crate::store::items::With>>,
    now: i64,
) -> Result<Admitted<Parsed>> {
    let schedule_tag = if schedules { id::new() } else { String::new() };
    let same = data == admission.data;
    let (index, typed) = if same {
        (admission.prepared.index.clone(), admission.prepared.typed.typed.clone())
    } else {
        read(&data, now)?
    };
    let prepared =
        Prepared { schedule_tag, index, typed: Parsed { typed, found }, ..admission.prepared.clone() };
    Ok(Admitted { data: (!same).then(|| Bytes::from(data)), prepared })
}

/// Tells the others that a meeting goes: guests that it is cancelled, the organizer that this guest declines.
///
/// # Errors
/// Those of the database.
pub fn removed(tx: &mut Tx<'_>, hooks: &CalendarHooks, removal: &Removal<'_>) -> Result<()> {
    let (collection, num) = (removal.collection, removal.object.num);
    // What was moved stands elsewhere already, under its number.
    let is_moved = removal.tell == Tell::Nobody
        && object::named(tx, collection.num, &removal.object.name)?.is_none_or(|found| found.num != num);
    if !is_moved {
        proposals::clear(tx, num)?;
        heard::clear(tx, num)?;
    }
    if removal.object.schedule_tag.is_empty() || collection.is_company() || removal.tell == Tell::Nobody {
        return Ok(());
    }
    let present = object::data(tx, num)?;
    let before = Read::of(&present)?;
    let own = addresses(tx, &collection.owner)?;
    let sender = Sender { hooks, collection, own, actor: removal.caller.name(), now: tx.now() };
    match role(&before.object, &sender.own) {
        Role::Organizer => {
            sender.send(tx, Some(&before), None, "")?;
        }
        Role::Attendee if removal.tell == Tell::Everyone => sender.refuse(tx, &before)?,
        _ => {}
    }
    Ok(())
}
