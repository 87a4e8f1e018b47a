//! Word's fields, simple and complex, also in each other and over several runs and paragraphs: those of a mail merge become tags.
//! Called for each part before the text is scanned.

use std::collections::{HashMap, HashSet};

use super::instruction::{Keyword, read};
use super::word::{is_deleted, paragraph_of};
use crate::domain::finding::Problem;
use crate::domain::markup::{Tags, Word};
use crate::domain::xml::{Document, Id, Node};

/// A field as it stands in a document.
#[derive(Debug, Default)]
pub(super) struct Field {
    /// What it says.
    pub(super) instruction: Vec<Part>,
    /// The text that it showed last.
    pub(super) result: String,
    /// The run whose formatting it has.
    pub(super) format: Option<Id>,
    /// All that it is made of: the children of runs, or the one element of a simple field.
    items: Vec<Id>,
    /// Fields in what it showed last.
    inner: Vec<Field>,
    is_separated: bool,
}

/// A piece of an instruction.
#[derive(Debug)]
pub(super) enum Part {
    /// Text, with its run.
    Text(String, Id),
    /// A field.
    Field(Box<Field>),
}

/// Fields inside of each other.
const DEEPEST: usize = 20;

/// Puts tags in the places of a mail merge's fields.
pub(super) fn convert(document: &mut Document, tags: &mut Tags<'_>, numbers: &HashMap<Id, u32>) {
    let found = collect(document, tags);
    let mut next: Vec<(Field, bool)> = found.into_iter().rev().map(|field| (field, false)).collect();
    while let Some((mut field, in_instruction)) = next.pop() {
        let Some(keyword) = Keyword::of(&field) else {
            // What stands in a field that stays is filled in where it stands.
            let inner = std::mem::take(&mut field.inner);
            next.extend(inner.into_iter().rev().map(|field| (field, in_instruction)));
            let nested = field
                .instruction
                .into_iter()
                .filter_map(|part| if let Part::Field(field) = part { Some(*field) } else { None });
            next.extend(nested.map(|field| (field, true)));
            continue;
        };
        let Some(first) = field.items.first().copied() else { continue };
        let number = paragraph_of(document, first).and_then(|id| numbers.get(&id)).copied().unwrap_or(0);
        let text = spelled(&field);
        match read(&field, keyword) {
            Ok(word) => {
                let tag = tags.add(word, &text, number);
                if let Err(why) =
                    replace(document, &field, tag, &tags.list[tag as usize].word, in_instruction)
                {
                    let place = tags.list[tag as usize].place;
                    tags.wrong(place, Problem::CrossesBorder(why));
                }
            }
            Err(problem) => {
                let place = tags.place(&text, number);
                tags.wrong(place, problem);
            }
        }
    }
}

/// The instruction as people see it.
fn spelled(field: &Field) -> String {
    let parts = field.instruction.iter().map(|part| match part {
        Part::Text(text, _) => text.clone(),
        Part::Field(inner) => spelled(inner),
    });
    format!("{{ {} }}", parts.collect::<String>().trim())
}

/// All fields of a part that stand in no other.
fn collect(document: &Document, tags: &mut Tags<'_>) -> Vec<Field> {
    let mut found = Vec::new();
    let mut open: Vec<Field> = Vec::new();
    let mut last_paragraph = None;
    collect_in(document, document.root(), &mut open, &mut found, &mut last_paragraph, tags);
    found
}

