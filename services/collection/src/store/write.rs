//! Putting and deleting objects: conditions, UIDs, change numbers, tombstones and indexes in one transaction.
//! Called by `rpc::Server` for DAV and by the services for changes over gRPC, so that both share one path.

use bytes::Bytes;
use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, args, id};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use tonic::Code;

use crate::hooks::{Admission, Change, Hooks, Prepared, Removal, Tell};
use crate::index::Index;
use crate::model::{Access, Collection, Conditions, Kind, Object, Present, Target};
use crate::store::collection::{bump, check_segment};
use crate::store::{audit, object, object_property, occurrence, share, shown};

/// Why nobody writes to what shows another collection.
const SHOWS: &str = "this book shows partners of the company's book: change them there";
/// Largest body in bytes.
pub const MAX_BYTES: usize = 10 * 1024 * 1024;
/// Why nobody writes to deadlines.
pub const FOLLOWS: &str = "a deadline follows its opportunity: change the opportunity";
/// Tombstones of one collection at most; half of them are given up then.
pub(super) const MAX_TOMBSTONES: i64 = 100_000;

/// What a put did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The object as it stands now, without `data`.
    pub object: Object,
    /// Its collection; `seq` is that of this change.
    pub collection: Collection,
    /// Whether it is new.
    pub created: bool,
    /// The bytes that were stored, when they are not those that came.
    pub altered: Option<Bytes>,
}

/// The strong ETag of a body: 32 hexadecimal digits of its SHA-256.
pub fn etag(data: &[u8]) -> String {
    let digest = Sha256::digest(data);
    let mut text = String::with_capacity(32);
    for byte in &digest[..16] {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    text
}

/// Creates or replaces the object of that name, if the conditions hold at this moment.
///
/// # Errors
/// NOT_FOUND for the collection; PERMISSION_DENIED; ABORTED with reason ETAG_MISMATCH when a condition fails;
/// INVALID_ARGUMENT with reason SUPPORTED_COMPONENT; ALREADY_EXISTS with reason UID_CONFLICT and the metadata "name" of the
/// object that has the UID, and "href", the same percent-encoded; those of the hooks.
#[expect(
    clippy::too_many_arguments,
    reason = "the write as DAV has it; a struct would only be taken apart again"
)]
pub fn put<H: Hooks>(
    tx: &mut Tx<'_>,
    hooks: &H,
    caller: &Caller,
    target: &Target,
    name: &str,
    data: &[u8],
    conditions: &Conditions,
    prepared: &Prepared<H::Typed>,
) -> Result<Outcome> {
    check_segment(name, "name")?;
    check_prepared(data, prepared)?;
    let mut collection = writable(tx, caller, target)?;
    check_component(&collection, &prepared.component)?;
    let (old, holder) = present(tx, collection.num, name, &prepared.uid)?;
    if !conditions.hold_at(before(&collection, old.as_ref()), None) {
        return Err(Error::etag_mismatch(name));
    }
    if let Some(holder) = holder {
        return Err(uid_conflict(&prepared.uid, &holder));
    }
    // RFC 4791 5.3.2.1 no-uid-conflict: an object keeps its UID.
    if let Some(old) = old.as_ref().filter(|old| old.uid != prepared.uid) {
        return Err(uid_conflict(&old.uid, name));
    }
    let admission = Admission { caller, collection: &collection, name, old: old.as_ref(), data, prepared };
    let admitted = hooks.admit(tx, &admission)?;
    let (altered, prepared) = match &admitted {
        Some(admitted) => (admitted.data.clone(), &admitted.prepared),
        None => (None, prepared),
    };
    let data = altered.as_deref().unwrap_or(data);
    let object = match &old {
        Some(old) => replace(tx, old, &collection, data, prepared)?,
        None => insert(tx, name, &mut collection, data, prepared)?,
    };
    occurrence::write(tx, &object, &prepared.index, old.is_some())?;
    if old.is_some() {
        shown::changed(tx, &collection, object.num)?;
    }
    audit::object(tx, hooks, old.as_ref().map(|old| (&collection, old)), Some((&collection, &object)));
    hooks.stored(
        tx,
        &Change { caller, collection: &collection, object: &object, old: old.as_ref(), data, prepared },
    )?;
    Ok(Outcome { object, collection, created: old.is_none(), altered })
}

