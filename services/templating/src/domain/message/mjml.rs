//! MJML to HTML, once, when a template is compiled. The crate mrml does it; what it gets was read here before, with caps on all that grows.
//! Called by mod.rs. Fields are marks in text and attributes; blocks between sections and columns are comments, which mrml leaves where they are.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mrml::prelude::parser::Error;
use mrml::prelude::render::RenderOptions;

use super::emit::{refused_attribute, refused_here};
use super::marks::{BEGIN, END, Marks, Piece, pieces};
use super::names::{is_void, refused};
use super::read::{Rules, read};
use super::tree::{Element, Id, Node, Tree};
use crate::domain::finding::{Problem, nearest};
use crate::domain::markup::Word;

/// The elements of MJML.
const KNOWN: [&str; 35] = [
    "mjml",
    "mj-accordion",
    "mj-accordion-element",
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-all",
    "mj-attributes",
    "mj-body",
    "mj-breakpoint",
    "mj-button",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-head",
    "mj-hero",
    "mj-image",
    "mj-include",
    "mj-navbar",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-section",
    "mj-social",
    "mj-social-element",
    "mj-spacer",
    "mj-style",
    "mj-table",
    "mj-text",
    "mj-title",
    "mj-wrapper",
    "mj-html-attributes",
];
/// Elements at most.
const ELEMENTS: usize = 3_000;
/// Bytes of an attribute.
const VALUE: usize = 4_096;
/// Bytes that mj-attributes may bring to all elements together.
const BROUGHT: usize = 8 << 20;
/// Pictures of carousels: each brings rules for all others.
const CAROUSEL: usize = 30;
/// Bytes of the HTML.
const HTML: usize = 4 << 20;

/// What came out.
pub(super) struct Made {
    /// HTML with marks.
    pub(super) html: String,
    /// Styles that are written into the elements.
    pub(super) style: String,
}

/// Compiles a source with marks.
pub(super) fn compile(source: &str, marks: &mut Marks) -> Option<Made> {
    let tree = read(source, Rules::Mjml, marks)?;
    let before = marks.told();
    look(&tree, marks);
    if marks.told() > before {
        return None;
    }
    let sign = sign(source);
    let mut out = Writer {
        tree: &tree,
        marks,
        text: String::with_capacity(source.len()),
        style: String::new(),
        sign: sign.clone(),
    };
    for id in &tree.top {
        out.node(*id);
    }
    let Writer { text, style, .. } = out;
    if marks.told() > before {
        return None;
    }
    // A panic in there is a template that can't be compiled, not a service that is down.
    let made = catch_unwind(AssertUnwindSafe(|| render(&text)));
    match made.unwrap_or_else(|_| Err("MJML can't be compiled".to_owned())) {
        Ok(html) if html.len() > HTML => {
            marks.wrong(
                0,
                "",
                Problem::Limit(format!("the HTML has {} bytes, {HTML} are allowed", html.len())),
            );
            None
        }
        Ok(html) => Some(Made { html: with_marks(&html, &sign), style }),
        Err(why) => {
            marks.wrong(0, "", Problem::Markup(why));
            None
        }
    }
}

/// A word that stands nowhere in the source. It takes the place of a mark in attributes, where mrml writes other characters in a way of its own.
fn sign(source: &str) -> String {
    const SIGN: &str = "kontor-field-";
    // One x more than behind any such word in the source.
    let runs = source.split(SIGN).skip(1).map(|rest| rest.len() - rest.trim_start_matches('x').len());
    format!("{SIGN}{}", "x".repeat(runs.max().map_or(0, |longest| longest + 1)))
}

