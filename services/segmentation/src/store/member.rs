//! Memberships in the database: chunks of bitmaps, what changed since, sizes and their history by days of the installation.
//! Called by the engine; read by rpc/size.rs.

use std::collections::BTreeMap;

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, args};
use roaring::RoaringBitmap;

use crate::domain::membership::chunk;

/// From so many changes beside the chunks of a segment on the chunks are written anew.
pub const DELTAS: usize = 2_000;

/// The members that are written for a segment.
///
/// # Errors
/// Those of the database.
pub fn stored(conn: &mut Conn<'_>, segment: &str) -> Result<RoaringBitmap> {
    let mut members = RoaringBitmap::new();
    let sql = "SELECT chunk, bits FROM member_chunk WHERE segment = $1 ORDER BY chunk";
    conn.each(sql, args![segment], |row| {
        let key = u32::try_from(row.int(0)?).map_err(Error::internal)?;
        chunk::read(key, row.bytes(1)?, &mut members).map_err(Error::internal)
    })?;
    conn.each("SELECT ord, joined FROM member_delta WHERE segment = $1", args![segment], |row| {
        let ord = u32::try_from(row.int(0)?).map_err(Error::internal)?;
        if row.bool(1)? {
            members.insert(ord)
        } else {
            members.remove(ord)
        };
        Ok(())
    })?;
    Ok(members)
}

/// Segments for which something is written.
///
/// # Errors
/// Those of the database.
pub fn segments(conn: &mut Conn<'_>) -> Result<Vec<String>> {
    conn.all("SELECT segment FROM segment_count ORDER BY segment", &[], |row| row.string(0))
}

/// Writes that single partners joined or left, the last of a partner being what counts, and the size after that.
///
/// # Errors
/// Those of the database.
pub fn flip(tx: &mut Tx<'_>, segment: &str, day: &str, flips: &[(u32, bool)], size: u64) -> Result<()> {
    // PostgreSQL does not take the same key twice in one statement.
    let last: BTreeMap<u32, bool> = flips.iter().copied().collect();
    let rows: Vec<_> = last.iter().map(|(ord, joined)| args![segment, *ord, *joined].to_vec()).collect();
    tx.insert_many(
        "member_delta",
        "segment, ord, joined",
        rows.into_iter(),
        "ON CONFLICT (segment, ord) DO UPDATE SET joined = excluded.joined",
    )?;
    let joined = flips.iter().filter(|(_, joined)| *joined).count() as u64;
    note_size(tx, segment, day, size, joined, flips.len() as u64 - joined)
}

/// How many changes stand beside the chunks of a segment. It looks at each of them.
///
/// # Errors
/// Those of the database.
pub fn beside(conn: &mut Conn<'_>, segment: &str) -> Result<usize> {
    let sql = "SELECT COUNT(*) FROM member_delta WHERE segment = $1";
    usize::try_from(conn.one(sql, args![segment], |row| row.int(0))?.unwrap_or(0)).map_err(Error::internal)
}

/// Writes all members anew, of whom so many joined, and that so many left.
///
/// # Errors
/// Those of the database.
pub fn replace(
    tx: &mut Tx<'_>,
    segment: &str,
    day: &str,
    (joined, left): (u64, u64),
    members: &RoaringBitmap,
) -> Result<()> {
    write(tx, segment, members)?;
    note_size(tx, segment, day, members.len(), joined, left)
}

/// Writes the chunks that differ from what is there.
///
/// # Errors
/// Those of the database.
pub fn write(tx: &mut Tx<'_>, segment: &str, members: &RoaringBitmap) -> Result<()> {
    let there = stored(tx, segment)?;
    let sql = "SELECT DISTINCT ord FROM member_delta WHERE segment = $1";
    let deltas = tx.all(sql, args![segment], |row| u32::try_from(row.int(0)?).map_err(Error::internal))?;
    let mut keys: Vec<u32> = chunk::keys(&(&there ^ members));
    keys.extend(deltas.into_iter().map(chunk::key));
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let bytes = chunk::write(members, key);
        let sql = "INSERT INTO member_chunk (segment, chunk, bits) VALUES ($1, $2, $3)
             ON CONFLICT (segment, chunk) DO UPDATE SET bits = excluded.bits";
        tx.execute(sql, args![segment, key, bytes])?;
    }
    tx.execute("DELETE FROM member_delta WHERE segment = $1", args![segment]).map(|_| ())
}

/// A segment has no members any more, and no size.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, segment: &str) -> Result<()> {
    tx.execute("DELETE FROM member_chunk WHERE segment = $1", args![segment])?;
    tx.execute("DELETE FROM member_delta WHERE segment = $1", args![segment])?;
    tx.execute("DELETE FROM segment_count WHERE segment = $1", args![segment]).map(|_| ())
}

/// Notes the size, now and at the end of a day.
fn note_size(tx: &mut Tx<'_>, segment: &str, day: &str, size: u64, joined: u64, gone: u64) -> Result<()> {
    let (size, joined, gone) = (size as i64, joined as i64, gone as i64);
    tx.execute(
        "INSERT INTO segment_count (segment, size) VALUES ($1, $2) ON CONFLICT (segment) DO UPDATE SET size = excluded.size",
        args![segment, size],
    )?;
    tx.execute(
        "INSERT INTO segment_size (segment, day, size, joined, gone) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (segment, day) DO UPDATE SET size = excluded.size, joined = segment_size.joined + excluded.joined,
             gone = segment_size.gone + excluded.gone",
        args![segment, day, size, joined, gone],
    )?;
    Ok(())
}

/// What the size was at the end of a day on which something changed.
#[derive(Clone, Debug)]
pub struct Size {
    /// "2026-11-30"
    pub day: String,
    /// Members.
    pub size: i64,
    /// Partners that joined.
    pub joined: i64,
    /// Partners that left.
    pub gone: i64,
}

/// Sizes of a segment up to a day, that one too; in order, from the last change before `from` on.
///
/// # Errors
/// Those of the database.
pub fn sizes(conn: &mut Conn<'_>, segment: &str, from: &str, until: &str) -> Result<Vec<Size>> {
    let sql = "SELECT day, size, joined, gone FROM segment_size WHERE segment = $1 AND day <= $3 AND day >= COALESCE(
         (SELECT MAX(day) FROM segment_size WHERE segment = $1 AND day < $2), $2) ORDER BY day";
    conn.all(sql, args![segment, from, until], |row| {
        Ok(Size { day: row.string(0)?, size: row.int(1)?, joined: row.int(2)?, gone: row.int(3)? })
    })
}
