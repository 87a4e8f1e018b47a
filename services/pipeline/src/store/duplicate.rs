//! What leads have in common, kept beside them so that a look-up never reads more than what it finds.
//! `note` is called by events.rs at every write of a lead; `begin` and `fill` by lib.rs at the start; the rest by rpc/duplicate.rs.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db, Row, Tx, Value};
use kontor_kit::page::{self, Field, Listing, Page, Query};
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

use crate::domain::duplicate::{Key, Kind, keys};
use crate::domain::lead::Lead;

/// Leads that get their keys in one transaction.
const BATCH: i64 = 500;

/// Brings the keys of a lead that was written in line with it. `gone` says that it is there no more.
///
/// # Errors
/// Those of the database.
pub fn note(tx: &mut Tx<'_>, lead: &Lead, gone: bool) -> Result<()> {
    let region = region(tx)?;
    let wanted = if gone { Vec::new() } else { keys(&lead.details, &region) };
    let sql = "SELECT kind, value FROM duplicate_key WHERE record = $1 ORDER BY kind";
    let present = tx.all(sql, args![&lead.id], key)?;
    for key in present.iter().filter(|key| !wanted.contains(key)) {
        let (kind, value) = (key.kind as i64, &key.value);
        let sql = "DELETE FROM duplicate_key WHERE kind = $1 AND value = $2 AND record = $3";
        tx.execute(sql, args![kind, value, &lead.id])?;
        let sql = "UPDATE duplicate_group SET records = records - 1 WHERE kind = $1 AND value = $2";
        tx.execute(sql, args![kind, value])?;
        let sql = "DELETE FROM duplicate_group WHERE kind = $1 AND value = $2 AND records <= 0";
        tx.execute(sql, args![kind, value])?;
    }
    for key in wanted.iter().filter(|key| !present.contains(key)) {
        let (kind, value) = (key.kind as i64, &key.value);
        let sql = "INSERT INTO duplicate_key (kind, value, record) VALUES ($1, $2, $3)";
        tx.execute(sql, args![kind, value, &lead.id])?;
        let sql = "INSERT INTO duplicate_group (kind, value, records) VALUES ($1, $2, 1)
                   ON CONFLICT (kind, value) DO UPDATE SET records = duplicate_group.records + 1";
        tx.execute(sql, args![kind, value])?;
    }
    Ok(())
}

/// The country in which the keys' national numbers were read.
///
/// # Errors
/// Those of the database.
pub fn region(conn: &mut Conn<'_>) -> Result<String> {
    let found = conn.one("SELECT region FROM duplicate_state WHERE id = 1", &[], |row| row.string(0))?;
    Ok(found.unwrap_or_default())
}

/// Says in which country the installation is. In another one than before, numbers read otherwise: all leads get their keys anew.
///
/// # Errors
/// Those of the database.
pub fn begin(tx: &mut Tx<'_>, region: &str) -> Result<()> {
    let sql = "UPDATE duplicate_state SET region = $1, filled = '', done = 0 WHERE id = 1 AND region <> $1";
    tx.execute(sql, args![region])?;
    Ok(())
}

/// Gives leads their keys that were there before there were any, a batch at a time.
///
/// # Errors
/// Those of the database.
pub async fn fill(db: &Db) -> Result<()> {
    while db.write(fill_some).await? {}
    Ok(())
}

/// One batch. False when there is nothing left.
fn fill_some(tx: &mut Tx<'_>) -> Result<bool> {
    // Held, so that a second process waits and goes on behind this batch.
    let sql = "UPDATE duplicate_state SET id = id WHERE id = 1 AND done = 0 RETURNING filled";
    let Some(filled) = tx.one(sql, &[], |row| row.string(0))? else { return Ok(false) };
    // Nobody may change a lead between the look at it and its keys.
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let columns = Lead::COLUMNS.join(", ");
    let sql = format!("SELECT {columns} FROM lead WHERE id > $1 ORDER BY id LIMIT $2{lock}");
    let leads = tx.all(&sql, args![filled, BATCH], |row| Lead::from_row(row, 0))?;
    for lead in &leads {
        note(tx, lead, false)?;
    }
    match leads.last() {
        Some(last) => tx.execute("UPDATE duplicate_state SET filled = $1 WHERE id = 1", args![&last.id])?,
        None => tx.execute("UPDATE duplicate_state SET done = 1 WHERE id = 1", &[])?,
    };
    Ok(!leads.is_empty())
}

