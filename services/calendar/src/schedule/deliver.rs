//! A message comes to a user: into the copy in the user's calendar, and into the inbox (RFC 6638 sections 4.1 and 4.2).
//! Called by send.rs and reply.rs.

use kontor_collection::store::{collection, object};
use kontor_collection::{Conditions, Object, Prepared, Target, write};
use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::{Result, id};
use tonic::Code;

use super::{Sender, addresses, status};
use crate::domain::scheduling::message::with_method;
use crate::domain::scheduling::{Addresses, Read, copy, organizer_of};
use crate::events::{default_calendar, inbox};
use crate::hook::{CalendarHooks, Parsed, read};
use crate::store::items::With;
use crate::store::{calendars, people};

/// A message to one user.
pub(super) struct Parcel<'p> {
    /// UID of the meeting.
    pub uid: &'p str,
    /// The meeting as the user may see it, without METHOD.
    pub bytes: &'p [u8],
    /// METHOD in the inbox.
    pub method: &'static str,
    /// The copy is brought up to date, and the user is not told.
    pub silent: bool,
    /// Whether the user was not invited before.
    pub is_new: bool,
}

/// An object that was found and locked, with its bytes.
pub(super) struct Found {
    pub object: Object,
    pub collection: String,
    pub data: bytes::Bytes,
}

/// The user's object of a UID, locked against other processes before it is read.
pub(super) fn find(tx: &mut Tx<'_>, login: &str, uid: &str) -> Result<Option<Found>> {
    let Some((_, collection)) = object::by_uid(tx, login, uid)?.into_iter().next() else { return Ok(None) };
    collection::lock(tx, &Target::id(&collection))?;
    let all = object::by_uid(tx, login, uid)?;
    let Some((object, collection)) = all.into_iter().find(|(_, id)| *id == collection) else {
        return Ok(None);
    };
    let data = object::data(tx, object.num)?;
    Ok(Some(Found { object, collection, data }))
}

impl Sender<'_> {
    /// Brings a message to a user, and answers what became of it.
    pub(super) fn deliver(&self, tx: &mut Tx<'_>, login: &str, parcel: &Parcel<'_>) -> Result<&'static str> {
        let theirs = addresses(tx, login)?;
        match find(tx, login, parcel.uid)? {
            Some(found) => {
                if let Some(refused) = self.renew(tx, &found, parcel, &theirs)? {
                    return Ok(refused);
                }
            }
            None if parcel.silent => return Ok(status::DELIVERED),
            None if parcel.method == "CANCEL" => {}
            // Who has declined and thrown it away does not get it back before there is something to answer.
            None if !parcel.is_new && copy::is_refused(&Read::of(parcel.bytes)?, &theirs) => {}
            None => {
                let collection = home(tx, login, parcel.bytes)?;
                let name = write::fresh_name("ics");
                put(tx, self.hooks, &collection, &name, parcel.bytes, id::new(), Some(Vec::new()))?;
            }
        }
        if !parcel.silent {
            let message = with_method(parcel.bytes, parcel.method)?;
            put_into_inbox(tx, self.hooks, login, parcel.bytes, &message)?;
        }
        Ok(status::DELIVERED)
    }

    /// Puts the message into the copy that is there. Some when it may not be.
    fn renew(
        &self,
        tx: &mut Tx<'_>,
        found: &Found,
        parcel: &Parcel<'_>,
        theirs: &Addresses,
    ) -> Result<Option<&'static str>> {
        // Deliveries inside one database come in their order, so nothing here is older than the copy.
        let present = Read::of(&found.data)?;
        if !self.own.has(organizer_of(&present.object)) {
            return Ok(Some(status::NO_AUTHORITY));
        }
        let merged = copy::merge(parcel.bytes, &found.data, theirs)?;
        // RFC 6638 section 3.2.10: answers of others leave the tag as it is.
        let tag = if parcel.silent { found.object.schedule_tag.clone() } else { id::new() };
        let (collection, name) = (&found.collection, &found.object.name);
        match put(tx, self.hooks, collection, name, &merged, tag.clone(), Some(Vec::new())) {
            // What a guest added must not keep the organizer's change from being stored: then it goes.
            Err(cause) if cause.code() == Code::InvalidArgument => {
                put(tx, self.hooks, collection, name, parcel.bytes, tag, Some(Vec::new()))?;
            }
            outcome => {
                outcome?;
            }
        }
        Ok(None)
    }
}

/// The calendar that takes new meetings of a user; made when the news of the user has not come yet.
pub(super) fn home(tx: &mut Tx<'_>, login: &str, bytes: &[u8]) -> Result<String> {
    let component = Read::of(bytes)?.object.kind.name();
    if let Some(found) = calendars::for_component(tx, login, component)? {
        return Ok(found.id);
    }
    let color = people::get(tx, login)?.color;
    let mut new = default_calendar(login, &color);
    if calendars::default_of(tx, login)?.is_some() {
        new.slug = id::new();
        new.is_default = false;
    }
    Ok(collection::ensure(tx, &new)?.id)
}

/// Stores an object on the server's own behalf: no rule of scheduling looks at it. `found` are the partners that it is with; none when the
/// directory has to be asked.
pub(super) fn put(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    collection: &str,
    name: &str,
    bytes: &[u8],
    schedule_tag: String,
    found: Option<Vec<With>>,
) -> Result<Object> {
    let now = tx.now();
    let (index, typed) = read(bytes, now)?;
    let prepared = Prepared {
        uid: typed.uid.clone(),
        component: typed.kind.name().to_owned(),
        schedule_tag,
        index,
        typed: Parsed { typed, found },
    };
    store(tx, hooks, collection, name, bytes, &prepared)
}

/// Puts a message into a user's inbox. `meeting` is the object that it is about, by which it is found in a time range.
pub(super) fn put_into_inbox(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    login: &str,
    meeting: &[u8],
    message: &[u8],
) -> Result<()> {
    let now = tx.now();
    let (index, typed) = read(meeting, now)?;
    let name = write::fresh_name("ics");
    let prepared = Prepared {
        // Several messages are about one meeting, so each stands in the inbox under a UID of its own.
        uid: name.clone(),
        component: typed.kind.name().to_owned(),
        schedule_tag: String::new(),
        index,
        typed: Parsed { typed, found: Some(Vec::new()) },
    };
    let collection = collection::ensure(tx, &inbox(login))?;
    store(tx, hooks, &collection.id, &name, message, &prepared)?;
    Ok(())
}

fn store(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    collection: &str,
    name: &str,
    bytes: &[u8],
    prepared: &Prepared<Parsed>,
) -> Result<Object> {
    let quiet = CalendarHooks { quiet: true, ..hooks.clone() };
    let (target, free) = (Target::id(collection), Conditions::none());
    Ok(write::put(tx, &quiet, &Caller::system(), &target, name, bytes, &free, prepared)?.object)
}
