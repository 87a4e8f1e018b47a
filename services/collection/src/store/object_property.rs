//! Dead properties of objects: kept for the client beside the bytes, understood by nobody (RFC 4918 section 4.1).
//! Called by `rpc`, and by the writes that move or delete objects. `Collection::object_properties` says whether there are any at all, so that
//! nothing looks here for the many collections without one.

use std::collections::HashMap;

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::{Error, Result, args};

use super::dead::{self, Property};
use crate::model::{Collection, Conditions, Object, Target};
use crate::store::object::{self, padded, places};
use crate::store::write;

/// Dead properties of one object at most.
const COUNT: i64 = 100;
/// Bytes of all values of one object together, so that a list of objects has a bound.
const BYTES: usize = dead::VALUE;

/// The dead properties of some objects of one collection, by the objects' numbers, each in the order of names.
///
/// # Errors
/// Those of the database.
pub fn of_all(
    conn: &mut Conn<'_>,
    coll: i64,
    objects: impl ExactSizeIterator<Item = i64>,
) -> Result<HashMap<i64, Vec<Property>>> {
    let mut found: HashMap<i64, Vec<Property>> = HashMap::new();
    if objects.len() == 0 {
        return Ok(found);
    }
    let (places, count) = places(objects.len(), 2);
    let mut args: Vec<Value> = vec![coll.into()];
    args.extend(padded(objects.map(Value::from), count));
    let sql = format!(
        "SELECT object, namespace, name, value, language FROM object_property WHERE coll = $1 AND object IN ({places}) \
         ORDER BY object, namespace, name"
    );
    conn.each(&sql, &args, |row| {
        found.entry(row.int(0)?).or_default().push(dead::read(row, 1)?);
        Ok(())
    })?;
    Ok(found)
}

/// Those of one object.
///
/// # Errors
/// Those of the database.
pub fn of(conn: &mut Conn<'_>, coll: i64, object: i64) -> Result<Vec<Property>> {
    let sql = "SELECT namespace, name, value, language FROM object_property WHERE coll = $1 AND object = $2 ORDER BY namespace, name";
    conn.all(sql, args![coll, object], |row| dead::read(row, 0))
}

/// Sets and removes some of an object, if the conditions hold at this moment. Its change number rises, so that clients that sync hear of it
/// (RFC 6578 section 3.5.1); its ETag stays, so that they need not read its bytes again.
///
/// # Errors
/// NOT_FOUND; PERMISSION_DENIED; ABORTED with reason ETAG_MISMATCH; INVALID_ARGUMENT for too many or too much.
pub fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    (target, name): (&Target, &str),
    conditions: &Conditions,
    set: &[Property],
    remove: &[(String, String)],
) -> Result<()> {
    let collection = write::writable(tx, caller, target)?;
    let object = object::named(tx, collection.num, name)?.ok_or_else(|| Error::not_found(name))?;
    if !conditions.hold_at(write::before(&collection, Some(&object)), None) {
        return Err(Error::etag_mismatch(name));
    }
    let before = of(tx, collection.num, object.num)?;
    let mut after = before.clone();
    let is = |one: &Property, namespace: &str, name: &str| one.namespace == namespace && one.name == name;
    after.retain(|one| !remove.iter().any(|(namespace, name)| is(one, namespace, name)));
    for property in set {
        dead::check(property)?;
        after.retain(|one| !is(one, &property.namespace, &property.name));
        after.push(property.clone());
    }
    let bytes: usize = after.iter().map(|one| one.value.len() + one.name.len() + one.namespace.len()).sum();
    if after.len() as i64 > COUNT || bytes > BYTES {
        let message = format!("an object keeps at most {COUNT} dead properties of {BYTES} bytes together");
        return Err(Error::invalid("set_dead", message));
    }
    write_all(tx, &collection, object.num, before.len(), &after)?;
    tx.execute(
        "UPDATE object SET seq = $3 WHERE coll = $1 AND name = $2",
        args![object.coll, name, collection.seq],
    )?;
    Ok(())
}

/// Removes those of an object that goes.
pub(super) fn clear(tx: &mut Tx<'_>, collection: &Collection, object: &Object) -> Result<()> {
    let gone = tx.execute(
        "DELETE FROM object_property WHERE coll = $1 AND object = $2",
        args![collection.num, object.num],
    )?;
    count(tx, collection.num, -i64::try_from(gone).unwrap_or(i64::MAX))
}

/// Makes those of an object these: after a copy, or when it was overwritten by another one (RFC 4918 section 9.8.2).
pub(super) fn replace(
    tx: &mut Tx<'_>,
    collection: &Collection,
    object: &Object,
    new: &[Property],
) -> Result<()> {
    let before = of(tx, collection.num, object.num)?.len();
    if before == 0 && new.is_empty() {
        return Ok(());
    }
    write_all(tx, collection, object.num, before, new)
}

/// Takes those of an object along into another collection.
pub(super) fn carry(tx: &mut Tx<'_>, object: &Object, to: i64) -> Result<()> {
    let sql = "UPDATE object_property SET coll = $3 WHERE coll = $1 AND object = $2";
    let moved = i64::try_from(tx.execute(sql, args![object.coll, object.num, to])?).unwrap_or(i64::MAX);
    count(tx, object.coll, -moved)?;
    count(tx, to, moved)
}

fn write_all(
    tx: &mut Tx<'_>,
    collection: &Collection,
    object: i64,
    before: usize,
    new: &[Property],
) -> Result<()> {
    tx.execute("DELETE FROM object_property WHERE coll = $1 AND object = $2", args![collection.num, object])?;
    for property in new {
        tx.execute(
            "INSERT INTO object_property (coll, object, namespace, name, value, language) VALUES ($1, $2, $3, $4, $5, $6)",
            args![collection.num, object, &property.namespace, &property.name, &property.value, &property.language],
        )?;
    }
    count(tx, collection.num, new.len() as i64 - before as i64)
}

fn count(tx: &mut Tx<'_>, coll: i64, by: i64) -> Result<()> {
    if by != 0 {
        let sql = "UPDATE collection SET object_properties = object_properties + $2 WHERE num = $1";
        tx.execute(sql, args![coll, by])?;
    }
    Ok(())
}
