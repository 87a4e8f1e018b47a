//! What an imported file means: which column is which field of a lead, what a row makes of it, and by what a row is known again.
//! Called by rpc/import.

mod columns;
mod deals;
mod leads;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kontor_kit::{Error, Result};
use sha2::{Digest, Sha256};

pub use columns::{Columns, Kind, Target};
pub use deals::Wanted;

use super::csv::Record;

/// Letters of a message about a row at most: it may quote what stands in the file.
const MESSAGE: usize = 300;
/// Letters of an `external_id` at most.
const EXTERNAL_ID: usize = 200;

/// What the run says for all rows.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// Name of the source, and `source` of records without one.
    pub source: String,
    /// "users/{user}", or empty.
    pub assignee: String,
    /// "teams/{team}", or empty.
    pub team: String,
    /// ISO 3166 country for rows without one.
    pub region: String,
    /// Tags of every record.
    pub tags: Vec<String>,
    /// "pipelines/{pipeline}" of opportunities, or empty.
    pub pipeline: String,
    /// ISO 4217 currency of amounts without one, or empty.
    pub currency: String,
}

/// What a row becomes.
pub trait Made: Sized + Send + Sync + 'static {
    /// What that is.
    const KIND: Kind;

    /// The fields of a record, checked. Its assignee and team are names that nobody has looked up yet.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    fn read(record: &Record, columns: &Columns, defaults: &Defaults) -> Result<Self>;

    /// Assignee and team.
    fn people(&mut self) -> (&mut String, &mut String);

    /// Its partner, where it has one: name, id or address.
    fn partner(&mut self) -> Option<&mut String> {
        None
    }
}

/// A row that can become a record. Its names are some that nobody has looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<M> {
    /// Line of the file.
    pub line: u64,
    /// By what it is known again: a digest of its `external_id`, or of what stands in it.
    pub key: String,
    /// Digest of what stands in it.
    pub digest: String,
    /// Whether it has an `external_id`, so that it may change and still be the same.
    pub external: bool,
    /// Whether the file says whose it is.
    pub own_assignee: bool,
    /// Whether the file says which team's it is.
    pub own_team: bool,
    /// What it makes.
    pub made: M,
}

/// What is wrong with one row. The others go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line of the file.
    pub line: u64,
    /// Heading of the column, or the field's name when no column is it.
    pub field: String,
    /// Number of the column from 1; 0 when it is none.
    pub column: usize,
    /// For programs: "INVALID_FIELD".
    pub reason: String,
    /// For people.
    pub message: String,
}

impl<M: Made> Row<M> {
    /// Reads a record.
    ///
    /// # Errors
    /// The first fault of the row.
    pub fn read(
        record: &Record,
        columns: &Columns,
        defaults: &Defaults,
    ) -> std::result::Result<Row<M>, Fault> {
        let line = record.line;
        if record.fields.len() != columns.count() {
            let (is, wanted) = (record.fields.len(), columns.count());
            return Err(Fault {
                line,
                field: String::new(),
                column: 0,
                reason: "COLUMNS".to_owned(),
                message: format!("the row has {is} fields where the heading has {wanted}"),
            });
        }
        let row = M::read(record, columns, defaults)
            .and_then(|made| Ok((made, external_id(record, columns, M::KIND)?)));
        let (made, external_id) = row.map_err(|cause| Fault::of(line, columns, M::KIND, &cause))?;
        let digest = content(record, columns);
        let external = !external_id.is_empty();
        let key = if external { digest_of([("external_id", external_id.as_str())]) } else { digest.clone() };
        let says = |wanted: &Target| {
            columns
                .targets()
                .zip(&record.fields)
                .any(|(target, text)| target == wanted && !text.trim().is_empty())
        };
        let (own_assignee, own_team) = (says(&Target::Assignee), says(&Target::Team));
        Ok(Row { line, key, digest, external, own_assignee, own_team, made })
    }
}

