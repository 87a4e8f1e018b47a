//! Rows of collections: find, list, create, change, delete.
//! Called by `rpc` and by the services' own rpc files.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::{Error, Result, args, error, id};
use tonic::Code;

use crate::hooks::{Hooks, Removal, Tell};
use crate::model::{self, Access, COMPANY, Collection, Kind, Target};
use crate::store::{audit, dead, object, share, view};

const COLUMNS: &str = "num, id, owner, slug, kind, display_name, description, color, place, time_zone, components, \
                       transparent, is_default, seq, floor_seq, object_count, dead_count, create_time, update_time, shares, object_properties, \
                       description_language";

/// Longest list of collections in one home.
const HOME_LIMIT: i64 = 1_000;
/// Collections that one owner may make.
const OWNER_LIMIT: i64 = 500;

/// A collection to be made.
#[derive(Clone, Debug)]
pub struct New {
    /// Login name of the owner, or `COMPANY`.
    pub owner: String,
    /// Last segment of its path; 1 to 255 bytes without "/".
    pub slug: String,
    /// What it holds.
    pub kind: Kind,
    /// Name for people; the slug when empty.
    pub display_name: String,
    /// Text for people.
    pub description: String,
    /// Its language (xml:lang); may be empty.
    pub description_language: String,
    /// "#RRGGBBAA"; when empty it is the owner's colour.
    pub color: String,
    /// Place in lists.
    pub order: i64,
    /// VTIMEZONE text or IANA name; may be empty.
    pub time_zone: String,
    /// Component kinds taken; empty takes all.
    pub components: Vec<String>,
    /// Whether its events are left out of free/busy.
    pub transparent: bool,
    /// Whether clients use it by default.
    pub is_default: bool,
}

impl New {
    /// One with only a name; the rest is empty.
    pub fn named(owner: &str, slug: &str, kind: Kind, display_name: &str) -> New {
        New {
            owner: owner.to_owned(),
            slug: slug.to_owned(),
            kind,
            display_name: display_name.to_owned(),
            description: String::new(),
            description_language: String::new(),
            color: String::new(),
            order: 0,
            time_zone: String::new(),
            components: Vec::new(),
            transparent: false,
            is_default: false,
        }
    }
}

/// New values of properties; None leaves one as it is.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Name for people.
    pub display_name: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// Language of the new text (xml:lang); only looked at with one.
    pub description_language: String,
    /// "#RRGGBBAA"; an empty one becomes the owner's colour.
    pub color: Option<String>,
    /// Place in lists.
    pub order: Option<i64>,
    /// VTIMEZONE text or IANA name; may be empty.
    pub time_zone: Option<String>,
    /// Whether its events are left out of free/busy.
    pub transparent: Option<bool>,
    /// It becomes the calendar that new meetings come to.
    pub make_default: bool,
}

/// The collection and what the caller may do with it.
///
/// # Errors
/// NOT_FOUND when there is none or the caller may not see it.
pub fn find(conn: &mut Conn<'_>, caller: &Caller, target: &Target) -> Result<(Collection, Access)> {
    let found = by_target(conn, target)?;
    let collection = found.ok_or_else(|| Error::not_found(target))?;
    match share::access(conn, caller, &collection)? {
        Some(access) => Ok((collection, access)),
        None => Err(Error::not_found(target)),
    }
}

/// The collection, whoever asks. For background work and for rules of the services themselves.
///
/// # Errors
/// Those of the database.
pub fn by_target(conn: &mut Conn<'_>, target: &Target) -> Result<Option<Collection>> {
    match target {
        Target::Id(id) => {
            conn.one(&format!("SELECT {COLUMNS} FROM collection WHERE id = $1"), args![id], read)
        }
        Target::Path { owner, slug } => {
            let owner = home_owner(owner, slug);
            let sql = format!("SELECT {COLUMNS} FROM collection WHERE owner = $1 AND slug = $2");
            conn.one(&sql, args![owner, slug], read)
        }
    }
}

