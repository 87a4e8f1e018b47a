//! Documents at the door: compiled, checked against the fields that exist, refused or kept with their findings.
//! Called by rpc/template.rs.

use bytes::Bytes;
use kontor_kit::{Error, Result};
use kontor_proto::templating::v1 as proto;
use prost::Message;

use super::House;
use crate::cache::Cache;
use crate::domain::declared::Declared;
use crate::domain::stored::{Document, FINDINGS};
use crate::domain::{Finding, Format, Problem, Template};

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

fn number(format: Format) -> i64 {
    match format {
        Format::Docx => 1,
        Format::Odt => 2,
    }
}

/// Whether a document with such a finding is not kept: it is no document of ours, or a danger.
fn is_refused(finding: &Finding) -> bool {
    matches!(finding.problem, Problem::Package(_) | Problem::Refused(_) | Problem::Limit(_))
}

impl House {
    /// Looks at a document that is to be kept.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field` when it is no template at all.
    pub(super) async fn look(&self, field: &str, content: &Bytes, declared: &Declared) -> Result<Document> {
        if content.is_empty() {
            return Err(Error::invalid(field, "there is no document"));
        }
        let sha256 = Cache::hash(content);
        let size = i64::try_from(content.len()).map_err(Error::internal)?;
        let document = Document { sha256: sha256.clone(), size, ..Document::default() };
        match self.cache.compile(&sha256, content.clone()).await? {
            Ok(template) => look_at(&template, document, declared),
            Err(findings) => {
                if let Some(finding) = findings.iter().find(|finding| is_refused(finding)) {
                    let part = finding.place.part.to_string();
                    return Err(Error::invalid(field, finding).with("part", part));
                }
                let format = if is_odt(content) { Format::Odt } else { Format::Docx };
                Ok(with_findings(Document { format: number(format), ..document }, &findings))
            }
        }
    }

    /// Looks again at the document of a template whose declarations changed.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn look_again(&self, document: &Document, declared: &Declared) -> Result<Document> {
        match self.cache.get(&document.sha256).await {
            Ok(template) => look_at(&template, document.clone(), declared),
            // It does not compile whatever is declared.
            Err(cause) if cause.reason() == "TEMPLATE_DRAFT" => Ok(document.clone()),
            Err(cause) => Err(cause),
        }
    }
}

fn look_at(template: &Template, document: Document, declared: &Declared) -> Result<Document> {
    let findings = template.check(&declared.with_standard(true)?);
    let document = Document {
        format: number(template.format()),
        records: i64::try_from(template.records()).unwrap_or(1),
        not_joinable: template.joins().err().map(|finding| finding.to_string()).unwrap_or_default(),
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

/// ODT files begin with their media type, unpacked.
fn is_odt(content: &[u8]) -> bool {
    content.get(30..38) == Some(b"mimetype")
}
