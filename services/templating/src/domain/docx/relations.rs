//! Relations of a part: targets of links, files of pictures.
//! Read when a template is compiled; written again when a letter adds some.

use std::collections::HashMap;

use crate::domain::finding::Problem;
use crate::domain::limits::Limits;
use crate::domain::markup::{Piece, pieces};
use crate::domain::program::Relation;
use crate::domain::xml::Document;

/// How a file of relations ends.
pub(crate) const END: &str = "</Relationships>";
const TYPE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/";

/// The relations of a part.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    /// All but the end tag, without links that letters fill in.
    pub(crate) head: String,
    /// Links with fields in their targets, by id.
    pub(crate) links: HashMap<String, Vec<Piece>>,
    /// Targets of headers and footers by id.
    pub(crate) targets: HashMap<String, String>,
}

impl Relations {
    /// Relations of a part that has none so far.
    pub(crate) fn none() -> Self {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">";
        Self { head: head.to_owned(), ..Self::default() }
    }

    /// Reads a file of relations.
    pub(crate) fn parse(bytes: Vec<u8>, limits: &Limits, left: &mut usize) -> Result<Self, Problem> {
        let mut document = Document::parse(bytes, limits, left)?;
        let mut found = Self::default();
        let root = document.root();
        if document.name(root) != "Relationships" {
            return Err(Problem::Package("relations with a prefix of their own".into()));
        }
        for id in document.children(root).to_vec() {
            let (Some(name), Some(target)) = (document.attribute(id, "Id"), document.attribute(id, "Target"))
            else {
                continue;
            };
            if document.attribute(id, "TargetMode").as_deref() != Some("External") {
                found.targets.insert(name, target);
                continue;
            }
            // Word writes braces and spaces in addresses as %7B and %20.
            if let Some(link) = pieces(&target).or_else(|| pieces(&decoded(&target))) {
                found.links.insert(name, link);
                document.remove(id);
            }
        }
        let text = document.to_text();
        let text = text.trim_end();
        found.head = match text.strip_suffix(END) {
            Some(head) => head.to_owned(),
            // A root without children is closed in itself.
            None => match text.strip_suffix("/>") {
                Some(head) => format!("{head}>"),
                None => return Err(Problem::Package("relations that do not end".into())),
            },
        };
        Ok(found)
    }
}

/// Writes one more relation.
pub(crate) fn push_relation(out: &mut Vec<u8>, relation: &Relation) {
    let kind = if relation.is_picture { "image" } else { "hyperlink" };
    out.extend_from_slice(
        format!("<Relationship Id=\"{}\" Type=\"{TYPE}{kind}\" Target=\"", relation.id).as_bytes(),
    );
    out.extend_from_slice(&relation.target);
    out.extend_from_slice(if relation.is_picture {
        b"\"/>".as_slice()
    } else {
        b"\" TargetMode=\"External\"/>"
    });
}

/// An address with its `%7B`, `%7C`, `%7D`, `%20`, `%22` read where they stand in a tag.
pub(crate) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let in_tag = || {
            out.windows(2).rposition(|pair| pair == b"{{") > out.windows(2).rposition(|pair| pair == b"}}")
        };
        match code {
            Some(byte) if matches!(byte, b'{' | b'}') || in_tag() => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}
