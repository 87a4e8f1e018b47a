//! What ODT's elements are: the dialect and the hooks of the emitter.
//! Called by the compiler of ODT for each part.

use std::collections::HashMap;

use super::join::Begin;
use crate::domain::finding::Problem;
use crate::domain::markup::{Dialect, Emitter, Hooks, Leaf, Piece, Role, Tags, pieces};
use crate::domain::program::{Op, Style};
use crate::domain::xml::{Document, Id, Node, attribute_span};

/// A part of an ODT at work.
pub(super) struct Text {
    /// Links whose targets letters fill in, by their element.
    pub(super) links: HashMap<Id, (Vec<Piece>, u32)>,
    /// Pictures that letters fill in, by their frame.
    pub(super) pictures: HashMap<Id, (Piece, u32)>,
    /// How a letter behind the first of a joined file begins on a new page.
    pub(super) begin: Option<Begin>,
    /// Whether the emitter is in a frame whose picture letters fill in.
    pub(super) in_picture: bool,
}

/// The innermost paragraph around a node.
pub(super) fn paragraph_of(document: &Document, id: Id) -> Option<Id> {
    let mut at = Some(id);
    while let Some(id) = at {
        if is_paragraph(document.name(id)) {
            return Some(id);
        }
        at = document.parent(id);
    }
    None
}

pub(super) fn is_paragraph(name: &str) -> bool {
    matches!(name, "text:p" | "text:h")
}

/// What is no text of the letter: comments, and what was deleted with changes tracked.
pub(super) fn is_apart(name: &str) -> bool {
    matches!(name, "office:annotation" | "text:tracked-changes" | "office:forms" | "office:scripts")
}

/// The paragraphs of a part in their order.
pub(super) fn paragraphs(document: &Document) -> Vec<Id> {
    let mut found = Vec::new();
    let mut next = vec![document.root()];
    while let Some(id) = next.pop() {
        let name = document.name(id);
        if is_apart(name) {
            continue;
        }
        if is_paragraph(name) {
            found.push(id);
        }
        next.extend(document.children(id).iter().rev());
    }
    found
}

/// The text of a paragraph.
pub(super) fn leaves(document: &Document, paragraph: Id) -> Vec<Leaf> {
    let mut found = Vec::new();
    collect(document, paragraph, &mut found);
    found
}

fn collect(document: &Document, id: Id, found: &mut Vec<Leaf>) {
    for child in document.children(id) {
        match document.node(*child) {
            Node::Text(_) => found.push(Leaf::Text(*child, document.text(*child))),
            Node::Element(_) => match document.name(*child) {
                "text:s" | "text:tab" | "text:line-break" | "text:soft-page-break" => {
                    found.push(Leaf::Space(*child))
                }
                "text:span" | "text:a" | "text:placeholder" | "text:meta" => collect(document, *child, found),
                _ => {}
            },
            _ => {}
        }
    }
}

/// Finds links and pictures that letters fill in.
pub(super) fn find(document: &Document, tags: &mut Tags<'_>, numbers: &HashMap<Id, u32>, hooks: &mut Text) {
    for id in document.walk(document.root()) {
        let name = document.name(id);
        let number = paragraph_of(document, id).and_then(|id| numbers.get(&id)).copied().unwrap_or(0);
        if matches!(name, "text:a" | "draw:a") {
            let target = document.attribute(id, "xlink:href").unwrap_or_default();
            if let Some(found) = pieces(&target).or_else(|| pieces(&crate::domain::docx::decoded(&target))) {
                let place = tags.place(&target, number);
                hooks.links.insert(id, (found, place));
            }
        } else if name == "draw:frame" {
            let says = |name: &str| {
                document
                    .child(id, name)
                    .map(|child| document.children(child).iter().map(|text| document.text(*text)).collect())
            };
            let texts = [says("svg:desc"), says("svg:title"), document.attribute(id, "draw:name")];
            let Some(text) = texts.into_iter().flatten().find(|text: &String| text.contains("{{")) else {
                continue;
            };
            let place = tags.place(&text, number);
            let tag = pieces(&text)
                .and_then(|pieces| pieces.into_iter().find(|piece| matches!(piece, Piece::Output(..))));
            match (tag, document.child(id, "draw:image")) {
                (None, _) => tags.wrong(place, Problem::Unfinished),
                (Some(_), None) => {
                    tags.wrong(
                        place,
                        Problem::CrossesBorder("this frame is no picture that could be replaced".into()),
                    );
                }
                (Some(tag), Some(_)) => {
                    hooks.pictures.insert(id, (tag, place));
                }
            }
        }
    }
}

