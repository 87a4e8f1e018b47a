//! The calendar's part of every write of the collection engine: checks, typed rows, events for partners.
//! Called by the engine for DAV, and by rpc for changes over gRPC, so that both go one way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kontor_collection::index::{Index, calendar_error};
use kontor_collection::store::audit::audience;
use kontor_collection::{
    Admission, Admitted, Change, Collection, Hooks, Kind, Object, Prepared, Removal, Tell,
};
use kontor_kit::audit::{Action, Entry};
use kontor_kit::auth::Caller;
use kontor_kit::clock::Clock;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result};
use kontor_vobject::Limits;
use kontor_vobject::ical::{CalendarObject, ItemKind, Violation};
use kontor_vobject::tree::Document;
use kontor_vobject::zone::Zone;
use tokio::sync::Notify;

use crate::attach;
use crate::call_backs;
use crate::directory::Directory;
use crate::domain::event::Status;
use crate::domain::index::{Typed, settle, typed};
use crate::events::{self, Meeting};
use crate::next_steps;
use crate::schedule;
use crate::store::attachments;
use crate::store::items::{self, With};
use crate::store::pending;
use crate::store::people::{self, Person};

/// How long a write waits for the directory. What it does not answer by then is looked up later.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// Bytes above which reading is left to a thread of its own, so that it holds up no other request.
const LARGE: usize = 64 * 1024;

/// The hooks. Cheap to clone.
#[derive(Clone)]
pub struct CalendarHooks {
    /// For the window of occurrences.
    pub clock: Clock,
    /// Finds partners.
    pub directory: Directory,
    /// IANA zone of the company.
    pub company_zone: Arc<str>,
    /// Wakes the task that works off what waits.
    pub wake: Arc<Notify>,
    /// The server itself writes because of somebody's change: no rule of scheduling looks at it.
    pub quiet: bool,
}

/// What is kept of an object beside the engine's rows.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What was read.
    pub typed: Typed,
    /// Partners found by addresses; none when the directory has to be asked later.
    pub found: Option<Vec<With>>,
}

impl Hooks for CalendarHooks {
    type Typed = Parsed;
    const KIND: Kind = Kind::Calendar;

    fn subject(&self, collection: &Collection, object: &Object) -> String {
        let kind = if object.component == "VTODO" { "tasks" } else { "events" };
        format!("calendars/{}/{kind}/{}", collection.id, object.id)
    }

    fn zone(&self, conn: &mut Conn<'_>, collection: &Collection) -> Result<Zone> {
        let owner = people::get(conn, &collection.owner)?;
        Ok(self.zone_of(collection, &owner))
    }

    fn color(&self, conn: &mut Conn<'_>, owner: &str) -> Result<String> {
        Ok(events::with_opacity(&people::get(conn, owner)?.color))
    }

    async fn prepare(&self, _caller: &Caller, data: Bytes) -> Result<Prepared<Parsed>> {
        let now = self.clock.now();
        let (index, typed) = if data.len() > LARGE {
            tokio::task::spawn_blocking(move || read(&data, now)).await.map_err(Error::internal)??
        } else {
            read(&data, now)?
        };
        let found = if typed.kind == ItemKind::Event && !typed.people.is_empty() {
            let addresses: Vec<String> = typed.people.iter().map(|(address, _)| address.clone()).collect();
            self.directory.find_soon(&addresses, PATIENCE).await
        } else {
            Some(Vec::new())
        };
        Ok(Prepared {
            uid: typed.uid.clone(),
            component: typed.kind.name().to_owned(),
            schedule_tag: String::new(),
            index,
            typed: Parsed { typed, found },
        })
    }

