//! Documents at the door: compiled, checked against the fields that exist, refused or kept with their findings.
//! Called by rpc/template.rs.

use bytes::Bytes;
use kontor_kit::{Error, Result};
use kontor_proto::templating::v1 as proto;
use prost::Message;

use super::House;
use crate::cache::{Cache, Ready};
use crate::domain::declared::Declared;
use crate::domain::stored::{Document, FINDINGS};
use crate::domain::template::Format;
use crate::domain::{Finding, Problem};

/// A finding as the API has it.
pub(super) fn to_proto(finding: &Finding) -> proto::TemplateFinding {
    let suggestion = match &finding.problem {
        Problem::UnknownField { nearest: Some(nearest), .. } => nearest.clone(),
        _ => String::new(),
    };
    proto::TemplateFinding {
        part: finding.place.part.to_string(),
        paragraph: i32::try_from(finding.place.paragraph).unwrap_or(i32::MAX),
        tag: finding.place.tag.to_string(),
        message: finding.problem.to_string(),
        suggestion,
    }
}

/// The findings that the API shows.
pub(super) fn some(findings: &[Finding]) -> Vec<proto::TemplateFinding> {
    findings.iter().take(FINDINGS).map(to_proto).collect()
}

/// Whether a document with such a finding is not kept: it is no document of ours, or a danger.
fn is_refused(finding: &Finding) -> bool {
    matches!(finding.problem, Problem::Package(_) | Problem::Refused(_) | Problem::Limit(_))
}

/// The format of messages that a content is meant to have; none for letters, whose packages say what they are. `given` is what was asked for,
/// `present` what the template is.
///
/// # Errors
/// INVALID_ARGUMENT naming template.format.
pub(super) fn meant(given: i64, content: &[u8], present: Option<i64>) -> Result<Option<Format>> {
    let (given, present) = (Format::of(given), present.and_then(Format::of));
    let said = Format::of_content(content);
    let wanted = given.or(said).or(present);
    let is_package = said.is_some_and(|said| !said.is_message());
    match (present, wanted) {
        (Some(present), _) if present.is_message() => {
            // HTML may stand in plain text, and begin as it likes.
            if is_package || given.is_some_and(|given| given != present) {
                let message =
                    format!("a template of messages keeps its format, {present:?}: make another template");
                return Err(Error::invalid("template.format", message));
            }
            Ok(Some(present))
        }
        (_, Some(wanted)) if wanted.is_message() => {
            if is_package || present.is_some() {
                return Err(Error::invalid(
                    "template.format",
                    "the content is a letter's document, not text",
                ));
            }
            Ok(Some(wanted))
        }
        _ => Ok(None),
    }
}

impl House {
    /// Looks at a document that is to be kept; `format` is one of messages, none for letters.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field` when it is no template at all.
    pub(super) async fn look(
        &self,
        field: &str,
        content: &Bytes,
        format: Option<Format>,
        declared: &Declared,
    ) -> Result<Document> {
        if content.is_empty() {
            return Err(Error::invalid(field, "there is no document"));
        }
        let sha256 = Cache::hash(content);
        let size = i64::try_from(content.len()).map_err(Error::internal)?;
        let document = Document { sha256: sha256.clone(), size, ..Document::default() };
        match self.cache.compile(format, &sha256, content.clone()).await? {
            Ok(template) => look_at(&template, document, declared),
            Err(findings) => {
                if let Some(finding) = findings.iter().find(|finding| is_refused(finding)) {
                    let part = finding.place.part.to_string();
                    return Err(Error::invalid(field, finding).with("part", part));
                }
                let format = format.or(Format::of_content(content)).unwrap_or(Format::Docx);
                Ok(with_findings(Document { format: format.number(), ..document }, &findings))
            }
        }
    }

    /// Looks again at the document of a template whose declarations changed.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn look_again(&self, document: &Document, declared: &Declared) -> Result<Document> {
        match self.cache.get(document.message_format(), &document.sha256).await {
            Ok(template) => look_at(&template, document.clone(), declared),
            // It does not compile whatever is declared.
            Err(cause) if cause.reason() == "TEMPLATE_DRAFT" => Ok(document.clone()),
            Err(cause) => Err(cause),
        }
    }
}

fn look_at(template: &Ready, document: Document, declared: &Declared) -> Result<Document> {
    let format = template.format();
    let findings = template.check(&declared.for_format(format)?);
    let (records, not_joinable) = match template {
        Ready::Letter(template) => (template.records(), template.joins().err()),
        Ready::Message(_) => (1, None),
    };
    let document = Document {
        format: format.number(),
        records: i64::try_from(records).unwrap_or(1),
        not_joinable: not_joinable.map(|finding| finding.to_string()).unwrap_or_default(),
        ..document
    };
    Ok(with_findings(document, &findings))
}

fn with_findings(mut document: Document, findings: &[Finding]) -> Document {
    let findings = some(findings);
    document.is_ready = findings.is_empty();
    document.findings = proto::Template { findings, ..Default::default() }.encode_to_vec();
    document
}

/// The findings that were kept with a document.
///
/// # Errors
/// INTERNAL when they are damaged.
pub(super) fn read_findings(document: &Document) -> Result<Vec<proto::TemplateFinding>> {
    Ok(proto::Template::decode(document.findings.as_slice()).map_err(Error::internal)?.findings)
}
