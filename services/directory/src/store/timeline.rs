//! Histories of partners in the database. A rebuild writes a new generation beside the one that is read, then switches.
//! Called by events.rs and rpc/timeline.rs.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db, Row, Tx};
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::{Error, Result, args};
use kontor_proto::r#type::v1::Event;
use prost::Message;

use super::erasure::is_erased;
use super::merge;
use crate::domain::history::{Change, Entry};

/// Rows deleted in one transaction, so that other writes get their turn.
const CHUNK: i64 = 2_000;

/// One entry as it is read.
pub struct Found {
    /// Id within the partner.
    pub entry: String,
    /// Microseconds since 1970 UTC.
    pub occur_time: i64,
    /// Kind.
    pub kind: String,
    /// Resource name of the thing.
    pub subject: String,
    /// One line for people.
    pub summary: String,
    /// "users/{user}", or empty.
    pub actor: String,
}

/// What ListTimelineEntries offers.
const LISTING: Listing = Listing {
    table: "timeline",
    columns: "entry, occur_time, kind, subject, summary, actor",
    id: "entry",
    by_key: false,
    fields: &[Field::order("occur_time", "occur_time", Kind::Time)],
    default_order: "occur_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// Lists the entries of a partner ("partners/{id}") and of those that went into it that the caller may see. What stands at several of them is
/// listed once.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, partner: &str, query: &Query) -> Result<Page<Found>> {
    let (live, _) = state(conn)?;
    let mut args = vec![live.into(), partner.into()];
    let id = partner.strip_prefix("partners/").unwrap_or(partner);
    for merged in merge::all_merged(conn, id)? {
        args.push(format!("partners/{merged}").into());
    }
    let of = match args.len() {
        2 => "partner = $2".to_owned(),
        count => {
            let places: Vec<String> = (2..=count).map(|place| format!("${place}")).collect();
            let those = places.join(", ");
            format!(
                "partner IN ({those}) AND NOT EXISTS (SELECT 1 FROM timeline twin WHERE twin.generation = $1
                 AND twin.entry = timeline.entry AND twin.partner < timeline.partner AND twin.partner IN ({those}))"
            )
        }
    };
    let scope = caller.scope("owner", "team", &mut args);
    let condition = format!("generation = $1 AND {of} AND {scope}");
    LISTING.run(conn, caller, query, (condition, args), |row| {
        Ok(Found {
            entry: row.string(2)?,
            occur_time: row.int(3)?,
            kind: row.string(4)?,
            subject: row.string(5)?,
            summary: row.string(6)?,
            actor: row.string(7)?,
        })
    })
}

/// Applies an event that arrives. While a rebuild runs, it is also put aside for the new generation.
///
/// # Errors
/// Those of the database.
pub fn take_live(tx: &mut Tx<'_>, event: &Event, changes: &[Change]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let (live, building) = lock_state(tx)?;
    apply(tx, live, changes)?;
    if building != 0 {
        tx.execute(
            "INSERT INTO timeline_pending (source, sequence, event) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            args![&event.source, event.sequence, event.encode_to_vec()],
        )?;
    }
    Ok(())
}

/// Begins a rebuild and returns its generation. One that was running ends with ABORTED.
///
/// # Errors
/// Those of the database.
pub fn begin(tx: &mut Tx<'_>) -> Result<i64> {
    let (live, building) = lock_state(tx)?;
    let generation = live.max(building) + 1;
    tx.execute("UPDATE timeline_state SET building = $1 WHERE id = 1", args![generation])?;
    tx.execute("DELETE FROM timeline_pending", &[])?;
    Ok(generation)
}

/// Applies events of the past to a generation that is being built. Returns the number of entries written.
///
/// # Errors
/// ABORTED when another rebuild took over.
pub fn take_past(tx: &mut Tx<'_>, generation: i64, changes: &[Change]) -> Result<i64> {
    check_building(tx, generation)?;
    apply(tx, generation, changes)
}

/// Events that were put aside, in order, as far as the rebuild has not read them itself.
/// `reached` is the last number read of each source.
///
/// # Errors
/// ABORTED when another rebuild took over.
pub fn pending(tx: &mut Tx<'_>, generation: i64, reached: &[(&str, i64)]) -> Result<Vec<Event>> {
    check_building(tx, generation)?;
    let mut events = Vec::new();
    for (source, sequence) in reached {
        events.extend(tx.all(
            "SELECT event FROM timeline_pending WHERE source = $1 AND sequence > $2 ORDER BY sequence",
            args![*source, *sequence],
            |row| Event::decode(row.bytes(0)?).map_err(Error::internal),
        )?);
    }
    Ok(events)
}

