//! What an imported file means: which column is which field of a lead, what a row makes of it, and by what a row is known again.
//! Called by rpc/import.

mod columns;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kontor_kit::{Error, Result};
use sha2::{Digest, Sha256};

pub use columns::{Columns, Target};

use super::csv::Record;
use super::lead::{Details, State};

/// Letters of a message about a row at most: it may quote what stands in the file.
const MESSAGE: usize = 300;
/// Letters of an `external_id` at most.
const EXTERNAL_ID: usize = 200;

/// What the run says for all rows.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// Name of the source, and `source` of leads without one.
    pub source: String,
    /// "users/{user}", or empty.
    pub assignee: String,
    /// "teams/{team}", or empty.
    pub team: String,
    /// ISO 3166 country for rows without one.
    pub region: String,
    /// Tags of every lead.
    pub tags: Vec<String>,
}

/// A row that can become a lead. Its assignee and team are names that nobody has looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
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
    /// The lead that it makes.
    pub details: Details,
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

impl Row {
    /// Reads a record.
    ///
    /// # Errors
    /// The first fault of the row.
    pub fn read(record: &Record, columns: &Columns, defaults: &Defaults) -> std::result::Result<Row, Fault> {
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
        let row = details(record, columns, defaults).and_then(|(details, external_id)| {
            let details = details.checked()?;
            if external_id.chars().count() > EXTERNAL_ID {
                return Err(Error::invalid(
                    "lead.external_id",
                    format!("use at most {EXTERNAL_ID} characters"),
                ));
            }
            Ok((details, external_id))
        });
        let (details, external_id) = row.map_err(|cause| Fault::of(line, columns, &cause))?;
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
        Ok(Row { line, key, digest, external, own_assignee, own_team, details })
    }

    /// A lead that came of an earlier version of this row, with what the file's columns say now. Tags are added, never taken away; an empty
    /// assignee or team says nothing.
    pub fn merged(&self, old: &Details, columns: &Columns) -> Details {
        let (mut merged, new) = (old.clone(), &self.details);
        for target in columns.targets() {
            match target {
                Target::Title => merged.title.clone_from(&new.title),
                Target::ContactName => merged.contact_name.clone_from(&new.contact_name),
                Target::CompanyName => merged.company_name.clone_from(&new.company_name),
                Target::Email => merged.email.clone_from(&new.email),
                Target::Phone => merged.phone.clone_from(&new.phone),
                Target::Region => merged.region.clone_from(&new.region),
                Target::Source => merged.source.clone_from(&new.source),
                Target::Description => merged.description.clone_from(&new.description),
                Target::Assignee if self.own_assignee => merged.assignee.clone_from(&new.assignee),
                Target::Team if self.own_team => merged.team.clone_from(&new.team),
                Target::Tags => {
                    let more = new.tags.iter().filter(|tag| !old.tags.contains(tag));
                    merged.tags.extend(more.cloned());
                }
                Target::Attribute(key) => match new.attributes.get(key) {
                    Some(value) => drop(merged.attributes.insert(key.clone(), value.clone())),
                    None => drop(merged.attributes.remove(key)),
                },
                Target::Assignee | Target::Team | Target::ExternalId | Target::Ignored => {}
            }
        }
        merged
    }
}

impl Fault {
    /// An error about a row, at the column of the field that it names.
    pub fn of(line: u64, columns: &Columns, cause: &Error) -> Fault {
        let path = cause.field().unwrap_or_default();
        let name = path.strip_prefix("lead.").unwrap_or(path);
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

/// The fields of a record as a lead's, and the external id.
fn details(record: &Record, columns: &Columns, defaults: &Defaults) -> Result<(Details, String)> {
    let mut made = Details {
        source: defaults.source.clone(),
        region: defaults.region.clone(),
        assignee: defaults.assignee.clone(),
        team: defaults.team.clone(),
        state: State::Open,
        ..Details::default()
    };
    let mut external_id = String::new();
    for (target, text) in columns.targets().zip(&record.fields) {
        let text = text.trim();
        let or = |default: &String| if text.is_empty() { default.clone() } else { text.to_owned() };
        match target {
            Target::Title => made.title = text.to_owned(),
            Target::ContactName => made.contact_name = text.to_owned(),
            Target::CompanyName => made.company_name = text.to_owned(),
            Target::Email => made.email = text.to_owned(),
            Target::Phone => made.phone = text.to_owned(),
            Target::Region => made.region = or(&defaults.region),
            Target::Source => made.source = or(&defaults.source),
            // A file may be saved anew with other ends of lines; that changes nothing.
            Target::Description => made.description = text.replace("\r\n", "\n"),
            Target::Assignee => made.assignee = or(&defaults.assignee),
            Target::Team => made.team = or(&defaults.team),
            Target::Tags => made.tags = tags(text),
            Target::ExternalId => external_id = text.to_owned(),
            Target::Attribute(_) if text.is_empty() => {}
            Target::Attribute(key) => drop(made.attributes.insert(key.clone(), text.to_owned())),
            Target::Ignored => {}
        }
    }
    made.assignee = full_name("users", &made.assignee);
    made.team = full_name("teams", &made.team);
    if !columns.has(&Target::Title) {
        let title = made.partner_name().map(str::to_owned);
        made.title = title.ok_or_else(|| {
            Error::invalid(
                "lead.title",
                "the file has no such column, and nothing in this row can stand for it",
            )
        })?;
    }
    for tag in &defaults.tags {
        if !made.tags.contains(tag) {
            made.tags.push(tag.clone());
        }
    }
    Ok((made, external_id))
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
            Target::Region => text.to_ascii_uppercase(),
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
