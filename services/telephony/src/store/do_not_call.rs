//! Numbers that are not to be called, in the database.
//! Called by rpc/do_not_call.rs, the dispatch and the imports.

use std::collections::HashSet;

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{self, Field, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Result, args};

use crate::domain::do_not_call::DoNotCall;

/// Reasons by their names in the API.
const REASONS: &[(&str, i64)] = &[
    ("ASKED", 1),
    ("REGISTER", 2),
    ("COMPANY", 3),
    ("DO_NOT_CALL_REASON_ASKED", 1),
    ("DO_NOT_CALL_REASON_REGISTER", 2),
    ("DO_NOT_CALL_REASON_COMPANY", 3),
];

impl Stored for DoNotCall {
    const TABLE: &'static str = "do_not_call";
    const COLUMNS: &'static [&'static str] =
        &["id", "version", "e164", "reason", "note", "adder", "create_time"];
    const COLLECTION: &'static str = "doNotCallNumbers";

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

    fn shown(column: &'static str) -> Shown {
        match column {
            "e164" => Shown::As("number", page::Kind::Text),
            "reason" => Shown::As("reason", page::Kind::Enum(REASONS)),
            "adder" => Shown::As("user", page::Kind::Text),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.e164).into(),
            self.reason.into(),
            (&self.note).into(),
            (&self.user).into(),
            self.create_time.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(DoNotCall {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            e164: row.string(from + 2)?,
            reason: i32::try_from(row.int(from + 3)?).unwrap_or(0),
            note: row.string(from + 4)?,
            user: row.string(from + 5)?,
            create_time: row.int(from + 6)?,
        })
    }
}

/// What ListDoNotCallNumbers offers.
const LISTING: Listing = Listing {
    table: "do_not_call",
    columns: "id, version, e164, reason, note, adder, create_time",
    id: "id",
    by_key: false,
    fields: &[
        Field::both("number", "e164", page::Kind::Text),
        Field::filter("reason", "reason", page::Kind::Enum(REASONS)),
        Field::filter("user", "adder", page::Kind::User),
        Field::order("create_time", "create_time", page::Kind::Time),
    ],
    default_order: "number",
    default_size: 50,
    max_size: 1_000,
};

/// Lists numbers.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<DoNotCall>> {
    resource::list(conn, &LISTING, caller, query, ("1 = 1".to_owned(), Vec::new()))
}

/// Those of these numbers (E.164) that are not to be called.
///
/// # Errors
/// Those of the database.
pub fn among(conn: &mut Conn<'_>, numbers: &[&str]) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    for some in numbers.chunks(100) {
        let places: Vec<String> = (1..=some.len()).map(|place| format!("${place}")).collect();
        let sql = format!("SELECT e164 FROM do_not_call WHERE e164 IN ({})", places.join(", "));
        let args: Vec<Value> = some.iter().map(|number| (*number).into()).collect();
        conn.each(&sql, &args, |row| {
            found.insert(row.string(0)?);
            Ok(())
        })?;
    }
    Ok(found)
}

/// Whether a number is not to be called.
///
/// # Errors
/// Those of the database.
pub fn has(conn: &mut Conn<'_>, e164: &str) -> Result<bool> {
    Ok(conn.one("SELECT 1 FROM do_not_call WHERE e164 = $1", args![e164], |_| Ok(()))?.is_some())
}

/// Adds a number unless it is there. True when it is new.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, number: &DoNotCall) -> Result<bool> {
    let sql = "INSERT INTO do_not_call (id, version, e164, reason, note, adder, create_time) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING";
    let new = tx.execute(sql, &number.values())? > 0;
    if new {
        resource::note(tx, None, Some(number));
    }
    Ok(new)
}