/// Deletes the object of that name, if the conditions hold at this moment, and leaves a tombstone. Returns it as it stood.
///
/// # Errors
/// NOT_FOUND; PERMISSION_DENIED; ABORTED with reason ETAG_MISMATCH when a condition fails; those of the hooks.
pub fn delete<H: Hooks>(
    tx: &mut Tx<'_>,
    hooks: &H,
    caller: &Caller,
    target: &Target,
    name: &str,
    conditions: &Conditions,
) -> Result<Object> {
    delete_as(tx, hooks, caller, target, name, conditions, Tell::Everyone)
}

/// As `delete`; `tell` says who hears of it.
///
/// # Errors
/// Those of `delete`.
pub fn delete_as<H: Hooks>(
    tx: &mut Tx<'_>,
    hooks: &H,
    caller: &Caller,
    target: &Target,
    name: &str,
    conditions: &Conditions,
    tell: Tell,
) -> Result<Object> {
    let collection = writable(tx, caller, target)?;
    let object = object::named(tx, collection.num, name)?.ok_or_else(|| Error::not_found(name))?;
    if !conditions.hold_at(before(&collection, Some(&object)), None) {
        return Err(Error::etag_mismatch(name));
    }
    take_away(tx, hooks, &Removal { caller, collection: &collection, object: &object, tell })?;
    Ok(object)
}

/// What stood there before the change number was raised for this write.
pub(super) fn before<'a>(collection: &'a Collection, object: Option<&'a Object>) -> Present<'a> {
    Present { collection, seq: collection.seq - 1, object }
}

/// Removes an object with all that belongs to it; the change number was raised already.
pub(super) fn take_away<H: Hooks>(tx: &mut Tx<'_>, hooks: &H, removal: &Removal<'_>) -> Result<()> {
    let Removal { collection, object, .. } = removal;
    audit::object(tx, hooks, Some((collection, object)), None);
    hooks.removed(tx, removal)?;
    shown::gone(tx, collection, object.num)?;
    tx.execute("DELETE FROM body WHERE num = $1", args![object.num])?;
    tx.execute("DELETE FROM object WHERE coll = $1 AND name = $2", args![collection.num, &object.name])?;
    if collection.object_properties > 0 {
        object_property::clear(tx, collection, object)?;
    }
    occurrence::clear(tx, object)?;
    bury(tx, collection, &object.name)
}

/// Leaves a tombstone where an object stood, and counts it out.
pub(super) fn bury(tx: &mut Tx<'_>, collection: &Collection, name: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO tombstone (coll, name, seq, time) VALUES ($1, $2, $3, $4)",
        args![collection.num, name, collection.seq, now],
    )?;
    tx.execute(
        "UPDATE collection SET object_count = object_count - 1 WHERE num = $1",
        args![collection.num],
    )?;
    if collection.seq % 1_000 == 0 {
        prune(tx, collection.num, MAX_TOMBSTONES)?;
    }
    Ok(())
}

/// Checks that the collection takes this kind of component (RFC 4791 section 5.3.2.1).
pub(super) fn check_component(collection: &Collection, component: &str) -> Result<()> {
    let taken = &collection.components;
    if taken.is_empty() || taken.iter().any(|taken| taken == component) {
        return Ok(());
    }
    let message = format!("{component} is not taken by this collection");
    Err(Error::new(Code::InvalidArgument, "SUPPORTED_COMPONENT", message))
}

/// A new object name for an object that is made over gRPC: its id and the kind's ending.
pub fn fresh_name(ending: &str) -> String {
    format!("{}.{ending}", id::new())
}

