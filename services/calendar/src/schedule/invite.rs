//! What organizers outside say: invitations, changes, cancellations, a no to a proposal (RFC 5546 sections 3.2.2, 3.2.5 and 3.2.8).
//! Called by receive.rs.

use kontor_collection::write;
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, id};

use super::deliver::{Found, find, home, put, put_into_inbox};
use super::receive::{Incoming, Outcome};
use super::{addresses, must_be_few};
use crate::domain::scheduling::counter::sequence_of;
use crate::domain::scheduling::itip::{
    cancel, is_organizer, keep_answers, object_of, stamp_of, with_components,
};
use crate::domain::scheduling::message::with_method;
use crate::domain::scheduling::{
    Addresses, Read, Role, copy, has_one_organizer, login_of, organizer_of, role,
};
use crate::hook::read;
use crate::store::{heard, people};

/// A component of a message: instance, SEQUENCE, DTSTAMP.
type Part = (Option<i64>, heard::Heard);

impl Incoming<'_> {
    fn denied() -> Error {
        Error::denied("the sender is not the organizer of this meeting")
    }

    /// The user's copy of the organizer's meeting.
    fn copy(&self, tx: &mut Tx<'_>, own: &Addresses) -> Result<Option<Found>> {
        let Some(found) = find(tx, self.login, self.uid())? else { return Ok(None) };
        let present = Read::of(&found.data)?;
        let same = organizer_of(&present.object) == organizer_of(&self.message.object);
        let is_guest = role(&present.object, own) != Role::Organizer;
        if !same || !is_guest || !is_organizer(&present, self.sender) {
            return Err(Self::denied());
        }
        self.must_be_outside(tx)?;
        Ok(Some(found))
    }

    /// Who has a calendar here speaks from there.
    fn must_be_outside(&self, tx: &mut Tx<'_>) -> Result<()> {
        let organizer = organizer_of(&self.message.object);
        if login_of(organizer).is_none() && people::users(tx, std::iter::once(organizer))?.is_empty() {
            return Ok(());
        }
        let why = "who has a calendar here invites from there";
        Err(Error::precondition("LOCAL_ORGANIZER", why))
    }

    /// The parts of the message that are newer than what was heard.
    fn newer(&self, tx: &mut Tx<'_>, found: &Found) -> Result<Vec<Part>> {
        let (now, present) = (tx.now(), Read::of(&found.data)?);
        let organizer = organizer_of(&self.message.object);
        let num = found.object.num;
        let series = heard::get(tx, num, organizer, None)?;
        let mut newer = Vec::new();
        for (instance, item) in self.message.instances() {
            let stamp = stamp_of(self.message, item, now)?;
            let part = (i64::from(item.sequence), stamp);
            let last = heard::get(tx, num, organizer, instance)?;
            let stands = i64::from(sequence_of(&present, instance).unwrap_or(0));
            // The guest's program may have raised the copy's own number: it counts as far as the organizer was heard.
            let stands = series.or(last).map_or(stands, |(heard, _)| stands.min(heard));
            if part >= last.unwrap_or_default().max((stands, 0)) {
                newer.push((instance, part));
            }
        }
        Ok(newer)
    }

    fn remember(&self, tx: &mut Tx<'_>, object: i64, parts: &[Part]) -> Result<()> {
        let organizer = organizer_of(&self.message.object);
        parts.iter().try_for_each(|(instance, part)| heard::set(tx, object, organizer, *instance, *part))
    }

    pub(super) fn request(&self, tx: &mut Tx<'_>) -> Result<Outcome> {
        let organizer = organizer_of(&self.message.object);
        let stored = object_of(self.message);
        // What can't be stored as an object is refused as one that a client puts.
        read(&stored, tx.now()).map_err(|cause| Error::invalid("icalendar", cause.message()))?;
        if !has_one_organizer(&self.message.object) || organizer.is_empty() {
            return Err(Error::invalid("icalendar", "all components must have the same ORGANIZER"));
        }
        if !is_organizer(self.message, self.sender) {
            return Err(Self::denied());
        }
        self.must_be_outside(tx)?;
        must_be_few(self.message)?;
        let own = addresses(tx, self.login)?;
        if role(&self.message.object, &own) != Role::Attendee {
            return Err(Error::precondition("NOT_INVITED", "the message does not name the user"));
        }
        match self.copy(tx, &own)? {
            Some(found) => self.renew(tx, &found, &stored, &own),
            None => {
                let now = tx.now();
                let mut parts = Vec::new();
                for (instance, item) in self.message.instances() {
                    let stamp = stamp_of(self.message, item, now)?;
                    parts.push((instance, (i64::from(item.sequence), stamp)));
                }
                let collection = home(tx, self.login, &stored)?;
                let name = write::fresh_name("ics");
                let object = put(tx, self.hooks, &collection, &name, &stored, id::new(), None)?;
                self.remember(tx, object.num, &parts)?;
                self.tell(tx, &stored, &with_method(&stored, "REQUEST")?)?;
                Ok(Outcome::Applied)
            }
        }
    }

    /// A newer state of what the user has.
    fn renew(&self, tx: &mut Tx<'_>, found: &Found, stored: &[u8], own: &Addresses) -> Result<Outcome> {
        let parts = self.newer(tx, found)?;
        let is_whole = self.message.object.master().is_some();
        // The series is told with all that was changed of it; single instances stand for themselves.
        let is_old = if is_whole {
            !parts.iter().any(|(instance, _)| instance.is_none())
        } else {
            parts.len() < self.message.object.items.len()
        };
        if is_old {
            return Ok(Outcome::Outdated);
        }
        let present = Read::of(&found.data)?;
        let kept = keep_answers(&Read::of(stored)?, &present, own);
        let merged = copy::merge(&kept, &found.data, own)?;
        let merged = if is_whole { merged } else { with_components(&present, &Read::of(&merged)?) };
        read(&merged, tx.now()).map_err(|cause| Error::invalid("icalendar", cause.message()))?;
        let object = put(tx, self.hooks, &found.collection, &found.object.name, &merged, id::new(), None)?;
        self.remember(tx, object.num, &parts)?;
        self.tell(tx, stored, &with_method(stored, "REQUEST")?)?;
        Ok(Outcome::Applied)
    }

    pub(super) fn cancel(&self, tx: &mut Tx<'_>) -> Result<Outcome> {
        let own = addresses(tx, self.login)?;
        let Some(found) = self.copy(tx, &own)? else { return Ok(Outcome::Unknown) };
        let parts = self.newer(tx, &found)?;
        if parts.is_empty() {
            return Ok(Outcome::Outdated);
        }
        let instances: Vec<Option<i64>> = parts.iter().map(|(instance, _)| *instance).collect();
        let highest = self.message.object.items.iter().map(|item| item.sequence).max().unwrap_or(0);
        let cancelled = match cancel(&found.data, &instances, highest, tx.now()) {
            Err(cause) if cause.reason() == "NOT_FOUND" => return Ok(Outcome::Unknown),
            outcome => outcome?,
        };
        put(tx, self.hooks, &found.collection, &found.object.name, &cancelled, id::new(), None)?;
        self.remember(tx, found.object.num, &parts)?;
        self.tell(tx, &cancelled, &with_method(&object_of(self.message), "CANCEL")?)?;
        Ok(Outcome::Applied)
    }

    pub(super) fn declined(&self, tx: &mut Tx<'_>) -> Result<Outcome> {
        let own = addresses(tx, self.login)?;
        let Some(found) = self.copy(tx, &own)? else { return Ok(Outcome::Unknown) };
        self.tell(tx, &found.data, &with_method(&object_of(self.message), "DECLINECOUNTER")?)?;
        Ok(Outcome::Applied)
    }

    fn tell(&self, tx: &mut Tx<'_>, meeting: &[u8], message: &[u8]) -> Result<()> {
        put_into_inbox(tx, self.hooks, self.login, meeting, message)
    }
}
