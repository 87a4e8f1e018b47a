//! From the tree of a message to the program of its HTML: each field is written by the place where it stands.
//! Called by mod.rs.

use super::address::Address;
use super::blocks::Blocks;
use super::marks::{Marks, Piece, has_tag, pieces};
use super::names::{has_scheme, is_address, is_void, refused};
use super::tree::{Element, Id, Node, Tree};
use crate::domain::finding::Problem;
use crate::domain::program::{Place as UrlPlace, Program, Style};

/// Writes a tree as a program, with what stands before and behind it.
pub(super) fn emit(tree: &Tree, (before, behind): (&str, &str), marks: &mut Marks) -> Program {
    let mut emit = Emit { tree, marks, blocks: Blocks::default() };
    emit.blocks.text(before);
    emit.nodes(&tree.top);
    emit.blocks.text(behind);
    let Emit { marks, blocks, .. } = emit;
    blocks.program(marks)
}

struct Emit<'t, 'm> {
    tree: &'t Tree,
    marks: &'m mut Marks,
    blocks: Blocks,
}

impl Emit<'_, '_> {
    /// Nodes that follow each other. Blocks that begin in them end in them.
    fn nodes(&mut self, ids: &[Id]) {
        let depth = self.blocks.depth();
        for id in ids {
            match self.tree.node(*id) {
                Node::Text(text) | Node::Raw(text) => self.blocks.text(text),
                Node::Tag(number) => {
                    let style = match self.tree.parent(*id).and_then(|id| self.tree.element(id)) {
                        Some(parent) if matches!(&*parent.name, "title" | "pre") => Style::HtmlLine,
                        _ => Style::HtmlText,
                    };
                    self.blocks.tag(*number, style, depth, self.marks);
                }
                Node::Element(element) => self.element(element),
            }
        }
        self.blocks.end_at(depth, self.marks);
    }

    fn element(&mut self, element: &Element) {
        let (name, line) = (&*element.name, element.line);
        if let Some(why) = refused(name) {
            self.marks.wrong(line, &format!("<{name}>"), Problem::Markup(why.to_owned()));
            return;
        }
        if let Some(why) = refused_here(element) {
            self.marks.wrong(line, &format!("<{name}>"), Problem::Markup(why.to_owned()));
            return;
        }
        self.blocks.text("<");
        self.blocks.text(name);
        for (attribute, value) in &element.attributes {
            self.attribute(element, attribute, value.as_deref());
        }
        self.blocks.text(">");
        self.nodes(&element.children);
        if !is_void(name) {
            self.blocks.text("</");
            self.blocks.text(name);
            self.blocks.text(">");
        }
    }

    fn attribute(&mut self, element: &Element, name: &str, value: Option<&str>) {
        let line = element.line;
        let shown = format!("<{} {name}>", element.name);
        if refused_attribute(name) {
            let why = "mail programs run no scripts: take the attribute out";
            return self.marks.wrong(line, &shown, Problem::Markup(why.to_owned()));
        }
        self.blocks.text(" ");
        self.blocks.text(name);
        let Some(value) = value else { return };
        self.blocks.text("=\"");
        if is_address(name) {
            self.address(value, line, &shown);
        } else {
            if name == "style" && is_danger(value) {
                let why = "a style may hold no script";
                self.marks.wrong(line, &shown, Problem::Markup(why.to_owned()));
            }
            let style = match name {
                "style" => Style::HtmlCss,
                // It names styles or other elements.
                "class" | "id" | "for" | "name" => Style::HtmlLine,
                "srcset" | "srcdoc" | "content" if has_tag(value) => {
                    let why = format!("no field may stand in {name}");
                    return self.marks.wrong(line, &shown, Problem::Markup(why));
                }
                _ => Style::HtmlLine,
            };
            let depth = self.blocks.depth();
            for piece in pieces(value) {
                match piece {
                    Piece::Text(text) => self.quoted(text),
                    Piece::Tag(number) => self.blocks.tag(number, style, depth, self.marks),
                }
            }
            self.blocks.end_at(depth, self.marks);
        }
        self.blocks.text("\"");
    }

    fn quoted(&mut self, text: &str) {
        if text.contains('"') {
            self.blocks.text(&text.replace('"', "&quot;"));
        } else {
            self.blocks.text(text);
        }
    }

    /// An address: where it begins, its scheme must be one that opens something harmless, whatever the fields hold.
    fn address(&mut self, value: &str, line: u32, shown: &str) {
        let depth = self.blocks.depth();
        let mut address = Address::new();
        for piece in pieces(value) {
            match piece {
                Piece::Text(text) => {
                    let is_start = address.place() == UrlPlace::Start;
                    let text = address.text(text);
                    if is_start && !text.is_empty() && !has_scheme(text) && !text.starts_with('#') {
                        let why = "an address begins with http:, https:, mailto:, tel: or cid:";
                        self.marks.wrong(line, shown, Problem::Markup(why.to_owned()));
                    }
                    self.quoted(text);
                }
                Piece::Tag(number) => {
                    self.blocks.tag(number, Style::HtmlAddress(address.place()), depth, self.marks);
                    address.tag(self.marks.words.get(number as usize).map(|(word, _)| word));
                }
            }
        }
        self.blocks.end_at(depth, self.marks);
    }
}

fn is_danger(style: &str) -> bool {
    let small = style.to_ascii_lowercase();
    ["expression(", "javascript:", "vbscript:", "-moz-binding", "behavior:"]
        .iter()
        .any(|word| small.contains(word))
}

/// Attributes that hold scripts.
pub(super) fn refused_attribute(name: &str) -> bool {
    name.starts_with("on") && name.len() > 2
}

/// Elements that mail programs take only with some attributes.
pub(super) fn refused_here(element: &Element) -> Option<&'static str> {
    let is = |name: &str, wanted: &str| {
        element.attribute(name).is_some_and(|it| it.trim().eq_ignore_ascii_case(wanted))
    };
    match &*element.name {
        "link"
            if element.attribute("rel").is_none_or(|rel| rel.to_ascii_lowercase().contains("stylesheet")) =>
        {
            Some("mail programs load no styles from elsewhere: write them into <style>")
        }
        "meta" if is("http-equiv", "refresh") => Some("mail programs ignore it: use a link"),
        "meta"
            if element.attribute("charset").is_some_and(|set| !set.trim().eq_ignore_ascii_case("utf-8")) =>
        {
            Some("a message is written in UTF-8")
        }
        _ => None,
    }
}