/// Checks a body before anything is done with it.
///
/// # Errors
/// INVALID_ARGUMENT with reason TOO_LARGE.
pub fn check_size(data: &[u8]) -> Result<()> {
    if data.len() <= MAX_BYTES {
        return Ok(());
    }
    let message = format!("{} bytes are more than the {MAX_BYTES} that an object may have", data.len());
    Err(Error::new(Code::InvalidArgument, "TOO_LARGE", message))
}

fn check_prepared<T>(data: &[u8], prepared: &Prepared<T>) -> Result<()> {
    check_size(data)?;
    if !(1..=1_000).contains(&prepared.uid.len()) || prepared.uid.contains('\0') {
        let message = "the UID must have 1 to 1,000 bytes";
        return Err(Error::new(Code::InvalidArgument, "VALID_OBJECT_RESOURCE", message));
    }
    Ok(())
}

pub(super) fn writable(tx: &mut Tx<'_>, caller: &Caller, target: &Target) -> Result<Collection> {
    let collection = bump(tx, target)?.ok_or_else(|| Error::not_found(target))?;
    match share::access(tx, caller, &collection)? {
        None => Err(Error::not_found(target)),
        Some(Access::Read) if collection.kind == Kind::Deadlines => Err(Error::denied(FOLLOWS)),
        Some(_) if collection.kind == Kind::Shown => Err(Error::denied(SHOWS)),
        Some(Access::Read) => Err(Error::denied(format!("{target} is only open for reading"))),
        Some(Access::Write | Access::Owner) => Ok(collection),
    }
}

/// The object of that name, and the name of another one that has the UID.
pub(super) fn present(
    tx: &mut Tx<'_>,
    coll: i64,
    name: &str,
    uid: &str,
) -> Result<(Option<Object>, Option<String>)> {
    let columns = object::COLUMNS;
    let sql = format!(
        "SELECT {columns} FROM object o WHERE o.coll = $1 AND o.name = $2
         UNION ALL SELECT {columns} FROM object o WHERE o.coll = $1 AND o.uid = $3 AND o.name <> $2"
    );
    let (mut same, mut holder) = (None, None);
    tx.each(&sql, args![coll, name, uid], |row| {
        let found = object::read(row)?;
        if found.name == name {
            same = Some(found)
        } else {
            holder = Some(found.name)
        }
        Ok(())
    })?;
    Ok((same, holder))
}

pub(super) fn uid_conflict(uid: &str, holder: &str) -> Error {
    let message = format!("uid {uid:?} is already that of {holder}");
    Error::new(Code::AlreadyExists, "UID_CONFLICT", message)
        .with("name", holder)
        .with("href", utf8_percent_encode(holder, NON_ALPHANUMERIC).to_string())
}

fn insert<T>(
    tx: &mut Tx<'_>,
    name: &str,
    collection: &mut Collection,
    data: &[u8],
    prepared: &Prepared<T>,
) -> Result<Object> {
    let num = tx.one("INSERT INTO body (data) VALUES ($1) RETURNING num", args![data], |row| row.int(0))?;
    let now = tx.now();
    let object = Object {
        num: num.ok_or_else(|| Error::internal("an inserted body was not returned"))?,
        coll: collection.num,
        id: id::new(),
        name: name.to_owned(),
        uid: prepared.uid.clone(),
        etag: etag(data),
        schedule_tag: prepared.schedule_tag.clone(),
        component: prepared.component.clone(),
        seq: collection.seq,
        size: i64::try_from(data.len()).unwrap_or(i64::MAX),
        create_time: now,
        update_time: now,
        data: Bytes::new(),
    };
    let index = &prepared.index;
    tx.execute(
        "INSERT INTO object (coll, name, num, id, uid, etag, schedule_tag, comp, seq, size, create_time, update_time,
         first_utc, last_utc, floating, partial, expanded_from, expanded_to)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13, $14, $15, $16, $17)",
        args![
            object.coll,
            name,
            object.num,
            &object.id,
            &object.uid,
            &object.etag,
            &object.schedule_tag,
            &object.component,
            object.seq,
            object.size,
            now,
            index.first,
            index.last,
            index.floating,
            index.partial,
            index.expanded_from,
            index.expanded_to
        ],
    )?;
    tx.execute("DELETE FROM tombstone WHERE coll = $1 AND name = $2", args![object.coll, name])?;
    tx.execute("UPDATE collection SET object_count = object_count + 1 WHERE num = $1", args![object.coll])?;
    collection.object_count += 1;
    Ok(object)
}