impl Fault {
    /// An error about a row, at the column of the field that it names.
    pub fn of(line: u64, columns: &Columns, kind: Kind, cause: &Error) -> Fault {
        // What a stage demands and the row has not is shown at the stage; the message names it.
        let demands = cause.reason() == "STAGE_DEMANDS";
        let path = cause.field().unwrap_or(if demands { "opportunity.stage" } else { "" });
        let name = path.strip_prefix(kind.one()).and_then(|rest| rest.strip_prefix('.')).unwrap_or(path);
        // An amount and its currency are two columns.
        let name = match name {
            "amount.amount" => "amount",
            "recurring_amount.amount" => "recurring_amount",
            "amount.currency_code" | "recurring_amount.currency_code" => "currency",
            name => name,
        };
        let (column, heading) = columns.find(name).unwrap_or((0, name));
        let message = cause.message();
        let message = message.strip_prefix(path).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message);
        Fault {
            line,
            field: heading.to_owned(),
            column,
            reason: cause.reason().to_owned(),
            message: shortened(message),
        }
    }
}

fn shortened(message: &str) -> String {
    match message.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message.to_owned(),
    }
}

/// What the row is called where the file comes from; empty when it does not say.
fn external_id(record: &Record, columns: &Columns, kind: Kind) -> Result<String> {
    let mut pairs = columns.targets().zip(&record.fields);
    let found = pairs.find(|(target, _)| **target == Target::ExternalId);
    let id = found.map_or("", |(_, text)| text.trim());
    if id.chars().count() > EXTERNAL_ID {
        let message = format!("use at most {EXTERNAL_ID} characters");
        return Err(Error::invalid(format!("{}.external_id", kind.one()), message));
    }
    Ok(id.to_owned())
}

/// Adds those of the run's tags that a row does not have itself.
fn with_tags(mut tags: Vec<String>, defaults: &Defaults) -> Vec<String> {
    for tag in &defaults.tags {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    tags
}

/// The old tags with the new ones, which are added.
fn more_tags(old: &[String], new: &[String]) -> Vec<String> {
    let more = new.iter().filter(|tag| !old.contains(tag));
    old.iter().chain(more).cloned().collect()
}

/// Takes over what a row says of a free category; nothing takes it away.
fn set_attribute(of: &mut BTreeMap<String, String>, key: &str, value: Option<&String>) {
    match value {
        Some(value) => drop(of.insert(key.to_owned(), value.clone())),
        None => drop(of.remove(key)),
    }
}

fn tags(text: &str) -> Vec<String> {
    text.split([',', ';', '|']).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

/// "sales" is "teams/sales".
fn full_name(collection: &str, name: &str) -> String {
    if name.is_empty() || name.contains('/') { name.to_owned() } else { format!("{collection}/{name}") }
}

/// Digest of what the file itself says, whatever the order of its columns; an empty field says nothing, and nor do the run's settings.
fn content(record: &Record, columns: &Columns) -> String {
    let mut said = BTreeMap::new();
    for (target, text) in columns.targets().zip(&record.fields) {
        let text = text.trim();
        let value = match target {
            Target::Ignored | Target::ExternalId => continue,
            Target::Description => text.replace("\r\n", "\n"),
            Target::Region | Target::Currency => text.to_ascii_uppercase(),
            Target::Assignee => full_name("users", text),
            Target::Team => full_name("teams", text),
            Target::Tags => tags(text).join("\n"),
            _ => text.to_owned(),
        };
        if !value.is_empty() {
            said.insert(target.path(), value);
        }
    }
    digest_of(said.iter().map(|(path, value)| (path.as_str(), value.as_str())))
}

/// 128 bits of SHA-256 as 32 letters.
fn digest_of<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut hasher = Sha256::new();
    for text in parts.into_iter().flat_map(|(name, value)| [name, value]) {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
