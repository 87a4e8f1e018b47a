//! Diallers of call lists, and which process places calls.
//! Called by rpc/dialler.rs and by dialler/.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page;
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

use crate::domain::dialler::Dialler;

/// Lists that are dialled at once at most.
const RUNNING: i64 = 200;

impl Stored for Dialler {
    const TABLE: &'static str = "dialler";
    const COLUMNS: &'static [&'static str] =
        &["id", "version", "team", "running", "connector", "actor", "change_time", "reason"];
    const COLLECTION: &'static str = "callLists";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn audience(&self) -> Guard {
        Guard::new("", self.team.as_str())
    }

    fn name(&self) -> String {
        format!("{}/dialler", self.list_name())
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "running" => Shown::As("running", page::Kind::Bool),
            // the entry itself says who and when
            "actor" | "change_time" => Shown::Not,
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.team).into(),
            self.running.into(),
            (&self.connector).into(),
            (&self.user).into(),
            self.change_time.into(),
            (&self.reason).into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Dialler {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            team: row.string(from + 2)?,
            running: row.bool(from + 3)?,
            connector: row.string(from + 4)?,
            user: row.string(from + 5)?,
            change_time: row.int(from + 6)?,
            reason: row.string(from + 7)?,
        })
    }
}

/// Ids of the lists whose dialler runs.
///
/// # Errors
/// Those of the database.
pub fn running(conn: &mut Conn<'_>) -> Result<Vec<String>> {
    let sql = "SELECT id FROM dialler WHERE running = 1 ORDER BY id LIMIT $1";
    conn.all(sql, args![RUNNING], |row| row.string(0))
}

/// Whether the dialler of a list runs.
///
/// # Errors
/// Those of the database.
pub fn runs(conn: &mut Conn<'_>, list: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM dialler WHERE id = $1 AND running = 1";
    Ok(conn.one(sql, args![list], |_| Ok(()))?.is_some())
}

/// Takes or renews the right to place calls until `until`; false when another process has it. Until the commit no other process can place any: each of its
/// transactions begins with this too, and waits for the row.
///
/// # Errors
/// Those of the database.
pub fn lease(tx: &mut Tx<'_>, owner: &str, until: i64) -> Result<bool> {
    let now = tx.now();
    let sql = "UPDATE dialler_lease SET owner = $1, until_time = $2 WHERE owner = $1 OR until_time < $3";
    Ok(tx.execute(sql, args![owner, until, now])? == 1)
}

/// Gives the right back, so that another process need not wait.
///
/// # Errors
/// Those of the database.
pub fn release(tx: &mut Tx<'_>, owner: &str) -> Result<()> {
    tx.execute("UPDATE dialler_lease SET owner = '', until_time = 0 WHERE owner = $1", args![owner])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use kontor_testbed::Place;

    use super::*;

    #[tokio::test]
    async fn one_process_places_calls_until_its_right_expires_or_is_given_back() {
        for place in [Some(Place::sqlite()), Place::postgres().await].into_iter().flatten() {
            let db = place.context.open_db("telephony", crate::MIGRATIONS).await.expect("a database");
            let take = async |owner: &'static str| {
                let job = move |tx: &mut Tx<'_>| {
                    let until = tx.now() + 10;
                    lease(tx, owner, until)
                };
                db.write(job).await.expect("written")
            };
            assert!(take("one").await && take("one").await, "it renews its own");
            assert!(!take("two").await);
            place.pass(11);
            assert!(take("two").await, "the other one is gone");
            assert!(!take("one").await);
            db.write(|tx| release(tx, "one")).await.expect("not its own");
            assert!(!take("one").await);
            db.write(|tx| release(tx, "two")).await.expect("given back");
            assert!(take("one").await);
        }
    }
}
