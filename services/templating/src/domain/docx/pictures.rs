//! Pictures of a template that letters fill in: the tag stands in the picture's alternative text, title or name.
//! Called by the compiler to find them and by the emitter to write them.

use super::word::{Word, paragraph_of};
use crate::domain::finding::Problem;
use crate::domain::markup::{Emitter, Piece, Tags, pieces};
use crate::domain::program::Op;
use crate::domain::xml::{Document, Id, attribute_span};
use std::collections::HashMap;

/// Finds the pictures of a part that letters fill in.
pub(super) fn find(
    document: &Document,
    tags: &mut Tags<'_>,
    numbers: &HashMap<Id, u32>,
) -> HashMap<Id, (Piece, u32)> {
    let mut found = HashMap::new();
    for id in document.walk(document.root()) {
        if document.name(id) != "w:drawing" {
            continue;
        }
        let inside = document.walk(id);
        let Some(properties) = inside.iter().copied().find(|id| document.name(*id) == "wp:docPr") else {
            continue;
        };
        let texts =
            ["descr", "title", "name"].into_iter().filter_map(|name| document.attribute(properties, name));
        let Some(text) = texts.into_iter().find(|text| text.contains("{{")) else { continue };
        let number = paragraph_of(document, id).and_then(|id| numbers.get(&id)).copied().unwrap_or(0);
        let place = tags.place(&text, number);
        let tag = pieces(&text)
            .and_then(|pieces| pieces.into_iter().find(|piece| matches!(piece, Piece::Output(..))));
        let has_picture = inside.iter().any(|id| document.name(*id) == "a:blip");
        match tag {
            None => tags.wrong(place, Problem::Unfinished),
            Some(_) if !has_picture => {
                tags.wrong(
                    place,
                    Problem::CrossesBorder("this drawing is no picture that could be replaced".into()),
                );
            }
            Some(tag) => {
                found.insert(id, (tag, place));
            }
        }
    }
    found
}

/// Writes a drawing that letters fill in.
pub(super) fn drawing(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id) -> bool {
    let Some((piece, place)) = emitter.hooks.pictures.get(&id).cloned() else { return false };
    let document = emitter.document;
    let expr = emitter.pieces(&[piece], place);
    let side = |extent: Id, name: &str| {
        document.attribute(extent, name).and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    let extent = document.walk(id).into_iter().find(|id| document.name(*id) == "wp:extent");
    emitter.hooks.picture_box = extent.map(|extent| (side(extent, "cx"), side(extent, "cy")));
    emitter.builder.begin();
    emitter.plain(id);
    let body = emitter.builder.end();
    emitter.hooks.picture_box = None;
    emitter.builder.push(Op::Picture { expr, tag: place, body });
    true
}

/// Writes what differs inside of a drawing.
pub(super) fn inside(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id) -> bool {
    let document = emitter.document;
    let picture = emitter.hooks.picture_box;
    match (document.name(id), picture) {
        ("wp:docPr", _) => properties(emitter, id, picture.is_some()),
        ("wp:extent", Some(size)) => sides(emitter, id, size),
        // Elements of that name are also lists of extensions; those have no sides.
        ("a:ext", Some(size)) if document.attribute(id, "cx").is_some() => sides(emitter, id, size),
        ("a:blip", Some(_)) => {
            emitter.builder.text("<a:blip r:embed=\"");
            emitter.builder.push(Op::PictureLink);
            // What the old picture had besides, such as a drawing of it as SVG, goes.
            emitter.builder.text("\"/>");
        }
        // How the old picture was cut.
        ("a:srcRect", Some(_)) => {}
        _ => return false,
    }
    true
}

/// The number of a drawing stands once in a document; the tag is not shown as alternative text.
fn properties(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id, is_picture: bool) {
    let document = emitter.document;
    let mut tag = document.begin_tag(id).to_owned();
    if is_picture {
        for name in ["descr", "title", "name"] {
            if let Some((begin, end)) = attribute_span(&tag, name)
                && tag[begin..end].contains("{{")
            {
                tag.replace_range(begin..end, if name == "name" { "Picture" } else { "" });
            }
        }
    }
    match attribute_span(&tag, "id") {
        Some((begin, end)) => {
            emitter.builder.text(&tag[..begin]);
            emitter.builder.push(Op::Unique);
            emitter.builder.text(&tag[end..]);
        }
        None => emitter.builder.text(&tag),
    }
    emitter.inner(id);
    emitter.end_tag(id);
}

fn sides(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id, (width, height): (u64, u64)) {
    let document = emitter.document;
    let tag = document.begin_tag(id);
    let mut spans: Vec<(usize, usize, bool)> = [("cx", true), ("cy", false)]
        .into_iter()
        .filter_map(|(name, is_width)| attribute_span(tag, name).map(|(begin, end)| (begin, end, is_width)))
        .collect();
    spans.sort_unstable();
    let mut at = 0;
    for (begin, end, is_width) in spans {
        emitter.builder.text(&tag[at..begin]);
        emitter.builder.push(Op::PictureSize { is_width, width, height, scale: 1, unit: "" });
        at = end;
    }
    emitter.builder.text(&tag[at..]);
    emitter.inner(id);
    emitter.end_tag(id);
}