    fn admit(&self, tx: &mut Tx<'_>, admission: &Admission<'_, Parsed>) -> Result<Option<Admitted<Parsed>>> {
        if self.quiet {
            return Ok(None);
        }
        if admission.collection.kind == Kind::NextSteps {
            return next_steps::admit(tx, self, admission).map(|()| None);
        }
        if admission.collection.kind == Kind::CallBacks {
            return call_backs::admit(tx, self, admission).map(|()| None);
        }
        if admission.collection.kind.is_of_server() {
            return Err(Error::denied("only the server puts objects into its own collections"));
        }
        if admission.prepared.typed.typed.managed.is_empty() {
            return schedule::admit(tx, self, admission);
        }
        let Some(restored) = attach::admit(tx, admission)? else {
            return schedule::admit(tx, self, admission);
        };
        let data = restored.data.as_deref().unwrap_or(admission.data);
        let scheduled =
            schedule::admit(tx, self, &Admission { data, prepared: &restored.prepared, ..*admission })?;
        Ok(Some(match scheduled {
            Some(further) => Admitted { data: further.data.or(restored.data), ..further },
            None => restored,
        }))
    }

    fn stored(&self, tx: &mut Tx<'_>, change: &Change<'_, Parsed>) -> Result<()> {
        if !change.collection.kind.is_of_server() {
            let old = match change.old {
                Some(old) => items::face(tx, old.num)?,
                None => items::Face::default(),
            };
            let new = items::face_of(&change.prepared.typed.typed);
            let entry = Entry::new(
                Action::Update,
                self.subject(change.collection, change.object),
                &audience(change.collection),
            );
            tx.audit(old.against(&new, entry));
        }
        self.keep(tx, change)
    }

    fn removed(&self, tx: &mut Tx<'_>, removal: &Removal<'_>) -> Result<()> {
        if !removal.collection.kind.is_of_server() {
            let old = items::face(tx, removal.object.num)?;
            let subject = self.subject(removal.collection, removal.object);
            let entry = Entry::new(Action::Delete, subject, &audience(removal.collection));
            tx.audit(old.against(&items::Face::default(), entry));
        }
        self.take_away(tx, removal)
    }

    fn may_move(&self, _: &mut Conn<'_>, from: &Collection, to: &Collection, object: &Object) -> Result<()> {
        if from.kind.is_of_server() || to.kind.is_of_server() {
            return Err(Error::denied("what the server keeps stays where it is"));
        }
        if !object.schedule_tag.is_empty() && from.owner != to.owner {
            let message = "a meeting with guests stays with its owner, or they would hear no more of it: copy it instead";
            return Err(Error::denied(message));
        }
        Ok(())
    }

    /// The calendar is part of an event's name and says who may see it, so for partners a meeting ends there and begins here. Nothing that it
    /// says changes.
    fn moved(&self, tx: &mut Tx<'_>, from: &Collection, change: &Change<'_, Parsed>) -> Result<()> {
        if let Some(object) = change.old {
            self.take_away(
                tx,
                &Removal { caller: change.caller, collection: from, object, tell: Tell::Nobody },
            )?;
        }
        let is_scheduled = change.old.is_some_and(|old| !old.schedule_tag.is_empty());
        if is_scheduled && schedule::partners::is_copy(tx, change.collection, change.data)? {
            let mut prepared = change.prepared.clone();
            prepared.typed.found = Some(Vec::new());
            return self.keep(tx, &Change { old: None, prepared: &prepared, ..*change });
        }
        self.keep(tx, &Change { old: None, ..*change })
    }
}

