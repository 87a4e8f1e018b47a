//! AttachmentService: files that are attached to events and tasks (RFC 8607). The gateway's POST comes here too.
//! Mounted by `start`. Every change passes the engine as a PUT does, so guests get it too.

use bytes::Bytes;
use kontor_collection::rpc::{conditions, target};
use kontor_collection::store::{collection, object};
use kontor_collection::{Access, Collection, Conditions, Hooks, Object, Prepared, Target, write};
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::attachment_service_server::AttachmentService;
use kontor_vobject::zone::Zone;
use prost::Name;
use tonic::{Code, Request, Response};

use super::objects::{EVENTS, TASKS, TRIES};
use super::{Answer, Core};
use crate::domain::attachment::{self, Attachment, Edit, MAX_BYTES};
use crate::domain::scheduling::{Addresses, Read, Role, role};
use crate::hook::{CalendarHooks, Parsed};
use crate::store::{attachments, people};

#[tonic::async_trait]
impl AttachmentService for Core {
    async fn add_attachment(
        &self,
        request: Request<proto::AddAttachmentRequest>,
    ) -> Answer<proto::ChangeAttachmentResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let place = Where::of(&request.parent, &request.place, &request.etag)?;
        let (file, data) = file(request.attachment.clone().unwrap_or_default())?;
        let edit = Edit::Add(file, request.recurrence_ids.clone());
        let request_id = request.request_id.clone();
        Ok(Response::new(self.attach(caller, request, request_id, place, edit, data).await?))
    }

    async fn update_attachment(
        &self,
        request: Request<proto::UpdateAttachmentRequest>,
    ) -> Answer<proto::ChangeAttachmentResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let place = Where::of(&request.parent, &request.place, &request.etag)?;
        let (file, data) = file(request.attachment.clone().unwrap_or_default())?;
        let edit = Edit::Replace(request.managed_id.clone(), file);
        let request_id = request.request_id.clone();
        Ok(Response::new(self.attach(caller, request, request_id, place, edit, data).await?))
    }

    async fn remove_attachment(
        &self,
        request: Request<proto::RemoveAttachmentRequest>,
    ) -> Answer<proto::ChangeAttachmentResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let place = Where::of(&request.parent, &request.place, &request.etag)?;
        let edit = Edit::Remove(request.managed_id.clone(), request.recurrence_ids.clone());
        let request_id = request.request_id.clone();
        Ok(Response::new(self.attach(caller, request, request_id, place, edit, Bytes::new()).await?))
    }

    async fn get_attachment(
        &self,
        request: Request<proto::GetAttachmentRequest>,
    ) -> Answer<proto::Attachment> {
        let caller = Caller::of(&request)?;
        let name = request.into_inner().name;
        Ok(Response::new(message(self.attachment(caller, name, false).await?.0)))
    }

    async fn read_attachment(
        &self,
        request: Request<proto::ReadAttachmentRequest>,
    ) -> Answer<proto::ReadAttachmentResponse> {
        let caller = Caller::of(&request)?;
        let (file, data) = self.attachment(caller, request.into_inner().name, true).await?;
        Ok(Response::new(proto::ReadAttachmentResponse { attachment: Some(message(file)), data }))
    }

    async fn list_attachments(
        &self,
        request: Request<proto::ListAttachmentsRequest>,
    ) -> Answer<proto::ListAttachmentsResponse> {
        let caller = Caller::of(&request)?;
        let place = Where::of(&request.get_ref().parent, &None, "")?;
        let hooks = self.hooks.clone();
        let files = self.db.read(move |conn| {
            let found = place.find(conn, &hooks, &caller)?;
            attachments::of_object(conn, found.object.num)
        });
        let attachments = files.await?.into_iter().map(message).collect();
        Ok(Response::new(proto::ListAttachmentsResponse { attachments }))
    }
}

/// A new file and its bytes, checked.
fn file(new: proto::NewAttachment) -> Result<(Attachment, Bytes)> {
    if new.data.len() > MAX_BYTES {
        let message = format!("an attachment has at most {MAX_BYTES} bytes");
        return Err(Error::precondition("MAX_ATTACHMENT_SIZE", message));
    }
    let (id, filename) = (id::new(), attachment::filename(&new.filename)?);
    let uri = attachment::uri(attachment::base(&new.base_uri)?, &id, &filename);
    let file = Attachment {
        id,
        filename,
        media_type: attachment::media_type(&new.media_type)?,
        size: i64::try_from(new.data.len()).unwrap_or(i64::MAX),
        etag: write::etag(&new.data),
        uri,
        ..Attachment::default()
    };
    Ok((file, new.data))
}