impl Dialect for Text {
    fn role(&self, name: &str) -> Role {
        match name {
            "text:p" | "text:h" => Role::Paragraph,
            "table:table-row" => Role::Row,
            "text:list-item" | "text:list-header" => Role::Item,
            "text:span" | "text:a" => Role::Inline,
            "text:meta" | "text:placeholder" => Role::Fixed,
            "text:bookmark"
            | "text:bookmark-start"
            | "text:bookmark-end"
            | "text:reference-mark-start"
            | "text:reference-mark-end"
            | "text:change"
            | "text:change-start"
            | "text:change-end" => Role::Range,
            "draw:frame" | "draw:a" | "draw:custom-shape" | "draw:line" | "draw:g" | "text:note"
            | "text:page-number" | "text:page-count" | "text:date" | "text:time" | "text:user-defined"
            | "text:variable-get" | "text:sequence" | "text:bookmark-ref" | "text:reference-ref"
            | "text:title" | "text:author-name" | "text:chapter" | "text:ruby" => Role::Object,
            _ => Role::Other,
        }
    }

    fn holds_text(&self, name: &str) -> bool {
        matches!(name, "text:p" | "text:h" | "text:span" | "text:a" | "text:placeholder" | "text:meta")
    }
}

impl Hooks for Text {
    fn element(emitter: &mut Emitter<'_, '_, Self>, id: Id) -> bool {
        let document = emitter.document;
        match document.name(id) {
            "text:p" | "text:h" => return first_paragraph(emitter, id),
            "text:bookmark"
            | "text:bookmark-start"
            | "text:bookmark-end"
            | "text:reference-mark"
            | "text:reference-mark-start"
            | "text:reference-mark-end"
            | "text:change"
            | "text:change-start"
            | "text:change-end" => {
                emitter.once(|emitter| emitter.plain(id));
            }
            "text:list" | "text:list-item" | "text:section" => return once_named(emitter, id),
            "text:a" | "draw:a" => return link(emitter, id),
            "draw:frame" => return frame(emitter, id),
            "draw:image" => return image(emitter, id),
            "svg:desc" | "svg:title" if emitter.hooks.in_picture => {}
            "table:table" => return table(emitter, id),
            _ => return false,
        }
        true
    }

    fn style(&self, _: &str) -> Style {
        Style::OdtText
    }

    fn around(&self, _: &Document, _: Option<Id>) -> (String, &'static str) {
        (String::new(), "")
    }
}

/// The first paragraph of a letter behind the first in a joined file begins a page.
fn first_paragraph(emitter: &mut Emitter<'_, '_, Text>, id: Id) -> bool {
    let document = emitter.document;
    let Some(style) =
        emitter.hooks.begin.as_ref().filter(|begin| begin.paragraph == Some(id)).map(|begin| begin.style)
    else {
        return false;
    };
    let tag = document.begin_tag(id);
    let other = match attribute_span(tag, "text:style-name") {
        Some((begin, end)) => format!("{}{style}{}", &tag[..begin], &tag[end..]),
        None => {
            let name = document.name(id);
            tag.replacen(name, &format!("{name} text:style-name=\"{style}\""), 1)
        }
    };
    emitter.builder.begin();
    emitter.builder.text(tag);
    let first = emitter.builder.end();
    emitter.builder.begin();
    emitter.builder.text(&other);
    let others = emitter.builder.end();
    emitter.builder.push(Op::Following { first, others });
    emitter.inner(id);
    emitter.end_tag(id);
    true
}

/// An id or a section's name may stand once in a file.
fn once_named(emitter: &mut Emitter<'_, '_, Text>, id: Id) -> bool {
    let document = emitter.document;
    let tag = document.begin_tag(id);
    let Some((begin, end)) = attribute_span(tag, "xml:id") else {
        return document.name(id) == "text:list" && table(emitter, id);
    };
    let from = tag[..begin].rfind("xml:id").map_or(begin, |at| tag[..at].trim_end().len());
    emitter.builder.text(&tag[..from]);
    emitter.once(|emitter| emitter.builder.text(&tag[from..=end]));
    emitter.builder.text(&tag[end + 1..]);
    emitter.inner(id);
    emitter.end_tag(id);
    true
}

