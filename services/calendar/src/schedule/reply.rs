//! Answers of a guest come to the organizer's object (RFC 6638 section 4.2), and from there to the other guests.
//! Called by schedule/mod.rs when a guest changes or deletes the own copy.

use kontor_collection::Target;
use kontor_collection::store::collection;
use kontor_kit::Result;
use kontor_kit::db::Tx;

use super::deliver::{find, put, put_into_inbox};
use super::{Sender, addresses, status};
use crate::domain::scheduling::answer::{self, Answer};
use crate::domain::scheduling::{Read, Role, login_of, organizer, organizer_of, role};
use crate::events::{self, Answered, Meeting};
use crate::store::items;

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
        let theirs = addresses(tx, host)?;
        let before = Read::of(&found.data)?;
        if role(&before.object, &theirs) != Role::Organizer {
            return Ok(status::FAILED);
        }
        let guests = organizer::all_guests(&before, &theirs);
        let Some((attendee, _)) = guests.iter().find(|(address, _)| self.own.has(address)) else {
            return Ok(status::NO_AUTHORITY);
        };
        let applied = answer::apply(&found.data, &self.own, answers, self.now)?;
        if applied.taken.is_empty() {
            // Older than what the organizer has meanwhile: it came, and counts no more.
            return Ok(status::DELIVERED);
        }
        let Some(calendar) = collection::by_target(tx, &Target::id(&found.collection))? else {
            return Ok(status::FAILED);
        };
        let owner = Sender {
            hooks: self.hooks,
            collection: &calendar,
            own: theirs,
            actor: self.actor.clone(),
            now: self.now,
        };
        let after = Read::of(&applied.bytes)?;
        let statuses = owner.send(tx, Some(&before), Some(&after), &self.collection.owner)?;
        let marked = organizer::mark(&applied.bytes, &statuses)?;
        let known = items::before(tx, found.object.num)?;
        let by_address = known.with.iter().filter(|(_, address)| !address.is_empty()).cloned().collect();
        // RFC 6638 section 3.2.10: an answer does not change the organizer's tag.
        let tag = found.object.schedule_tag.clone();
        put(tx, self.hooks, &found.collection, &found.object.name, &marked, tag, by_address)?;
        put_into_inbox(tx, self.hooks, host, &marked, &message)?;
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
        Ok(status::DELIVERED)
    }
}
