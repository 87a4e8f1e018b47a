//! Templates and their revisions in the database.
//! Called by rpc/template.rs and rpc/document.rs.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use super::content;
use crate::domain::stored::{Document, REVISIONS, StoredTemplate};

impl Stored for StoredTemplate {
    const TABLE: &'static str = "template";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "display_name",
        "description",
        "team",
        "owner",
        "fields",
        "format",
        "state",
        "findings",
        "revision",
        "sha256",
        "size",
        "records",
        "not_joinable",
        "create_time",
        "update_time",
    ];
    const COLLECTION: &'static str = "templates";

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
        self.guard()
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            // All that follows from the document; its hash tells that it is another one.
            "format" | "findings" | "size" | "records" | "not_joinable" => Shown::Not,
            "state" => Shown::As("state", Kind::Enum(STATES)),
            "revision" => Shown::As("revision", Kind::Int),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        let document = &self.document;
        args![
            &self.id,
            self.version,
            &self.display_name,
            &self.description,
            &self.team,
            &self.owner,
            &self.fields,
            document.format,
            if document.is_ready { 1 } else { 2 },
            &document.findings[..],
            self.revision,
            &document.sha256,
            document.size,
            document.records,
            &document.not_joinable,
            self.create_time,
            self.update_time,
        ]
        .to_vec()
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(StoredTemplate {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            display_name: row.string(from + 2)?,
            description: row.string(from + 3)?,
            team: row.string(from + 4)?,
            owner: row.string(from + 5)?,
            fields: row.string(from + 6)?,
            document: Document {
                format: row.int(from + 7)?,
                is_ready: row.int(from + 8)? == 1,
                findings: row.bytes(from + 9)?.to_vec(),
                sha256: row.string(from + 11)?,
                size: row.int(from + 12)?,
                records: row.int(from + 13)?,
                not_joinable: row.string(from + 14)?,
            },
            revision: row.int(from + 10)?,
            create_time: row.int(from + 15)?,
            update_time: row.int(from + 16)?,
        })
    }
}

const STATES: &[(&str, i64)] =
    &[("READY", 1), ("DRAFT", 2), ("TEMPLATE_STATE_READY", 1), ("TEMPLATE_STATE_DRAFT", 2)];
const FORMATS: &[(&str, i64)] = &[
    ("DOCX", 1),
    ("ODT", 2),
    ("HTML", 3),
    ("MJML", 4),
    ("TEXT", 5),
    ("TEMPLATE_FORMAT_DOCX", 1),
    ("TEMPLATE_FORMAT_ODT", 2),
    ("TEMPLATE_FORMAT_HTML", 3),
    ("TEMPLATE_FORMAT_MJML", 4),
    ("TEMPLATE_FORMAT_TEXT", 5),
];

const LISTING: Listing = Listing {
    table: "template",
    columns: "id, version, display_name, description, team, owner, fields, format, state, findings, revision, sha256, size, records, not_joinable, create_time, update_time",
    id: "id",
    by_key: false,
    fields: &[
        Field::both("display_name", "display_name", Kind::Text),
        Field::filter("team", "team", Kind::Text),
        Field::filter("owner", "owner", Kind::User),
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::filter("format", "format", Kind::Enum(FORMATS)),
        Field::order("create_time", "create_time", Kind::Time),
        Field::order("update_time", "update_time", Kind::Time),
    ],
    default_order: "display_name",
    default_size: 50,
    max_size: 1_000,
};

/// Those that the caller may see.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<StoredTemplate>> {
    resource::list(conn, &LISTING, caller, query, Scope::of(caller, "owner", "team"))
}

/// One that the caller may see.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<StoredTemplate> {
    let found: StoredTemplate = resource::get(conn, id)?;
    caller.must_read(&found.guard(), &found.full_name())?;
    Ok(found)
}

