//! Rows of objects and their bodies: list, get, read by id.
//! Called by `rpc`, by the other files here and by the services' own rpc files.

use std::collections::HashMap;

use bytes::Bytes;
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Row, Value};
use kontor_kit::{Error, Result, args};

use crate::model::{Access, Collection, Object, Target};
use crate::store::collection;
use crate::store::shown::rows;

/// Objects in one chunk at most.
pub const CHUNK: i64 = 500;
/// The same for objects with their bodies.
pub const CHUNK_WITH_DATA: i64 = 128;
/// Bytes of bodies in one chunk, the last object not counted. Small, for a slow reader holds a few chunks for long.
pub const CHUNK_BYTES: i64 = 128 * 1024;

pub(super) const COLUMNS: &str = "o.num, o.coll, o.id, o.name, o.uid, o.etag, o.schedule_tag, o.comp, o.seq, o.size, o.create_time, o.update_time";

/// Objects of a collection behind a name, in name order, without bodies. `after` is empty at the start.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Conn<'_>, coll: i64, after: &str, limit: i64) -> Result<Vec<Object>> {
    let rows = rows(coll);
    let sql =
        format!("SELECT {COLUMNS} FROM {rows} o WHERE o.coll = $1 AND o.name > $2 ORDER BY o.name LIMIT $3");
    conn.all(&sql, args![coll, after, limit], read)
}

/// One object by its name, without its body.
///
/// # Errors
/// Those of the database.
pub fn named(conn: &mut Conn<'_>, coll: i64, name: &str) -> Result<Option<Object>> {
    let sql = format!("SELECT {COLUMNS} FROM {} o WHERE o.coll = $1 AND o.name = $2", rows(coll));
    conn.one(&sql, args![coll, name], read)
}

/// One object by its name, with its body.
///
/// # Errors
/// Those of the database.
pub fn whole(conn: &mut Conn<'_>, coll: i64, name: &str) -> Result<Option<Object>> {
    let sql = format!(
        "SELECT {COLUMNS}, b.data FROM {} o JOIN body b ON b.num = o.num WHERE o.coll = $1 AND o.name = $2",
        rows(coll)
    );
    conn.one(&sql, args![coll, name], |row| {
        Ok(Object { data: Bytes::copy_from_slice(row.bytes(12)?), ..read(row)? })
    })
}

/// One object by its number, without its body.
pub(crate) fn by_num(conn: &mut Conn<'_>, num: i64) -> Result<Option<Object>> {
    conn.one(&format!("SELECT {COLUMNS} FROM object o WHERE o.num = $1"), args![num], read)
}

/// Objects by their names, without bodies, in the order asked; None where there is none. At most `CHUNK` names.
///
/// # Errors
/// Those of the database.
pub fn all_named(conn: &mut Conn<'_>, coll: i64, names: &[String]) -> Result<Vec<Option<Object>>> {
    if let [name] = names {
        return Ok(vec![named(conn, coll, name)?]);
    }
    let mut found = HashMap::with_capacity(names.len());
    let (places, count) = places(names.len(), 2);
    let mut args: Vec<Value> = Vec::with_capacity(count + 1);
    args.push(coll.into());
    args.extend(padded(names.iter().map(Value::from), count));
    let sql = format!("SELECT {COLUMNS} FROM {} o WHERE o.coll = $1 AND o.name IN ({places})", rows(coll));
    conn.each(&sql, &args, |row| {
        let object = read(row)?;
        found.insert(object.name.clone(), object);
        Ok(())
    })?;
    Ok(names.iter().map(|name| found.get(name).cloned()).collect())
}

/// Objects of a UID in the calendars of one owner, without bodies, each with its collection's id. There is one a collection at most.
///
/// # Errors
/// Those of the database.
pub fn by_uid(conn: &mut Conn<'_>, owner: &str, uid: &str) -> Result<Vec<(Object, String)>> {
    let sql = format!(
        "SELECT {COLUMNS}, c.id FROM collection c JOIN object o ON o.coll = c.num AND o.uid = $2 \
         WHERE c.owner = $1 AND c.kind = 1 ORDER BY o.num"
    );
    conn.all(&sql, args![owner, uid], |row| Ok((read(row)?, row.string(12)?)))
}

