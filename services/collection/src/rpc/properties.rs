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
use crate::store::share::{self, Share};
use crate::store::{dead, view};

/// Shares in one change at most.
const CHANGES: usize = 1_000;
/// Fields of a collection that an update may take over.
const FIELDS: [&str; 7] =
    ["display_name", "color", "order", "description", "time_zone", "transparent", "is_default"];

impl<H: Hooks> Server<H> {
    pub(super) async fn home(
        &self,
        caller: Caller,
        request: proto::ListCollectionsRequest,
    ) -> Result<proto::ListCollectionsResponse> {
        if request.owner.is_empty() {
            return Err(Error::invalid("owner", "name the user whose home it is"));
        }
        let with_shares = request.with_shares;
        let hooks = self.hooks.clone();
        // A zone is a statement each; the others' are never asked for.
        let wants_zone = move |it: &Collection| {
            request.with_zone
                && matches!(it.kind, Kind::Calendar | Kind::Overview | Kind::NextSteps | Kind::CallBacks)
                && it.time_zone.is_empty()
        };
        let look = move |conn: &mut Conn<'_>| {
            let found = collection::home(conn, &caller, &request.owner)?;
            let calendar = default_calendar(&found, &request.owner);
            found
                .into_iter()
                .map(|(collection, access)| {
                    let is_inbox = collection.kind == Kind::Inbox;
                    let shares = shares(conn, &collection, access, request.with_shares)?;
                    let zone = if wants_zone(&collection) {
                        zone_text(conn, &hooks, &collection)?
                    } else {
                        String::new()
                    };
                    let mut shown = with_dead(conn, collection, access)?;
                    shown.zone = zone;
                    shown.shares = shares;
                    if is_inbox {
                        shown.default_calendar.clone_from(&calendar);
                    }
                    Ok(shown)
                })
                .collect::<Result<Vec<_>>>()
        };
        // The shares are a statement for each collection that has some.
        let read = if with_shares { self.db.read(look).await } else { self.db.read_few(look).await };
        Ok(proto::ListCollectionsResponse { collections: read? })
    }

    pub(super) async fn collection(
        &self,
        caller: Caller,
        request: proto::GetCollectionRequest,
    ) -> Result<proto::Collection> {
        let target = convert::target(request.path)?;
        let hooks = self.hooks.clone();
        let read = self.db.read_few(move |conn| {
            let (mut collection, access) = collection::find(conn, &caller, &target)?;
            view::apply(conn, &caller, &mut collection)?;
            let owner = &collection.owner;
            let calendar = match collection.kind {
                Kind::Inbox => default_calendar(&collection::home(conn, &caller, owner)?, owner),
                _ => String::new(),
            };
            let zone = if request.with_zone { zone_text(conn, &hooks, &collection)? } else { String::new() };
            let shares = shares(conn, &collection, access, request.with_shares)?;
            let shown = with_dead(conn, collection, access)?;
            Ok(proto::Collection { default_calendar: calendar, zone, shares, ..shown })
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
            description_language: asked.description_language,
            color: asked.color,
            order: asked.order,
            time_zone: asked.time_zone,
            components: components(asked.components)?,
            transparent: asked.transparent,
            is_default: false,
        };
        let hooks = self.hooks.clone();
        let write = self.db.write(move |tx| {
            let mut made = collection::create(tx, &hooks, &caller, &new)?;
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
        let hooks = self.hooks.clone();
        let write = self.db.write(move |tx| {
            let mut changed = collection::update(tx, &hooks, &caller, &target, &update)?;
            if !set.is_empty() || !remove.is_empty() {
                changed = collection::update_dead(tx, &caller, &target, &set, &remove)?;
            }
            let access = crate::access(tx, &caller, &changed)?.unwrap_or(Access::Read);
            with_dead(tx, changed, access)
        });
        write.await
    }

    pub(super) async fn change_shares(
        &self,
        caller: Caller,
        request: proto::ChangeSharesRequest,
    ) -> Result<()> {
        let target = convert::target(request.path)?;
        if request.set.len().max(request.remove.len()) > CHANGES {
            return Err(Error::invalid("set", format!("change at most {CHANGES} shares at once")));
        }
        let set: Vec<Share> = request.set.into_iter().map(convert::shared).collect::<Result<_>>()?;
        let remove = request.remove;
        self.db.write(move |tx| share::change(tx, &caller, &target, &set, &remove)).await
    }

    pub(super) async fn delete(&self, caller: Caller, request: proto::DeleteCollectionRequest) -> Result<()> {
        let target = convert::target(request.path)?;
        let hooks = self.hooks.clone();
        self.db.write(move |tx| collection::delete(tx, &hooks, &caller, &target)).await
    }
}

/// With whom it is shared, when that is asked for and the caller may know it.
fn shares(
    conn: &mut Conn<'_>,
    collection: &Collection,
    access: Access,
    wanted: bool,
) -> Result<Vec<proto::Share>> {
    if !wanted || access != Access::Owner || collection.shares == 0 {
        return Ok(Vec::new());
    }
    Ok(share::of(conn, collection.num)?.into_iter().map(convert::share).collect())
}

/// Slug of the calendar of a home that new invitations come to; empty without one. One that is shared with the home's user is never it.
fn default_calendar(home: &[(Collection, Access)], user: &str) -> String {
    let mut own = home.iter().map(|(it, _)| it).filter(|it| it.kind == Kind::Calendar && it.owner == user);
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
            "description" => {
                update.description = Some(values.description.clone());
                update.description_language.clone_from(&values.description_language);
            }
            "time_zone" => update.time_zone = Some(values.time_zone.clone()),
            "transparent" => update.transparent = Some(values.transparent),
            "is_default" if values.is_default => update.make_default = true,
            "is_default" => {
                let message = "another calendar takes its place: set it there";
                return Err(Error::invalid("collection.is_default", message));
            }
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