/// One that the caller may change, held until the commit.
///
/// # Errors
/// NOT_FOUND, PERMISSION_DENIED, ABORTED for another etag.
pub fn hold(tx: &mut Tx<'_>, caller: &Caller, id: &str, etag: &str) -> Result<StoredTemplate> {
    let found: StoredTemplate = resource::hold(tx, id)?;
    caller.must_write(&found.guard(), &found.full_name())?;
    resource::check_etag(&found, etag)?;
    Ok(found)
}

/// A revision, without its content.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Number, from 1.
    pub number: i64,
    /// Hash of its document.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
    /// "users/{user}".
    pub author: String,
    /// Microseconds UTC.
    pub create_time: i64,
}

fn revision(row: &Row<'_>, from: usize) -> Result<Revision> {
    Ok(Revision {
        number: row.int(from)?,
        sha256: row.string(from + 1)?,
        size: row.int(from + 2)?,
        author: row.string(from + 3)?,
        create_time: row.int(from + 4)?,
    })
}

const REVISION_LISTING: Listing = Listing {
    table: "template_revision",
    columns: "number, sha256, size, author, create_time",
    id: "CAST(number AS TEXT) || ''",
    by_key: false,
    fields: &[Field::order("number", "number", Kind::Int)],
    default_order: "number desc",
    default_size: 50,
    max_size: 100,
};

/// Revisions of a template that the caller may see.
///
/// # Errors
/// NOT_FOUND, INVALID_ARGUMENT naming page_size or page_token.
pub fn revisions(conn: &mut Conn<'_>, caller: &Caller, id: &str, query: &Query) -> Result<Page<Revision>> {
    get(conn, caller, id)?;
    let scope = Scope::from(("template = $1".to_owned(), vec![id.into()]));
    REVISION_LISTING.run(conn, caller, query, scope, |row| revision(row, 2))
}

/// One revision.
///
/// # Errors
/// NOT_FOUND.
pub fn get_revision(conn: &mut Conn<'_>, id: &str, number: i64) -> Result<Revision> {
    let sql = "SELECT number, sha256, size, author, create_time FROM template_revision WHERE template = $1 AND number = $2";
    let found = conn.one(sql, args![id, number], |row| revision(row, 0))?;
    found.ok_or_else(|| Error::not_found(format!("templates/{id}/revisions/{number}")))
}

/// Keeps the present document as a revision, and forgets the oldest.
///
/// # Errors
/// Those of the database.
pub fn add_revision(tx: &mut Tx<'_>, template: &StoredTemplate, author: &str, data: &[u8]) -> Result<()> {
    let (document, now) = (&template.document, tx.now());
    content::keep(tx, &document.sha256, data)?;
    tx.execute(
        "INSERT INTO template_revision (template, number, sha256, size, author, create_time) VALUES ($1, $2, $3, $4, $5, $6)",
        args![&template.id, template.revision, &document.sha256, document.size, author, now],
    )?;
    drop_revisions(tx, &template.id, template.revision - REVISIONS)
}

/// Forgets revisions up to a number.
///
/// # Errors
/// Those of the database.
pub fn drop_revisions(tx: &mut Tx<'_>, id: &str, up_to: i64) -> Result<()> {
    let sql = "DELETE FROM template_revision WHERE template = $1 AND number <= $2 RETURNING sha256";
    for sha256 in tx.all(sql, args![id, up_to], |row| row.string(0))? {
        content::release(tx, &sha256)?;
    }
    Ok(())
}

/// Those of a name and a format that the caller may see, in the order of their ids.
///
/// # Errors
/// Those of the database.
pub fn called(
    conn: &mut Conn<'_>,
    caller: &Caller,
    display_name: &str,
    format: i64,
) -> Result<Vec<StoredTemplate>> {
    let mut args: Vec<Value> = vec![display_name.into(), format.into()];
    let scope = caller.scope("owner", "team", &mut args);
    let sql = format!(
        "SELECT {} FROM template WHERE display_name = $1 AND format = $2 AND {scope} ORDER BY id LIMIT 100",
        StoredTemplate::COLUMNS.join(", ")
    );
    conn.all(&sql, &args, |row| StoredTemplate::from_row(row, 0))
}