/// Ids of the leads that have a value and that the caller may see, the newest first, at most `most`.
///
/// # Errors
/// Those of the database.
pub fn holders(conn: &mut Conn<'_>, caller: &Caller, key: &Key, most: i64) -> Result<Vec<String>> {
    let (sql, args) = holders_sql(caller, key, most);
    conn.all(&sql, &args, |row| row.string(0))
}

/// CROSS JOIN: the key comes first, whatever a planner thinks of the other table's indexes.
fn holders_sql(caller: &Caller, key: &Key, most: i64) -> (String, Vec<Value>) {
    let mut args: Vec<Value> = vec![(key.kind as i64).into(), (&key.value).into(), most.into()];
    let scope = caller.scope("l.assignee", "l.team", &mut args);
    let sql = format!(
        "SELECT l.id FROM duplicate_key k CROSS JOIN lead l
         WHERE k.kind = $1 AND k.value = $2 AND l.id = k.record AND {scope} ORDER BY k.record DESC LIMIT $3"
    );
    (sql, args)
}

/// Ids of the opportunities with a partner that the caller may see, at most `most`.
///
/// # Errors
/// Those of the database.
pub fn deals_of(conn: &mut Conn<'_>, caller: &Caller, partner: &str, most: i64) -> Result<Vec<String>> {
    let mut args: Vec<Value> = vec![partner.into(), most.into()];
    let scope = caller.scope("assignee", "team", &mut args);
    let sql = format!("SELECT id FROM opportunity WHERE partner = $1 AND {scope} LIMIT $2");
    conn.all(&sql, &args, |row| row.string(0))
}

/// The leads that became an opportunity ("opportunities/{id}"), or went into it with theirs, that the caller may see, at most `most`.
///
/// # Errors
/// Those of the database.
pub fn leads_of(conn: &mut Conn<'_>, caller: &Caller, opportunity: &str, most: i64) -> Result<Vec<Lead>> {
    let mut args: Vec<Value> = vec![opportunity.into(), most.into()];
    let scope = caller.scope("assignee", "team", &mut args);
    let columns = Lead::COLUMNS.join(", ");
    let sql = format!(
        "SELECT {columns} FROM lead WHERE opportunity = $1 AND opportunity <> '' AND {scope} ORDER BY id LIMIT $2"
    );
    conn.all(&sql, &args, |row| Lead::from_row(row, 0))
}

/// Values that several leads have.
const LISTING: Listing = Listing {
    table: "duplicate_group",
    columns: "kind, value",
    id: "value",
    by_key: false,
    fields: &[Field::order("reason", "kind", page::Kind::Int)],
    default_order: "reason",
    default_size: 50,
    max_size: 100,
};

/// A page of values that several leads have, whoever may see these.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn groups(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Key>> {
    LISTING.run(conn, caller, query, ("records > 1".to_owned(), Vec::new()), |row| {
        Ok(Key { kind: Kind::from_number(row.int(2)?)?, value: row.string(3)? })
    })
}

fn key(row: &Row<'_>) -> Result<Key> {
    Ok(Key { kind: Kind::from_number(row.int(0)?)?, value: row.string(1)? })
}

#[cfg(test)]
mod tests {
    use kontor_kit::resource;
    use kontor_testbed::{Place, caller};

    use super::*;
    use crate::domain::lead::Details;

    /// PostgreSQL is asked over a wire for each statement.
    fn count(place: &Place) -> usize {
        if place.is_postgres() { 3_000 } else { 20_000 }
    }

    fn lead(number: usize) -> Lead {
        let details = Details {
            title: format!("{number}"),
            // Each address twice, and one in ten has the same number.
            email: format!("lead{}@x.com", number / 2),
            phone: if number.is_multiple_of(10) { "0471 12 34 56".to_owned() } else { String::new() },
            team: "teams/sales".to_owned(),
            ..Details::default()
        };
        let (id, opportunity) = (format!("{number:06}"), String::new());
        Lead { id, version: 1, details, opportunity, create_time: 1, update_time: 1 }
    }

