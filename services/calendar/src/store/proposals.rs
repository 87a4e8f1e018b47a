//! Open counter-proposals of guests, beside the organizer's objects.
//! Called by schedule/counter.rs and rpc/proposals.rs.

use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::{Error, Result, args};

/// Open proposals of one event at most.
const OF_EVENT: i64 = 100;
/// Open proposals of one guest for one event at most.
const OF_GUEST: i64 = 20;
const COLUMNS: &str = "id, object, attendee, instance, sequence, message, create_time";

/// How "all of the meeting" is kept.
pub(super) const ALL: i64 = i64::MIN;

/// An open proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Id.
    pub id: String,
    /// Number of the organizer's object.
    pub object: i64,
    /// Address of the guest.
    pub attendee: String,
    /// Seconds UTC of the instance; none for all of the meeting.
    pub instance: Option<i64>,
    /// SEQUENCE of what the guest had seen.
    pub sequence: i64,
    /// The COUNTER.
    pub message: Vec<u8>,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
}

/// Keeps a proposal. An earlier one of the same guest for the same instance goes.
///
/// # Errors
/// FAILED_PRECONDITION with reason TOO_MANY_PROPOSALS.
pub fn add(tx: &mut Tx<'_>, new: &Kept) -> Result<()> {
    let instance = new.instance.unwrap_or(ALL);
    tx.execute(
        "DELETE FROM proposal WHERE object = $1 AND attendee = $2 AND instance = $3",
        args![new.object, &new.attendee, instance],
    )?;
    let sql = "SELECT COUNT(*), COALESCE(SUM(CASE WHEN attendee = $2 THEN 1 ELSE 0 END), 0) FROM proposal WHERE object = $1";
    let counts = tx.one(sql, args![new.object, &new.attendee], |row| Ok((row.int(0)?, row.int(1)?)))?;
    let (all, own) = counts.unwrap_or_default();
    if all >= OF_EVENT || own >= OF_GUEST {
        let message = format!("{OF_GUEST} of one guest and {OF_EVENT} of an event may be open");
        return Err(Error::precondition("TOO_MANY_PROPOSALS", message));
    }
    tx.execute(
        "INSERT INTO proposal (object, attendee, instance, id, sequence, message, create_time) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![new.object, &new.attendee, instance, &new.id, new.sequence, &new.message[..], new.create_time],
    )?;
    Ok(())
}

/// Those of an object, oldest first.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Conn<'_>, object: i64) -> Result<Vec<Kept>> {
    let sql = format!("SELECT {COLUMNS} FROM proposal WHERE object = $1 ORDER BY create_time, id");
    conn.all(&sql, args![object], read)
}

/// One of an object by its id.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Conn<'_>, object: i64, id: &str) -> Result<Option<Kept>> {
    conn.one(
        &format!("SELECT {COLUMNS} FROM proposal WHERE object = $1 AND id = $2"),
        args![object, id],
        read,
    )
}

/// Ends one. False when it had ended before.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, kept: &Kept) -> Result<bool> {
    let gone =
        tx.execute("DELETE FROM proposal WHERE object = $1 AND id = $2", args![kept.object, &kept.id])?;
    Ok(gone > 0)
}

/// Ends all of an object.
///
/// # Errors
/// Those of the database.
pub fn clear(tx: &mut Tx<'_>, object: i64) -> Result<()> {
    tx.execute("DELETE FROM proposal WHERE object = $1", args![object])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Kept> {
    Ok(Kept {
        id: row.string(0)?,
        object: row.int(1)?,
        attendee: row.string(2)?,
        instance: Some(row.int(3)?).filter(|instance| *instance != ALL),
        sequence: row.int(4)?,
        message: row.bytes(5)?.to_vec(),
        create_time: row.int(6)?,
    })
}