/// The company's collection stands in every home under its own slug, and so does what shows objects of another one.
fn home_owner<'a>(owner: &'a str, slug: &str) -> &'a str {
    if slug == COMPANY {
        COMPANY
    } else if slug.starts_with(model::SHOWN) {
        model::NOBODY
    } else {
        owner
    }
}

/// The collections of one user's home that the caller may see, the company's included, in the order of `order`, then slug. What is shared
/// with the caller looks as the caller has chosen. Deadlines are there for the overview, and not without one.
///
/// # Errors
/// Those of the database.
pub fn home(conn: &mut Conn<'_>, caller: &Caller, owner: &str) -> Result<Vec<(Collection, Access)>> {
    // What is shared stands in the home too, for Apple's programs look into one home only.
    let grantees =
        if caller.user == owner { share::grantees(caller) } else { vec![format!("users/{owner}")] };
    let mut args: Vec<Value> = vec![owner.into(), COMPANY.into()];
    let shared = share::condition(&grantees, &mut args);
    let sql = format!(
        "SELECT {COLUMNS} FROM collection WHERE (owner IN ($1, $2) OR {shared}) AND (kind <> 6 OR EXISTS
         (SELECT 1 FROM collection o WHERE o.owner = $1 AND o.kind = 5)) ORDER BY place, slug, num LIMIT {HOME_LIMIT}"
    );
    let mut seen = Vec::new();
    for collection in conn.all(&sql, &args, read)? {
        let access = if collection.kind == Kind::Deadlines && caller.user == owner {
            // The statement above has looked whether it is shared with the caller. There may be one for each member of a team.
            model::access(caller, &collection, Some(Access::Read))
        } else {
            share::access(conn, caller, &collection)?
        };
        if let Some(access) = access {
            seen.push((collection, access));
        }
    }
    if caller.user == owner {
        view::apply_at_home(conn, owner, &mut seen)?;
    } else {
        seen.iter_mut().try_for_each(|(collection, _)| view::apply(conn, caller, collection))?;
    }
    Ok(seen)
}

/// Makes a collection. One without a colour gets its owner's.
///
/// # Errors
/// ALREADY_EXISTS when the path is taken, PERMISSION_DENIED in another one's home, INVALID_ARGUMENT; RESOURCE_EXHAUSTED
/// with reason TOO_MANY_COLLECTIONS.
pub fn create<H: Hooks>(tx: &mut Tx<'_>, hooks: &H, caller: &Caller, new: &New) -> Result<Collection> {
    if !caller.admin && caller.user != new.owner {
        return Err(Error::denied(format!("only {} may make collections in that home", new.owner)));
    }
    if (new.slug == COMPANY && new.owner != COMPANY) || new.slug.starts_with(model::NOBODY) {
        return Err(Error::already_exists(format!("collection {}/{}", new.owner, new.slug)));
    }
    let sql = "SELECT COUNT(*) FROM collection WHERE owner = $1 AND kind < 5";
    let count = tx.one(sql, args![&new.owner], |row| row.int(0))?.unwrap_or(0);
    if count >= OWNER_LIMIT {
        let message = format!("{} has {count} collections, and more are not kept", new.owner);
        return Err(Error::new(Code::ResourceExhausted, "TOO_MANY_COLLECTIONS", message));
    }
    let color = if new.color.is_empty() { hooks.color(tx, &new.owner)? } else { new.color.clone() };
    insert(tx, &New { color, ..new.clone() })
}

/// The collection of that path; made when there is none. For first starts and new users.
///
/// # Errors
/// INVALID_ARGUMENT for a bad path.
pub fn ensure(tx: &mut Tx<'_>, new: &New) -> Result<Collection> {
    match by_target(tx, &Target::path(&new.owner, &new.slug))? {
        Some(collection) => Ok(collection),
        None => insert(tx, new),
    }
}

