//! What Word's elements are: the dialect and the hooks of the emitter.
//! Called by the compiler of DOCX for each part.

use std::collections::{HashMap, HashSet};

use super::pictures;
use super::section;
use crate::domain::markup::{Dialect, Emitter, Hooks, Leaf, Piece, Role};
use crate::domain::program::{Mapped, Op, Style};
use crate::domain::xml::{Document, Id, Node};

/// A part of a Word document at work.
pub(super) struct Word<'r> {
    /// Links whose targets letters fill in, by relation.
    pub(super) links: &'r HashMap<String, Vec<Piece>>,
    /// The places of such links, by relation.
    pub(super) link_places: HashMap<String, u32>,
    /// Pictures that letters fill in, by their `w:drawing`.
    pub(super) pictures: HashMap<Id, (Piece, u32)>,
    /// The dynamic headers, by relation.
    pub(super) headers: &'r HashMap<String, u32>,
    /// Lists that begin anew in each letter.
    pub(super) lists: &'r HashSet<u32>,
    /// Where a section may end: a paragraph or its properties.
    pub(super) section_end: Option<Id>,
    /// The box of the picture that is being written.
    pub(super) picture_box: Option<(u64, u64)>,
}

/// Content that was deleted or moved away with changes tracked: it stays as it is.
pub(super) fn is_deleted(name: &str) -> bool {
    matches!(name, "w:del" | "w:moveFrom")
}

/// The innermost paragraph around a node.
pub(super) fn paragraph_of(document: &Document, id: Id) -> Option<Id> {
    let mut at = Some(id);
    while let Some(id) = at {
        if document.name(id) == "w:p" {
            return Some(id);
        }
        at = document.parent(id);
    }
    None
}

/// The text of a paragraph, and that of the instructions of fields that stay in it.
pub(super) fn leaves(document: &Document, paragraph: Id) -> (Vec<Leaf>, Vec<Leaf>) {
    let mut found = (Vec::new(), Vec::new());
    collect(document, paragraph, &mut found);
    found
}

fn collect(document: &Document, id: Id, found: &mut (Vec<Leaf>, Vec<Leaf>)) {
    for child in document.children(id) {
        let name = document.name(*child);
        match name {
            "w:p" | "w:pPr" | "w:rPr" => {}
            name if is_deleted(name) => {}
            "w:t" | "w:instrText" => {
                let texts = document
                    .children(*child)
                    .iter()
                    .filter(|id| matches!(document.node(**id), Node::Text(_)));
                let texts = texts.map(|id| Leaf::Text(*id, document.text(*id)));
                if name == "w:t" { found.0.extend(texts) } else { found.1.extend(texts) }
            }
            "w:tab" | "w:br" | "w:cr" => found.0.push(Leaf::Space(*child)),
            _ => collect(document, *child, found),
        }
    }
}

impl Dialect for Word<'_> {
    fn role(&self, name: &str) -> Role {
        match name {
            "w:p" => Role::Paragraph,
            "w:tr" => Role::Row,
            "w:r" | "w:t" | "w:hyperlink" | "w:ins" | "w:moveTo" | "w:smartTag" | "w:bdo" | "w:dir" => {
                Role::Inline
            }
            "w:sdt" | "w:sdtContent" | "w:fldSimple" => Role::Fixed,
            "w:rPr" => Role::Properties,
            "w:bookmarkStart" | "w:bookmarkEnd" | "w:commentRangeStart" | "w:commentRangeEnd" => Role::Range,
            "w:drawing"
            | "w:pict"
            | "w:object"
            | "w:fldChar"
            | "w:footnoteReference"
            | "w:endnoteReference"
            | "w:br"
            | "w:sym"
            | "w:sectPr"
            | "w:del"
            | "w:moveFrom"
            | "w:ruby"
            | "m:oMath" => Role::Object,
            _ => Role::Other,
        }
    }

    fn holds_text(&self, name: &str) -> bool {
        matches!(name, "w:t" | "w:instrText")
    }
}

