//! Connectors in the database. The secret is kept as it is: it signs and logs in.
//! Called by rpc/connector.rs, the intake's callers and the keeper.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Value};
use kontor_kit::page::{self, Field, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result};

use crate::domain::cloud::{Cloud, Provider};
use crate::domain::connector::{Ari, Asterisk, Connector, FreeSwitch, Kind, PeerTls};
use crate::domain::dial;

const WEBHOOK: i64 = 1;
const GRPC: i64 = 2;
const ASTERISK: i64 = 3;
/// From here on the field's number in the proto.
const FREESWITCH: i64 = 12;
const ARI: i64 = 20;

/// Names of the kinds in the audit.
const KINDS: &[(&str, i64)] = &[
    ("webhook", WEBHOOK),
    ("grpc", GRPC),
    ("asterisk", ASTERISK),
    ("freeswitch", FREESWITCH),
    ("twilio", 16),
    ("plivo", 17),
    ("vonage", 18),
    ("threecx", 19),
    ("ari", ARI),
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
        "dial",
        "trunk_contexts",
        "post_secret",
        "public_url",
        "tls",
        "tls_certificates",
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
            "tls" => Shown::As("tls", page::Kind::Bool),
            "port" => Shown::As("port", page::Kind::Int),
            "post_secret" => Shown::Secret("post_secret"),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        let places = Places::of(&self.kind);
        let dial = if self.dial == dial::Settings::default() { None } else { Some(&self.dial) };
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.display_name).into(),
            self.disabled.into(),
            places.kind.into(),
            places.secret.into(),
            places.user.into(),
            places.host.into(),
            places.port.into(),
            places.username.into(),
            write_list(places.trunk_prefixes).into(),
            (&self.region).into(),
            (&self.outside_prefix).into(),
            self.extension_digits.into(),
            dial.map(|dial| serde_json::to_string(dial).unwrap_or_default()).unwrap_or_default().into(),
            write_list(places.trunk_contexts).into(),
            places.post_secret.into(),
            places.public_url.into(),
            places.tls.is_some().into(),
            places.tls.map(|tls| tls.certificates.as_str()).unwrap_or_default().into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let small = |column: usize| row.int(from + column).map(|value| i32::try_from(value).unwrap_or(0));
        let secret = row.string(from + 5)?;
        let tls =
            if row.bool(from + 18)? { Some(PeerTls { certificates: row.string(from + 19)? }) } else { None };
        let kind = match row.int(from + 4)? {
            WEBHOOK => Kind::Webhook { secret },
            GRPC => Kind::Grpc { user: row.string(from + 6)? },
            ASTERISK => Kind::Asterisk(Asterisk {
                host: row.string(from + 7)?,
                port: small(8)?,
                username: row.string(from + 9)?,
                secret,
                trunk_prefixes: read_list(row.text(from + 10)?)?,
                tls,
            }),
            ARI => Kind::Ari(Ari {
                host: row.string(from + 7)?,
                port: small(8)?,
                username: row.string(from + 9)?,
                password: secret,
                trunk_prefixes: read_list(row.text(from + 10)?)?,
                tls,
            }),
            FREESWITCH => Kind::FreeSwitch(FreeSwitch {
                host: row.string(from + 7)?,
                port: small(8)?,
                password: secret,
                trunk_prefixes: read_list(row.text(from + 10)?)?,
                trunk_contexts: read_list(row.text(from + 15)?)?,
                post_secret: row.string(from + 16)?,
                tls,
            }),
            other => {
                let provider = Provider::of(other)
                    .ok_or_else(|| Error::internal(format!("a connector has the unknown kind {other}")))?;
                Kind::Cloud(Cloud { provider, secret, public_url: row.string(from + 17)? })
            }
        };
        let dial = match row.text(from + 14)? {
            "" => dial::Settings::default(),
            text => serde_json::from_str(text).map_err(Error::internal)?,
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
            dial,
        })
    }
}

/// Where the columns of each kind get their values from.
#[derive(Default)]
struct Places<'a> {
    kind: i64,
    secret: &'a str,
    user: &'a str,
    host: &'a str,
    port: i32,
    username: &'a str,
    trunk_prefixes: &'a [String],
    trunk_contexts: &'a [String],
    post_secret: &'a str,
    public_url: &'a str,
    tls: Option<&'a PeerTls>,
}

impl<'a> Places<'a> {
    fn of(kind: &'a Kind) -> Places<'a> {
        let none = Places::default();
        match kind {
            Kind::Webhook { secret } => Places { kind: WEBHOOK, secret, ..none },
            Kind::Grpc { user } => Places { kind: GRPC, user, ..none },
            Kind::Asterisk(it) => Places {
                kind: ASTERISK,
                secret: &it.secret,
                host: &it.host,
                port: it.port,
                username: &it.username,
                trunk_prefixes: &it.trunk_prefixes,
                tls: it.tls.as_ref(),
                ..none
            },
            Kind::Ari(it) => Places {
                kind: ARI,
                secret: &it.password,
                host: &it.host,
                port: it.port,
                username: &it.username,
                trunk_prefixes: &it.trunk_prefixes,
                tls: it.tls.as_ref(),
                ..none
            },
            Kind::FreeSwitch(it) => Places {
                kind: FREESWITCH,
                secret: &it.password,
                host: &it.host,
                port: it.port,
                trunk_prefixes: &it.trunk_prefixes,
                trunk_contexts: &it.trunk_contexts,
                post_secret: &it.post_secret,
                tls: it.tls.as_ref(),
                ..none
            },
            Kind::Cloud(it) => {
                Places { kind: it.provider.number(), secret: &it.secret, public_url: &it.public_url, ..none }
            }
        }
    }
}

fn write_list(words: &[String]) -> String {
    serde_json::to_string(words).unwrap_or_default()
}

fn read_list(text: &str) -> Result<Vec<String>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(Error::internal)
}

/// What ListConnectors offers.
const LISTING: Listing = Listing {
    table: "connector",
    columns: "id, version, display_name, disabled, kind, secret, push_user, host, port, username, trunk_prefixes, region, outside_prefix, extension_digits, dial, trunk_contexts, post_secret, public_url, tls, tls_certificates",
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

/// All connectors that Kontor connects to, but disabled ones; at most 200.
///
/// # Errors
/// Those of the database.
pub fn sessions(conn: &mut Conn<'_>) -> Result<Vec<Connector>> {
    let columns = Connector::COLUMNS.join(", ");
    let sql = format!(
        "SELECT {columns} FROM connector WHERE kind IN ({ASTERISK}, {FREESWITCH}, {ARI}) AND disabled = 0 ORDER BY id LIMIT 200"
    );
    conn.all(&sql, &[], |row| Connector::from_row(row, 0))
}

/// Connectors that make calls, but disabled ones; at most 20.
///
/// # Errors
/// Those of the database.
pub fn diallers(conn: &mut Conn<'_>) -> Result<Vec<Connector>> {
    let columns = Connector::COLUMNS.join(", ");
    let sql =
        format!("SELECT {columns} FROM connector WHERE dial <> '' AND disabled = 0 ORDER BY id LIMIT 20");
    conn.all(&sql, &[], |row| Connector::from_row(row, 0))
}
