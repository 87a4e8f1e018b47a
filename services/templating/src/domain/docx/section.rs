//! Sections: each letter of a joined file is one, begins on a new page, and has its own headers when those differ.
//! Called by the compiler before it emits and by the emitter.

use super::word::Word;
use crate::domain::markup::Emitter;
use crate::domain::program::{Mapped, Op};
use crate::domain::xml::{Document, Id, attribute_span};

/// The children of `w:sectPr` behind the page's numbers, by the schema.
const BEHIND_NUMBERS: [&str; 12] = [
    "w:cols",
    "w:formProt",
    "w:vAlign",
    "w:noEndnote",
    "w:titlePg",
    "w:textDirection",
    "w:bidi",
    "w:rtlGutter",
    "w:docGrid",
    "w:printerSettings",
    "w:sectPrChange",
    "w:footnoteColumns",
];

/// Makes the first section of a letter begin on a new page with page 1. In a single letter it does so anyway.
pub(super) fn prepare(document: &mut Document, body: Id) {
    let sections = document.walk(body).into_iter().filter(|id| document.name(*id) == "w:sectPr");
    let Some(first) = sections.into_iter().next() else { return };
    if let Some(kind) = document.child(first, "w:type") {
        document.remove(kind);
    }
    let numbers = document.child(first, "w:pgNumType");
    match numbers {
        Some(numbers) if document.attribute(numbers, "w:start").is_some() => {}
        Some(numbers) => {
            let tag = document.begin_tag(numbers).replacen("<w:pgNumType", "<w:pgNumType w:start=\"1\"", 1);
            document.set_begin_tag(numbers, tag);
        }
        None => {
            let children = document.children(first);
            let at = children
                .iter()
                .position(|id| BEHIND_NUMBERS.contains(&document.name(*id)))
                .unwrap_or(children.len());
            let numbers = document.make_element("<w:pgNumType w:start=\"1\"/>", Vec::new());
            if document.is_self_closed(first) {
                let tag = document.begin_tag(first).trim_end_matches("/>").to_owned() + ">";
                document.set_begin_tag(first, tag);
            }
            document.insert(first, at, numbers);
        }
    }
}

/// A header that differs between letters is a part of its own in each further letter of a joined file.
pub(super) fn header_reference(emitter: &mut Emitter<'_, '_, Word<'_>>, id: Id) -> bool {
    let document = emitter.document;
    let tag = document.begin_tag(id);
    let Some(relation) = document.attribute(id, "r:id") else { return false };
    let Some(number) = emitter.hooks.headers.get(&relation).copied() else { return false };
    let Some((begin, end)) = attribute_span(tag, "r:id") else { return false };
    emitter.builder.text(&tag[..begin]);
    emitter.builder.begin();
    emitter.builder.text(&relation);
    let first = emitter.builder.end();
    let others = vec![Op::Mapped { kind: Mapped::Header, id: number }];
    emitter.builder.push(Op::Following { first, others });
    emitter.builder.text(&tag[end..]);
    emitter.inner(id);
    emitter.end_tag(id);
    true
}
