//! The first message of an import: how the file is to be read, checked before a byte of it is taken.
//! Called by the service.

use std::collections::BTreeMap;

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result};
use kontor_proto::pipeline::v1 as proto;

use super::Imports;
use super::receive::{FILE_BYTES, Part, Pieces, too_large};
use crate::domain::csv::{self, Delimiter, Encoding};
use crate::domain::import::{Defaults, Kind};
use crate::domain::{currency, text};
use crate::store;
use crate::store::import::Scope;

/// Errors that are reported when the caller names no number, and at most.
const ERRORS: (usize, usize) = (1_000, 100_000);

/// How the file is to be read.
pub(super) struct Settings {
    pub encoding: Encoding,
    pub delimiter: Option<Delimiter>,
    pub columns: BTreeMap<String, String>,
    pub ignore_unknown_columns: bool,
    pub validate_only: bool,
    pub defaults: Defaults,
    pub scope: Scope,
    pub size: Option<u64>,
    pub max_errors: usize,
}

/// What a caller says of a file, whatever its rows become.
pub(super) struct Given {
    kind: Kind,
    source: String,
    delimiter: String,
    encoding: i32,
    columns: BTreeMap<String, String>,
    ignore_unknown_columns: bool,
    validate_only: bool,
    assignee: String,
    team: String,
    tags: Vec<String>,
    region: String,
    pipeline: String,
    currency: String,
    size_bytes: i64,
    max_errors: i32,
}

impl From<proto::LeadImport> for Given {
    fn from(given: proto::LeadImport) -> Given {
        Given {
            kind: Kind::Leads,
            source: given.source,
            delimiter: given.delimiter,
            encoding: given.encoding,
            columns: given.columns,
            ignore_unknown_columns: given.ignore_unknown_columns,
            validate_only: given.validate_only,
            assignee: given.assignee,
            team: given.team,
            tags: given.tags,
            region: given.region,
            pipeline: String::new(),
            currency: String::new(),
            size_bytes: given.size_bytes,
            max_errors: given.max_errors,
        }
    }
}

impl From<proto::OpportunityImport> for Given {
    fn from(given: proto::OpportunityImport) -> Given {
        Given {
            kind: Kind::Opportunities,
            source: given.source,
            delimiter: given.delimiter,
            encoding: given.encoding,
            columns: given.columns,
            ignore_unknown_columns: given.ignore_unknown_columns,
            validate_only: given.validate_only,
            assignee: given.assignee,
            team: given.team,
            tags: given.tags,
            region: String::new(),
            pipeline: given.pipeline,
            currency: given.currency_code,
            size_bytes: given.size_bytes,
            max_errors: given.max_errors,
        }
    }
}

impl Imports {
    /// Waits for the first message.
    pub(super) async fn settings(&self, caller: &Caller, pieces: &mut Pieces) -> Result<Settings> {
        let Some(Part::Settings(given)) = pieces.next().await? else {
            return Err(Error::invalid("settings", "they are missing: send them as the first message"));
        };
        let source = text::filled_line("settings.source", &given.source, 100)?;
        let assignee = self.directory.assignee(caller, "settings.assignee", &given.assignee).await?;
        self.directory.team(caller, "settings.team", &given.team).await?;
        let team = if given.team.is_empty() { caller.first_team() } else { given.team.clone() };
        if given.columns.len() > csv::COLUMNS {
            return Err(Error::invalid("settings.columns", format!("name at most {} columns", csv::COLUMNS)));
        }
        if !given.currency.is_empty() {
            currency::check("settings.currency_code", &given.currency)?;
        }
        if !given.pipeline.is_empty() {
            let pipeline = given.pipeline.clone();
            let named = move |conn: &mut Conn<'_>| {
                store::pipeline::named_or_default(conn, "settings.pipeline", &pipeline)
            };
            self.db.read(named).await?;
        }
        let scope = Scope { kind: given.kind, owner: owner(caller, &team), source: source.clone() };
        Ok(Settings {
            encoding: encoding(given.encoding)?,
            delimiter: delimiter(&given.delimiter)?,
            ignore_unknown_columns: given.ignore_unknown_columns,
            validate_only: given.validate_only,
            size: size(given.size_bytes)?,
            max_errors: max_errors(given.max_errors)?,
            defaults: Defaults {
                source,
                assignee,
                team,
                region: text::region("settings.region", &given.region)?,
                tags: text::tags("settings.tags", &given.tags)?,
                pipeline: given.pipeline,
                currency: given.currency,
            },
            columns: given.columns,
            scope,
        })
    }
}

/// Whose keys they are. The team's, so that colleagues with the same file make each lead once; but what a team has imported is told to its own
/// people only.
fn owner(caller: &Caller, team: &str) -> String {
    let own = !team.is_empty() && (caller.admin || caller.belongs_to(team) || caller.leads(team));
    if own { team.to_owned() } else { caller.name() }
}

fn encoding(given: i32) -> Result<Encoding> {
    match proto::TextEncoding::try_from(given) {
        Ok(proto::TextEncoding::Unspecified | proto::TextEncoding::Utf8) => Ok(Encoding::Utf8),
        Ok(proto::TextEncoding::Utf16) => Ok(Encoding::Utf16),
        Ok(proto::TextEncoding::Windows1252) => Ok(Encoding::Windows1252),
        Err(_) => Err(Error::invalid("settings.encoding", format!("{given} is no encoding"))),
    }
}

fn delimiter(given: &str) -> Result<Option<Delimiter>> {
    if given.is_empty() {
        return Ok(None);
    }
    let known = Delimiter::ALL.into_iter().find(|known| given.as_bytes() == [known.byte()]);
    let message = "use \",\", \";\", \"|\" or a tabulator, or leave it out";
    known.map(Some).ok_or_else(|| Error::invalid("settings.delimiter", message))
}

fn size(given: i64) -> Result<Option<u64>> {
    let size =
        u64::try_from(given).map_err(|_| Error::invalid("settings.size_bytes", "it can't be negative"))?;
    if size > FILE_BYTES { Err(too_large()) } else { Ok(Some(size).filter(|size| *size > 0)) }
}

fn max_errors(given: i32) -> Result<usize> {
    match usize::try_from(given) {
        Ok(0) => Ok(ERRORS.0),
        Ok(number) if number <= ERRORS.1 => Ok(number),
        _ => Err(Error::invalid("settings.max_errors", format!("use 1 to {}", ERRORS.1))),
    }
}
