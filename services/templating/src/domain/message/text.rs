//! The plain text of a message, made of its HTML when nobody wrote one: links with their addresses, lists with their signs, cells in their rows.
//! Called by mod.rs. What stands before and behind a block is a sign, which tidy.rs reads when the fields are filled.

use super::address::Address;
use super::blocks::Blocks;
use super::marks::{Marks, Piece, decoded, pieces};
use super::names::{is_block, refused};
use super::tidy::{BLOCK, CELL, CLOSE, ITEM, LINE, LIST, LIST_END, NUMBERS, OPEN, PARAGRAPH};
use super::tree::{Element, Id, Node, Tree};
use crate::domain::program::{Program, Style};

/// Writes a tree as a program of plain text. The findings of its tags are those that the HTML had already.
pub(super) fn derive(tree: &Tree, marks: &mut Marks) -> Program {
    let found = marks.findings.len();
    let mut derive = Derive { tree, marks, blocks: Blocks::default() };
    derive.nodes(&tree.top);
    let Derive { marks, blocks, .. } = derive;
    let program = blocks.program(marks);
    marks.findings.truncate(found);
    program
}

struct Derive<'t, 'm> {
    tree: &'t Tree,
    marks: &'m mut Marks,
    blocks: Blocks,
}

impl Derive<'_, '_> {
    fn nodes(&mut self, ids: &[Id]) {
        let depth = self.blocks.depth();
        for id in ids {
            match self.tree.node(*id) {
                Node::Text(text) => self.blocks.text(&flat(text)),
                Node::Raw(_) => {}
                Node::Tag(number) => self.blocks.tag(*number, Style::Plain, depth, self.marks),
                Node::Element(element) => self.element(element),
            }
        }
        self.blocks.end_at(depth, self.marks);
    }

    fn element(&mut self, element: &Element) {
        let name = &*element.name;
        if matches!(name, "head" | "title" | "style") || refused(name).is_some() || is_hidden(element) {
            return;
        }
        match name {
            "br" => self.blocks.text(&sign(LINE)),
            "hr" => self.blocks.text(&format!("{PARAGRAPH}----------{PARAGRAPH}")),
            "img" => self.picture(element),
            "a" => self.link(element),
            "ul" | "menu" | "ol" => {
                let kind = if name == "ol" { NUMBERS } else { LIST };
                self.around(element, &format!("{BLOCK}{kind}"), &format!("{LIST_END}{BLOCK}"));
            }
            "li" => self.around(element, &sign(ITEM), &sign(BLOCK)),
            "td" | "th" => {
                let begin = if self.is_beside(element) { CELL } else { BLOCK };
                self.around(element, &sign(begin), "");
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "p" | "blockquote" | "pre" | "dl" => {
                self.around(element, &sign(PARAGRAPH), &sign(PARAGRAPH));
            }
            name if is_block(name) => self.around(element, &sign(BLOCK), &sign(BLOCK)),
            _ => self.nodes(&element.children),
        }
    }

    fn around(&mut self, element: &Element, before: &str, behind: &str) {
        self.blocks.text(before);
        self.nodes(&element.children);
        self.blocks.text(behind);
    }

    /// Whether a cell stands in the line of its row: it holds words and no blocks, as in a table of prices, not in one that lays out the page.
    fn is_beside(&self, cell: &Element) -> bool {
        let mut next: Vec<Id> = cell.children.clone();
        while let Some(id) = next.pop() {
            let Some(element) = self.tree.element(id) else { continue };
            if is_block(&element.name) {
                return false;
            }
            next.extend(&element.children);
        }
        true
    }

    fn picture(&mut self, element: &Element) {
        if let Some(text) = element.attribute("alt").filter(|text| !text.trim().is_empty()) {
            self.value(text);
        }
    }

    /// "text (address)", or the address alone when the text says it already.
    fn link(&mut self, element: &Element) {
        let address = element.attribute("href").unwrap_or_default().trim();
        let inner = self.inner_text(element);
        let bare = address.strip_prefix("mailto:").or(address.strip_prefix("tel:")).unwrap_or(address);
        let shown = self.shown(bare);
        let said = inner == shown || inner == shown.trim_start_matches("https://");
        if address.is_empty() || address.starts_with('#') || said {
            return self.nodes(&element.children);
        }
        self.nodes(&element.children);
        let (open, close) =
            if inner.is_empty() { (String::new(), String::new()) } else { (sign(OPEN), sign(CLOSE)) };
        self.blocks.text(&open);
        self.address(bare);
        self.blocks.text(&close);
    }

    /// An address: its fields are encoded as emit.rs has it.
    fn address(&mut self, address: &str) {
        let depth = self.blocks.depth();
        let mut read = Address::new();
        for piece in pieces(address) {
            match piece {
                Piece::Text(text) => self.blocks.text(&flat(read.text(text))),
                Piece::Tag(number) => {
                    self.blocks.tag(number, Style::PlainAddress(read.place()), depth, self.marks);
                    read.tag(self.marks.words.get(number as usize).map(|(word, _)| word));
                }
            }
        }
        self.blocks.end_at(depth, self.marks);
    }

    /// A value of an attribute.
    fn value(&mut self, value: &str) {
        let depth = self.blocks.depth();
        for piece in pieces(value) {
            match piece {
                Piece::Text(text) => self.blocks.text(&flat(text)),
                Piece::Tag(number) => self.blocks.tag(number, Style::Plain, depth, self.marks),
            }
        }
        self.blocks.end_at(depth, self.marks);
    }

    /// What an element says, with the text of its tags, to compare it.
    fn inner_text(&self, element: &Element) -> String {
        let mut out = String::new();
        let mut next: Vec<Id> = element.children.iter().rev().copied().collect();
        while let Some(id) = next.pop() {
            match self.tree.node(id) {
                Node::Text(text) => out.push_str(text),
                Node::Tag(number) => out.push_str(&self.written(*number)),
                Node::Element(element) => {
                    if &*element.name == "img" {
                        out.push_str(element.attribute("alt").unwrap_or_default());
                    }
                    next.extend(element.children.iter().rev());
                }
                Node::Raw(_) => {}
            }
        }
        self.shown(out.trim())
    }

    /// A text with its tags as they are written.
    fn shown(&self, text: &str) -> String {
        let written = |piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Tag(number) => self.written(number),
        };
        pieces(text).into_iter().map(written).collect()
    }

    fn written(&self, number: u32) -> String {
        let place = self.marks.words.get(number as usize).map(|(_, place)| *place as usize);
        place
            .and_then(|place| self.marks.places.get(place))
            .map(|place| place.tag.to_string())
            .unwrap_or_default()
    }
}

fn sign(sign: char) -> String {
    sign.to_string()
}

fn is_hidden(element: &Element) -> bool {
    let style = element.attribute("style").unwrap_or_default().to_ascii_lowercase();
    style.split(';').any(|it| {
        it.split_once(':')
            .is_some_and(|(name, value)| name.trim() == "display" && value.trim().starts_with("none"))
    }) || element.attributes.iter().any(|(name, _)| **name == *"hidden")
}

/// Static text: blanks and line ends are one blank, and no sign of ours is in it.
fn flat(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in decoded(text).chars() {
        let c = if matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}') { ' ' } else { c };
        let is_sign = ('\u{e000}'..='\u{e00f}').contains(&c);
        if !(is_sign || c == ' ' && out.ends_with(' ')) {
            out.push(c);
        }
    }
    out
}
