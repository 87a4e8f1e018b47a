//! Collections that show objects of another one: a book of partners that are in a segment. Who is shown stands in `shown_member`, each with a change number of its own,
//! so sync tokens, tombstones and ETags are as everywhere; bytes, ETag and UID are those of the object, which is kept once (ADR 26).
//! Written by the service that says who is shown, and by the writes of this folder when a shown object changes; read through `rows`.
//!
//! The row numbers of such collections are below 0: by that every statement knows where its rows stand. All writes go to the objects' collection first and to these then, in the
//! order of their numbers.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, args};

use crate::model::{Collection, Kind, NOBODY, Target};
use crate::store::collection::{self, New};
use crate::store::write::{self, MAX_TOMBSTONES};

/// The relation with the columns of `object` for what is in a collection.
pub(super) fn rows(coll: i64) -> &'static str {
    if coll < 0 { "shown" } else { "object" }
}

/// The collection whose objects one shows; the same one for all others. None when it shows nothing.
///
/// # Errors
/// Those of the database.
pub(super) fn source(conn: &mut Conn<'_>, coll: i64) -> Result<Option<i64>> {
    if coll >= 0 {
        return Ok(Some(coll));
    }
    let sql = "SELECT o.coll FROM shown_member m JOIN object o ON o.num = m.object WHERE m.coll = $1 LIMIT 1";
    conn.one(sql, args![coll], |row| row.int(0))
}

/// The collection of that slug that shows others; made when there is none. `grantee` reads it: "teams/{team}", or `COMPANY` for everyone.
///
/// # Errors
/// INVALID_ARGUMENT for a bad slug.
pub fn ensure(tx: &mut Tx<'_>, slug: &str, display_name: &str, grantee: &str) -> Result<Collection> {
    let target = Target::path(NOBODY, slug);
    if let Some(found) = collection::by_target(tx, &target)? {
        return Ok(found);
    }
    let made = collection::ensure(tx, &New::named(NOBODY, slug, Kind::Shown, display_name))?;
    let lowest = "(SELECT COALESCE(MIN(num), 0) - 1 FROM collection WHERE num < 0)";
    tx.execute(&format!("UPDATE collection SET num = {lowest}, shares = 1 WHERE num = $1"), args![made.num])?;
    let made = collection::by_target(tx, &target)?.ok_or_else(|| Error::not_found(&target))?;
    let now = tx.now();
    tx.execute(
        "INSERT INTO share (coll, grantee, level, create_time) VALUES ($1, $2, 1, $3)",
        args![made.num, grantee, now],
    )?;
    Ok(made)
}

/// Sets its name and its text for people.
///
/// # Errors
/// Those of the database.
pub fn describe(
    tx: &mut Tx<'_>,
    collection: &Collection,
    display_name: &str,
    description: &str,
) -> Result<()> {
    if collection.display_name == display_name && collection.description == description {
        return Ok(());
    }
    let now = tx.now();
    let sql = "UPDATE collection SET display_name = $2, description = $3, update_time = $4, seq = seq + 1 WHERE num = $1";
    tx.execute(sql, args![collection.num, display_name, description, now]).map(|_| ())
}

/// Shows these objects, by their ids, of a collection; those that are not there are passed over.
///
/// # Errors
/// NOT_FOUND when there is no such collection.
pub fn join(tx: &mut Tx<'_>, coll: i64, of: &Target, ids: &[String]) -> Result<()> {
    // No card may go between the look and the commit.
    let source = collection::locked(tx, of)?.ok_or_else(|| Error::not_found(of))?;
    for id in ids {
        let sql = "SELECT num FROM object WHERE id = $1 AND coll = $2
             AND NOT EXISTS (SELECT 1 FROM shown_member WHERE shown_member.coll = $3 AND object = num)";
        let Some(object) = tx.one(sql, args![id, source.num, coll], |row| row.int(0))? else { continue };
        let seq = raise(tx, coll, 1)?;
        // Its own name: the one in the other collection may be given to another object later.
        let name = format!("{id}.vcf");
        tx.execute(
            "INSERT INTO shown_member (coll, object, name, seq) VALUES ($1, $2, $3, $4)",
            args![coll, object, &name, seq],
        )?;
        tx.execute("DELETE FROM tombstone WHERE coll = $1 AND name = $2", args![coll, name])?;
    }
    Ok(())
}