    async fn filled(place: &Place) -> Db {
        let db = place.context.open_db("pipeline", crate::MIGRATIONS).await.unwrap();
        for from in (0..count(place)).step_by(1_000) {
            let write = move |tx: &mut Tx<'_>| {
                (from..from + 1_000).try_for_each(|number| resource::insert(tx, &lead(number)))
            };
            db.write(write).await.unwrap();
        }
        // As rows from before the migration: nothing has keys yet.
        db.write(|tx| begin(tx, "BE")).await.unwrap();
        fill(&db).await.unwrap();
        db
    }

    async fn check(place: Place) {
        let db = filled(&place).await;
        let key = |kind, value: &str| Key { kind, value: value.to_owned() };
        let found = db
            .read(move |conn| {
                let (anna, most) = (caller("anna", &["sales"], &[]), 10_000);
                let stranger = caller("carl", &["support"], &[]);
                let phone = key(Kind::Phone, "+32471123456");
                Ok((
                    holders(conn, &anna, &key(Kind::Email, "lead7@x.com"), most)?,
                    holders(conn, &anna, &phone, most)?.len(),
                    holders(conn, &anna, &phone, 5)?,
                    holders(conn, &stranger, &phone, most)?.len(),
                ))
            })
            .await
            .unwrap();
        assert_eq!(found.0, ["000015", "000014"]);
        let count = count(&place);
        assert_eq!((found.1, found.3), (count / 10, 0));
        let newest: Vec<String> = (1..=5).map(|place| format!("{:06}", count - 10 * place)).collect();
        assert_eq!(found.2, newest);
        // Nothing is scanned, neither for a value nor for a page of groups.
        let plan = db.write(plans).await.unwrap().join("\n");
        let scanned = ["SCAN k", "SCAN l", "SCAN duplicate", "SCAN lead", "SCAN opportunity", "Seq Scan"];
        assert!(scanned.iter().all(|word| !plan.contains(word)), "{plan}");
        assert!(plan.contains("duplicate_group_many"), "{plan}");
        // A change of one lead moves its keys only; its deletion takes them.
        let (before, after) = db
            .write(|tx| {
                let counts = "SELECT COUNT(*) FROM duplicate_key";
                let count = |tx: &mut Tx<'_>| tx.one(counts, &[], |row| row.int(0));
                let before = count(tx)?;
                let mut changed = lead(14);
                changed.details.email = "other@x.com".to_owned();
                note(tx, &changed, false)?;
                note(tx, &changed, false)?;
                note(tx, &lead(15), true)?;
                Ok((before, count(tx)?))
            })
            .await
            .unwrap();
        assert_eq!(after, before.map(|count| count - 1));
        let kept = "SELECT value, records FROM duplicate_group WHERE value IN ('lead7@x.com', 'other@x.com')";
        let kept = db.read(move |conn| conn.all(kept, &[], |row| Ok((row.string(0)?, row.int(1)?)))).await;
        assert_eq!(kept.unwrap(), [("other@x.com".to_owned(), 1)]);
        // Another country reads the numbers otherwise: all get their keys anew.
        db.write(|tx| begin(tx, "FR")).await.unwrap();
        fill(&db).await.unwrap();
        let old = key(Kind::Phone, "+32471123456");
        let left = db.read(move |conn| holders(conn, &caller("anna", &["sales"], &[]), &old, 10)).await;
        assert!(left.unwrap().is_empty());
    }

    fn plans(tx: &mut Tx<'_>) -> Result<Vec<String>> {
        let postgres = tx.is_postgres();
        let explain = if postgres { "EXPLAIN " } else { "EXPLAIN QUERY PLAN " };
        if postgres {
            for table in ["lead", "duplicate_key", "duplicate_group"] {
                tx.execute(&format!("ANALYZE {table}"), &[])?;
            }
        }
        let caller = caller("anna", &["sales"], &[]);
        let (sql, args) =
            holders_sql(&caller, &Key { kind: Kind::Email, value: "lead7@x.com".to_owned() }, 10);
        let column = if postgres { 0 } else { 3 };
        let mut lines = tx.all(&format!("{explain}{sql}"), &args, |row| row.string(column))?;
        for (sql, args) in [
            (
                "SELECT kind, value FROM duplicate_group WHERE records > 1 AND (kind, value) > ($1, $2) ORDER BY kind, value LIMIT 50",
                args![1, "lead7@x.com"],
            ),
            ("SELECT kind, value FROM duplicate_key WHERE record = $1 ORDER BY kind", args!["000014"]),
            ("SELECT id FROM lead WHERE opportunity = $1 AND opportunity <> ''", args!["opportunities/1"]),
        ] {
            lines.extend(tx.all(&format!("{explain}{sql}"), args, |row| row.string(column))?);
        }
        Ok(lines)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn p13_nothing_that_is_read_grows_with_the_leads_on_sqlite() {
        check(Place::sqlite()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn p13_nothing_that_is_read_grows_with_the_leads_on_postgres() {
        if let Some(place) = Place::postgres().await {
            check(place).await;
        }
    }
}
