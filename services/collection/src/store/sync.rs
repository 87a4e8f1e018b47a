//! What changed since a number: objects and tombstones merged in the order of their change numbers (RFC 6578).
//! Called by `rpc`.

use kontor_kit::db::Conn;
use kontor_kit::{Error, Result, args};

use crate::model::{Collection, Object};
use crate::store::object;

/// One change: an object as it stands, or the name of one that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// New or changed.
    Present(Box<Object>),
    /// Deleted: its name and change number.
    Gone(String, i64),
}

impl Step {
    /// Its change number.
    pub fn seq(&self) -> i64 {
        match self {
            Step::Present(object) => object.seq,
            Step::Gone(_, seq) => *seq,
        }
    }

    /// The object, unless it is gone.
    pub fn object(&self) -> Option<&Object> {
        match self {
            Step::Present(object) => Some(object),
            Step::Gone(..) => None,
        }
    }
}

/// Checks that a sync can start from the number; -1 starts the first one.
///
/// # Errors
/// FAILED_PRECONDITION with reason VALID_SYNC_TOKEN when the collection has another id, never had the number, or forgot it.
pub fn check(collection: &Collection, collection_id: &str, since: i64) -> Result<()> {
    if since == -1 {
        return Ok(());
    }
    let known = since >= collection.floor_seq && since <= collection.seq;
    if known && collection_id == collection.id {
        return Ok(());
    }
    Err(Error::precondition("VALID_SYNC_TOKEN", "this sync token is unknown or too old: sync from the start"))
}

/// Changes behind `after` up to `until`, in order, at most `limit`. A first sync has no use for what is gone.
///
/// # Errors
/// Those of the database.
pub fn changes(
    conn: &mut Conn<'_>,
    coll: i64,
    after: i64,
    until: i64,
    first: bool,
    limit: i64,
) -> Result<Vec<Step>> {
    let columns = object::COLUMNS;
    let present = format!(
        "SELECT {columns}, CAST(0 AS BIGINT) FROM object o WHERE o.coll = $1 AND o.seq > $2 AND o.seq <= $3"
    );
    if first {
        let sql = format!("{present} ORDER BY o.seq LIMIT $4");
        return conn.all(&sql, args![coll, after, until, limit], |row| {
            Ok(Step::Present(Box::new(object::read(row)?)))
        });
    }
    let sql = format!(
        "{present} UNION ALL
         SELECT 0, coll, '', name, '', '', '', '', seq, 0, 0, 0, CAST(1 AS BIGINT) FROM tombstone
         WHERE coll = $1 AND seq > $2 AND seq <= $3
         ORDER BY 9 LIMIT $4"
    );
    conn.all(&sql, args![coll, after, until, limit], |row| {
        Ok(if row.bool(12)? {
            Step::Gone(row.string(3)?, row.int(8)?)
        } else {
            Step::Present(Box::new(object::read(row)?))
        })
    })
}

/// Reads the bodies of the changes that are there. See `object::cut` for how many.
///
/// # Errors
/// INTERNAL when one is gone.
pub fn load(conn: &mut Conn<'_>, steps: &mut [Step]) -> Result<()> {
    let objects = steps.iter_mut().filter_map(|step| match step {
        Step::Present(object) => Some(&mut **object),
        Step::Gone(..) => None,
    });
    object::load(conn, objects)
}