/// Shows these objects no more, by their ids; each leaves a tombstone.
///
/// # Errors
/// Those of the database.
pub fn leave(tx: &mut Tx<'_>, coll: i64, ids: &[String]) -> Result<()> {
    for id in ids {
        take(tx, coll, &format!("{id}.vcf"))?;
    }
    Ok(())
}

/// Shows nothing any more.
///
/// # Errors
/// Those of the database.
pub fn clear(tx: &mut Tx<'_>, coll: i64) -> Result<()> {
    let sql = "SELECT name FROM shown_member WHERE coll = $1 ORDER BY name";
    for name in tx.all(sql, args![coll], |row| row.string(0))? {
        take(tx, coll, &name)?;
    }
    Ok(())
}

/// Removes a collection that shows others, with all that belongs to it.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, slug: &str) -> Result<()> {
    let Some(found) = collection::by_target(tx, &Target::path(NOBODY, slug))? else { return Ok(()) };
    for table in ["shown_member", "tombstone", "dead_property", "share", "share_view", "push_registration"] {
        tx.execute(&format!("DELETE FROM {table} WHERE coll = $1"), args![found.num])?;
    }
    tx.execute("DELETE FROM collection WHERE num = $1", args![found.num]).map(|_| ())
}

/// A shown object has other bytes: it has changed wherever it is shown.
pub(super) fn changed(tx: &mut Tx<'_>, collection: &Collection, object: i64) -> Result<()> {
    for (coll, _) in showing(tx, collection, object)? {
        let seq = raise(tx, coll, 0)?;
        let sql = "UPDATE shown_member SET seq = $3 WHERE coll = $1 AND object = $2";
        tx.execute(sql, args![coll, object, seq])?;
    }
    Ok(())
}

/// An object goes from its collection: it is shown nowhere any more.
pub(super) fn gone(tx: &mut Tx<'_>, collection: &Collection, object: i64) -> Result<()> {
    for (coll, name) in showing(tx, collection, object)? {
        take(tx, coll, &name)?;
    }
    Ok(())
}

/// Where an object is shown. Only what belongs to everyone is.
fn showing(tx: &mut Tx<'_>, collection: &Collection, object: i64) -> Result<Vec<(i64, String)>> {
    if !collection.is_company() {
        return Ok(Vec::new());
    }
    let sql = "SELECT coll, name FROM shown_member WHERE object = $1 ORDER BY coll";
    tx.all(sql, args![object], |row| Ok((row.int(0)?, row.string(1)?)))
}

fn take(tx: &mut Tx<'_>, coll: i64, name: &str) -> Result<()> {
    let sql = "DELETE FROM shown_member WHERE coll = $1 AND name = $2";
    if tx.execute(sql, args![coll, name])? == 0 {
        return Ok(());
    }
    let (seq, now) = (raise(tx, coll, -1)?, tx.now());
    tx.execute(
        "INSERT INTO tombstone (coll, name, seq, time) VALUES ($1, $2, $3, $4)",
        args![coll, name, seq, now],
    )?;
    if seq % 1_000 == 0 { write::prune(tx, coll, MAX_TOMBSTONES) } else { Ok(()) }
}

/// The next change number, with so many objects more.
fn raise(tx: &mut Tx<'_>, coll: i64, more: i64) -> Result<i64> {
    let sql =
        "UPDATE collection SET seq = seq + 1, object_count = object_count + $2 WHERE num = $1 RETURNING seq";
    tx.one(sql, args![coll, more], |row| row.int(0))?
        .ok_or_else(|| Error::internal("a collection that shows others is gone"))
}