impl CalendarHooks {
    /// Keeps the typed rows of an object.
    fn keep(&self, tx: &mut Tx<'_>, change: &Change<'_, Parsed>) -> Result<()> {
        let object = change.object;
        if change.collection.kind.is_scheduling() {
            // A message is no meeting.
            return Ok(());
        }
        let before = match change.old {
            Some(old) => items::before(tx, old.num)?,
            None => items::Before::default(),
        };
        let Parsed { typed, found } = &change.prepared.typed;
        let mut with: Vec<With> =
            typed.partners.iter().map(|partner| (partner.clone(), String::new())).collect();
        match found {
            Some(found) => with.extend(found.iter().cloned()),
            // Those known by an address that is still there stay until the directory says otherwise.
            None => with.extend(
                before
                    .with
                    .iter()
                    .filter(|(_, address)| typed.people.iter().any(|(present, _)| present == address))
                    .cloned(),
            ),
        }
        items::write(tx, object.num, change.collection.num, typed, &with, change.old.map(|_| &before))?;
        if before.attached || !typed.managed.is_empty() {
            attachments::set_uses(tx, object.num, &typed.managed)?;
        }
        if found.is_none() {
            pending::add_object(tx, object.num)?;
            let wake = self.wake.clone();
            tx.on_commit(move || wake.notify_one());
        }
        let takes_place = typed.kind == ItemKind::Event && typed.face.status != Status::Cancelled;
        let after = if takes_place { items::names(&with) } else { Vec::new() };
        if before.partners.is_empty() && after.is_empty() {
            return Ok(());
        }
        let meeting = Meeting {
            collection: change.collection,
            object: &object.id,
            actor: change.caller.name(),
            summary: typed.face.told(),
            start: self.start(tx, change.collection, typed.start, typed.floating)?,
        };
        events::publish(tx, &meeting, &before.partners, &after, before.stamp != typed.stamp);
        Ok(())
    }

    /// Removes the typed rows of an object.
    fn take_away(&self, tx: &mut Tx<'_>, removal: &Removal<'_>) -> Result<()> {
        if removal.collection.kind == Kind::NextSteps && !self.quiet {
            next_steps::removed(tx, removal)?;
        }
        if removal.collection.kind == Kind::CallBacks && !self.quiet {
            call_backs::removed(tx, removal)?;
        }
        schedule::removed(tx, self, removal)?;
        let before = items::before(tx, removal.object.num)?;
        items::remove(tx, removal.object.num)?;
        if before.attached {
            attach::removed(tx, removal)?;
        }
        let meeting = Meeting {
            collection: removal.collection,
            object: &removal.object.id,
            actor: removal.caller.name(),
            summary: &before.told,
            start: 0,
        };
        events::publish(tx, &meeting, &before.partners, &[], false);
        Ok(())
    }

    /// The zone that floating times and days are taken in: the calendar's own, else its owner's, else the company's.
    pub fn zone_of(&self, collection: &Collection, owner: &Person) -> Zone {
        kontor_collection::zone(&collection.time_zone).unwrap_or_else(|| self.zone_of_person(owner))
    }

    /// The zone of a user: the user's own, else the company's.
    pub fn zone_of_person(&self, person: &Person) -> Zone {
        Zone::named(&person.time_zone).or_else(|| Zone::named(&self.company_zone)).unwrap_or(Zone::UTC)
    }

    /// The instant of a start as it is kept.
    pub fn start(
        &self,
        conn: &mut Conn<'_>,
        collection: &Collection,
        start: i64,
        floating: bool,
    ) -> Result<i64> {
        if floating { Ok(settle(start, &self.zone(conn, collection)?)) } else { Ok(start) }
    }
}

/// Reads and checks an object (RFC 4791 section 5.3.2.1).
pub fn read(data: &[u8], now: i64) -> Result<(Index, Typed)> {
    let refused = |violation: Violation| calendar_error(&violation);
    let document =
        Document::parse(data, &Limits::default()).map_err(|cause| refused(Violation::from(cause)))?;
    let object = CalendarObject::read(&document).map_err(refused)?;
    if object.kind == ItemKind::FreeBusy {
        return Err(refused(Violation::SupportedComponent(object.kind.name().to_owned())));
    }
    let index = Index::calendar(&document, &object, now)?;
    let typed = typed(&document, &object).map_err(|cause| refused(Violation::from(cause)))?;
    Ok((index, typed))
}
