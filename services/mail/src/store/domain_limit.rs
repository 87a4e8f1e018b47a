//! Limits of domains in the database.
//! Called by rpc/domain_limit.rs and lease.rs.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

use super::lease::Defaults;
use super::pace::Pace;

/// The limit of a domain.
#[derive(Clone, Debug)]
pub struct DomainLimit {
    /// The domain.
    pub id: String,
    /// Version.
    pub version: i64,
    /// Messages a minute; 0 is the setting's.
    pub rate: i64,
    /// Messages at once; 0 is the setting's.
    pub connections: i64,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
}

impl Stored for DomainLimit {
    const TABLE: &'static str = "domain_limit";
    const COLUMNS: &'static [&'static str] =
        &["id", "version", "rate", "connections", "create_time", "update_time"];
    const COLLECTION: &'static str = "domainLimits";

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
            "rate" => Shown::As("messages_per_minute", Kind::Int),
            "connections" => Shown::As("connections", Kind::Int),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        args![&self.id, self.version, self.rate, self.connections, self.create_time, self.update_time]
            .to_vec()
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(DomainLimit {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            rate: row.int(from + 2)?,
            connections: row.int(from + 3)?,
            create_time: row.int(from + 4)?,
            update_time: row.int(from + 5)?,
        })
    }
}

/// The limits that hold for a domain.
///
/// # Errors
/// Those of the database.
pub fn of(conn: &mut Conn<'_>, domain: &str, defaults: Defaults) -> Result<Defaults> {
    let sql = "SELECT rate, connections FROM domain_limit WHERE id = $1";
    let own = conn.one(sql, args![domain], |row| Ok((row.int(0)?, row.int(1)?)))?.unwrap_or((0, 0));
    let or = |own: i64, default: i64| if own > 0 { own } else { default };
    Ok(Defaults { rate: or(own.0, defaults.rate), connections: or(own.1, defaults.connections) })
}

const LISTING: Listing = Listing {
    table: "pace LEFT JOIN domain_limit ON domain_limit.id = pace.id",
    columns: "pace.id, used, until, refusals, reply, COALESCE(rate, 0), COALESCE(connections, 0)",
    id: "pace.id",
    by_key: false,
    fields: &[Field::order("name", "pace.id", Kind::Text)],
    default_order: "name",
    default_size: 50,
    max_size: 1_000,
};

/// A domain with its limits and how it takes messages.
#[derive(Clone, Debug, Default)]
pub struct Domain {
    /// The domain.
    pub name: String,
    /// Its pauses.
    pub pace: Pace,
    /// Messages a minute; 0 is the setting's.
    pub rate: i64,
    /// Messages at once; 0 is the setting's.
    pub connections: i64,
}

/// Domains that have a limit, or to which something was sent.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Domain>> {
    // Rates of mailings stand in the same table; no domain has a slash.
    let scope = Scope::from(("pace.id NOT LIKE '%/%'".to_owned(), Vec::new()));
    LISTING.run(conn, caller, query, scope, |row| {
        Ok(Domain {
            name: row.string(2)?,
            pace: Pace {
                used: row.int(3)?,
                until: row.int(4)?,
                refusals: row.int(5)?,
                reply: row.string(6)?,
            },
            rate: row.int(7)?,
            connections: row.int(8)?,
        })
    })
}
