//! Messages of an organizer: who has to be told what, after a change of the meeting (RFC 6638 section 3.2.1).
//! Called by schedule/mod.rs for the organizer's own changes, and by reply.rs for those that an answer brings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use kontor_kit::db::Tx;
use kontor_kit::{Error, Result};
use tonic::Code;

use super::deliver::Parcel;
use super::{Sender, WORK, status};
use crate::domain::scheduling::cancel::{cancelled, is_cancelled};
use crate::domain::scheduling::compare::{Difference, difference};
use crate::domain::scheduling::message::{seen_by, view, with_method};
use crate::domain::scheduling::organizer::{Guest, all_guests};
use crate::domain::scheduling::{Agent, Read, login_of};
use crate::events::{self, Outgoing};
use crate::store::people;

/// Which items a guest sees.
type Seen = Vec<usize>;
/// Those invited, by address.
type Guests = BTreeMap<String, Guest>;

/// A text that several guests get.
#[derive(Clone)]
struct Message {
    bytes: Rc<[u8]>,
    method: &'static str,
    /// Only answers of others differ: the copy is brought up to date, and nobody is told.
    silent: bool,
}

/// What goes out, by what was seen before and is seen now; most guests see the same.
struct Messages<'m> {
    before: Option<&'m Read<'m>>,
    after: Option<&'m Read<'m>>,
    now: i64,
    made: HashMap<(Seen, Seen, bool), Option<Message>>,
}

impl Sender<'_> {
    /// Tells each guest what concerns it, and answers what became of each message, by address. `but` is the login name of a user who
    /// knows already.
    pub(super) fn send(
        &self,
        tx: &mut Tx<'_>,
        before: Option<&Read<'_>>,
        after: Option<&Read<'_>>,
        but: &str,
    ) -> Result<BTreeMap<String, &'static str>> {
        let old = before.map(|before| all_guests(before, &self.own)).unwrap_or_default();
        let new = after.map(|after| all_guests(after, &self.own)).unwrap_or_default();
        let everybody: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let users = people::users(tx, everybody.iter().map(|address| address.as_str()))?;
        let Some(uid) = after.or(before).map(|read| read.object.uid.clone()) else {
            return Ok(BTreeMap::new());
        };
        let mut messages = Messages { before, after, now: self.now, made: HashMap::new() };
        let mut outside: HashMap<*const u8, (Message, Vec<String>)> = HashMap::new();
        let mut statuses = BTreeMap::new();
        let mut work = 0;
        for addresses in recipients(everybody, &users) {
            let message = messages.to(&addresses, &old, &new)?;
            let Some(message) = message else { continue };
            let address = addresses[0];
            let user = users.get(address);
            if user.is_some_and(|user| user == but || *user == self.collection.owner) {
                continue;
            }
            let Some(user) = user else {
                if login_of(address).is_some() {
                    statuses.insert(address.clone(), status::UNKNOWN);
                } else if !message.silent {
                    statuses.insert(address.clone(), status::PENDING);
                    let group = outside.entry(message.bytes.as_ptr());
                    group.or_insert_with(|| (message, Vec::new())).1.push(address.clone());
                }
                continue;
            };
            work += message.bytes.len();
            if work > WORK {
                let text = "the meeting is too large for so many guests";
                return Err(Error::new(Code::InvalidArgument, "TOO_LARGE", text));
            }
            let parcel = Parcel {
                uid: &uid,
                bytes: &message.bytes,
                method: message.method,
                silent: message.silent,
                is_new: !addresses.iter().any(|address| is_told(&old, address)),
            };
            let became = self.deliver(tx, user, &parcel)?;
            if !message.silent {
                statuses.extend(addresses.into_iter().map(|address| (address.clone(), became)));
            }
        }
        let mut groups: Vec<(Message, Vec<String>)> = outside.into_values().collect();
        groups.sort_by(|one, other| one.1.cmp(&other.1));
        for (message, recipients) in groups {
            self.mail(tx, message.method, &uid, recipients, with_method(&message.bytes, message.method)?)?;
        }
        Ok(statuses)
    }

    /// Leaves a message for people outside to the service that sends mail.
    pub(super) fn mail(
        &self,
        tx: &mut Tx<'_>,
        method: &str,
        uid: &str,
        recipients: Vec<String>,
        icalendar: Vec<u8>,
    ) -> Result<()> {
        let sender = people::address(tx, &self.collection.owner)?;
        let actor = self.actor.clone();
        let collection = self.collection;
        events::publish_message(
            tx,
            Outgoing { collection, actor, method, uid, sender: &sender, recipients, icalendar },
        );
        Ok(())
    }
}

/// The addresses of each who is told: those of one user together, for a user who is named in another way than before was there before.
fn recipients<'a>(
    everybody: BTreeSet<&'a String>,
    users: &HashMap<String, String>,
) -> impl Iterator<Item = Vec<&'a String>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<Vec<&String>> = Vec::new();
    for address in everybody {
        let place = users.get(address).map(|user| *places.entry(user.clone()).or_insert(all.len()));
        match place {
            Some(place) if place < all.len() => all[place].push(address),
            _ => all.push(vec![address]),
        }
    }
    all.into_iter()
}

/// Whether the server tells this address anything.
fn is_told(guests: &Guests, address: &String) -> bool {
    guests.get(address).is_some_and(|guest| guest.agent == Agent::Server)
}

impl Messages<'_> {
    /// The message to one guest, if there is anything to tell.
    fn to(&mut self, addresses: &[&String], old: &Guests, new: &Guests) -> Result<Option<Message>> {
        let seen = |read: Option<&Read<'_>>, guests: &Guests| {
            let told = addresses.iter().filter(|address| is_told(guests, address));
            let all = told.flat_map(|address| read.map(|read| seen_by(read, address)).unwrap_or_default());
            all.collect::<BTreeSet<usize>>().into_iter().collect::<Seen>()
        };
        let forced = addresses.iter().any(|address| new.get(*address).is_some_and(|guest| guest.forced));
        let key = (seen(self.before, old), seen(self.after, new), forced);
        if let Some(made) = self.made.get(&key) {
            return Ok(made.clone());
        }
        let made = self.make(&key.0, &key.1, forced)?;
        self.made.insert(key, made.clone());
        Ok(made)
    }

    fn make(&self, old: &Seen, new: &Seen, forced: bool) -> Result<Option<Message>> {
        let before = self.before.and_then(|read| view(read, old, self.now));
        let after = self.after.and_then(|read| view(read, new, self.now));
        let message = |bytes: Vec<u8>, method, silent| Message { bytes: bytes.into(), method, silent };
        Ok(match (before, after) {
            (None, None) => None,
            (Some(before), None) => {
                let known = is_cancelled(&Read::of(&before)?);
                (!known)
                    .then(|| cancelled(&before, self.now))
                    .transpose()?
                    .map(|bytes| message(bytes, "CANCEL", false))
            }
            (None, Some(after)) => Some(message(after.clone(), method(&after)?, false)),
            (Some(before), Some(after)) => match difference(&before, &after)? {
                Difference::None if !forced => None,
                Difference::Answers if !forced => Some(message(after, "REQUEST", true)),
                _ => Some(message(after.clone(), method(&after)?, false)),
            },
        })
    }
}

/// A meeting that the organizer has set to cancelled is one.
fn method(bytes: &[u8]) -> Result<&'static str> {
    Ok(if is_cancelled(&Read::of(bytes)?) { "CANCEL" } else { "REQUEST" })
}