fn insert(tx: &mut Tx<'_>, new: &New) -> Result<Collection> {
    check_segment(&new.slug, "collection.slug")?;
    check_segment(&new.owner, "collection.owner")?;
    check_language(&new.description_language)?;
    check_texts(Some(&new.display_name), Some(&new.description), Some(&new.color), Some(&new.time_zone))?;
    let now = tx.now();
    let name = if new.display_name.is_empty() { &new.slug } else { &new.display_name };
    let sql = format!(
        "INSERT INTO collection (id, owner, slug, kind, display_name, description, color, place, time_zone, components, \
         transparent, is_default, seq, floor_seq, object_count, dead_count, create_time, update_time, \
         description_language) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, 0, 0, 0, $13, $13, $14) RETURNING {COLUMNS}"
    );
    let made = tx.one(
        &sql,
        args![
            id::new(),
            &new.owner,
            &new.slug,
            new.kind.number(),
            name,
            &new.description,
            &new.color,
            new.order,
            &new.time_zone,
            new.components.join(","),
            new.transparent,
            new.is_default,
            now,
            &new.description_language
        ],
        read,
    );
    match made {
        Err(cause) if cause.reason() == error::UNIQUE => {
            Err(Error::already_exists(format!("collection {}/{}", new.owner, new.slug)))
        }
        made => {
            let made = made?.ok_or_else(|| Error::internal("an inserted collection was not returned"))?;
            audit::collection(tx, None, Some(&made));
            Ok(made)
        }
    }
}

/// Changes properties and raises the change number. With whom it is shared changes only how it looks to that user. Whoever takes the colour away
/// gets the owner's.
///
/// # Errors
/// NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT.
pub fn update<H: Hooks>(
    tx: &mut Tx<'_>,
    hooks: &H,
    caller: &Caller,
    target: &Target,
    update: &Update,
) -> Result<Collection> {
    check_texts(
        update.display_name.as_deref(),
        update.description.as_deref(),
        update.color.as_deref(),
        update.time_zone.as_deref(),
    )?;
    check_language(&update.description_language)?;
    let before = locked(tx, target)?.ok_or_else(|| Error::not_found(target))?;
    // Administrators too: what they see in their home is a share, and they mean that.
    if !before.kind.is_of_server() && share::is_shared_with(tx, caller, &before)? {
        return view::update(tx, caller, before, update);
    }
    let before = of_owner(tx, caller, target, before)?;
    if update.make_default {
        make_default(tx, &before)?;
    }
    let color = match update.color.as_deref() {
        Some("") => hooks.color(tx, &before.owner)?,
        chosen => chosen.unwrap_or(&before.color).to_owned(),
    };
    let now = tx.now();
    let sql = format!(
        "UPDATE collection SET display_name = $2, description = $3, color = $4, place = $5, time_zone = $6, \
         transparent = $7, update_time = $8, description_language = $9, seq = seq + 1 WHERE num = $1 RETURNING {COLUMNS}"
    );
    let changed = tx.one(
        &sql,
        args![
            before.num,
            update.display_name.as_ref().unwrap_or(&before.display_name),
            update.description.as_ref().unwrap_or(&before.description),
            color,
            update.order.unwrap_or(before.order),
            update.time_zone.as_ref().unwrap_or(&before.time_zone),
            update.transparent.unwrap_or(before.transparent),
            now,
            update
                .description
                .as_ref()
                .map_or(&before.description_language, |_| &update.description_language)
        ],
        read,
    )?;
    let changed = changed.ok_or_else(|| Error::not_found(target))?;
    audit::collection(tx, Some(&before), Some(&changed));
    Ok(changed)
}

/// Makes a calendar the one of its owner that new meetings come to, instead of the one that was (RFC 6638 section 4.3).
fn make_default(tx: &mut Tx<'_>, calendar: &Collection) -> Result<()> {
    let takes_events = calendar.components.is_empty() || calendar.components.iter().any(|it| it == "VEVENT");
    if calendar.kind != Kind::Calendar || calendar.is_company() || !takes_events {
        let message = "only a calendar of one's own that takes events can be the default one";
        return Err(Error::invalid("collection.is_default", message));
    }
    let columns = format!(
        "SELECT {COLUMNS} FROM collection WHERE owner = $1 AND kind = $2 AND is_default = 1 AND num <> $3"
    );
    let others = tx.all(&columns, args![&calendar.owner, calendar.kind.number(), calendar.num], read)?;
    for other in others {
        audit::collection(tx, Some(&other), Some(&Collection { is_default: false, ..other.clone() }));
    }
    let sql = "UPDATE collection SET is_default = CASE WHEN num = $1 THEN 1 ELSE 0 END WHERE owner = $2 AND kind = $3";
    tx.execute(sql, args![calendar.num, &calendar.owner, calendar.kind.number()])?;
    Ok(())
}