fn replace<T>(
    tx: &mut Tx<'_>,
    old: &Object,
    collection: &Collection,
    data: &[u8],
    prepared: &Prepared<T>,
) -> Result<Object> {
    let now = tx.now();
    let object = Object {
        uid: prepared.uid.clone(),
        etag: etag(data),
        schedule_tag: prepared.schedule_tag.clone(),
        component: prepared.component.clone(),
        seq: collection.seq,
        size: i64::try_from(data.len()).unwrap_or(i64::MAX),
        update_time: now,
        ..old.clone()
    };
    tx.execute("UPDATE body SET data = $2 WHERE num = $1", args![object.num, data])?;
    update_row(tx, &object, &prepared.index)?;
    Ok(object)
}

/// Writes all columns of an object that may change.
fn update_row(tx: &mut Tx<'_>, object: &Object, index: &Index) -> Result<()> {
    let changed = tx.execute(
        "UPDATE object SET uid = $3, etag = $4, schedule_tag = $5, comp = $6, seq = $7, size = $8, update_time = $9,
         first_utc = $10, last_utc = $11, floating = $12, partial = $13, expanded_from = $14, expanded_to = $15
         WHERE coll = $1 AND name = $2",
        args![
            object.coll,
            &object.name,
            &object.uid,
            &object.etag,
            &object.schedule_tag,
            &object.component,
            object.seq,
            object.size,
            object.update_time,
            index.first,
            index.last,
            index.floating,
            index.partial,
            index.expanded_from,
            index.expanded_to
        ],
    )?;
    if changed == 1 { Ok(()) } else { Err(Error::internal("an object vanished while it was written")) }
}

/// Writes what the index says of an object's times, unless the object was changed since `object` was read; then false.
pub(crate) fn update_index(tx: &mut Tx<'_>, object: &Object, index: &Index) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE object SET first_utc = $4, last_utc = $5, floating = $6, partial = $7, expanded_from = $8, expanded_to = $9
         WHERE coll = $1 AND name = $2 AND seq = $3",
        args![
            object.coll,
            &object.name,
            object.seq,
            index.first,
            index.last,
            index.floating,
            index.partial,
            index.expanded_from,
            index.expanded_to
        ],
    )?;
    Ok(changed == 1)
}

/// Gives up the older half of too many tombstones; syncs from before them must start anew.
pub(super) fn prune(tx: &mut Tx<'_>, coll: i64, most: i64) -> Result<()> {
    let count =
        tx.one("SELECT COUNT(*) FROM tombstone WHERE coll = $1", args![coll], |row| row.int(0))?.unwrap_or(0);
    if count <= most {
        return Ok(());
    }
    let floor = tx.one(
        "SELECT seq FROM tombstone WHERE coll = $1 ORDER BY seq LIMIT 1 OFFSET $2",
        args![coll, count / 2],
        |row| row.int(0),
    )?;
    forget(tx, coll, floor.unwrap_or(0))
}

/// Forgets the tombstones up to a change number, from which on a sync can start then.
pub(crate) fn forget(tx: &mut Tx<'_>, coll: i64, floor: i64) -> Result<()> {
    tx.execute("DELETE FROM tombstone WHERE coll = $1 AND seq <= $2", args![coll, floor])?;
    tx.execute("UPDATE collection SET floor_seq = $2 WHERE num = $1 AND floor_seq < $2", args![coll, floor])?;
    Ok(())
}
