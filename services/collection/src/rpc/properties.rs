//! Collections over CollectionService: home, get, create, update, delete.
//! Called by the server in `rpc/mod.rs`.

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result};
use kontor_proto::collection::v1 as proto;

use super::{Server, convert};
use crate::hooks::Hooks;
use crate::model::{Access, Collection, Kind};
use crate::store::collection::{self, New, Update};
use crate::store::dead;

/// Fields of a collection that an update may take over.
const FIELDS: [&str; 6] = ["display_name", "color", "order", "description", "time_zone", "transparent"];

impl<H: Hooks> Server<H> {
    pub(super) async fn home(
        &self,
        caller: Caller,
        request: proto::ListCollectionsRequest,
    ) -> Result<proto::ListCollectionsResponse> {
        if request.owner.is_empty() {
            return Err(Error::invalid("owner", "name the user whose home it is"));
        }
        let collections = self.db.read_few(move |conn| {
            let found = collection::home(conn, &caller, &request.owner)?;
            let calendar = default_calendar(&found);
            found
                .into_iter()
                .map(|(collection, access)| {
                    let is_inbox = collection.kind == Kind::Inbox;
                    let mut shown = with_dead(conn, collection, access)?;
                    if is_inbox {
                        shown.default_calendar.clone_from(&calendar);
                    }
                    Ok(shown)
                })
                .collect()
        });
        Ok(proto::ListCollectionsResponse { collections: collections.await? })
    }

    pub(super) async fn collection(
        &self,
        caller: Caller,
        request: proto::GetCollectionRequest,
    ) -> Result<proto::Collection> {
        let target = convert::target(request.path)?;
        let hooks = self.hooks.clone();
        let read = self.db.read_few(move |conn| {
            let (collection, access) = collection::find(conn, &caller, &target)?;
            let calendar = match collection.kind {
                Kind::Inbox => default_calendar(&collection::home(conn, &caller, &collection.owner)?),
                _ => String::new(),
            };
            let zone = if request.with_zone { zone_text(conn, &hooks, &collection)? } else { String::new() };
            let shown = with_dead(conn, collection, access)?;
            Ok(proto::Collection { default_calendar: calendar, zone, ..shown })
        });
        read.await
    }

    pub(super) async fn create(
        &self,
        caller: Caller,
        request: proto::CreateCollectionRequest,
    ) -> Result<proto::Collection> {
        let asked = request.collection.ok_or_else(|| Error::invalid("collection", "it is missing"))?;
        let kind = match H::KIND {
            crate::Kind::Calendar => proto::CollectionKind::Calendar,
            _ => proto::CollectionKind::AddressBook,
        };
        if asked.kind != i32::from(kind) && asked.kind != 0 {
            return Err(Error::invalid("collection.kind", "this service keeps collections of another kind"));
        }
        let set: Vec<dead::Property> = asked.dead_properties.into_iter().map(convert::dead).collect();
        let new = New {
            owner: asked.owner,
            slug: asked.slug,
            kind: H::KIND,
            display_name: asked.display_name,
            description: asked.description,
            color: asked.color,
            order: asked.order,
            time_zone: asked.time_zone,
            components: components(asked.components)?,
            transparent: asked.transparent,
            is_default: false,
        };
        let write = self.db.write(move |tx| {
            let mut made = collection::create(tx, &caller, &new)?;
            if !set.is_empty() {
                made = collection::update_dead(tx, &caller, &crate::Target::id(&made.id), &set, &[])?;
            }
            let access = crate::access(tx, &caller, &made)?.unwrap_or(Access::Owner);
            with_dead(tx, made, access)
        });
        write.await
    }

    pub(super) async fn update(
        &self,
        caller: Caller,
        request: proto::UpdateCollectionRequest,
    ) -> Result<proto::Collection> {
        let target = convert::target(request.path)?;
        let update = wanted(&request.fields, request.collection.unwrap_or_default())?;
        let set: Vec<dead::Property> = request.set_dead.into_iter().map(convert::dead).collect();
        let remove: Vec<(String, String)> =
            request.remove_dead.into_iter().map(|property| (property.namespace, property.name)).collect();
        let write = self.db.write(move |tx| {
            let mut changed = collection::update(tx, &caller, &target, &update)?;
            if !set.is_empty() || !remove.is_empty() {
                changed = collection::update_dead(tx, &caller, &target, &set, &remove)?;
            }
            with_dead(tx, changed, Access::Owner)
        });
        write.await
    }

    pub(super) async fn delete(&self, caller: Caller, request: proto::DeleteCollectionRequest) -> Result<()> {
        let target = convert::target(request.path)?;
        let hooks = self.hooks.clone();
        self.db.write(move |tx| collection::delete(tx, &hooks, &caller, &target)).await
    }
}

/// Slug of the calendar of a home that new invitations come to; empty without one.
fn default_calendar(home: &[(Collection, Access)]) -> String {
    let mut own = home.iter().map(|(it, _)| it).filter(|it| it.kind == Kind::Calendar && !it.is_company());
    let first = own.clone().next();
    own.find(|it| it.is_default).or(first).map(|it| it.slug.clone()).unwrap_or_default()
}

fn with_dead(conn: &mut Conn<'_>, collection: Collection, access: Access) -> Result<proto::Collection> {
    let dead = if collection.dead_count == 0 { Vec::new() } else { dead::list(conn, collection.num)? };
    Ok(convert::collection(collection, access, dead))
}

fn components(names: Vec<String>) -> Result<Vec<String>> {
    let known = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"];
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => {
            let message = format!("collection.components: {unknown:?} is none of {}", known.join(", "));
            Err(Error::new(tonic::Code::InvalidArgument, "SUPPORTED_COMPONENT", message))
        }
        None => Ok(names),
    }
}

fn wanted(fields: &[String], values: proto::Collection) -> Result<Update> {
    let mut update = Update::default();
    for field in fields {
        match field.as_str() {
            "display_name" => update.display_name = Some(values.display_name.clone()),
            "color" => update.color = Some(values.color.clone()),
            "order" => update.order = Some(values.order),
            "description" => update.description = Some(values.description.clone()),
            "time_zone" => update.time_zone = Some(values.time_zone.clone()),
            "transparent" => update.transparent = Some(values.transparent),
            other => {
                let message = format!("{other:?} is none of {}", FIELDS.join(", "));
                return Err(Error::invalid("fields", message));
            }
        }
    }
    Ok(update)
}

/// The zone of floating times as a text that another process reads as the same zone.
fn zone_text<H: Hooks>(conn: &mut Conn<'_>, hooks: &H, collection: &Collection) -> Result<String> {
    let zone = hooks.zone(conn, collection)?;
    Ok(match zone.iana_name() {
        Some(name) => name.to_owned(),
        None => collection.time_zone.clone(),
    })
}
