//! The wallboard's counts: one row for each bucket of time and scope, raised as events come.
//! Called by figures.rs (adds), board.rs and store/pacing.rs (read), and by the hour (forget).

use std::collections::BTreeMap;

use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::{Result, args};

use crate::domain::figure::{Counts, NAMES, Span};

/// Counts to add, by bucket and scope; in this order rows are written, so that two processes do not wait for each other crosswise.
pub type Sums = BTreeMap<(Span, i64, String), Counts>;

/// Adds counts.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, sums: &Sums) -> Result<()> {
    let places: Vec<String> = (1..=NAMES.len() + 3).map(|number| format!("${number}")).collect();
    let raised: Vec<String> =
        NAMES.iter().map(|name| format!("{name} = figure.{name} + excluded.{name}")).collect();
    let sql = format!(
        "INSERT INTO figure (span, bucket, scope, {}) VALUES ({}) ON CONFLICT (span, bucket, scope) DO UPDATE SET {}",
        NAMES.join(", "),
        places.join(", "),
        raised.join(", ")
    );
    for ((span, bucket, scope), counts) in sums.iter().filter(|(_, counts)| !counts.is_empty()) {
        let mut values: Vec<Value> = vec![(*span as i64).into(), (*bucket).into(), scope.into()];
        values.extend(counts.0.map(Value::from));
        tx.execute(&sql, &values)?;
    }
    Ok(())
}

/// Scopes on the board at most.
const SCOPES: i64 = 200;

/// Sums since a bucket on, by scope: all first, then by name; at most 200.
///
/// # Errors
/// Those of the database.
pub fn since(conn: &mut Conn<'_>, span: Span, bucket: i64) -> Result<Vec<(String, Counts)>> {
    let sql = format!(
        "SELECT scope, {} FROM figure WHERE span = $1 AND bucket >= $2 GROUP BY scope ORDER BY scope LIMIT {SCOPES}",
        sums()
    );
    conn.all(&sql, args![span as i64, bucket], |row| {
        let mut counts = Counts::default();
        for (place, count) in counts.0.iter_mut().enumerate() {
            *count = row.int(place + 1)?;
        }
        Ok((row.string(0)?, counts))
    })
}

/// The sum of one scope since a bucket on.
///
/// # Errors
/// Those of the database.
pub fn of_scope(conn: &mut Conn<'_>, span: Span, bucket: i64, scope: &str) -> Result<Counts> {
    let sql = format!("SELECT {} FROM figure WHERE span = $1 AND bucket >= $2 AND scope = $3", sums());
    let found = conn.one(&sql, args![span as i64, bucket, scope], |row| {
        let mut counts = Counts::default();
        for (place, count) in counts.0.iter_mut().enumerate() {
            *count = row.opt_int(place)?.unwrap_or(0);
        }
        Ok(counts)
    })?;
    Ok(found.unwrap_or_default())
}

fn sums() -> String {
    let sums: Vec<String> = NAMES.iter().map(|name| format!("CAST(SUM({name}) AS BIGINT)")).collect();
    sums.join(", ")
}

/// Forgets buckets of a span that began before an instant, at most `limit`; answers how many.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, span: Span, before: i64, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM figure WHERE span = $1 AND (bucket, scope) IN (SELECT bucket, scope FROM figure WHERE span = $1 AND bucket < $2 ORDER BY bucket LIMIT $3)";
    tx.execute(sql, args![span as i64, before, limit])
}