/// Makes a generation the one that is read.
///
/// # Errors
/// ABORTED when another rebuild took over.
pub fn switch(tx: &mut Tx<'_>, generation: i64) -> Result<()> {
    check_building(tx, generation)?;
    tx.execute("UPDATE timeline_state SET live = $1, building = 0 WHERE id = 1", args![generation])?;
    tx.execute("DELETE FROM timeline_pending", &[])?;
    Ok(())
}

/// Gives up a rebuild.
///
/// # Errors
/// Those of the database.
pub async fn give_up(db: &Db, generation: i64) -> Result<()> {
    db.write(move |tx| {
        let sql = "UPDATE timeline_state SET building = 0 WHERE id = 1 AND building = $1";
        if tx.execute(sql, args![generation])? > 0 {
            tx.execute("DELETE FROM timeline_pending", &[])?;
        }
        Ok(())
    })
    .await?;
    drop_old(db).await
}

/// Clears what a rebuild left that the process did not live to finish.
///
/// # Errors
/// Those of the database.
pub async fn drop_unfinished(db: &Db) -> Result<()> {
    let (_, building) = db.read(state).await?;
    if building == 0 { drop_old(db).await } else { give_up(db, building).await }
}

/// Deletes the generations that nobody reads and nobody builds.
///
/// # Errors
/// Those of the database.
pub async fn drop_old(db: &Db) -> Result<()> {
    loop {
        let deleted = db
            .write(|tx| {
                let (live, building) = lock_state(tx)?;
                let old = tx.one(
                    "SELECT generation FROM timeline WHERE generation < $1
                     UNION ALL SELECT generation FROM timeline WHERE generation > $1 AND generation <> $2 LIMIT 1",
                    args![live, building],
                    |row| row.int(0),
                )?;
                let Some(old) = old else { return Ok(0) };
                tx.execute(
                    "DELETE FROM timeline WHERE generation = $1 AND (partner, entry) IN
                     (SELECT partner, entry FROM timeline WHERE generation = $1 LIMIT $2)",
                    args![old, CHUNK],
                )
            })
            .await?;
        if deleted == 0 {
            return Ok(());
        }
    }
}

fn state(conn: &mut Conn<'_>) -> Result<(i64, i64)> {
    conn.one("SELECT live, building FROM timeline_state WHERE id = 1", &[], both)?.ok_or_else(no_state)
}

/// The same, held until the commit: a switch and an arriving event must not pass each other.
fn lock_state(tx: &mut Tx<'_>) -> Result<(i64, i64)> {
    let sql = "UPDATE timeline_state SET id = id WHERE id = 1 RETURNING live, building";
    tx.one(sql, &[], both)?.ok_or_else(no_state)
}

fn both(row: &Row<'_>) -> Result<(i64, i64)> {
    Ok((row.int(0)?, row.int(1)?))
}

fn no_state() -> Error {
    Error::internal("the timelines have no state row")
}

fn check_building(tx: &mut Tx<'_>, generation: i64) -> Result<()> {
    let (_, building) = lock_state(tx)?;
    if building == generation {
        return Ok(());
    }
    Err(Error::new(tonic::Code::Aborted, "REBUILD_REPLACED", "another rebuild of the timelines took over"))
}

/// Whether a rebuild runs.
///
/// # Errors
/// Those of the database.
pub fn is_building(conn: &mut Conn<'_>) -> Result<bool> {
    state(conn).map(|(_, building)| building != 0)
}

/// Ends a rebuild that runs, with ABORTED, and forgets the events that were put aside for it.
///
/// # Errors
/// Those of the database.
pub fn stop_building(tx: &mut Tx<'_>) -> Result<()> {
    lock_state(tx)?;
    tx.execute("UPDATE timeline_state SET building = 0 WHERE id = 1", &[])?;
    tx.execute("DELETE FROM timeline_pending", &[])?;
    Ok(())
}

/// All generations that have entries, also one that a rebuild left.
///
/// # Errors
/// Those of the database.
pub fn generations(conn: &mut Conn<'_>) -> Result<Vec<i64>> {
    let (mut found, mut last) = (Vec::new(), -1);
    let sql = "SELECT MIN(generation) FROM timeline WHERE generation > $1";
    while let Some(next) = conn.one(sql, args![last], |row| row.opt_int(0))?.flatten() {
        found.push(next);
        last = next;
    }
    Ok(found)
}

