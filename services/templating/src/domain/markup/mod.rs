//! What DOCX and ODT have in common: finding tags in paragraphs, lifting blocks to where they repeat, writing a program.
//! Used by both compilers; what differs stands in their `Dialect`.

mod blocks;
mod emit;
mod tags;

pub(crate) use blocks::lift;
pub(crate) use emit::{Emitter, Hooks};
pub(crate) use tags::{Compare, Leaf, Merge, Piece, Source, Tags, Word, WordIf, pieces, word};

/// What an element is to the compilers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A paragraph.
    Paragraph,
    /// A table's row.
    Row,
    /// An item of a list.
    Item,
    /// Around text inside of a paragraph; may be cut in two.
    Inline,
    /// Around text inside of a paragraph; may not be cut: a content control.
    Fixed,
    /// Properties of what it stands in; a cut copies them.
    Properties,
    /// Marks that may stand between paragraphs and must stay: bookmarks.
    Range,
    /// Something to be seen that is no text: a picture, a field, a page break.
    Object,
    /// All else.
    Other,
}

/// What differs between the formats.
pub(crate) trait Dialect {
    /// What an element is, by its name.
    fn role(&self, name: &str) -> Role;
    /// Whether text nodes right in this element are text of the letter.
    fn holds_text(&self, name: &str) -> bool;
}
