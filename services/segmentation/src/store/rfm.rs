//! What the RFM scores stand on, whether they are up to date, and the scores where rules read them.
//! Called by rfm.rs and rpc/purchase.rs.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::Kind;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use super::engine;
use crate::domain::rfm::Scores;

/// The one row of the settings.
const ID: &str = "rfm";
/// Partners whose scores are written in one statement's transaction.
pub const BATCH: usize = 500;

/// What the scores stand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Version, seen as the etag.
    pub version: i64,
    /// ISO 4217 code; empty for the installation's.
    pub currency: String,
    /// Days until now; 0 for all.
    pub window_days: i64,
}

impl Stored for Settings {
    const TABLE: &'static str = "rfm_setting";
    const COLUMNS: &'static [&'static str] = &["id", "version", "currency", "window_days"];
    const COLLECTION: &'static str = "settings";

    fn id(&self) -> &str {
        ID
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn audience(&self) -> Guard {
        Guard::company()
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "currency" => Shown::As("currency_code", Kind::Text),
            "window_days" => Shown::As("window_days", Kind::Int),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        args![ID, self.version, &self.currency, self.window_days].to_vec()
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Settings {
            version: row.int(from + 1)?,
            currency: row.string(from + 2)?,
            window_days: row.int(from + 3)?,
        })
    }
}

/// The settings in force.
///
/// # Errors
/// Those of the database.
pub fn settings(conn: &mut Conn<'_>) -> Result<Settings> {
    let found: Option<Settings> = resource::find(conn, ID)?;
    Ok(found.unwrap_or(Settings { version: 0, currency: String::new(), window_days: 0 }))
}

/// The scores have to be looked at again: a purchase came, or the settings changed.
///
/// # Errors
/// Those of the database.
pub fn stale(tx: &mut Tx<'_>) -> Result<()> {
    tx.execute("UPDATE rfm_state SET dirty = dirty + 1 WHERE id = 1", &[]).map(|_| ())
}

/// What changed so far, for which of that the scores are, and when they were computed.
///
/// # Errors
/// Those of the database.
pub fn state(conn: &mut Conn<'_>) -> Result<(i64, i64, i64)> {
    let sql = "SELECT dirty, done, time FROM rfm_state WHERE id = 1";
    let found = conn.one(sql, &[], |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)))?;
    found.ok_or_else(|| Error::internal("the scores have no row"))
}

/// The scores are those of so many changes.
///
/// # Errors
/// Those of the database.
pub fn done(tx: &mut Tx<'_>, dirty: i64) -> Result<()> {
    let now = tx.now();
    tx.execute("UPDATE rfm_state SET done = $1, time = $2 WHERE id = 1", args![dirty, now]).map(|_| ())
}

/// The scores of all partners that have some, by number.
///
/// # Errors
/// Those of the database.
pub fn scores(conn: &mut Conn<'_>) -> Result<Vec<(u32, Scores)>> {
    let sql = "SELECT ord, rfm_recency, rfm_frequency, rfm_monetary FROM fact_partner WHERE rfm_recency IS NOT NULL ORDER BY ord";
    conn.all(sql, &[], |row| {
        let scores = Scores { recency: row.int(1)?, frequency: row.int(2)?, monetary: row.int(3)? };
        Ok((u32::try_from(row.int(0)?).map_err(Error::internal)?, scores))
    })
}

/// The scores of one partner.
///
/// # Errors
/// Those of the database.
pub fn of(conn: &mut Conn<'_>, ord: u32) -> Result<Option<Scores>> {
    let sql = "SELECT rfm_recency, rfm_frequency, rfm_monetary FROM fact_partner WHERE ord = $1 AND rfm_recency IS NOT NULL";
    conn.one(sql, args![ord], |row| {
        Ok(Scores { recency: row.int(0)?, frequency: row.int(1)?, monetary: row.int(2)? })
    })
}

/// Writes scores of partners; none for those that bought nothing.
///
/// # Errors
/// Those of the database.
pub fn set(tx: &mut Tx<'_>, changed: &[(u32, Option<Scores>)]) -> Result<()> {
    for (ord, scores) in changed {
        let part = |of: fn(&Scores) -> i64| scores.as_ref().map(of);
        let sql =
            "UPDATE fact_partner SET rfm_recency = $2, rfm_frequency = $3, rfm_monetary = $4 WHERE ord = $1";
        tx.execute(sql, args![*ord, part(|it| it.recency), part(|it| it.frequency), part(|it| it.monetary)])?;
    }
    engine::partners_changed(tx, &changed.iter().map(|(ord, _)| *ord).collect::<Vec<_>>())
}