/// Deletes a collection with all that is in it; each object passes the hooks.
///
/// # Errors
/// NOT_FOUND, PERMISSION_DENIED; FAILED_PRECONDITION with reason COMPANY_COLLECTION for the company's own, SERVER_COLLECTION for
/// an inbox or outbox.
pub fn delete<H: Hooks>(tx: &mut Tx<'_>, hooks: &H, caller: &Caller, target: &Target) -> Result<()> {
    // Who deletes what others share only leaves it out of the own home.
    let (shared, _) = find(tx, caller, target)?;
    // Administrators too: what they see in their home is a share, and they mean that.
    if shared.owner != caller.user && share::take(tx, &shared, &caller.name())? {
        return Ok(());
    }
    let collection = owned(tx, caller, target)?;
    if collection.is_company() {
        return Err(Error::precondition("COMPANY_COLLECTION", "the company's collection can't be deleted"));
    }
    if collection.kind.is_of_server() {
        return Err(Error::precondition(
            "SERVER_COLLECTION",
            "a scheduling inbox or outbox, next steps and call-backs can't be deleted as a whole",
        ));
    }
    let mut after = String::new();
    loop {
        let chunk = object::list(tx, collection.num, &after, object::CHUNK)?;
        for object in &chunk {
            audit::object(tx, hooks, Some((&collection, object)), None);
            hooks.removed(tx, &Removal { caller, collection: &collection, object, tell: Tell::Everyone })?;
        }
        match chunk.last() {
            Some(last) => after.clone_from(&last.name),
            None => break,
        }
    }
    for sql in [
        "DELETE FROM body WHERE num IN (SELECT num FROM object WHERE coll = $1)",
        "DELETE FROM object WHERE coll = $1",
        "DELETE FROM occurrence WHERE coll = $1",
        "DELETE FROM lookup WHERE coll = $1",
        "DELETE FROM gram WHERE coll = $1",
        "DELETE FROM tombstone WHERE coll = $1",
        "DELETE FROM dead_property WHERE coll = $1",
        "DELETE FROM object_property WHERE coll = $1",
        "DELETE FROM share WHERE coll = $1",
        "DELETE FROM share_view WHERE coll = $1",
        "DELETE FROM push_registration WHERE coll = $1",
        "DELETE FROM collection WHERE num = $1",
    ] {
        tx.execute(sql, args![collection.num])?;
    }
    audit::collection(tx, Some(&collection), None);
    Ok(())
}

/// Sets and removes dead properties, raises the change number, and returns the collection.
///
/// # Errors
/// NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT.
pub fn update_dead(
    tx: &mut Tx<'_>,
    caller: &Caller,
    target: &Target,
    set: &[dead::Property],
    remove: &[(String, String)],
) -> Result<Collection> {
    let collection = owned(tx, caller, target)?;
    dead::change(tx, collection.num, set, remove)?;
    let sql = format!(
        "UPDATE collection SET seq = seq + 1, update_time = $2, \
         dead_count = (SELECT COUNT(*) FROM dead_property WHERE coll = $1) WHERE num = $1 RETURNING {COLUMNS}"
    );
    let now = tx.now();
    tx.one(&sql, args![collection.num, now], read)?.ok_or_else(|| Error::not_found(target))
}

/// The caller's own collection, locked before it is read: what is written back must not undo another process's change.
pub(super) fn owned(tx: &mut Tx<'_>, caller: &Caller, target: &Target) -> Result<Collection> {
    let collection = raise(tx, target, 0)?.ok_or_else(|| Error::not_found(target))?;
    of_owner(tx, caller, target, collection)
}