fn collect_in(
    document: &Document,
    id: Id,
    open: &mut Vec<Field>,
    found: &mut Vec<Field>,
    last: &mut Option<Id>,
    tags: &mut Tags<'_>,
) {
    for child in document.children(id) {
        let name = document.name(*child);
        if is_deleted(name) || name == "w:pPr" || name == "w:rPr" {
            continue;
        }
        match name {
            "w:p" => {
                // A field that runs over paragraphs has line breaks in its texts.
                let unfinished = open.last_mut().filter(|field| last.is_some() && !field.is_separated);
                if let Some(field) = unfinished {
                    field.instruction.push(Part::Text("\n".into(), *child));
                }
                *last = Some(*child);
                collect_in(document, *child, open, found, last, tags);
            }
            "w:r" => run(document, *child, open, found, tags),
            "w:fldSimple" => {
                let mut field = Field { is_separated: true, items: vec![*child], ..Field::default() };
                let text = document.attribute(*child, "w:instr").unwrap_or_default();
                field.instruction.push(Part::Text(text, *child));
                for outer in open.iter_mut() {
                    outer.items.push(*child);
                }
                open.push(field);
                collect_in(document, *child, open, found, last, tags);
                close(open, found);
            }
            _ => collect_in(document, *child, open, found, last, tags),
        }
    }
}

fn run(document: &Document, run: Id, open: &mut Vec<Field>, found: &mut Vec<Field>, tags: &mut Tags<'_>) {
    for child in document.children(run) {
        let name = document.name(*child);
        let kind = if name == "w:fldChar" { document.attribute(*child, "w:fldCharType") } else { None };
        if kind.as_deref() == Some("begin") {
            if open.len() >= DEEPEST {
                tags.findings.push(crate::domain::Finding::in_part(
                    &tags.part,
                    Problem::Limit(format!("more than {DEEPEST} fields inside of each other")),
                ));
                open.clear();
            }
            open.push(Field::default());
        }
        for field in open.iter_mut() {
            if name != "w:rPr"
                && document.name(field.items.first().copied().unwrap_or(*child)) != "w:fldSimple"
            {
                field.items.push(*child);
            }
        }
        let Some(field) = open.last_mut() else { continue };
        let is_plain = !matches!(name, "w:rPr" | "w:fldChar");
        match (name, kind.as_deref()) {
            (_, Some("separate")) => field.is_separated = true,
            (_, Some("end")) => close(open, found),
            _ if field.is_separated && is_plain => {
                // The first run of the result says how the field looks.
                if field.result.is_empty() {
                    field.format = Some(run);
                }
                field.result.push_str(&text(document, *child));
            }
            ("w:instrText" | "w:t" | "w:tab" | "w:br" | "w:cr" | "w:noBreakHyphen", _) => {
                field.format.get_or_insert(run);
                field.instruction.push(Part::Text(text(document, *child), run));
            }
            _ => {}
        }
        if matches!(name, "w:drawing" | "w:pict" | "w:object") {
            // Text boxes have fields of their own, which are none of this one's.
            let mut own = Vec::new();
            let mut last = None;
            collect_in(document, *child, &mut own, found, &mut last, tags);
        }
    }
}

fn close(open: &mut Vec<Field>, found: &mut Vec<Field>) {
    let Some(field) = open.pop() else { return };
    match open.last_mut() {
        Some(outer) if outer.is_separated => outer.inner.push(field),
        Some(outer) => outer.instruction.push(Part::Field(Box::new(field))),
        None => found.push(field),
    }
}

/// What a child of a run says.
fn text(document: &Document, id: Id) -> String {
    match document.name(id) {
        "w:tab" => "\t".into(),
        "w:br" | "w:cr" => "\n".into(),
        "w:noBreakHyphen" => "\u{2011}".into(),
        _ => document.children(id).iter().map(|child| document.text(*child)).collect(),
    }
}

