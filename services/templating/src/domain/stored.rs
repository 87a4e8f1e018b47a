//! A template as a record: whose it is, what it declares, what is known of its document.
//! Called by rpc/template.rs and the store.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::{Error, Result};

use super::template::Format;

/// Revisions of a template that are kept.
pub const REVISIONS: i64 = 100;
/// Findings of a template that are kept.
pub const FINDINGS: usize = 100;

/// A template.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTemplate {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// Name for people.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// "teams/{team}", or empty.
    pub team: String,
    /// "users/{user}".
    pub owner: String,
    /// Declarations, one on each line.
    pub fields: String,
    /// Its document.
    pub document: Document,
    /// Number of the present revision.
    pub revision: i64,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
}

/// What is known of a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Number of its `Format`.
    pub format: i64,
    /// Findings as protobuf.
    pub findings: Vec<u8>,
    /// No findings.
    pub is_ready: bool,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
    /// Records that a letter takes at most; 0 when it can't be read.
    pub records: i64,
    /// Why letters can't be joined; empty when they can.
    pub not_joinable: String,
}

impl Document {
    /// Its format, when messages are made of it.
    pub fn message_format(&self) -> Option<Format> {
        Format::of(self.format).filter(|format| format.is_message())
    }
}

impl StoredTemplate {
    /// Resource name.
    pub fn full_name(&self) -> String {
        format!("templates/{}", self.id)
    }

    /// Name of the present revision.
    pub fn revision_name(&self) -> String {
        format!("templates/{}/revisions/{}", self.id, self.revision)
    }

    /// Who may see and change it.
    pub fn guard(&self) -> Guard {
        Guard::new(&*self.owner, &*self.team)
    }

    /// Checks the texts.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        let name = self.display_name.trim();
        let good = !name.is_empty()
            && name.chars().count() <= 200
            && !name.chars().any(|it| it.is_control() || it == '/' || it == '\\')
            && !name.starts_with('.');
        if !good {
            let message = "write 1 to 200 characters on one line, without / and \\, not beginning with a dot";
            return Err(Error::invalid("template.display_name", message));
        }
        if self.description.chars().count() > 2_000 || self.description.contains('\0') {
            return Err(Error::invalid("template.description", "write at most 2,000 characters"));
        }
        Ok(())
    }

    /// Checks that a caller may give it this team: one of its own, or any for administrators.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the team.
    pub fn check_team(&self, caller: &Caller) -> Result<()> {
        let fits = self.team.is_empty()
            || caller.admin && self.team.starts_with("teams/")
            || caller.belongs_to(&self.team)
            || caller.leads(&self.team);
        if fits {
            return Ok(());
        }
        Err(Error::invalid("template.team", format!("{:?} is no team of yours", self.team)))
    }

    /// Checks that letters can be made.
    ///
    /// # Errors
    /// FAILED_PRECONDITION.
    pub fn must_be_ready(&self) -> Result<()> {
        if self.document.is_ready {
            return Ok(());
        }
        let message = format!(
            "{} is a draft: CheckTemplate says what is wrong with it; nothing was made",
            self.full_name()
        );
        Err(Error::precondition("TEMPLATE_DRAFT", message))
    }
}