/// The HTML with marks in the places of those words.
fn with_marks(html: &str, sign: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(sign) {
        out.push_str(&rest[..at]);
        rest = &rest[at + sign.len()..];
        let end = rest.find('-').unwrap_or(rest.len());
        out.push(BEGIN);
        out.push_str(&rest[..end]);
        out.push(END);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

fn render(text: &str) -> Result<String, String> {
    let parsed = mrml::parse(text).map_err(|cause| told(&cause, text))?;
    // No fonts: they are loaded from elsewhere.
    let options = RenderOptions { fonts: HashMap::new(), ..RenderOptions::default() };
    let html = parsed.element.render(&options).map_err(|cause| format!("MJML can't be compiled: {cause}"))?;
    // What a template does not say, readers find out themselves.
    Ok(html.replace(" lang=\"und\"", ""))
}

fn told(cause: &Error, text: &str) -> String {
    let (what, at) = match cause {
        Error::UnexpectedElement { position, .. } => ("an element that can't stand there", position.start),
        Error::UnexpectedToken { position, .. } => ("something that can't stand there", position.start),
        Error::InvalidAttribute { position, .. } => ("an attribute that can't stand there", position.start),
        Error::InvalidFormat { position, .. } => ("something that is not written well", position.start),
        Error::MissingAttribute { name, .. } => return format!("MJML misses the attribute {name}"),
        Error::NoRootNode => return "it does not begin with <mjml>".to_owned(),
        other => return format!("MJML can't be read: {other}"),
    };
    let near = text.get(at..).unwrap_or_default();
    let near: String = near.chars().filter(|c| *c != BEGIN && *c != END).take(40).collect();
    format!("in MJML stands {what}: {near:?}")
}

/// All that is wrong before anything is made.
fn look(tree: &Tree, marks: &mut Marks) {
    let roots: Vec<Id> = tree.top.iter().copied().filter(|id| tree.element(*id).is_some()).collect();
    if !matches!(roots.as_slice(), [root] if tree.element(*root).is_some_and(|root| &*root.name == "mjml")) {
        return marks.wrong(1, "", Problem::Markup("it does not begin with <mjml>".to_owned()));
    }
    if tree.elements > ELEMENTS {
        return marks.wrong(0, "", Problem::Limit(format!("more than {ELEMENTS} elements")));
    }
    let (mut given, mut pictures) = (0, 0);
    for (id, element) in tree.all() {
        let shown = format!("<{}>", element.name);
        let mut wrong = |why: &str| marks.wrong(element.line, &shown, Problem::Markup(why.to_owned()));
        if &*element.name == "mj-include" {
            wrong("nothing is read from elsewhere: write what mj-include brings");
        } else if element.name.starts_with("mj") && !KNOWN.contains(&&*element.name) {
            let near = nearest(&element.name, KNOWN.into_iter());
            let near = near.map_or(String::new(), |near| format!("; the nearest is <{near}>"));
            wrong(&format!("MJML has no such element{near}"));
        }
        if let Some(why) = refused(&element.name).or_else(|| refused_here(element)) {
            wrong(why);
        }
        if element.attributes.iter().any(|(name, _)| refused_attribute(name)) {
            wrong("mail programs run no scripts: take the attribute out");
        }
        let size = element.attributes.iter().map(|(_, value)| value.as_ref().map_or(0, |value| value.len()));
        if size.clone().any(|size| size > VALUE) {
            let why = format!("an attribute has at most {VALUE} bytes");
            marks.wrong(element.line, &shown, Problem::Limit(why));
        }
        if is_in(tree, id, "mj-attributes") {
            given += size.sum::<usize>() + element.name.len();
        }
        pictures += usize::from(&*element.name == "mj-carousel-image");
    }
    if given.saturating_mul(tree.elements) > BROUGHT {
        let why = "mj-attributes bring too much to so many elements";
        marks.wrong(0, "<mj-attributes>", Problem::Limit(why.to_owned()));
    }
    if pictures > CAROUSEL {
        let why = format!("carousels have at most {CAROUSEL} pictures");
        marks.wrong(0, "<mj-carousel>", Problem::Limit(why));
    }
}

fn is_in(tree: &Tree, id: Id, name: &str) -> bool {
    let mut at = tree.parent(id);
    while let Some(around) = at {
        if tree.element(around).is_some_and(|element| &*element.name == name) {
            return true;
        }
        at = tree.parent(around);
    }
    false
}

/// Elements that hold other elements of MJML and no text.
fn is_frame(name: &str) -> bool {
    matches!(
        name,
        "mjml"
            | "mj-body"
            | "mj-wrapper"
            | "mj-section"
            | "mj-column"
            | "mj-group"
            | "mj-hero"
            | "mj-navbar"
            | "mj-social"
            | "mj-accordion"
            | "mj-accordion-element"
            | "mj-carousel"
            | "mj-head"
            | "mj-attributes"
    )
}

struct Writer<'t, 'm> {
    tree: &'t Tree,
    marks: &'m mut Marks,
    text: String,
    style: String,
    sign: String,
}

impl Writer<'_, '_> {
    fn node(&mut self, id: Id) {
        match self.tree.node(id) {
            Node::Text(text) | Node::Raw(text) => self.text.push_str(text),
            Node::Tag(number) => self.tag(id, *number),
            Node::Element(element) => self.element(element),
        }
    }

    fn tag(&mut self, id: Id, number: u32) {
        let parent = self.tree.parent(id).and_then(|parent| self.tree.element(parent));
        let mark = format!("{BEGIN}{number}{END}");
        let Some(parent) = parent.filter(|parent| is_frame(&parent.name)) else {
            return self.text.push_str(&mark);
        };
        let (word, place) = &self.marks.words[number as usize];
        let place = *place;
        let why = if matches!(&*parent.name, "mj-head" | "mj-attributes" | "mjml") {
            format!("no field may stand right in <{}>", parent.name)
        } else if matches!(word, Word::Output(..)) {
            format!("a field stands in a text, not right in <{}>", parent.name)
        } else {
            self.text.push_str(&format!("<!--{mark}-->"));
            return;
        };
        self.marks.wrong_at(place, Problem::Markup(why));
    }

    fn element(&mut self, element: &Element) {
        let is_inlined = &*element.name == "mj-style" && element.attribute("inline") == Some("inline");
        if is_inlined {
            for child in &element.children {
                if let Node::Raw(text) = self.tree.node(*child) {
                    self.style.push_str(text);
                    self.style.push('\n');
                }
            }
            return;
        }
        self.text.push('<');
        self.text.push_str(&element.name);
        for (name, value) in &element.attributes {
            self.text.push(' ');
            self.text.push_str(name);
            if let Some(value) = value {
                self.text.push_str("=\"");
                self.value(value);
                self.text.push('"');
            }
        }
        if is_void(&element.name) {
            return self.text.push_str(" />");
        }
        self.text.push('>');
        for child in &element.children {
            self.node(*child);
        }
        self.text.push_str("</");
        self.text.push_str(&element.name);
        self.text.push('>');
    }

    /// The value of an attribute; what mrml would write in a way of its own is a reference.
    fn value(&mut self, value: &str) {
        for piece in pieces(value) {
            let text = match piece {
                Piece::Text(text) => text,
                Piece::Tag(number) => {
                    self.text.push_str(&format!("{}{number}-", self.sign));
                    continue;
                }
            };
            for c in text.chars() {
                match c {
                    '"' => self.text.push_str("&quot;"),
                    '\n' | '\r' | '\t' => self.text.push(' '),
                    '\'' => self.text.push(c),
                    c if c.escape_debug().len() > 1 => self.text.push_str(&format!("&#x{:x};", u32::from(c))),
                    c => self.text.push(c),
                }
            }
        }
    }
}