fn message(file: Attachment) -> proto::Attachment {
    proto::Attachment {
        name: format!("attachments/{}", file.id),
        filename: file.filename,
        media_type: file.media_type,
        size: file.size,
        etag: file.etag,
        uri: file.uri,
        create_time: Some(clock::to_proto(file.create_time)),
    }
}

/// The object that a request is about.
#[derive(Clone)]
struct Where {
    by: By,
    conditions: Conditions,
}

#[derive(Clone)]
enum By {
    /// Calendar, component and id, with the whole name.
    Name(String, &'static str, String, String),
    /// Calendar and the last segment of the path.
    Path(Target, String),
}

/// The object as it was read.
struct Found {
    object: Object,
    collection: Collection,
    zone: Zone,
}

impl Where {
    fn of(parent: &str, place: &Option<proto::AttachmentPlace>, etag: &str) -> Result<Where> {
        if let Some(place) = place {
            let by = By::Path(target(place.path.clone())?, place.name.clone());
            return Ok(Where { by, conditions: conditions(place.conditions.clone()) });
        }
        let kind = if parent.split('/').nth(2) == Some(TASKS.collection) { TASKS } else { EVENTS };
        let (calendar, id) = id::parse_child("calendars", kind.collection, parent, "parent")?;
        let by = By::Name(calendar.to_owned(), kind.component, id.to_owned(), parent.to_owned());
        Ok(Where { by, conditions: Conditions::etag(etag) })
    }

    fn find(&self, conn: &mut Conn<'_>, hooks: &CalendarHooks, caller: &Caller) -> Result<Found> {
        Ok(self.find_with_access(conn, hooks, caller)?.0)
    }

    fn find_with_access(
        &self,
        conn: &mut Conn<'_>,
        hooks: &CalendarHooks,
        caller: &Caller,
    ) -> Result<(Found, Access)> {
        let (object, collection, access) = match &self.by {
            By::Name(calendar, component, id, name) => {
                let missing = || Error::not_found(name);
                let (object, collection, access) = object::find(conn, caller, id)
                    .map_err(|cause| if cause.code() == Code::NotFound { missing() } else { cause })?;
                if collection.id != *calendar || object.component != *component {
                    return Err(missing());
                }
                (object, collection, access)
            }
            By::Path(target, name) => {
                let (collection, access) = collection::find(conn, caller, target)?;
                let found = object::whole(conn, collection.num, name)?;
                (found.ok_or_else(|| Error::not_found(name))?, collection, access)
            }
        };
        let zone = hooks.zone(conn, &collection)?;
        Ok((Found { object, collection, zone }, access))
    }
}

/// A changed object before it is stored.
struct Changed {
    found: Found,
    data: Bytes,
    prepared: Prepared<Parsed>,
}

impl Core {
    async fn attachment(&self, caller: Caller, name: String, with_data: bool) -> Result<(Attachment, Bytes)> {
        let wanted = id::parse("attachments", &name, "name")?.to_owned();
        let read = self.db.read(move |conn| {
            let missing = || Error::not_found(format!("attachments/{wanted}"));
            let file = attachments::get(conn, &wanted)?.ok_or_else(missing)?;
            if !attachments::is_readable(conn, &caller, &wanted)? {
                return Err(missing());
            }
            let data =
                if with_data { attachments::data(conn, &wanted)?.ok_or_else(missing)? } else { Bytes::new() };
            Ok((file, data))
        });
        read.await
    }