impl Hooks for Word<'_> {
    fn element(emitter: &mut Emitter<'_, '_, Self>, id: Id) -> bool {
        let document = emitter.document;
        match document.name(id) {
            "w:p" => paragraph(emitter, id),
            "w:t" => text(emitter, id),
            "w:tr" => {
                emitter.builder.text(&without_ids(document.begin_tag(id)));
                emitter.inner(id);
                emitter.end_tag(id);
            }
            "w:bookmarkStart"
            | "w:bookmarkEnd"
            | "w:commentRangeStart"
            | "w:commentRangeEnd"
            | "w:commentReference" => {
                emitter.once(|emitter| emitter.plain(id));
            }
            "w:numId" => return mapped_attribute(emitter, id, "w:val", Mapped::List),
            "w:footnoteReference" | "w:footnote" => {
                return mapped_attribute(emitter, id, "w:id", Mapped::Footnote);
            }
            "w:endnoteReference" | "w:endnote" => {
                return mapped_attribute(emitter, id, "w:id", Mapped::Endnote);
            }
            "w:headerReference" | "w:footerReference" => return section::header_reference(emitter, id),
            "w:hyperlink" | "a:hlinkClick" => return link(emitter, id),
            "w:drawing" => return pictures::drawing(emitter, id),
            "wp:docPr" | "wp:extent" | "a:ext" | "a:blip" | "a:srcRect" => {
                return pictures::inside(emitter, id);
            }
            "w:tbl" => return table(emitter, id),
            "w:tc" | "w:txbxContent" | "w:comment" => return story(emitter, id),
            _ => return false,
        }
        true
    }

    fn style(&self, name: &str) -> Style {
        if name == "w:instrText" { Style::WordInstruction } else { Style::WordText }
    }

    fn around(&self, document: &Document, format: Option<Id>) -> (String, &'static str) {
        let mut before = "<w:r>".to_owned();
        if let Some(properties) = format.and_then(|format| document.child(format, "w:rPr")) {
            document.write(properties, &mut before);
        }
        before.push_str("<w:t xml:space=\"preserve\">");
        (before, "</w:t></w:r>")
    }
}

/// A begin tag without the ids that may not stand twice; nothing refers to them here.
fn without_ids(tag: &str) -> String {
    let mut out = tag.to_owned();
    for name in ["w14:paraId", "w14:textId"] {
        if let Some((begin, end)) = crate::domain::xml::attribute_span(&out, name) {
            let from = out[..begin].rfind(name).unwrap_or(begin);
            out.replace_range(out[..from].trim_end().len()..end + 1, "");
        }
    }
    out
}

fn paragraph(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id) {
    let document = emitter.document;
    let tag = without_ids(document.begin_tag(id));
    if emitter.hooks.section_end != Some(id) {
        emitter.builder.text(&tag);
        emitter.inner(id);
        return emitter.end_tag(id);
    }
    // The last paragraph of the letter: a section that ends in it says so in its properties.
    emitter.builder.text(tag.strip_suffix("/>").map_or(tag.clone(), |head| format!("{head}>")).as_str());
    let properties = document.child(id, "w:pPr");
    emitter.builder.text("<w:pPr>");
    let change = |child: &&Id| document.name(**child) == "w:pPrChange";
    if let Some(properties) = properties {
        let kept: Vec<Id> =
            document.children(properties).iter().filter(|child| !change(child)).copied().collect();
        emitter.nodes(&kept);
    }
    emitter.builder.push(Op::SectionMark);
    if let Some(properties) = properties {
        let changes: Vec<Id> = document.children(properties).iter().filter(change).copied().collect();
        emitter.nodes(&changes);
    }
    emitter.builder.text("</w:pPr>");
    let rest: Vec<Id> =
        document.children(id).iter().filter(|child| Some(**child) != properties).copied().collect();
    emitter.nodes(&rest);
    emitter.builder.text("</w:p>");
}

/// Text that was cut or holds a value keeps its spaces.
fn text(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id) {
    let document = emitter.document;
    let is_changed = document
        .children(id)
        .iter()
        .any(|child| matches!(document.node(*child), Node::Tag(_) | Node::Made(_)));
    if !is_changed {
        return emitter.plain(id);
    }
    emitter.builder.text("<w:t xml:space=\"preserve\">");
    emitter.inner(id);
    emitter.builder.text("</w:t>");
}

