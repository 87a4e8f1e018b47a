//! LibreOffice's own fields: of databases, conditional and hidden texts, hidden paragraphs, the next record.
//! Called for each part before the text is scanned.

use std::collections::HashMap;

use super::condition::{column, parse};
use super::text::paragraph_of;
use crate::domain::expression::MergeName;
use crate::domain::finding::Problem;
use crate::domain::markup::{Compare, Merge, Piece, Source, Tags, Word, WordIf, pieces};
use crate::domain::xml::{Document, Id, Node};

/// Puts tags in the places of fields.
pub(super) fn convert(document: &mut Document, tags: &mut Tags<'_>, numbers: &HashMap<Id, u32>) {
    for id in document.walk(document.root()) {
        let name = document.name(id).to_owned();
        let Some(kind) = name.strip_prefix("text:") else { continue };
        if !matches!(
            kind,
            "database-display"
                | "conditional-text"
                | "hidden-text"
                | "hidden-paragraph"
                | "database-next"
                | "database-row-number"
        ) {
            continue;
        }
        let Some(paragraph) = paragraph_of(document, id) else { continue };
        let number = numbers.get(&paragraph).copied().unwrap_or(0);
        let shown = spelled(document, id, kind);
        match read(document, id, kind) {
            Ok(Word::Shown(condition)) => {
                let begin = tags.add(Word::Shown(condition), &shown, number);
                let end = tags.add(Word::EndIf, &shown, number);
                document.remove(id);
                around(document, paragraph, begin, end);
            }
            Ok(word) => {
                let tag = tags.add(word, &shown, number);
                let node = document.make(Node::Tag(tag));
                document.replace(id, vec![node]);
            }
            Err(problem) => {
                let place = tags.place(&shown, number);
                tags.wrong(place, problem);
            }
        }
    }
}

/// How a field is named to people.
fn spelled(document: &Document, id: Id, kind: &str) -> String {
    let detail =
        document.attribute(id, "text:column-name").or_else(|| document.attribute(id, "text:condition"));
    detail.map_or(kind.to_owned(), |detail| format!("{kind} {detail}"))
}

/// Puts a beginning and an end around a paragraph.
fn around(document: &mut Document, paragraph: Id, begin: u32, end: u32) {
    let Some(outer) = document.parent(paragraph) else { return };
    let (begin, end) = (document.make(Node::Tag(begin)), document.make(Node::Tag(end)));
    let at = document.position(paragraph);
    document.insert(outer, at + 1, end);
    document.insert(outer, at, begin);
}

fn read(document: &Document, id: Id, kind: &str) -> Result<Word, Problem> {
    let attribute = |name: &str| document.attribute(id, name).unwrap_or_default();
    Ok(match kind {
        "database-display" => {
            let name = attribute("text:column-name");
            if name.trim().is_empty() {
                return Err(Problem::Syntax { at: 0, why: "the field has no column".into() });
            }
            Word::Merge(Merge { source: Source::Name(MergeName::word(&name)), filters: Vec::new() })
        }
        "database-row-number" => Word::Merge(Merge { source: Source::RecordNumber, filters: Vec::new() }),
        "database-next" => {
            let condition = attribute("text:condition");
            // LibreOffice writes TRUE where there is no condition.
            let is_always = condition.trim().is_empty() || condition.trim().eq_ignore_ascii_case("ooow:true");
            Word::Next(if is_always { None } else { Some(parse(&condition)?) })
        }
        "conditional-text" => Word::Condition(Box::new(WordIf {
            condition: parse(&attribute("text:condition"))?,
            yes: text(&attribute("text:string-value-if-true")),
            no: text(&attribute("text:string-value-if-false")),
        })),
        "hidden-text" => Word::Condition(Box::new(WordIf {
            condition: parse(&attribute("text:condition"))?,
            yes: Vec::new(),
            no: text(&attribute("text:string-value")),
        })),
        _ => Word::Shown(Compare::Not(Box::new(parse(&attribute("text:condition"))?))),
    })
}

/// A text of a condition: a column alone, or text with fields in it.
fn text(text: &str) -> Vec<(Piece, Option<Id>)> {
    let is_column = text.starts_with('[') && text.ends_with(']') && text.matches('[').count() == 1;
    if is_column {
        return vec![(column(text), None)];
    }
    let found = pieces(text).unwrap_or_else(|| vec![Piece::Text(text.to_owned())]);
    found.into_iter().map(|piece| (piece, None)).collect()
}
