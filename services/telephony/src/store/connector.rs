//! Connectors in the database. The secret is kept as it is: it signs and logs in.
//! Called by rpc/connector.rs, the intake's callers and the keeper.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Value};
use kontor_kit::page::{self, Field, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result};

use crate::domain::cloud::{Cloud, Provider};
use crate::domain::connector::{Asterisk, Connector, Kind};

const WEBHOOK: i64 = 1;
const GRPC: i64 = 2;
const ASTERISK: i64 = 3;

/// Names of the kinds in the audit.
const KINDS: &[(&str, i64)] = &[
    ("webhook", WEBHOOK),
    ("grpc", GRPC),
    ("asterisk", ASTERISK),
    ("twilio", 16),
    ("plivo", 17),
    ("vonage", 18),
    ("threecx", 19),
];

impl Stored for Connector {
    const TABLE: &'static str = "connector";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "display_name",
        "disabled",
        "kind",
        "secret",
        "push_user",
        "host",
        "port",
        "username",
        "trunk_prefixes",
        "region",
        "outside_prefix",
        "extension_digits",
        "public_url",
    ];
    const COLLECTION: &'static str = "connectors";

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
        Guard::administrators()
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "disabled" => Shown::As("disabled", page::Kind::Bool),
            "kind" => Shown::As("kind", page::Kind::Enum(KINDS)),
            "secret" => Shown::Secret("secret"),
            "push_user" => Shown::As("grpc.user", page::Kind::Text),
            "host" => Shown::As("asterisk.host", page::Kind::Text),
            "port" => Shown::As("asterisk.port", page::Kind::Int),
            "username" => Shown::As("asterisk.username", page::Kind::Text),
            "trunk_prefixes" => Shown::As("asterisk.trunk_prefixes", page::Kind::Text),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        let none = Asterisk::default();
        let mut public_url = "";
        let (kind, secret, user, asterisk) = match &self.kind {
            Kind::Webhook { secret } => (WEBHOOK, secret.as_str(), "", &none),
            Kind::Grpc { user } => (GRPC, "", user.as_str(), &none),
            Kind::Asterisk(asterisk) => (ASTERISK, asterisk.secret.as_str(), "", asterisk),
            Kind::Cloud(cloud) => {
                public_url = &cloud.public_url;
                (cloud.provider.number(), cloud.secret.as_str(), "", &none)
            }
        };
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.display_name).into(),
            self.disabled.into(),
            kind.into(),
            secret.into(),
            user.into(),
            (&asterisk.host).into(),
            asterisk.port.into(),
            (&asterisk.username).into(),
            serde_json::to_string(&asterisk.trunk_prefixes).unwrap_or_default().into(),
            (&self.region).into(),
            (&self.outside_prefix).into(),
            self.extension_digits.into(),
            public_url.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let small = |column: usize| row.int(from + column).map(|value| i32::try_from(value).unwrap_or(0));
        let secret = row.string(from + 5)?;
        let kind = match row.int(from + 4)? {
            WEBHOOK => Kind::Webhook { secret },
            GRPC => Kind::Grpc { user: row.string(from + 6)? },
            ASTERISK => Kind::Asterisk(Asterisk {
                host: row.string(from + 7)?,
                port: small(8)?,
                username: row.string(from + 9)?,
                secret,
                trunk_prefixes: serde_json::from_str(row.text(from + 10)?).map_err(Error::internal)?,
            }),
            other => {
                let provider = Provider::of(other)
                    .ok_or_else(|| Error::internal(format!("a connector has the unknown kind {other}")))?;
                Kind::Cloud(Cloud { provider, secret, public_url: row.string(from + 14)? })
            }
        };
        Ok(Connector {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            display_name: row.string(from + 2)?,
            disabled: row.bool(from + 3)?,
            kind,
            region: row.string(from + 11)?,
            outside_prefix: row.string(from + 12)?,
            extension_digits: small(13)?,
        })
    }
}

/// What ListConnectors offers.
const LISTING: Listing = Listing {
    table: "connector",
    columns: "id, version, display_name, disabled, kind, secret, push_user, host, port, username, trunk_prefixes, region, outside_prefix, extension_digits, public_url",
    id: "id",
    by_key: false,
    fields: &[Field::order("name", "id", page::Kind::Text)],
    default_order: "name",
    default_size: 50,
    max_size: 1_000,
};

/// Lists connectors by name.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Connector>> {
    resource::list(conn, &LISTING, caller, query, ("1 = 1".to_owned(), Vec::new()))
}

/// All Asterisk connectors that are not disabled; at most 200.
///
/// # Errors
/// Those of the database.
pub fn asterisks(conn: &mut Conn<'_>) -> Result<Vec<Connector>> {
    let columns = Connector::COLUMNS.join(", ");
    let sql = format!(
        "SELECT {columns} FROM connector WHERE kind = {ASTERISK} AND disabled = 0 ORDER BY id LIMIT 200"
    );
    conn.all(&sql, &[], |row| Connector::from_row(row, 0))
}