fn link(emitter: &mut Emitter<'_, '_, Text>, id: Id) -> bool {
    let document = emitter.document;
    let Some((pieces, place)) = emitter.hooks.links.get(&id).cloned() else { return false };
    let tag = document.begin_tag(id);
    let Some((begin, end)) = attribute_span(tag, "xlink:href") else { return false };
    let expr = emitter.target(&pieces, place);
    emitter.builder.text(&tag[..begin]);
    emitter.builder.push(Op::Field { expr, style: Style::Target, tag: place });
    emitter.builder.text(&tag[end..]);
    emitter.inner(id);
    emitter.end_tag(id);
    true
}

/// A frame whose picture letters fill in: its name, its sides and its file differ.
fn frame(emitter: &mut Emitter<'_, '_, Text>, id: Id) -> bool {
    let document = emitter.document;
    let Some((piece, place)) = emitter.hooks.pictures.get(&id).cloned() else { return false };
    let expr = emitter.pieces(&[piece], place);
    let side = |name: &str| document.attribute(id, name).and_then(|text| length(&text));
    let sides = match (side("svg:width"), side("svg:height")) {
        (Some(width), Some(height)) if width.1 == height.1 => Some((width.0, height.0, width.1)),
        _ => None,
    };
    let mut tag = document.begin_tag(id).to_owned();
    if let Some((begin, end)) = attribute_span(&tag, "draw:name")
        && tag[begin..end].contains("{{")
    {
        tag.replace_range(begin..end, "Picture");
    }
    emitter.builder.begin();
    let mut spans: Vec<(usize, usize, bool)> = [("svg:width", true), ("svg:height", false)]
        .into_iter()
        .filter_map(|(name, is_width)| attribute_span(&tag, name).map(|(begin, end)| (begin, end, is_width)))
        .collect();
    spans.sort_unstable();
    let mut at = 0;
    if let Some((width, height, unit)) = sides {
        for (begin, end, is_width) in spans {
            emitter.builder.text(&tag[at..begin]);
            emitter.builder.push(Op::PictureSize { is_width, width, height, scale: 1_000, unit });
            at = end;
        }
    }
    emitter.builder.text(&tag[at..]);
    emitter.hooks.in_picture = true;
    emitter.inner(id);
    emitter.hooks.in_picture = false;
    emitter.end_tag(id);
    let body = emitter.builder.end();
    emitter.builder.push(Op::Picture { expr, tag: place, body });
    true
}

/// A length in thousandths of its unit.
fn length(text: &str) -> Option<(u64, &'static str)> {
    let unit = ["cm", "mm", "in", "pt"].into_iter().find(|unit| text.ends_with(unit))?;
    let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    (number > 0.0 && number < 1e6).then_some(((number * 1_000.0).round() as u64, unit))
}

/// Of the pictures in a frame the first is replaced; the others are the same one in other formats.
fn image(emitter: &mut Emitter<'_, '_, Text>, id: Id) -> bool {
    let document = emitter.document;
    if !emitter.hooks.in_picture {
        return false;
    }
    let is_first = document.parent(id).and_then(|frame| document.child(frame, "draw:image")) == Some(id);
    if !is_first {
        return true;
    }
    emitter.builder.text("<draw:image xlink:href=\"");
    emitter.builder.push(Op::PictureLink);
    emitter.builder.text("\" xlink:type=\"simple\" xlink:show=\"embed\" xlink:actuate=\"onLoad\"/>");
    true
}

/// A table or list all of whose rows or items may be missing is missing with them.
fn table(emitter: &mut Emitter<'_, '_, Text>, id: Id) -> bool {
    let document = emitter.document;
    let children = document.children(id);
    let holds = |child: &Id| {
        matches!(document.name(*child), "table:table-row" | "text:list-item" | "text:list-header")
    };
    let mut depth = 0_i32;
    let mut first = None;
    for (at, child) in children.iter().enumerate() {
        match document.node(*child) {
            Node::Tag(number) => {
                depth += emitter.tags.depth_step(*number);
                first = first.or(Some(at));
            }
            _ if holds(child) => {
                if depth == 0 && !emitter.removed.contains(child) {
                    return false;
                }
                first = first.or(Some(at));
            }
            // Rows may stand in groups of their own, which are not looked into.
            _ if document.name(*child).starts_with("table:table-row")
                || document.name(*child) == "table:table-header-rows" =>
            {
                return false;
            }
            _ => {}
        }
    }
    let Some(first) = first else { return false };
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