/// An element one of whose attributes is a number that differs between letters of a joined file.
fn mapped_attribute(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id, name: &str, kind: Mapped) -> bool {
    let document = emitter.document;
    let tag = document.begin_tag(id);
    let Some((begin, end)) = crate::domain::xml::attribute_span(tag, name) else { return false };
    let Ok(number) = tag[begin..end].parse::<u32>() else { return false };
    let is_mapped = match kind {
        Mapped::List => emitter.hooks.lists.contains(&number),
        // 0 and 1 are the separators.
        _ => document.attribute(id, "w:type").is_none_or(|kind| kind == "normal"),
    };
    if !is_mapped {
        return false;
    }
    if matches!(kind, Mapped::Footnote | Mapped::Endnote) && emitter.is_in_loop() {
        let place = emitter.tags.place("", 0);
        let why = "a footnote or endnote cannot stand inside of a for";
        emitter.tags.wrong(place, crate::domain::Problem::CrossesBorder(why.into()));
    }
    emitter.builder.text(&tag[..begin]);
    emitter.builder.push(Op::Mapped { kind, id: number });
    emitter.builder.text(&tag[end..]);
    if matches!(document.name(id), "w:footnote" | "w:endnote") {
        ending_with_paragraph(emitter, id);
    } else {
        emitter.inner(id);
    }
    emitter.end_tag(id);
    true
}

fn link(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id) -> bool {
    let document = emitter.document;
    let links = emitter.hooks.links;
    let Some(relation) = document.attribute(id, "r:id") else { return false };
    let Some(pieces) = links.get(&relation) else { return false };
    let tag = document.begin_tag(id);
    let Some((begin, end)) = crate::domain::xml::attribute_span(tag, "r:id") else { return false };
    let place = emitter.hooks.link_places.get(&relation).copied().unwrap_or(0);
    let target = emitter.target(pieces, place);
    emitter.builder.text(&tag[..begin]);
    emitter.builder.push(Op::Link { target, tag: place });
    emitter.builder.text(&tag[end..]);
    emitter.inner(id);
    emitter.end_tag(id);
    true
}

/// A table all of whose rows may be missing is missing with them.
fn table(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id) -> bool {
    let document = emitter.document;
    let children = document.children(id);
    let is_row = |child: &Id| matches!(document.name(*child), "w:tr" | "w:sdt");
    let Some(first) =
        children.iter().position(|child| is_row(child) || matches!(document.node(*child), Node::Tag(_)))
    else {
        return false;
    };
    if !may_be_empty(emitter, children, &is_row) {
        return false;
    }
    emitter.builder.begin();
    emitter.builder.text(document.begin_tag(id));
    emitter.nodes(&children[..first]);
    let head = emitter.builder.end();
    emitter.builder.begin();
    emitter.nodes(&children[first..]);
    let body = emitter.builder.end();
    emitter.builder.begin();
    emitter.end_tag(id);
    let tail = emitter.builder.end();
    emitter.builder.push(Op::Whole { head, body, tail });
    true
}

/// Whether none of these elements stands outside of blocks.
fn may_be_empty(
    emitter: &Emitter<'_, '_, Word<'_>>,
    children: &[Id],
    is_wanted: &dyn Fn(&Id) -> bool,
) -> bool {
    let mut depth = 0_i32;
    for child in children {
        match emitter.document.node(*child) {
            Node::Tag(number) => depth += emitter.tags.depth_step(*number),
            _ if depth == 0 && is_wanted(child) && !emitter.removed.contains(child) => return false,
            _ => {}
        }
    }
    true
}

/// A story: a cell, a text box. It must end with a paragraph.
fn story(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id) -> bool {
    emitter.builder.text(emitter.document.begin_tag(id));
    ending_with_paragraph(emitter, id);
    emitter.end_tag(id);
    true
}

/// The children of an element that must end with a paragraph.
pub(super) fn ending_with_paragraph(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id) {
    let document = emitter.document;
    let children = document.children(id);
    let last =
        children.iter().rev().find(|child| !matches!(document.node(**child), Node::Text(_) | Node::Raw(_)));
    let is_sure = last.is_some_and(|last| document.name(*last) == "w:p" && !emitter.removed.contains(last));
    if is_sure {
        return emitter.nodes(children);
    }
    emitter.builder.begin();
    emitter.nodes(children);
    let body = emitter.builder.end();
    emitter.builder.push(Op::Tail { body, wanted: "</w:p>", instead: "<w:p/>" });
}
