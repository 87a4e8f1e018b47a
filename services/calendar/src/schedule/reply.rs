//! Answers of a guest come to the organizer's object (RFC 6638 section 4.2), and from there to the other guests.
//! Called by schedule/mod.rs when a guest changes or deletes the own copy, and by receive.rs for answers from outside.

use kontor_collection::Target;
use kontor_collection::store::collection;
use kontor_kit::Result;
use kontor_kit::db::Tx;

use super::deliver::{Found, find, put, put_into_inbox};
use super::{Sender, addresses, status};
use crate::domain::scheduling::answer::{self, Answer};
use crate::domain::scheduling::{Addresses, Read, Role, login_of, organizer, organizer_of, role};
use crate::events::{self, Answered, Meeting};
use crate::hook::CalendarHooks;
use crate::store::{items, people};

impl Sender<'_> {
    /// Sends answers to the organizer: to the user `host`, or by mail. Answers what became of it.
    pub(super) fn reply(
        &self,
        tx: &mut Tx<'_>,
        copy: &Read<'_>,
        answers: &[Answer],
        host: Option<&str>,
    ) -> Result<&'static str> {
        let message = answer::message(copy, &self.own, answers, self.now);
        let organizer = organizer_of(&copy.object);
        let Some(host) = host else {
            if login_of(organizer).is_some() {
                return Ok(status::UNKNOWN);
            }
            self.mail(tx, "REPLY", &copy.object.uid, vec![organizer.to_owned()], message)?;
            return Ok(status::PENDING);
        };
        let Some(found) = find(tx, host, &copy.object.uid)? else { return Ok(status::FAILED) };
        let arrival = Arrival {
            hooks: self.hooks,
            host,
            own: &self.own,
            knows: &self.collection.owner,
            actor: self.actor.clone(),
            now: self.now,
        };
        Ok(match arrival.take(tx, &found, answers, &message)? {
            // Older than what the organizer has meanwhile: it came, and counts no more.
            Came::Taken(_) => status::DELIVERED,
            Came::NoMeeting => status::FAILED,
            Came::NotInvited => status::NO_AUTHORITY,
        })
    }
}

impl Sender<'_> {
    /// Tells the organizer that this guest declines all of it, unless the client or nobody answers, or that was said before.
    pub(super) fn refuse(&self, tx: &mut Tx<'_>, before: &Read<'_>) -> Result<()> {
        let answers = answer::refusal(before, &self.own);
        if answers.is_empty() || answer::is_left_to_client(before) {
            return Ok(());
        }
        let organizer = organizer_of(&before.object).to_owned();
        let host = people::users(tx, std::iter::once(organizer.as_str()))?.remove(&organizer);
        self.reply(tx, before, &answers, host.as_deref())?;
        Ok(())
    }
}

/// Answers on their way into the object of the user `host`.
pub(super) struct Arrival<'a> {
    pub hooks: &'a CalendarHooks,
    pub host: &'a str,
    /// Addresses of the guest who answers.
    pub own: &'a Addresses,
    /// Login name of the user who knows already; empty when nobody does.
    pub knows: &'a str,
    /// Who did it: "users/{user}"; empty for somebody outside.
    pub actor: String,
    pub now: i64,
}

/// What became of answers.
pub(super) enum Came {
    /// These counted; the others are older than what is known.
    Taken(Vec<Answer>),
    /// The user does not organize such a meeting.
    NoMeeting,
    /// The meeting does not name this guest.
    NotInvited,
}

impl Arrival<'_> {
    /// Puts answers into the organizer's object, tells the other guests silently, and publishes them.
    pub(super) fn take(
        self,
        tx: &mut Tx<'_>,
        found: &Found,
        answers: &[Answer],
        message: &[u8],
    ) -> Result<Came> {
        let theirs = addresses(tx, self.host)?;
        let before = Read::of(&found.data)?;
        if role(&before.object, &theirs) != Role::Organizer {
            return Ok(Came::NoMeeting);
        }
        let guests = organizer::all_guests(&before, &theirs);
        let Some((attendee, _)) = guests.iter().find(|(address, _)| self.own.has(address)) else {
            return Ok(Came::NotInvited);
        };
        let applied = answer::apply(&found.data, self.own, answers, self.now)?;
        if applied.taken.is_empty() {
            return Ok(Came::Taken(Vec::new()));
        }
        let Some(calendar) = collection::by_target(tx, &Target::id(&found.collection))? else {
            return Ok(Came::NoMeeting);
        };
        let owner = Sender {
            hooks: self.hooks,
            collection: &calendar,
            own: theirs,
            actor: self.actor.clone(),
            now: self.now,
        };
        let after = Read::of(&applied.bytes)?;
        super::must_be_few(&after)?;
        let statuses = owner.send(tx, Some(&before), Some(&after), self.knows)?;
        let marked = organizer::mark(&applied.bytes, &statuses)?;
        let known = items::before(tx, found.object.num)?;
        let by_address = known.with.iter().filter(|(_, address)| !address.is_empty()).cloned().collect();
        // RFC 6638 section 3.2.10: an answer does not change the organizer's tag.
        let tag = found.object.schedule_tag.clone();
        put(tx, self.hooks, &found.collection, &found.object.name, &marked, tag, Some(by_address))?;
        put_into_inbox(tx, self.hooks, self.host, &marked, message)?;
        self.tell_delegators(tx, &after, message)?;
        let meeting = Meeting {
            collection: &calendar,
            object: &found.object.id,
            actor: self.actor.clone(),
            summary: &known.told,
            start: 0,
        };
        for taken in &applied.taken {
            let answered = Answered {
                num: found.object.num,
                attendee,
                participation: &taken.partstat,
                instance: taken.instance,
                comment: &taken.comment,
            };
            events::publish_answer(tx, &meeting, &answered)?;
        }
        Ok(Came::Taken(applied.taken))
    }

    /// Who handed a part over hears what the delegate says (RFC 5546 section 3.2.2.3).
    fn tell_delegators(&self, tx: &mut Tx<'_>, after: &Read<'_>, message: &[u8]) -> Result<()> {
        let delegators = answer::delegators(after, self.own);
        let users = people::users(tx, delegators.iter().map(String::as_str))?;
        let mut told: Vec<String> = users.into_values().collect();
        told.sort();
        told.dedup();
        for login in told.iter().filter(|login| *login != self.host && *login != self.knows) {
            // The delegator's own text of the meeting is what the message is found by.
            if let Some(copy) = find(tx, login, &after.object.uid)? {
                put_into_inbox(tx, self.hooks, login, &copy.data, message)?;
            }
        }
        Ok(())
    }
}
