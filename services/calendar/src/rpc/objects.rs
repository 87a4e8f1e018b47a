//! What events and tasks share: loading by name, changing the text and storing it, deleting.
//! Called by rpc/events.rs and rpc/tasks.rs. Every write passes the engine, so it reaches DAV clients too.

use kontor_collection::store::{collection, object};
use kontor_collection::{Access, Collection, Conditions, Hooks, Kind as Of, Object, Prepared, Target, write};
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, id, replay};
use kontor_vobject::zone::Zone;
use prost::{Message, Name};

use super::Core;
use crate::events::default_calendar;
use crate::hook::{CalendarHooks, Parsed};
use crate::store::{calendars, items, people};

/// Tries of an update whose object is changed by others meanwhile.
pub(super) const TRIES: usize = 5;

/// A kind of resource: "events" are VEVENT, "tasks" are VTODO.
#[derive(Clone, Copy)]
pub struct Kind {
    /// In resource names.
    pub collection: &'static str,
    /// In iCalendar.
    pub component: &'static str,
}

/// Events.
pub const EVENTS: Kind = Kind { collection: "events", component: "VEVENT" };
/// Tasks.
pub const TASKS: Kind = Kind { collection: "tasks", component: "VTODO" };

/// An object with what its message needs.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// With its bytes.
    pub object: Object,
    /// Where it stands.
    pub collection: Collection,
    /// Zone of floating times.
    pub zone: Zone,
    /// Partners that it is with.
    pub partners: Vec<String>,
    /// Those among them that it has only by addresses.
    pub found: Vec<String>,
    access: Access,
}

impl Loaded {
    /// An object of a list.
    pub fn new(
        object: Object,
        collection: Collection,
        zone: Zone,
        partners: Vec<String>,
        access: Access,
    ) -> Loaded {
        Loaded { object, collection, zone, partners, found: Vec::new(), access }
    }

    /// "calendars/{calendar}/events/{id}".
    pub fn name(&self, kind: Kind) -> String {
        format!("calendars/{}/{}/{}", self.collection.id, kind.collection, self.object.id)
    }

    pub(super) fn must_be_writable(&self, kind: Kind) -> Result<()> {
        match self.access {
            Access::Read if self.collection.kind == Of::Deadlines => Err(Error::denied(write::FOLLOWS)),
            Access::Read => Err(Error::denied(format!("{} is only open for reading", self.name(kind)))),
            Access::Write | Access::Owner => Ok(()),
        }
    }
}

/// A calendar that something is created in.
pub struct Parent {
    /// The calendar.
    pub collection: Collection,
    /// Zone of floating times.
    pub zone: Zone,
}

/// A new object, before it is stored.
struct Made {
    target: Target,
    name: String,
    data: Vec<u8>,
    prepared: Prepared<Parsed>,
}

impl Core {
    /// One object.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a name of another form, NOT_FOUND.
    pub async fn load(&self, caller: &Caller, kind: Kind, name: &str, field: &str) -> Result<Loaded> {
        id::parse_child("calendars", kind.collection, name, field)?;
        let (caller, name, hooks) = (caller.clone(), name.to_owned(), self.hooks.clone());
        self.db.read_few(move |conn| load(conn, &hooks, &caller, kind, &name)).await
    }

    /// The calendar of a parent's name; "calendars/default" is the caller's own.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a name of another form, NOT_FOUND.
    pub async fn parent(&self, caller: &Caller, name: &str) -> Result<Parent> {
        let id = id::parse("calendars", name, "parent")?.to_owned();
        let (caller, hooks) = (caller.clone(), self.hooks.clone());
        if id == "default" {
            return self.default_parent(caller).await;
        }
        self.db
            .read(move |conn| {
                let (collection, _) = find_calendar(conn, &caller, &id)?;
                let zone = hooks.zone(conn, &collection)?;
                Ok(Parent { collection, zone })
            })
            .await
    }

