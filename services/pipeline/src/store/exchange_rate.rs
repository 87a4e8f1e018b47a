//! Exchange rates in the database, and the open opportunities that one reaches.
//! Called by rpc/exchange_rate.rs and rates.rs.

use kontor_kit::auth::Caller;
use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use crate::domain::exchange::ExchangeRate;

impl Stored for ExchangeRate {
    const TABLE: &'static str = "exchange_rate";
    const COLUMNS: &'static [&'static str] =
        &["id", "version", "currency", "day", "rate", "base", "pending", "create_time", "update_time"];
    const COLLECTION: &'static str = "exchangeRates";

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
        Guard::company()
    }

    fn values(&self) -> Vec<Value> {
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.currency).into(),
            (&self.day).into(),
            (&self.rate).into(),
            (&self.base).into(),
            self.pending.into(),
            self.create_time.into(),
            self.update_time.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(ExchangeRate {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            currency: row.string(from + 2)?,
            day: row.string(from + 3)?,
            rate: row.string(from + 4)?,
            base: row.string(from + 5)?,
            pending: row.bool(from + 6)?,
            create_time: row.int(from + 7)?,
            update_time: row.int(from + 8)?,
        })
    }
}

/// What ListExchangeRates offers.
const LISTING: Listing = Listing {
    table: "exchange_rate",
    columns: "id, version, currency, day, rate, base, pending, create_time, update_time",
    id: "id",
    by_key: false,
    fields: &[
        Field::both("currency_code", "currency", Kind::Text),
        Field::both("valid_from_date", "day", Kind::Text),
        Field::order("update_time", "update_time", Kind::Time),
    ],
    default_order: "valid_from_date desc",
    default_size: 50,
    max_size: 1_000,
};

/// Lists rates. Everyone in the company may see them.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<ExchangeRate>> {
    resource::list(conn, &LISTING, caller, query, ("1 = 1".to_owned(), Vec::new()))
}

/// The rate of a currency into `base` that is valid on a day, or none.
///
/// # Errors
/// Those of the database.
pub fn valid_on(conn: &mut Conn<'_>, base: &str, currency: &str, day: &str) -> Result<Option<ExchangeRate>> {
    let columns = ExchangeRate::COLUMNS.join(", ");
    let sql = format!(
        "SELECT {columns} FROM exchange_rate WHERE currency = $1 AND base = $2 AND day <= $3 ORDER BY day DESC LIMIT 1"
    );
    conn.one(&sql, args![currency, base, day], |row| ExchangeRate::from_row(row, 0))
}

/// Whether a rate is there already with the same number.
///
/// # Errors
/// ABORTED when there is none, or another version, and an etag was given.
pub fn present(conn: &mut Conn<'_>, wanted: &ExchangeRate, etag: &str) -> Result<Option<ExchangeRate>> {
    let sql = format!("SELECT {} FROM exchange_rate WHERE id = $1", ExchangeRate::COLUMNS.join(", "));
    let present = conn.one(&sql, args![&wanted.id], |row| ExchangeRate::from_row(row, 0))?;
    match &present {
        Some(present) => resource::check_etag(present, etag)?,
        None if !etag.is_empty() => return Err(Error::etag_mismatch(wanted.name())),
        None => {}
    }
    Ok(present)
}

/// Writes a rate: a new one, or another number for the day of one that is there. Returns what stands now and whether that is new.
///
/// # Errors
/// ABORTED on a stale etag.
pub fn set(tx: &mut Tx<'_>, wanted: ExchangeRate, etag: &str) -> Result<(ExchangeRate, bool)> {
    let now = tx.now();
    // The row comes first, so that the same one in another process waits here.
    tx.execute("UPDATE exchange_rate SET version = version WHERE id = $1", args![&wanted.id])?;
    match present(tx, &wanted, etag)? {
        Some(present) if present.rate == wanted.rate && present.base == wanted.base => Ok((present, false)),
        Some(present) => {
            let mut rate = ExchangeRate {
                version: present.version,
                create_time: present.create_time,
                update_time: now,
                ..wanted
            };
            resource::update(tx, &mut rate)?;
            Ok((rate, true))
        }
        None => {
            let rate = ExchangeRate { create_time: now, update_time: now, ..wanted };
            resource::insert(tx, &rate)?;
            Ok((rate, true))
        }
    }
}

/// Rates into `base` that are valid by now and that open opportunities may wait for; a hundred at most, the oldest day first.
///
/// # Errors
/// Those of the database.
pub fn due(conn: &mut Conn<'_>, base: &str, day: &str) -> Result<Vec<ExchangeRate>> {
    let sql = format!(
        "SELECT {} FROM exchange_rate WHERE pending = 1 AND base = $1 AND day <= $2 ORDER BY day, id LIMIT 100",
        ExchangeRate::COLUMNS.join(", ")
    );
    conn.all(&sql, args![base, day], |row| ExchangeRate::from_row(row, 0))
}

/// No open opportunity waits for this rate any more, if it is still this one.
///
/// # Errors
/// Those of the database.
pub fn reached_all(tx: &mut Tx<'_>, rate: &ExchangeRate) -> Result<()> {
    tx.execute(
        "UPDATE exchange_rate SET pending = 0 WHERE id = $1 AND version = $2",
        args![&rate.id, rate.version],
    )?;
    Ok(())
}

/// Ids of open opportunities in a currency that keep the rate of this day (empty: that keep none), behind an id, in order.
///
/// # Errors
/// Those of the database.
pub fn open_with(
    conn: &mut Conn<'_>,
    currency: &str,
    day: &str,
    after: &str,
    most: usize,
) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT id FROM opportunity WHERE state = 1 AND currency <> '' AND currency = $1 AND rate_date = $2 AND id > $3
         ORDER BY id LIMIT {most}"
    );
    conn.all(&sql, args![currency, day, after], |row| row.string(0))
}

/// Ids of the next open opportunities that do not keep a rate into the company's currency though they need one; none when all were looked at since it was changed.
///
/// # Errors
/// Those of the database.
pub fn to_rebase(conn: &mut Conn<'_>, company: &str, most: usize) -> Result<Option<Vec<String>>> {
    let sql = "SELECT currency, opportunity, done FROM rate_base WHERE id = 0";
    let base = conn.one(sql, &[], |row| Ok((row.string(0)?, row.string(1)?, row.bool(2)?)))?;
    let after = match base {
        Some((currency, _, true)) if currency == company => return Ok(None),
        Some((currency, reached, false)) if currency == company => reached,
        _ => String::new(),
    };
    let sql = format!(
        "SELECT id FROM opportunity WHERE id > $2 AND state = 1 AND currency <> '' AND rate_currency <> $1 AND NOT (rate = '' AND currency = $1)
         ORDER BY id LIMIT {most}"
    );
    conn.all(&sql, args![company, after], |row| row.string(0)).map(Some)
}

/// Notes how far that is: up to an id, or to the end.
///
/// # Errors
/// Those of the database.
pub fn rebased(tx: &mut Tx<'_>, company: &str, reached: Option<&str>) -> Result<()> {
    let sql = "INSERT INTO rate_base (id, currency, opportunity, done) VALUES (0, $1, $2, $3)
               ON CONFLICT (id) DO UPDATE SET currency = excluded.currency, opportunity = excluded.opportunity, done = excluded.done";
    tx.execute(sql, args![company, reached.unwrap_or(""), reached.is_none()])?;
    Ok(())
}
