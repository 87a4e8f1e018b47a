//! Files that are attached to objects, and which objects use them (RFC 8607). A file that no object uses is gone.
//! Called by attach.rs with every write of an object that has some, and by rpc/attachments.rs.

use bytes::Bytes;
use kontor_collection::store::{collection, share};
use kontor_collection::{COMPANY, Target};
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::{Result, args};

use crate::domain::attachment::Attachment;

const COLUMNS: &str = "a.id, a.owner, a.filename, a.media_type, a.size, a.etag, a.uri, a.create_time";

fn read(row: &Row<'_>) -> Result<Attachment> {
    Ok(Attachment {
        id: row.string(0)?,
        owner: row.string(1)?,
        filename: row.string(2)?,
        media_type: row.string(3)?,
        size: row.int(4)?,
        etag: row.string(5)?,
        uri: row.string(6)?,
        create_time: row.int(7)?,
    })
}

/// A file without its bytes.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<Attachment>> {
    conn.one(&format!("SELECT {COLUMNS} FROM attachment a WHERE a.id = $1"), args![id], read)
}

/// The bytes of a file.
///
/// # Errors
/// Those of the database.
pub fn data(conn: &mut Conn<'_>, id: &str) -> Result<Option<Bytes>> {
    let sql = "SELECT data FROM attachment_body WHERE id = $1";
    conn.one(sql, args![id], |row| Ok(Bytes::copy_from_slice(row.bytes(0)?)))
}

/// The files of an object, oldest first.
///
/// # Errors
/// Those of the database.
pub fn of_object(conn: &mut Conn<'_>, object: i64) -> Result<Vec<Attachment>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM attachment_use u JOIN attachment a ON a.id = u.attachment
         WHERE u.object = $1 ORDER BY a.create_time, a.id"
    );
    conn.all(&sql, args![object], read)
}

/// Whether an object uses a file, or did so before it was taken up in this transaction.
///
/// # Errors
/// Those of the database.
pub fn is_at_hand(conn: &mut Conn<'_>, id: &str, object: Option<i64>) -> Result<bool> {
    let sql = "SELECT 1 FROM attachment_use WHERE attachment = $1 AND (object = $2 OR object < 0) LIMIT 1";
    Ok(conn.one(sql, args![id, object.unwrap_or(0)], |row| row.int(0))?.is_some())
}

/// Whether the caller may read an object that uses the file. What may be read is decided by the engine's rule.
///
/// # Errors
/// Those of the database.
pub fn is_readable(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<bool> {
    let mut args: Vec<Value> =
        vec![id.into(), caller.user.as_str().into(), COMPANY.into(), i64::from(caller.admin).into()];
    let shared = share::condition(&share::grantees(caller), &mut args);
    // Of the copies of a thousand guests only those that the rule may let through are looked at.
    let sql = format!(
        "SELECT c.id FROM attachment_use u JOIN object o ON o.num = u.object JOIN collection c ON c.num = o.coll
         WHERE u.attachment = $1 AND (c.owner IN ($2, $3) OR $4 = 1 OR c.{shared}) GROUP BY c.id"
    );
    for calendar in conn.all(&sql, &args, |row| row.string(0))? {
        if collection::find(conn, caller, &Target::id(calendar)).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Bytes of all files that came to the calendars of an owner.
///
/// # Errors
/// Those of the database.
pub fn total(conn: &mut Conn<'_>, owner: &str) -> Result<i64> {
    // PostgreSQL makes a NUMERIC of a sum of BIGINTs.
    let sql = "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM attachment WHERE owner = $1";
    Ok(conn.one(sql, args![owner], |row| row.int(0))?.unwrap_or(0))
}

/// Keeps a new file for an object, which is written next.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, new: &Attachment, data: &[u8], object: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO attachment (id, owner, filename, media_type, size, etag, uri, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![
            &new.id,
            &new.owner,
            &new.filename,
            &new.media_type,
            new.size,
            &new.etag,
            &new.uri,
            new.create_time
        ],
    )?;
    tx.execute("INSERT INTO attachment_body (id, data) VALUES ($1, $2)", args![&new.id, data])?;
    tx.execute("INSERT INTO attachment_use (attachment, object) VALUES ($1, $2)", args![&new.id, object])?;
    Ok(())
}

/// Says which files an object uses now. One that there is not is passed over.
///
/// # Errors
/// Those of the database.
pub fn set_uses(tx: &mut Tx<'_>, object: i64, ids: &[String]) -> Result<()> {
    let sql = "SELECT attachment, object FROM attachment_use WHERE object = $1 OR object < 0";
    let before = tx.all(sql, args![object], |row| Ok((row.string(0)?, row.int(1)?)))?;
    for id in ids {
        if !before.iter().any(|(known, of)| known == id && *of == object) && lock(tx, id)? {
            let sql = "INSERT INTO attachment_use (attachment, object) VALUES ($1, $2)";
            tx.execute(sql, args![id, object])?;
        }
    }
    for (id, of) in before {
        let wanted = ids.contains(&id);
        // What was taken up waits for its own object: guests' copies may be written before it.
        if if of == object { !wanted } else { wanted } {
            end(tx, &id, of)?;
        }
    }
    Ok(())
}

/// An object is deleted.
///
/// # Errors
/// Those of the database.
pub fn release(tx: &mut Tx<'_>, object: i64) -> Result<()> {
    let sql = "SELECT attachment FROM attachment_use WHERE object = $1 ORDER BY attachment";
    for id in tx.all(sql, args![object], |row| row.string(0))? {
        end(tx, &id, object)?;
    }
    Ok(())
}

/// An object is taken up where it stands and put down elsewhere in this transaction: until then its files are kept.
///
/// # Errors
/// Those of the database.
pub fn carry(tx: &mut Tx<'_>, object: i64) -> Result<()> {
    tx.execute("UPDATE attachment_use SET object = -object WHERE object = $1", args![object])?;
    Ok(())
}

fn end(tx: &mut Tx<'_>, id: &str, object: i64) -> Result<()> {
    lock(tx, id)?;
    tx.execute("DELETE FROM attachment_use WHERE attachment = $1 AND object = $2", args![id, object])?;
    let sql = "DELETE FROM attachment WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM attachment_use WHERE attachment = $1)";
    if tx.execute(sql, args![id])? > 0 {
        tx.execute("DELETE FROM attachment_body WHERE id = $1", args![id])?;
    }
    Ok(())
}

/// Whether there is such a file. On PostgreSQL no other process begins or ends to use it until this transaction is over.
fn lock(tx: &mut Tx<'_>, id: &str) -> Result<bool> {
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT id FROM attachment WHERE id = $1{lock}");
    Ok(tx.one(&sql, args![id], |row| row.string(0))?.is_some())
}
