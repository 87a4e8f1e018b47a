//! Numbered lists: in a joined file each letter's lists begin anew, so each gets a number of its own.
//! Read when a template is compiled, written by the joiner.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use crate::domain::finding::Problem;
use crate::domain::limits::Limits;
use crate::domain::program::NewList;
use crate::domain::xml::{Document, Id};

/// The lists of a template.
#[derive(Debug)]
pub(crate) struct Lists {
    /// The part's path.
    pub(crate) name: String,
    head: String,
    tail: String,
    /// By the list's number: what stands in its element.
    numbered: HashMap<u32, String>,
    /// The first number that is free.
    pub(crate) free: u32,
}

impl Lists {
    /// Reads the part of lists.
    pub(crate) fn parse(
        name: &str,
        bytes: Vec<u8>,
        limits: &Limits,
        left: &mut usize,
    ) -> Result<Self, Problem> {
        let document = Document::parse(bytes, limits, left)?;
        let root = document.root();
        let number =
            |id: Id, name: &str| document.attribute(id, name).and_then(|text| text.parse::<u32>().ok());
        let mut kinds = HashMap::new();
        let mut numbered = HashMap::new();
        let mut free = 1;
        let mut last = None;
        for id in document.children(root) {
            match document.name(*id) {
                "w:abstractNum" => {
                    kinds.insert(number(*id, "w:abstractNumId"), levels(&document, *id));
                }
                "w:num" => {
                    last = Some(*id);
                    let Some(own) = number(*id, "w:numId") else { continue };
                    free = free.max(own.saturating_add(1));
                    let Some(kind) = document.child(*id, "w:abstractNumId").map(|kind| number(kind, "w:val"))
                    else {
                        continue;
                    };
                    if let Some(Some(levels)) = kinds.get(&kind) {
                        numbered.insert(own, restarted(&document, *id, levels));
                    }
                }
                _ => {}
            }
        }
        let text = document.to_text();
        let cut = match last {
            Some(_) => text.rfind("</w:num>").map(|at| at + "</w:num>".len()),
            None => None,
        };
        let cut = cut.ok_or_else(|| Problem::Package("lists without numbers".into()))?;
        Ok(Self {
            name: name.to_owned(),
            head: text[..cut].to_owned(),
            tail: text[cut..].to_owned(),
            numbered,
            free,
        })
    }

    /// The lists that begin anew: those that count.
    pub(crate) fn counted(&self) -> HashSet<u32> {
        self.numbered.keys().copied().collect()
    }

    /// The part with the lists of further letters.
    pub(crate) fn with(&self, new: &[NewList]) -> String {
        let mut out = self.head.clone();
        for (old, new) in new {
            if let Some(inner) = self.numbered.get(old) {
                let _ = write!(out, "<w:num w:numId=\"{new}\">{inner}</w:num>");
            }
        }
        out.push_str(&self.tail);
        out
    }
}

/// Where the levels of a list begin; nothing when it does not count.
fn levels(document: &Document, kind: Id) -> Option<Vec<(u32, u32)>> {
    let mut found = Vec::new();
    let mut counts = false;
    for level in document.children(kind).iter().filter(|id| document.name(**id) == "w:lvl") {
        let value = |name: &str| document.child(*level, name).and_then(|id| document.attribute(id, "w:val"));
        counts |= value("w:numFmt").is_some_and(|format| format != "bullet" && format != "none");
        let number = document.attribute(*level, "w:ilvl").and_then(|text| text.parse().ok()).unwrap_or(0);
        found.push((number, value("w:start").and_then(|text| text.parse().ok()).unwrap_or(1)));
    }
    counts.then_some(found)
}

/// What stands in a list that begins anew.
fn restarted(document: &Document, id: Id, levels: &[(u32, u32)]) -> String {
    let mut out = String::new();
    let mut own = HashSet::new();
    for child in document.children(id) {
        if document.name(*child) == "w:lvlOverride" {
            own.insert(document.attribute(*child, "w:ilvl").and_then(|text| text.parse::<u32>().ok()));
        }
        document.write(*child, &mut out);
    }
    for (level, start) in levels.iter().filter(|(level, _)| !own.contains(&Some(*level))) {
        let _ = write!(
            out,
            "<w:lvlOverride w:ilvl=\"{level}\"><w:startOverride w:val=\"{start}\"/></w:lvlOverride>"
        );
    }
    out
}