    /// The caller's own calendar, made when the news of the user has not come yet.
    async fn default_parent(&self, caller: Caller) -> Result<Parent> {
        if caller.user.is_empty() {
            return Err(Error::not_found("calendars/default"));
        }
        let (user, hooks) = (caller.user.clone(), self.hooks.clone());
        let found = self
            .db
            .read(move |conn| {
                let Some(collection) = calendars::default_of(conn, &user)? else { return Ok(None) };
                let zone = hooks.zone(conn, &collection)?;
                Ok(Some(Parent { collection, zone }))
            })
            .await?;
        if let Some(found) = found {
            return Ok(found);
        }
        let hooks = self.hooks.clone();
        self.db
            .write(move |tx| {
                let color = people::get(tx, &caller.user)?.color;
                let collection = collection::ensure(tx, &default_calendar(&caller.user, &color))?;
                let zone = hooks.zone(tx, &collection)?;
                Ok(Parent { collection, zone })
            })
            .await
    }

    /// Stores a new object and answers its message.
    pub async fn create<Q, A>(
        &self,
        caller: Caller,
        request: Q,
        (request_id, validate_only): (String, bool),
        text: Result<(Parent, Vec<u8>)>,
        answer: fn(&Loaded) -> Result<A>,
    ) -> Result<A>
    where
        Q: Message + Name + 'static,
        A: Message + Default + 'static,
    {
        // A refused text is refused inside of `once`, so that a repeat gets the first answer whatever came after it.
        let made = self.make(&caller, text).await;
        let hooks = self.hooks.clone();
        self.write(validate_only, move |tx| {
            replay::once(tx, &caller, &request_id, &request, |tx| {
                let Made { target, name, data, prepared } = made.as_ref().map_err(Error::clone)?;
                let outcome =
                    write::put(tx, &hooks, &caller, target, name, data, &Conditions::absent(), prepared)?;
                answer(&stored(tx, &hooks, outcome, data)?)
            })
        })
        .await
    }

    async fn make(&self, caller: &Caller, text: Result<(Parent, Vec<u8>)>) -> Result<Made> {
        let (parent, data) = text?;
        let prepared = self.hooks.prepare(caller, data.clone().into()).await?;
        Ok(Made { target: Target::id(parent.collection.id), name: write::fresh_name("ics"), data, prepared })
    }

    /// Changes an object's text with `change` and answers its message. Others may write at the same time: without an etag
    /// from the caller the change is made anew on what they wrote.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of an update request, taken apart by each kind itself"
    )]
    pub async fn update<Q, A>(
        &self,
        caller: Caller,
        request: Q,
        request_id: &str,
        kind: Kind,
        (name, field): (&str, &str),
        etag: &str,
        change: impl Fn(&Loaded) -> Result<Vec<u8>>,
        answer: fn(&Loaded) -> Result<A>,
    ) -> Result<A>
    where
        Q: Message + Name + Clone + 'static,
        A: Message + Default + 'static,
    {
        id::parse_child("calendars", kind.collection, name, field)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let changed = self.change(&caller, kind, (name, field), &change).await;
            let (caller, request, request_id) = (caller.clone(), request.clone(), request_id.to_owned());
            let (hooks, given) = (self.hooks.clone(), etag.to_owned());
            let outcome = self
                .db
                .write(move |tx| {
                    replay::once(tx, &caller, &request_id, &request, |tx| {
                        let changed = changed.as_ref().map_err(Error::clone)?;
                        let loaded = changed.store(tx, &hooks, &caller, kind, &given)?;
                        answer(&loaded)
                    })
                })
                .await;
            match outcome {
                Err(cause) if cause.reason() == "ETAG_MISMATCH" && etag.is_empty() && tries < TRIES => {}
                outcome => return outcome,
            }
        }
    }

    async fn change(
        &self,
        caller: &Caller,
        kind: Kind,
        (name, field): (&str, &str),
        change: &impl Fn(&Loaded) -> Result<Vec<u8>>,
    ) -> Result<Changed> {
        let before = self.load(caller, kind, name, field).await?;
        before.must_be_writable(kind)?;
        let data = change(&before)?;
        let prepared = self.hooks.prepare(caller, data.clone().into()).await?;
        Ok(Changed { before, data, prepared })
    }

    /// Deletes an object.
    pub async fn delete<Q>(
        &self,
        caller: Caller,
        request: Q,
        request_id: String,
        kind: Kind,
        name: String,
        etag: String,
    ) -> Result<()>
    where
        Q: Message + Name + 'static,
    {
        id::parse_child("calendars", kind.collection, &name, "name")?;
        let hooks = self.hooks.clone();
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request_id, &request, |tx| {
                    let loaded = load(tx, &hooks, &caller, kind, &name)?;
                    let target = Target::id(&loaded.collection.id);
                    let conditions = Conditions::etag(&etag);
                    write::delete(tx, &hooks, &caller, &target, &loaded.object.name, &conditions)
                        .map_err(|cause| named(cause, &name))?;
                    Ok(())
                })
            })
            .await
    }
}

