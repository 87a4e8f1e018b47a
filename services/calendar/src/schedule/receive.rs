//! Scheduling messages that come from outside, by mail (RFC 5546): whose they are, and what guests say. What organizers say is in invite.rs.
//! Called by rpc/messages.rs, in one transaction each. The sender's address was proved by the mail service.

use kontor_collection::Target;
use kontor_collection::store::collection::by_target;
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result};

use super::counter::{Became, arrive};
use super::deliver::{Found, find};
use super::reply::{Arrival, Came};
use super::{Sender, addresses};
use crate::domain::scheduling::answer::{self, Answer};
use crate::domain::scheduling::counter::Standing;
use crate::domain::scheduling::itip::{guest_of, stamp_of};
use crate::domain::scheduling::message::{seen_by, view, with_method};
use crate::domain::scheduling::{Addresses, Read, Role, counter, role};
use crate::hook::CalendarHooks;
use crate::store::{heard, people};

/// What a message did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It counts.
    Applied,
    /// Something newer was known.
    Outdated,
    /// The user has no such meeting.
    Unknown,
}

/// A message for a user.
pub struct Incoming<'m> {
    /// Writes on the server's own behalf.
    pub hooks: &'m CalendarHooks,
    /// For whom it came.
    pub login: &'m str,
    /// From whom, in lower case.
    pub sender: &'m str,
    /// The message, with its METHOD.
    pub message: &'m Read<'m>,
}

impl Incoming<'_> {
    /// Works a message into the user's calendar and inbox.
    ///
    /// # Errors
    /// Those that ReceiveMessage names.
    pub fn receive(&self, tx: &mut Tx<'_>) -> Result<Outcome> {
        match self.message.object.method.as_deref() {
            Some("REPLY") => self.reply(tx),
            Some("COUNTER") => self.counter(tx),
            Some("REFRESH") => self.refresh(tx),
            Some("REQUEST") => self.request(tx),
            Some("CANCEL") => self.cancel(tx),
            Some("DECLINECOUNTER") => self.declined(tx),
            _ => {
                let taken = "REPLY, COUNTER, REFRESH, REQUEST, CANCEL and DECLINECOUNTER";
                Err(Error::invalid("icalendar", format!("METHOD is none of {taken}")))
            }
        }
    }

    pub(super) fn uid(&self) -> &str {
        &self.message.object.uid
    }

    /// The user's own meeting that the message is about, and the guest who speaks with the addresses by which the meeting may name the guest.
    fn guest(&self, tx: &mut Tx<'_>) -> Result<Option<(Found, String, Addresses)>> {
        let found = find(tx, self.login, self.uid())?;
        let read = found.as_ref().map(|found| Read::of(&found.data)).transpose()?;
        let host = addresses(tx, self.login)?;
        let organized = read.filter(|read| role(&read.object, &host) == Role::Organizer);
        let stranger = || Error::denied("the sender is not the guest for whom the message speaks");
        let guest = guest_of(self.message, organized.as_ref(), self.sender).ok_or_else(stranger)?;
        let is_organized = organized.is_some();
        drop(organized);
        let Some(found) = found.filter(|_| is_organized) else { return Ok(None) };
        let user = people::users(tx, std::iter::once(guest.as_str()))?.remove(&guest);
        let own = match user {
            Some(login) => addresses(tx, &login)?,
            None => Addresses::only(&guest),
        };
        Ok(Some((found, guest, own)))
    }

    fn reply(&self, tx: &mut Tx<'_>) -> Result<Outcome> {
        let Some((found, guest, own)) = self.guest(tx)? else { return Ok(Outcome::Unknown) };
        let now = tx.now();
        let answers = answer::of_message(self.message, &Addresses::only(&guest))?;
        let mut newer: Vec<(Answer, i64)> = Vec::new();
        for (answer, item) in answers.into_iter().zip(&self.message.object.items) {
            let stamp = stamp_of(self.message, item, now)?;
            let known = heard::get(tx, found.object.num, &guest, answer.instance)?;
            if known.is_none_or(|known| known <= (i64::from(answer.sequence), stamp)) {
                newer.push((answer, stamp));
            }
        }
        let answers: Vec<Answer> = newer.iter().map(|(answer, _)| answer.clone()).collect();
        if answers.is_empty() {
            return Ok(Outcome::Outdated);
        }
        let copy = crate::domain::scheduling::itip::object_of(self.message);
        let message = with_method(&copy, "REPLY")?;
        let actor = String::new();
        let arrival = Arrival { hooks: self.hooks, host: self.login, own: &own, knows: "", actor, now };
        let num = found.object.num;
        match arrival.take(tx, &found, &answers, &message)? {
            Came::NoMeeting => Ok(Outcome::Unknown),
            Came::NotInvited => Err(Error::denied("the meeting does not name this guest")),
            Came::Taken(taken) if taken.is_empty() => Ok(Outcome::Outdated),
            Came::Taken(taken) => {
                for (answer, stamp) in newer.iter().filter(|(answer, _)| taken.contains(answer)) {
                    heard::set(tx, num, &guest, answer.instance, (i64::from(answer.sequence), *stamp))?;
                }
                Ok(Outcome::Applied)
            }
        }
    }

    fn counter(&self, tx: &mut Tx<'_>) -> Result<Outcome> {
        let Some((found, guest, own)) = self.guest(tx)? else { return Ok(Outcome::Unknown) };
        let proposal = counter::of_message(self.message, &guest)?;
        let stamp = stamp_of(self.message, self.message.object.first(), tx.now())?;
        let present = counter::sequence_of(&Read::of(&found.data)?, proposal.instance).unwrap_or(0);
        let part = (i64::from(proposal.sequence.min(present)), stamp);
        // A reply to the same instance is another matter, so what was heard of it stands apart.
        let key = format!("counter:{guest}");
        if heard::get(tx, found.object.num, &key, proposal.instance)?.is_some_and(|known| known > part) {
            return Ok(Outcome::Outdated);
        }
        match arrive(tx, self.hooks, "", self.login, &own, &proposal)? {
            Became::Open | Became::Mailed => {
                heard::set(tx, found.object.num, &key, proposal.instance, part)?;
                Ok(Outcome::Applied)
            }
            Became::NoUser | Became::NoMeeting | Became::Refused(Standing::NoInstance) => {
                Ok(Outcome::Unknown)
            }
            Became::Refused(Standing::NotInvited) => {
                Err(Error::denied("the meeting does not name this guest"))
            }
            Became::Refused(_) => Ok(Outcome::Outdated),
        }
    }

    /// The guest wants to see the meeting as it is (RFC 5546 section 3.2.6).
    fn refresh(&self, tx: &mut Tx<'_>) -> Result<Outcome> {
        let Some((found, guest, own)) = self.guest(tx)? else { return Ok(Outcome::Unknown) };
        let organized = Read::of(&found.data)?;
        let now = tx.now();
        let Some(text) = view(&organized, &seen_by(&organized, &guest), now) else {
            return Err(Error::denied("the meeting does not name this guest"));
        };
        let Some(calendar) = by_target(tx, &Target::id(&found.collection))? else {
            return Ok(Outcome::Unknown);
        };
        let sender = Sender { hooks: self.hooks, collection: &calendar, own, actor: String::new(), now };
        sender.mail(tx, "REQUEST", self.uid(), vec![guest], with_method(&text, "REQUEST")?)?;
        Ok(Outcome::Applied)
    }
}