/// The collection when it is the caller's own.
fn of_owner(
    conn: &mut Conn<'_>,
    caller: &Caller,
    target: &Target,
    collection: Collection,
) -> Result<Collection> {
    match share::access(conn, caller, &collection)? {
        Some(Access::Owner) => Ok(collection),
        Some(_) => Err(Error::denied(format!("{target} belongs to someone else"))),
        None => Err(Error::not_found(target)),
    }
}

/// Makes all other writers of the collection wait until this transaction ends, in other processes too.
///
/// # Errors
/// NOT_FOUND.
pub fn lock(tx: &mut Tx<'_>, target: &Target) -> Result<()> {
    raise(tx, target, 0)?.map(|_| ()).ok_or_else(|| Error::not_found(target))
}

/// The row, locked until this transaction ends; none when there is no such collection.
pub(super) fn locked(tx: &mut Tx<'_>, target: &Target) -> Result<Option<Collection>> {
    raise(tx, target, 0)
}

/// Raises the change number and returns the row as it is then. On PostgreSQL this locks the row, so that all writers of one
/// collection come one after the other.
pub(super) fn bump(tx: &mut Tx<'_>, target: &Target) -> Result<Option<Collection>> {
    raise(tx, target, 1)
}

fn raise(tx: &mut Tx<'_>, target: &Target, by: i64) -> Result<Option<Collection>> {
    match target {
        Target::Id(id) => {
            let sql = format!("UPDATE collection SET seq = seq + $2 WHERE id = $1 RETURNING {COLUMNS}");
            tx.one(&sql, args![id, by], read)
        }
        Target::Path { owner, slug } => {
            let owner = home_owner(owner, slug);
            let sql = format!(
                "UPDATE collection SET seq = seq + $3 WHERE owner = $1 AND slug = $2 RETURNING {COLUMNS}"
            );
            tx.one(&sql, args![owner, slug, by], read)
        }
    }
}

/// Checks a path segment: 1 to 255 bytes, no "/", no control characters, not "." or "..".
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn check_segment(segment: &str, field: &str) -> Result<()> {
    let good = (1..=255).contains(&segment.len())
        && !segment.contains('/')
        && !segment.chars().any(char::is_control)
        && segment != "."
        && segment != "..";
    if good {
        return Ok(());
    }
    Err(Error::invalid(field, "use 1 to 255 bytes without \"/\" and control characters"))
}

/// Checks a language tag as far as it is kept: letters, digits and hyphens (RFC 5646), or nothing.
pub(super) fn check_language(language: &str) -> Result<()> {
    let is_tag = language.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_tag && language.len() <= 64 {
        return Ok(());
    }
    Err(Error::invalid("language", "use at most 64 letters, digits and hyphens"))
}

fn check_texts(
    display_name: Option<&str>,
    description: Option<&str>,
    color: Option<&str>,
    time_zone: Option<&str>,
) -> Result<()> {
    for (field, text, limit) in [
        ("collection.display_name", display_name, 1_000),
        ("collection.description", description, 10_000),
        ("collection.color", color, 100),
        ("collection.time_zone", time_zone, 100_000),
    ] {
        let text = text.unwrap_or_default();
        if text.len() > limit {
            return Err(Error::invalid(field, format!("use at most {limit} bytes")));
        }
        if text.contains('\0') {
            return Err(Error::invalid(field, "it has a zero character"));
        }
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Collection> {
    let components = row.text(10)?;
    Ok(Collection {
        num: row.int(0)?,
        id: row.string(1)?,
        owner: row.string(2)?,
        slug: row.string(3)?,
        kind: Kind::of_number(row.int(4)?),
        display_name: row.string(5)?,
        description: row.string(6)?,
        color: row.string(7)?,
        order: row.int(8)?,
        time_zone: row.string(9)?,
        components: components.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        transparent: row.bool(11)?,
        is_default: row.bool(12)?,
        seq: row.int(13)?,
        floor_seq: row.int(14)?,
        object_count: row.int(15)?,
        dead_count: row.int(16)?,
        create_time: row.int(17)?,
        update_time: row.int(18)?,
        shares: row.int(19)?,
        object_properties: row.int(20)?,
        description_language: row.string(21)?,
    })
}
