//! Counter-proposals on their way: from a guest to the organizer, and the organizer's no back to the guest.
//! Called by rpc/proposals.rs, rpc/messages.rs and schedule/receive.rs, in one transaction each.

use kontor_collection::store::collection::by_target;
use kontor_collection::{Collection, Object, Target};
use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, id};

use super::deliver::{find, put_into_inbox};
use super::{Sender, addresses};
use crate::domain::scheduling::counter::{Proposal, Standing, is_raised, sequence_of, standing};
use crate::domain::scheduling::organizer::all_guests;
use crate::domain::scheduling::{Addresses, Read, Role, login_of, organizer_of, role};
use crate::events::{self, Meeting};
use crate::hook::CalendarHooks;
use crate::store::{items, people, proposals};

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// The organizer has it.
    Open,
    /// It waits for the service that sends mail.
    Mailed,
    /// There is no such user.
    NoUser,
    /// The organizer has no such meeting.
    NoMeeting,
    /// It can't stand beside the meeting as it is.
    Refused(Standing),
}

/// Sends the proposal of a calendar's owner to the organizer. `known` is the copy in the owner's calendars, without which nobody outside gets
/// anything.
///
/// # Errors
/// FAILED_PRECONDITION with reason TOO_MANY_PROPOSALS; those of the database.
pub fn propose(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    caller: &Caller,
    collection: &Collection,
    proposal: &Proposal,
) -> Result<Became> {
    let own = addresses(tx, &collection.owner)?;
    let organizer = proposal.organizer.address.as_str();
    let host = people::users(tx, std::iter::once(organizer))?.remove(organizer);
    if let Some(host) = host {
        return arrive(tx, hooks, &caller.name(), &host, &own, proposal);
    }
    if login_of(organizer).is_some() {
        return Ok(Became::NoUser);
    }
    let Some(known) = find(tx, &collection.owner, &proposal.uid)? else { return Ok(Became::NoMeeting) };
    let copy = Read::of(&known.data)?;
    if organizer_of(&copy.object) != organizer || role(&copy.object, &own) != Role::Attendee {
        return Ok(Became::NoMeeting);
    }
    match standing(&copy, proposal, &own) {
        Standing::Open => {}
        refused => return Ok(Became::Refused(refused)),
    }
    let now = tx.now();
    let sender = Sender { hooks, collection, own, actor: caller.name(), now };
    let message = proposal.with_place(&copy).text("COUNTER", &proposal.comment, now)?;
    sender.mail(tx, "COUNTER", &proposal.uid, vec![organizer.to_owned()], message)?;
    Ok(Became::Mailed)
}

/// A proposal of a guest, whose addresses are `own`, comes to the user `host`.
///
/// # Errors
/// FAILED_PRECONDITION with reason TOO_MANY_PROPOSALS; those of the database.
pub fn arrive(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    actor: &str,
    host: &str,
    own: &Addresses,
    proposal: &Proposal,
) -> Result<Became> {
    let Some(found) = find(tx, host, &proposal.uid)? else { return Ok(Became::NoMeeting) };
    let theirs = addresses(tx, host)?;
    let organized = Read::of(&found.data)?;
    if role(&organized.object, &theirs) != Role::Organizer {
        return Ok(Became::NoMeeting);
    }
    match standing(&organized, proposal, own) {
        Standing::Open => {}
        refused => return Ok(Became::Refused(refused)),
    }
    let guests = all_guests(&organized, &theirs);
    let Some((attendee, _)) = guests.iter().find(|(address, _)| own.has(address)) else {
        return Ok(Became::Refused(Standing::NotInvited));
    };
    let Some(calendar) = by_target(tx, &Target::id(&found.collection))? else { return Ok(Became::NoMeeting) };
    let now = tx.now();
    let proposal = proposal.clone().beside(&organized, attendee);
    let shown = proposal.with_place(&organized).text("COUNTER", &proposal.comment, now)?;
    let message = proposal.text("COUNTER", &proposal.comment, now)?;
    let kept = proposals::Kept {
        id: id::new(),
        object: found.object.num,
        attendee: attendee.clone(),
        instance: proposal.instance,
        sequence: i64::from(proposal.sequence),
        message,
        create_time: now,
    };
    proposals::add(tx, &kept)?;
    put_into_inbox(tx, hooks, host, &found.data, &shown)?;
    let told = items::before(tx, found.object.num)?.told;
    let meeting = Meeting {
        collection: &calendar,
        object: &found.object.id,
        actor: actor.to_owned(),
        summary: &told,
        start: 0,
    };
    events::publish_counter(tx, &meeting, found.object.num, &proposal)?;
    Ok(Became::Open)
}