/// A changed text, before it is stored.
struct Changed {
    before: Loaded,
    data: Vec<u8>,
    prepared: Prepared<Parsed>,
}

impl Changed {
    fn store(
        &self,
        tx: &mut Tx<'_>,
        hooks: &CalendarHooks,
        caller: &Caller,
        kind: Kind,
        given: &str,
    ) -> Result<Loaded> {
        let before = &self.before.object;
        let name = self.before.name(kind);
        if !given.is_empty() && given != before.etag {
            return Err(Error::etag_mismatch(name));
        }
        let target = Target::id(&self.before.collection.id);
        let conditions = Conditions::etag(&before.etag);
        if self.data[..] == before.data[..] {
            // Nothing to write: no client has to fetch anything. But it must still be so.
            let present = object::named(tx, before.coll, &before.name)?;
            return if conditions.hold(present.as_ref()) {
                Ok(self.before.clone())
            } else {
                Err(Error::etag_mismatch(name))
            };
        }
        let outcome =
            write::put(tx, hooks, caller, &target, &before.name, &self.data, &conditions, &self.prepared)
                .map_err(|cause| named(cause, &name))?;
        stored(tx, hooks, outcome, &self.data)
    }
}

/// The engine names objects by their file names; callers of the API know another name.
pub(super) fn named(cause: Error, name: &str) -> Error {
    if cause.reason() == "ETAG_MISMATCH" { Error::etag_mismatch(name) } else { cause }
}

pub(super) fn stored(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    outcome: write::Outcome,
    data: &[u8],
) -> Result<Loaded> {
    let write::Outcome { mut object, collection, altered, .. } = outcome;
    object.data = altered.unwrap_or_else(|| bytes::Bytes::copy_from_slice(data));
    complete(tx, hooks, object, collection, Access::Write)
}

fn complete(
    conn: &mut Conn<'_>,
    hooks: &CalendarHooks,
    object: Object,
    collection: Collection,
    access: Access,
) -> Result<Loaded> {
    let zone = hooks.zone(conn, &collection)?;
    let partners = items::partners(conn, object.num)?;
    let found = items::found_partners(conn, object.num)?;
    Ok(Loaded { object, collection, zone, partners, found, access })
}

pub(super) fn load(
    conn: &mut Conn<'_>,
    hooks: &CalendarHooks,
    caller: &Caller,
    kind: Kind,
    name: &str,
) -> Result<Loaded> {
    let (parent, id) = id::parse_child("calendars", kind.collection, name, "name")?;
    let (object, collection, access) =
        object::find(conn, caller, id).map_err(|cause| match cause.reason() {
            "NOT_FOUND" => Error::not_found(name),
            _ => cause,
        })?;
    if collection.id != parent || object.component != kind.component {
        return Err(Error::not_found(name));
    }
    complete(conn, hooks, object, collection, access)
}

/// A calendar by its id; "default" is the caller's own.
///
/// # Errors
/// NOT_FOUND, with the name that the API uses.
pub fn find_calendar(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<(Collection, Access)> {
    let own = if id == "default" { calendars::default_of(conn, &caller.user)? } else { None };
    let id = own.as_ref().map_or(id, |calendar| calendar.id.as_str());
    let missing = || Error::not_found(format!("calendars/{id}"));
    match collection::find(conn, caller, &Target::id(id)) {
        // It is a view of others and has no events of its own.
        Ok((found, _)) if found.kind == Of::Overview => Err(missing()),
        Err(cause) if cause.reason() == "NOT_FOUND" => Err(missing()),
        found => found,
    }
}