/// One object by its id with its body, its collection, and what the caller may do there.
///
/// # Errors
/// NOT_FOUND when there is none or the caller may not see it.
pub fn find(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<(Object, Collection, Access)> {
    let sql = format!(
        "SELECT {COLUMNS}, b.data, c.id FROM object o JOIN body b ON b.num = o.num \
         JOIN collection c ON c.num = o.coll WHERE o.id = $1"
    );
    let found = conn.one(&sql, args![id], |row| {
        let mut object = read(row)?;
        object.data = Bytes::copy_from_slice(row.bytes(12)?);
        Ok((object, row.string(13)?))
    })?;
    let missing = || Error::not_found(format!("object {id}"));
    let (object, coll) = found.ok_or_else(missing)?;
    let (collection, access) =
        collection::find(conn, caller, &Target::Id(coll)).map_err(|cause| match cause.code() {
            tonic::Code::NotFound => missing(),
            _ => cause,
        })?;
    Ok((object, collection, access))
}

/// The object's body.
///
/// # Errors
/// INTERNAL when it is gone.
pub fn data(conn: &mut Conn<'_>, num: i64) -> Result<Bytes> {
    conn.one("SELECT data FROM body WHERE num = $1", args![num], |row| {
        Ok(Bytes::copy_from_slice(row.bytes(0)?))
    })?
    .ok_or_else(|| Error::internal(format!("object {num} has no body")))
}

/// Reads the bodies of objects that were listed. At most `CHUNK` objects; see `cut` for the bytes.
///
/// # Errors
/// INTERNAL when one is gone.
pub fn load<'o>(conn: &mut Conn<'_>, objects: impl Iterator<Item = &'o mut Object>) -> Result<()> {
    let mut waiting: HashMap<i64, &mut Object> = objects.map(|object| (object.num, object)).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let (places, count) = places(waiting.len(), 1);
    let args: Vec<Value> = padded(waiting.keys().map(|num| Value::from(*num)), count);
    conn.each(&format!("SELECT num, data FROM body WHERE num IN ({places})"), &args, |row| {
        if let Some(object) = waiting.remove(&row.int(0)?) {
            object.data = Bytes::copy_from_slice(row.bytes(1)?);
        }
        Ok(())
    })?;
    if waiting.is_empty() { Ok(()) } else { Err(Error::internal("an object has no body")) }
}

/// Objects in one chunk at most, with or without bodies.
pub fn chunk(with_data: bool) -> i64 {
    if with_data { CHUNK_WITH_DATA } else { CHUNK }
}

/// How many of the objects fit into one chunk with their bodies; one at least.
pub fn cut<'o>(sizes: impl Iterator<Item = Option<&'o Object>>) -> usize {
    let (mut bytes, mut count) = (0, 0);
    for object in sizes {
        if count > 0 && bytes >= CHUNK_BYTES {
            break;
        }
        bytes += object.map_or(0, |object| object.size);
        count += 1;
    }
    count
}

/// Placeholders for a list of `length`, from `$first` on. Few different lengths, so that few statements are prepared.
pub(super) fn places(length: usize, first: usize) -> (String, usize) {
    let count = [1, 8, 64, 128, 512].into_iter().find(|size| *size >= length).unwrap_or(length);
    let names: Vec<String> = (first..first + count).map(|number| format!("${number}")).collect();
    (names.join(", "), count)
}

/// The values, the last one repeated up to `count`.
pub(super) fn padded(values: impl Iterator<Item = Value>, count: usize) -> Vec<Value> {
    let mut all: Vec<Value> = values.collect();
    if let Some(last) = all.last().cloned() {
        all.resize(count, last);
    }
    all
}

pub(super) fn read(row: &Row<'_>) -> Result<Object> {
    Ok(Object {
        num: row.int(0)?,
        coll: row.int(1)?,
        id: row.string(2)?,
        name: row.string(3)?,
        uid: row.string(4)?,
        etag: row.string(5)?,
        schedule_tag: row.string(6)?,
        component: row.string(7)?,
        seq: row.int(8)?,
        size: row.int(9)?,
        create_time: row.int(10)?,
        update_time: row.int(11)?,
        data: Bytes::new(),
    })
}
