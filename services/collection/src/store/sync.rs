//! What changed since a number: objects and tombstones merged in the order of their change numbers (RFC 6578).
//! Called by `rpc`.

use kontor_kit::db::Conn;
use kontor_kit::{Error, Result, args};

use crate::model::{Collection, Object};
use crate::store::object;
use crate::store::shown::rows;

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

/// How far a client is, and how far it can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// The collection's row.
    pub coll: i64,
    /// What is told up to now.
    pub at: i64,
    /// The collection's number: what comes behind it the next sync tells.
    pub until: i64,
    /// The collection's number when the client's first sync began. What was gone by then the client has never seen.
    pub first_until: i64,
}

impl Course {
    /// Begins behind a client's number; -1 is a first sync. `first_until` goes with the number of a first sync that was cut off.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason VALID_SYNC_TOKEN when the collection has another id, never had the number, or forgot what
    /// was removed behind it.
    pub fn begin(
        collection: &Collection,
        collection_id: &str,
        since: i64,
        first_until: i64,
    ) -> Result<Course> {
        let course = Course { coll: collection.num, at: since, until: collection.seq, first_until };
        if since == -1 {
            return Ok(Course { first_until: collection.seq, ..course });
        }
        let known = since >= 0 && since <= collection.seq && first_until <= collection.seq;
        if known && course.gone_after() >= collection.floor_seq && collection_id == collection.id {
            return Ok(course);
        }
        Err(Error::precondition(
            "VALID_SYNC_TOKEN",
            "this sync token is unknown or too old: sync from the start",
        ))
    }

    /// Behind which number the client wants to hear of what is gone.
    pub fn gone_after(&self) -> i64 {
        self.at.max(self.first_until)
    }

    /// Whether there may be something gone to tell.
    pub fn tells_gone(&self) -> bool {
        self.gone_after() < self.until
    }

    /// What goes into the token of an answer that is cut off here: 0 once the first sync is over.
    pub fn cut_off(&self) -> i64 {
        if self.at < self.first_until { self.first_until } else { 0 }
    }
}

/// Changes of a course in order, at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn changes(conn: &mut Conn<'_>, course: &Course, limit: i64) -> Result<Vec<Step>> {
    let Course { coll, at: after, until, .. } = *course;
    let (columns, rows) = (object::COLUMNS, rows(coll));
    let present = format!(
        "SELECT {columns}, CAST(0 AS BIGINT) FROM {rows} o WHERE o.coll = $1 AND o.seq > $2 AND o.seq <= $3"
    );
    if !course.tells_gone() {
        let sql = format!("{present} ORDER BY o.seq LIMIT $4");
        return conn.all(&sql, args![coll, after, until, limit], |row| {
            Ok(Step::Present(Box::new(object::read(row)?)))
        });
    }
    let sql = format!(
        "{present} UNION ALL
         SELECT 0, coll, '', name, '', '', '', '', seq, 0, 0, 0, CAST(1 AS BIGINT) FROM tombstone
         WHERE coll = $1 AND seq > $5 AND seq <= $3
         ORDER BY 9 LIMIT $4"
    );
    conn.all(&sql, args![coll, after, until, limit, course.gone_after()], |row| {
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
