//! Suppressions in the database. They are found by keyed hashes, so that they hold when an address was erased.
//! Called by rpc, the sender and the erasure.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use crate::domain::suppression::{Cause, Suppression};

impl Stored for Suppression {
    const TABLE: &'static str = "suppression";
    const COLUMNS: &'static [&'static str] =
        &["id", "version", "address", "domain", "cause", "note", "mailing", "user_name", "create_time"];
    const COLLECTION: &'static str = "suppressions";

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
            "cause" => Shown::As("cause", Kind::Enum(CAUSES)),
            // Who did it stands in the entry itself.
            "user_name" => Shown::Not,
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        args![
            &self.id,
            self.version,
            &self.address,
            &self.domain,
            self.cause as i64,
            &self.note,
            &self.mailing,
            &self.user,
            self.create_time
        ]
        .to_vec()
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Suppression {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            address: row.string(from + 2)?,
            domain: row.string(from + 3)?,
            cause: Cause::of(row.int(from + 4)?)
                .ok_or_else(|| Error::internal("a suppression has an unknown cause"))?,
            note: row.string(from + 5)?,
            mailing: row.string(from + 6)?,
            user: row.string(from + 7)?,
            create_time: row.int(from + 8)?,
        })
    }
}

const CAUSES: &[(&str, i64)] = &[("UNSUBSCRIBED", 1), ("HARD_BOUNCE", 2), ("COMPLAINT", 3), ("MANUAL", 4)];

const LISTING: Listing = Listing {
    table: "suppression",
    columns: "id, version, address, domain, cause, note, mailing, user_name, create_time",
    id: "id",
    by_key: false,
    fields: &[
        Field::filter("cause", "cause", Kind::Enum(CAUSES)),
        Field::filter("domain", "domain", Kind::Text),
        Field::filter("address", "address", Kind::Text),
        Field::filter("mailing", "mailing", Kind::Text),
        Field::order("create_time", "create_time", Kind::Time),
    ],
    default_order: "create_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// All of them.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Suppression>> {
    resource::list(conn, &LISTING, caller, query, Scope::from(("1 = 1".to_owned(), Vec::new())))
}

/// That of an address, or else of its domain.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, hashes: (&str, &str)) -> Result<Option<Suppression>> {
    match resource::find(conn, hashes.0)? {
        Some(found) => Ok(Some(found)),
        None => resource::find(conn, hashes.1),
    }
}

/// Adds one, unless there is one. The one that is there now, and whether it is new.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, new: &Suppression) -> Result<(Suppression, bool)> {
    if let Some(found) = resource::find::<Suppression>(tx, &new.id)? {
        return Ok((found, false));
    }
    // Two processes at once: the second one finds it.
    let sql = "INSERT INTO suppression (id, version, address, domain, cause, note, mailing, user_name, create_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
    if tx.execute(sql, &new.values())? == 0 {
        return Ok((resource::get(tx, &new.id)?, false));
    }
    let entry = kontor_kit::audit::Entry::new(audit::Action::Create, new.name(), &new.audience());
    let cause = CAUSES.iter().find(|(_, number)| *number == new.cause as i64).map_or("", |(name, _)| *name);
    tx.audit(
        entry
            .field("address", "", &*new.address)
            .field("domain", "", &*new.domain)
            .field("cause", "", cause)
            .field("note", "", &*new.note)
            .field("mailing", "", &*new.mailing),
    );
    Ok((new.clone(), true))
}