/// Tells a guest that the organizer says no, and ends the proposal.
///
/// # Errors
/// NOT_FOUND when it has ended meanwhile; those of the database.
pub fn decline(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    caller: &Caller,
    collection: &Collection,
    (kept, proposal): (&proposals::Kept, &Proposal),
    comment: &str,
) -> Result<()> {
    if !proposals::remove(tx, kept)? {
        return Err(Error::not_found(&kept.id));
    }
    let now = tx.now();
    let message = proposal.text("DECLINECOUNTER", comment, now)?;
    let guest = people::users(tx, std::iter::once(kept.attendee.as_str()))?.remove(&kept.attendee);
    if let Some(guest) = guest {
        return put_into_inbox(tx, hooks, &guest, &proposal.text("", "", now)?, &message);
    }
    let own = addresses(tx, &collection.owner)?;
    let sender = Sender { hooks, collection, own, actor: caller.name(), now };
    sender.mail(tx, "DECLINECOUNTER", &proposal.uid, vec![kept.attendee.clone()], message)
}

/// Declines the open proposal of a guest that a DECLINECOUNTER in the organizer's outbox names. False when there is none.
///
/// # Errors
/// Those of the database.
pub fn decline_posted(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    caller: &Caller,
    outbox: &Collection,
    message: &Read<'_>,
    guest: &str,
) -> Result<bool> {
    let Some(found) = find(tx, &outbox.owner, &message.object.uid)? else { return Ok(false) };
    let Some(calendar) = by_target(tx, &Target::id(&found.collection))? else { return Ok(false) };
    let Some((instance, item)) = message.instances().into_iter().next() else { return Ok(false) };
    let guest = match people::users(tx, std::iter::once(guest))?.remove(guest) {
        Some(login) => addresses(tx, &login)?,
        None => Addresses::only(guest),
    };
    let open = proposals::list(tx, found.object.num)?;
    let kept = open.iter().find(|kept| kept.instance == instance && guest.has(&kept.attendee));
    let Some(kept) = kept else { return Ok(false) };
    let comment = message.component(item).text("COMMENT").unwrap_or_default();
    let comment = crate::domain::scheduling::counter::clipped(&comment);
    match decline(tx, hooks, caller, &calendar, (kept, &proposal_of(kept)?), &comment) {
        Err(cause) if cause.reason() == "NOT_FOUND" => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

/// What a kept COUNTER says.
///
/// # Errors
/// INTERNAL: it was checked when it came.
pub fn proposal_of(kept: &proposals::Kept) -> Result<Proposal> {
    let message = crate::domain::scheduling::itip::message(&kept.message).map_err(Error::internal)?;
    crate::domain::scheduling::counter::of_message(&message, &kept.attendee).map_err(Error::internal)
}

/// Ends the proposals that a change of the organizer leaves behind: those to an older SEQUENCE, and of guests who are invited no more.
pub(super) fn end_outdated(
    tx: &mut Tx<'_>,
    object: &Object,
    before: &Read<'_>,
    after: &Read<'_>,
    own: &Addresses,
) -> Result<()> {
    let guests = all_guests(after, own);
    if !is_raised(before, after) && all_guests(before, own).keys().all(|guest| guests.contains_key(guest)) {
        return Ok(());
    }
    for kept in proposals::list(tx, object.num)? {
        let now = sequence_of(after, kept.instance);
        let holds = now.is_some_and(|now| kept.sequence >= i64::from(now));
        if !holds || !guests.contains_key(&kept.attendee) {
            proposals::remove(tx, &kept)?;
        }
    }
    Ok(())
}