    /// Changes an object and its files in one transaction. Others may write at the same time: without a condition of the caller it is done anew
    /// on what they wrote.
    async fn attach<Q>(
        &self,
        caller: Caller,
        request: Q,
        request_id: String,
        place: Where,
        edit: Edit,
        bytes: Bytes,
    ) -> Result<proto::ChangeAttachmentResponse>
    where
        Q: prost::Message + Name + Clone + 'static,
    {
        let may_repeat = place.conditions == Conditions::none();
        let mut tries = 0;
        loop {
            tries += 1;
            let changed = self.changed(&caller, &place, &edit).await;
            let (caller, request, request_id) = (caller.clone(), request.clone(), request_id.clone());
            let (place, edit, bytes) = (place.clone(), edit.clone(), bytes.clone());
            let (hooks, most) = (self.hooks.clone(), self.attachment_bytes);
            let outcome = self
                .db
                .write(move |tx| {
                    replay::once(tx, &caller, &request_id, &request, |tx| {
                        let changed = changed.as_ref().map_err(Error::clone)?;
                        let file = keep(tx, changed, &edit, &bytes, most)?;
                        changed.store(tx, &hooks, &caller, &place, file)
                    })
                })
                .await;
            match outcome {
                Err(cause) if cause.reason() == "ETAG_MISMATCH" && may_repeat && tries < TRIES => {}
                outcome => return outcome,
            }
        }
    }

    async fn changed(&self, caller: &Caller, place: &Where, edit: &Edit) -> Result<Changed> {
        let (reader, wanted, hooks) = (caller.clone(), place.clone(), self.hooks.clone());
        let found = self.db.read(move |conn| {
            let (found, access) = wanted.find_with_access(conn, &hooks, &reader)?;
            if access < Access::Write || found.collection.kind.is_of_server() {
                return Err(Error::denied("the calendar is only open for reading"));
            }
            if !wanted.conditions.hold(Some(&found.object)) {
                return Err(Error::etag_mismatch(&found.object.name));
            }
            check_is_no_guest(conn, &found)?;
            Ok(found)
        });
        let found = found.await?;
        let (edit, zone, now) = (edit.clone(), found.zone.clone(), self.hooks.clock.now());
        let before = found.object.data.clone();
        // A rule may take long to unfold, and this is not done all day.
        let changed =
            tokio::task::spawn_blocking(move || attachment::edited(&before, &edit, &zone, now)).await;
        let data = Bytes::from(changed.map_err(Error::internal)??);
        write::check_size(&data)?;
        let prepared = self.hooks.prepare(caller, data.clone()).await?;
        Ok(Changed { found, data, prepared })
    }
}

/// A guest's copy is the organizer's text: what a guest attached would be gone with the organizer's next change.
fn check_is_no_guest(conn: &mut Conn<'_>, found: &Found) -> Result<()> {
    if found.object.schedule_tag.is_empty() {
        return Ok(());
    }
    let owner = &found.collection.owner;
    let own = Addresses::of(owner, &people::address(conn, owner)?);
    if role(&Read::of(&found.object.data)?.object, &own) == Role::Attendee {
        let message = "a guest can't change the attachments of a meeting: ask its organizer";
        return Err(Error::precondition("ALLOWED_ATTENDEE_CHANGE", message));
    }
    Ok(())
}

/// Keeps the new file of an edit, if it has one, so that the object that is written next may use it.
fn keep(
    tx: &mut Tx<'_>,
    changed: &Changed,
    edit: &Edit,
    bytes: &Bytes,
    most: i64,
) -> Result<Option<Attachment>> {
    let (new, freed) = match edit {
        Edit::Add(new, _) => (new, 0),
        Edit::Replace(old, new) => (new, attachments::get(tx, old)?.map_or(0, |old| old.size)),
        Edit::Remove(..) => return Ok(None),
    };
    let owner = changed.found.collection.owner.clone();
    if attachments::total(tx, &owner)? - freed + new.size > most {
        let message = format!("the calendars of {owner} hold attachments of {most} bytes at most");
        return Err(Error::new(Code::ResourceExhausted, "QUOTA", message));
    }
    let new = Attachment { owner, create_time: tx.now(), ..new.clone() };
    attachments::add(tx, &new, bytes, changed.found.object.num)?;
    Ok(Some(new))
}

impl Changed {
    fn store(
        &self,
        tx: &mut Tx<'_>,
        hooks: &CalendarHooks,
        caller: &Caller,
        place: &Where,
        file: Option<Attachment>,
    ) -> Result<proto::ChangeAttachmentResponse> {
        let before = &self.found.object;
        let conditions = Conditions { if_match: vec![before.etag.clone()], ..place.conditions.clone() };
        let calendar = Target::id(&self.found.collection.id);
        let outcome =
            write::put(tx, hooks, caller, &calendar, &before.name, &self.data, &conditions, &self.prepared)?;
        Ok(proto::ChangeAttachmentResponse {
            attachment: file.map(message),
            etag: outcome.object.etag,
            schedule_tag: outcome.object.schedule_tag,
        })
    }
}