/// Writes below find their rows by a SELECT of their keys: for a write SQLite takes the first column of the primary key (the whole generation) and no
/// index; for a SELECT it takes the index of subjects or of entries.
const FORGET: &str = "DELETE FROM timeline WHERE generation = $1 AND (partner, entry) IN
    (SELECT partner, entry FROM timeline WHERE generation = $1 AND subject = $2)";
const ONLY_AT: &str = "DELETE FROM timeline WHERE generation = $1 AND (partner, entry) IN
    (SELECT partner, entry FROM timeline WHERE generation = $1 AND entry = $2 AND partner <> $3)";
const BELONG: &str = "UPDATE timeline SET owner = $3, team = $4 WHERE generation = $1 AND (partner, entry) IN
    (SELECT partner, entry FROM timeline WHERE generation = $1 AND subject = $2 AND (owner <> $3 OR team <> $4))";
const MOVE: &str = "UPDATE timeline SET partner = $3 WHERE generation = $1 AND (partner, entry) IN
    (SELECT partner, entry FROM timeline WHERE generation = $1 AND subject = $2 AND partner <> $3)";

/// An event of before an erasure may come after it: nothing of it is written.
fn apply(tx: &mut Tx<'_>, generation: i64, changes: &[Change]) -> Result<i64> {
    let mut written = 0;
    for change in changes {
        match change {
            Change::Put(entry) if is_erased(tx, &entry.partner)? => {}
            Change::Put(entry) => {
                put(tx, generation, entry)?;
                written += 1;
            }
            Change::Remove { partner, entry } => {
                let sql = "DELETE FROM timeline WHERE generation = $1 AND partner = $2 AND entry = $3";
                tx.execute(sql, args![generation, partner, entry])?;
            }
            Change::OnlyAt { partner, entry } => {
                tx.execute(ONLY_AT, args![generation, entry, partner])?;
            }
            Change::Follow { subject, partner: Some(partner), .. } if is_erased(tx, partner)? => {
                tx.execute(FORGET, args![generation, subject])?;
            }
            Change::Follow { subject, partner, owner, team } => {
                follow(tx, generation, subject, partner.as_deref(), owner, team)?;
            }
            Change::Forget { subject } => {
                tx.execute(FORGET, args![generation, subject])?;
            }
        }
    }
    Ok(written)
}

fn put(tx: &mut Tx<'_>, generation: i64, entry: &Entry) -> Result<()> {
    tx.execute(
        "INSERT INTO timeline (generation, partner, entry, occur_time, kind, subject, summary, actor, owner, team)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (generation, partner, entry) DO UPDATE SET
         occur_time = excluded.occur_time, kind = excluded.kind, subject = excluded.subject,
         summary = excluded.summary, actor = excluded.actor, owner = excluded.owner, team = excluded.team",
        args![
            generation,
            &entry.partner,
            &entry.entry,
            entry.occur_time,
            entry.kind,
            &entry.subject,
            &entry.summary,
            &entry.actor,
            &entry.owner,
            &entry.team,
        ],
    )?;
    Ok(())
}

fn follow(
    tx: &mut Tx<'_>,
    generation: i64,
    subject: &str,
    partner: Option<&str>,
    owner: &str,
    team: &str,
) -> Result<()> {
    tx.execute(BELONG, args![generation, subject, owner, team])?;
    if let Some(partner) = partner {
        tx.execute(MOVE, args![generation, subject, partner])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kontor_kit::args;
    use kontor_testbed::Place;

    use super::{BELONG, FORGET, MOVE, ONLY_AT};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_event_walks_through_the_timeline() {
        let place = Place::sqlite();
        let db = place.context.open_db("directory", crate::MIGRATIONS).await.unwrap();
        for sql in [FORGET, ONLY_AT, BELONG, MOVE] {
            let plan = db
                .write(move |tx| {
                    let all = args![1, "a", "b", "c"];
                    let used = (1..=4).filter(|place| sql.contains(&format!("${place}"))).count();
                    let explain = format!("EXPLAIN QUERY PLAN {sql}");
                    tx.all(&explain, &all[..used], |row| row.string(3))
                })
                .await
                .unwrap();
            let walks = |step: &String| step.contains("SCAN timeline") || step.ends_with("(generation=?)");
            assert!(!plan.iter().any(walks), "{sql}: {plan:?}");
        }
    }
}
