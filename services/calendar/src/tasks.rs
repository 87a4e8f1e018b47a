//! Background work: partners of meetings whose addresses could not be looked up when they were written.
//! Started by `start`. The window of occurrences is rolled on by the engine's own task.

use std::time::Duration;

use kontor_collection::Target;
use kontor_collection::store::{collection, object};
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db, Tx};
use kontor_kit::{Result, args};

use crate::events::{self, Meeting};
use crate::hook::CalendarHooks;
use crate::schedule::partners::is_copy;
use crate::store::items::{self, With};
use crate::store::pending::{self, Waiting};

/// Objects and partners worked off in one go.
const BATCH: i64 = 100;
/// How often we look for what is due when nobody wakes us.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long the directory may take for one object.
const PATIENCE: Duration = Duration::from_secs(30);

/// Works off what waits for the directory, for as long as the process runs.
pub async fn work_off(db: Db, hooks: CalendarHooks) {
    loop {
        match work_off_once(&db, &hooks).await {
            Ok(0) => {
                let _ = tokio::time::timeout(LOOK_AGAIN, hooks.wake.notified()).await;
            }
            Ok(_) => {}
            Err(cause) => {
                tracing::warn!(cause = %cause, "meetings wait for their partners");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// How many were done.
async fn work_off_once(db: &Db, hooks: &CalendarHooks) -> Result<usize> {
    let now = hooks.clock.now();
    let (objects, partners) = db
        .read(move |conn| {
            Ok((pending::due_objects(conn, now, BATCH)?, pending::due_partners(conn, now, BATCH)?))
        })
        .await?;
    let mut done = 0;
    let mut late_partners = Vec::new();
    for partner in partners {
        // A directory that is silent is asked once in a round, not a hundred times, each with its own patience.
        let answer = if late_partners.is_empty() { hooks.directory.addresses(&partner).await } else { None };
        match answer {
            None => late_partners.push(partner),
            Some(addresses) => {
                db.write(move |tx| pending::done_partner(tx, &partner, &addresses)).await?;
                done += 1;
            }
        }
    }
    let mut late_objects = Vec::new();
    for waiting in objects {
        match hooks.directory.find_soon(&waiting.addresses, PATIENCE).await {
            None => late_objects.push(waiting.object),
            Some(found) => {
                let hooks = hooks.clone();
                db.write(move |tx| settle(tx, &hooks, &waiting, &found)).await?;
                done += 1;
            }
        }
    }
    if !late_objects.is_empty() || !late_partners.is_empty() {
        db.write(move |tx| pending::later(tx, &late_objects, &late_partners)).await?;
    }
    Ok(done)
}

/// Gives an object the partners that were found, unless it was changed meanwhile; then it stays in the queue or was looked up anew.
fn settle(tx: &mut Tx<'_>, hooks: &CalendarHooks, waiting: &Waiting, found: &[With]) -> Result<()> {
    // Locks the collection's row as every write does, so that no write slips in between on PostgreSQL.
    let Some(place) = place(tx, waiting.object)? else { return Ok(()) };
    if pending::etag(tx, waiting.object)?.as_deref() != Some(waiting.etag.as_str()) {
        return Ok(());
    }
    pending::done_object(tx, waiting.object)?;
    let Some(collection) = collection::by_target(tx, &Target::id(&place.collection))? else { return Ok(()) };
    let data = object::data(tx, waiting.object)?;
    let found = if is_copy(tx, &collection, &data)? { &[] } else { found };
    let before = items::before(tx, waiting.object)?;
    let mut with: Vec<With> = before.with.iter().filter(|(_, address)| address.is_empty()).cloned().collect();
    with.extend(found.iter().cloned());
    items::remove_partners(tx, waiting.object)?;
    items::write_partners(tx, waiting.object, &with)?;
    let after = items::before(tx, waiting.object)?.partners;
    let meeting = Meeting {
        collection: &collection,
        object: &place.id,
        actor: Caller::system().name(),
        summary: &before.told,
        start: hooks.start(tx, &collection, place.start, place.floating)?,
    };
    events::publish(tx, &meeting, &before.partners, &after, false);
    Ok(())
}

struct Place {
    id: String,
    collection: String,
    start: i64,
    floating: bool,
}

fn place(conn: &mut Conn<'_>, object: i64) -> Result<Option<Place>> {
    let lock = if conn.is_postgres() { " FOR UPDATE OF c" } else { "" };
    let sql = format!(
        "SELECT o.id, c.id, i.start_utc, i.floating FROM item i JOIN object o ON o.num = i.object
         JOIN collection c ON c.num = i.coll WHERE i.object = $1{lock}"
    );
    conn.one(&sql, args![object], |row| {
        Ok(Place {
            id: row.string(0)?,
            collection: row.string(1)?,
            start: row.int(2)?,
            floating: row.bool(3)?,
        })
    })
}