/// Puts a tag in the place of a field.
fn replace(
    document: &mut Document,
    field: &Field,
    tag: u32,
    word: &Word,
    in_instruction: bool,
) -> Result<(), String> {
    let (Some(first), Some(last)) = (field.items.first().copied(), field.items.last().copied()) else {
        return Ok(());
    };
    let paragraphs = (paragraph_of(document, first), paragraph_of(document, last));
    if let (Some(from), Some(to)) = paragraphs
        && from != to
    {
        check_span(document, from, to)?;
    }
    let run = if document.name(first) == "w:fldSimple" { None } else { document.parent(first) };
    let tag = document.make(Node::Tag(tag));
    let is_value = matches!(word, Word::Merge(_));
    let node = if is_value { new_run(document, field.format.or(run), tag, in_instruction) } else { tag };
    match run {
        None => document.replace(first, vec![node]),
        Some(run) => {
            split_before(document, run, first);
            let Some(run) = document.parent(first) else { return Ok(()) };
            let Some(outer) = document.parent(run) else { return Ok(()) };
            let at = document.position(run);
            document.insert(outer, at, node);
        }
    }
    remove_items(document, &field.items);
    if let (Some(from), Some(to)) = paragraphs
        && from != to
    {
        join(document, from, to);
    }
    Ok(())
}

/// A run with the formatting of another one around a tag.
fn new_run(document: &mut Document, like: Option<Id>, tag: Id, in_instruction: bool) -> Id {
    let properties = like.and_then(|like| document.child(like, "w:rPr"));
    let mut children: Vec<Id> = properties.into_iter().map(|id| document.copy(id)).collect();
    let text =
        if in_instruction { "<w:instrText xml:space=\"preserve\">" } else { "<w:t xml:space=\"preserve\">" };
    children.push(document.make_element(text, vec![tag]));
    document.make_element("<w:r>", children)
}

/// Makes a child the first thing in its run.
fn split_before(document: &mut Document, run: Id, child: Id) {
    let at = document.position(child);
    let before: Vec<Id> = document.children(run)[..at].to_vec();
    if before.iter().all(|id| document.name(*id) == "w:rPr") {
        return;
    }
    let behind: Vec<Id> = document.children(run)[at..].to_vec();
    let mut children: Vec<Id> = document.child(run, "w:rPr").into_iter().collect();
    children = children.into_iter().map(|id| document.copy(id)).collect();
    for id in &behind {
        document.remove(*id);
    }
    children.extend(behind);
    let copy = document.make_like(run, children);
    if let Some(outer) = document.parent(run) {
        let place = document.position(run) + 1;
        document.insert(outer, place, copy);
    }
}

/// Takes the pieces of a field out, and runs that have nothing else in them.
fn remove_items(document: &mut Document, items: &[Id]) {
    let mut runs = HashSet::new();
    for item in items {
        runs.extend(document.parent(*item));
        document.remove(*item);
    }
    for run in runs {
        let is_empty = document.children(run).iter().all(|id| document.name(*id) == "w:rPr");
        if document.name(run) == "w:r" && is_empty {
            document.remove(run);
        }
    }
}

/// Whether a field that runs over paragraphs has only paragraphs in it, side by side.
fn check_span(document: &Document, from: Id, to: Id) -> Result<(), String> {
    let why = || Err("a field that begins and ends in different cells or runs over a table".to_owned());
    let (Some(outer), Some(other)) = (document.parent(from), document.parent(to)) else { return why() };
    let (begin, end) = (document.position(from), document.position(to));
    if outer != other || begin > end {
        return why();
    }
    let all = document.children(outer)[begin..=end]
        .iter()
        .all(|id| !matches!(document.name(*id), "w:tbl" | "w:sdt"));
    if all { Ok(()) } else { why() }
}

/// Moves what stands behind a field in its last paragraph into its first one.
fn join(document: &mut Document, from: Id, to: Id) {
    let Some(outer) = document.parent(from) else { return };
    let (begin, end) = (document.position(from), document.position(to));
    let between: Vec<Id> = document.children(outer)[begin + 1..=end].to_vec();
    for paragraph in between {
        for child in document.children(paragraph).to_vec() {
            if document.name(child) != "w:pPr" {
                document.remove(child);
                let at = document.children(from).len();
                document.insert(from, at, child);
            }
        }
        document.remove(paragraph);
    }
}
