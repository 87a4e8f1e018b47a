//! Background work: the window of kept occurrences rolls on with time, and old tombstones are given up.
//! Started by the services beside `rpc::Server`. Nothing depends on it: a query looks into what the window does not hold.

use std::time::Duration;

use kontor_kit::context::Context;
use kontor_kit::db::{Conn, Db};
use kontor_kit::{Result, args};
use kontor_vobject::ical::CalendarObject;
use kontor_vobject::{Document, Limits};

use crate::index::Index;
use crate::model::Object;
use crate::store::{object, occurrence, write};

const DAY: i64 = 86_400 * 1_000_000;
/// Objects taken in one go.
const BATCH: i64 = 20;
/// A window that reaches less far than this is made anew.
const REACH: i64 = 200 * DAY;
/// How long a deletion is told to clients that come back.
const KEEP: i64 = 365 * DAY;

/// Does the work an hour after the start and then every day, for as long as the process runs.
pub fn start(context: &Context, db: &Db) {
    let db = db.clone();
    context.spawn(async move {
        let mut pause = Duration::from_secs(3_600);
        loop {
            tokio::time::sleep(pause).await;
            pause = Duration::from_secs(86_400);
            if let Err(cause) = run(&db).await {
                tracing::warn!(cause = %cause, "collections were not tidied up");
            }
        }
    });
}

/// Rolls all windows on and forgets tombstones older than a year.
///
/// # Errors
/// Those of the database.
pub async fn run(db: &Db) -> Result<()> {
    let now = db.clock().now();
    let mut after = 0;
    while let Some(last) = roll(db, now, after).await? {
        after = last;
    }
    forget(db).await
}

/// Expands a few long series anew, those behind the number `after`. Returns the last one's number. Reading and unfolding
/// is left to a reader, so that the writer is free meanwhile; what was changed in between is passed over.
async fn roll(db: &Db, now: i64, after: i64) -> Result<Option<i64>> {
    let read = db.read(move |conn| {
        // A series that ended has no later occurrences to be kept.
        let sql =
            "SELECT num FROM object WHERE partial = 1 AND comp <> 'VCARD' AND num > $1 AND expanded_to < $2
                   AND last_utc > expanded_to AND expanded_to > $3 ORDER BY num LIMIT $4";
        let nums = conn.all(sql, args![after, now + REACH, i64::MIN, BATCH], |row| row.int(0))?;
        let mut rolled = Vec::new();
        for num in &nums {
            rolled.extend(unfold(conn, *num, now)?);
        }
        Ok((nums.last().copied(), rolled))
    });
    let (last, rolled) = read.await?;
    if !rolled.is_empty() {
        db.write(move |tx| {
            for (object, index) in &rolled {
                if write::update_index(tx, object, index)? {
                    occurrence::write(tx, object, index, true)?;
                }
            }
            Ok(())
        })
        .await?;
    }
    Ok(last)
}

/// An object with its index of today; none when it is gone or can't be read any more.
fn unfold(conn: &mut Conn<'_>, num: i64, now: i64) -> Result<Option<(Object, Index)>> {
    let Some(object) = object::by_num(conn, num)? else { return Ok(None) };
    let data = object::data(conn, num)?;
    let Ok(document) = Document::parse(&data, &Limits::default()) else { return Ok(None) };
    let Ok(read) = CalendarObject::read(&document) else { return Ok(None) };
    Ok(Index::calendar(&document, &read, now).ok().map(|index| (object, index)))
}

/// Forgets old tombstones, collection by collection.
async fn forget(db: &Db) -> Result<()> {
    db.write(|tx| {
        let sql =
            "SELECT coll, MAX(seq) FROM tombstone WHERE time < $1 GROUP BY coll ORDER BY coll LIMIT 1000";
        let before = tx.now() - KEEP;
        let old = tx.all(sql, args![before], |row| Ok((row.int(0)?, row.int(1)?)))?;
        old.into_iter().try_for_each(|(coll, floor)| write::forget(tx, coll, floor))
    })
    .await
}
