//! What the directory was told of the books of segments. Written after it answered, so a difference is told again after a crash, which changes nothing there.
//! Called by books.rs.

use std::collections::BTreeMap;

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, args};
use roaring::RoaringBitmap;

/// The book of a segment, as far as it was told.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Version of the definition whose texts it has.
    pub version: i64,
    /// Whether the segment is too large for a book.
    pub large: bool,
    /// Who is in it.
    pub members: RoaringBitmap,
}

/// All of them, by the ids of their segments.
///
/// # Errors
/// Those of the database.
pub fn all(conn: &mut Conn<'_>) -> Result<BTreeMap<String, Book>> {
    let sql = "SELECT segment, version, large, bits FROM segment_book ORDER BY segment";
    let rows = conn.all(sql, &[], |row| {
        let members = RoaringBitmap::deserialize_from(row.bytes(3)?).map_err(Error::internal)?;
        Ok((row.string(0)?, Book { version: row.int(1)?, large: row.bool(2)?, members }))
    })?;
    Ok(rows.into_iter().collect())
}

/// Notes what was told.
///
/// # Errors
/// Those of the database.
pub fn put(tx: &mut Tx<'_>, segment: &str, book: &Book) -> Result<()> {
    let mut bits = Vec::with_capacity(book.members.serialized_size());
    book.members.serialize_into(&mut bits).map_err(Error::internal)?;
    tx.execute(
        "INSERT INTO segment_book (segment, version, large, bits) VALUES ($1, $2, $3, $4)
         ON CONFLICT (segment) DO UPDATE SET version = excluded.version, large = excluded.large, bits = excluded.bits",
        args![segment, book.version, book.large, bits],
    )
    .map(|_| ())
}

/// Forgets a book that was taken away.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, segment: &str) -> Result<()> {
    tx.execute("DELETE FROM segment_book WHERE segment = $1", args![segment]).map(|_| ())
}

/// A partner whose card the directory took out of all books by itself. `turn` grows each time, so that one that comes while it is told is not lost.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    /// The partner's number.
    pub ord: u32,
    /// See above.
    pub turn: i64,
}

/// Books that have a partner are to be told so again.
///
/// # Errors
/// Those of the database.
pub fn tell_again(tx: &mut Tx<'_>, ord: u32) -> Result<()> {
    let sql = "INSERT INTO segment_book_again (ord, turn) VALUES ($1, 1)
         ON CONFLICT (ord) DO UPDATE SET turn = segment_book_again.turn + 1";
    tx.execute(sql, args![ord]).map(|_| ())
}

/// Who is to be told again, at most so many.
///
/// # Errors
/// Those of the database.
pub fn again(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Again>> {
    let sql = "SELECT ord, turn FROM segment_book_again ORDER BY ord LIMIT $1";
    conn.all(sql, args![limit], |row| {
        Ok(Again { ord: u32::try_from(row.int(0)?).map_err(Error::internal)?, turn: row.int(1)? })
    })
}

/// They were told again, but for those that went away meanwhile.
///
/// # Errors
/// Those of the database.
pub fn told_again(tx: &mut Tx<'_>, all: &[Again]) -> Result<()> {
    for one in all {
        let sql = "DELETE FROM segment_book_again WHERE ord = $1 AND turn = $2";
        tx.execute(sql, args![one.ord, one.turn])?;
    }
    Ok(())
}
