//! The tree: nodes are spans of the source, so what is not touched is written back as it was.
//! Built by `Document::parse` with caps on size, depth and number; changed by the compilers.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::escape::unescape;
use crate::domain::finding::Problem;
use crate::domain::limits::Limits;

/// A node's number in its document.
pub type Id = u32;

type Span = (u32, u32);

/// A node.
#[derive(Debug, Clone)]
pub enum Node {
    /// An element with its children.
    Element(Element),
    /// Text with its references, as it stands in the source.
    Text(Span),
    /// Text that a compiler made, already escaped.
    Made(Box<str>),
    /// A comment, a processing instruction, the declaration, CDATA.
    Raw(Span),
    /// A place where a letter differs: the number of a tag.
    Tag(u32),
}

/// An element.
#[derive(Debug, Clone)]
pub struct Element {
    /// The begin tag in the source.
    open: Span,
    /// The name in the source.
    name: Span,
    /// Another begin tag than the source's.
    changed: Option<Box<str>>,
    is_empty: bool,
    /// The nodes in it.
    pub children: Vec<Id>,
}

/// A part's tree.
pub struct Document {
    source: String,
    nodes: Vec<Node>,
    parents: Vec<Id>,
    /// The top nodes: declaration, root, comments.
    pub top: Vec<Id>,
}

/// The parent of top nodes.
pub(crate) const NOBODY: Id = Id::MAX;

impl Document {
    /// Reads a part. `left` is how many nodes the template may still have.
    pub fn parse(bytes: Vec<u8>, limits: &Limits, left: &mut usize) -> Result<Self, Problem> {
        let mut source = String::from_utf8(bytes).map_err(|_| broken("it is not UTF-8"))?;
        if source.starts_with('\u{feff}') {
            source.drain(..'\u{feff}'.len_utf8());
        }
        if source.len() > limits.part_bytes.min(u32::MAX as usize) {
            return Err(Problem::Limit(format!("{} bytes, {} are allowed", source.len(), limits.part_bytes)));
        }
        let mut document =
            Self { source: String::new(), nodes: Vec::new(), parents: Vec::new(), top: Vec::new() };
        document.read(&source, limits, left)?;
        document.source = source;
        Ok(document)
    }

    fn read(&mut self, source: &str, limits: &Limits, left: &mut usize) -> Result<(), Problem> {
        let mut reader = Reader::from_str(source);
        let mut path: Vec<Id> = Vec::new();
        let mut has_root = false;
        let mut begin = 0_u32;
        loop {
            let event = reader.read_event().map_err(|error| broken(&error.to_string()))?;
            let end = reader.buffer_position() as u32;
            let span = (begin, end);
            begin = end;
            let node = match event {
                Event::Eof => break,
                Event::DocType(_) => return Err(Problem::Refused("a DOCTYPE in it".into())),
                Event::End(_) => {
                    path.pop();
                    continue;
                }
                Event::Start(tag) => element(span, tag.name().as_ref().len(), false),
                Event::Empty(tag) => element(span, tag.name().as_ref().len(), true),
                Event::Text(_) | Event::GeneralRef(_) => {
                    let raw = &source[span.0 as usize..span.1 as usize];
                    // A reference is an event of its own, a lone & is none.
                    unescape(raw).map_err(|why| broken(&why))?;
                    if self.join_text(path.last().copied(), span) {
                        continue;
                    }
                    Node::Text(span)
                }
                Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => Node::Raw(span),
            };
            if *left == 0 {
                return Err(Problem::Limit(format!("more than {} elements and texts", limits.nodes)));
            }
            *left -= 1;
            let opens = matches!(&node, Node::Element(element) if !element.is_empty);
            has_root |= matches!(&node, Node::Element(_));
            let id = self.nodes.len() as Id;
            self.nodes.push(node);
            self.parents.push(path.last().copied().unwrap_or(NOBODY));
            self.siblings_mut(path.last().copied().unwrap_or(NOBODY)).push(id);
            if opens {
                path.push(id);
                if path.len() > limits.depth {
                    return Err(Problem::Limit(format!(
                        "more than {} elements inside of each other",
                        limits.depth
                    )));
                }
            }
        }
        if !path.is_empty() || !has_root {
            return Err(broken("it is cut off"));
        }
        Ok(())
    }

    /// Texts and references that follow each other are one text.
    fn join_text(&mut self, parent: Option<Id>, span: Span) -> bool {
        let last = self.siblings_mut(parent.unwrap_or(NOBODY)).last().copied();
        match last.map(|last| &mut self.nodes[last as usize]) {
            Some(Node::Text(before)) if before.1 == span.0 => {
                before.1 = span.1;
                true
            }
            _ => false,
        }
    }

    /// A node.
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The element around a node.
    pub fn parent(&self, id: Id) -> Option<Id> {
        Some(self.parents[id as usize]).filter(|parent| *parent != NOBODY)
    }

    /// The nodes in an element; none for other nodes.
    pub fn children(&self, id: Id) -> &[Id] {
        match &self.nodes[id as usize] {
            Node::Element(element) => &element.children,
            _ => &[],
        }
    }

    /// The name of an element; nothing for other nodes.
    pub fn name(&self, id: Id) -> &str {
        match &self.nodes[id as usize] {
            // A made element has its name in its begin tag.
            Node::Element(Element { name: (0, 0), changed: Some(tag), .. }) => {
                let end = tag.find([' ', '>', '/']).unwrap_or(tag.len());
                tag.get(1..end).unwrap_or_default()
            }
            Node::Element(element) => self.span(element.name),
            _ => "",
        }
    }

    /// The first child with this name.
    pub fn child(&self, id: Id, name: &str) -> Option<Id> {
        self.children(id).iter().copied().find(|child| self.name(*child) == name)
    }

    /// The begin tag of an element as it will be written, with its brackets.
    pub fn begin_tag(&self, id: Id) -> &str {
        match &self.nodes[id as usize] {
            Node::Element(Element { changed: Some(changed), .. }) => changed,
            Node::Element(element) => self.span(element.open),
            _ => "",
        }
    }

    /// Whether an element has no end tag of its own.
    pub fn is_self_closed(&self, id: Id) -> bool {
        matches!(&self.nodes[id as usize], Node::Element(element) if element.is_empty)
    }

    /// Writes another begin tag for an element. It must have brackets and the same name.
    pub fn set_begin_tag(&mut self, id: Id, tag: String) {
        if let Node::Element(element) = &mut self.nodes[id as usize] {
            element.is_empty = tag.ends_with("/>");
            element.changed = Some(tag.into());
        }
    }

    /// The value of an attribute with its references read; nothing where it is missing.
    pub fn attribute(&self, id: Id, name: &str) -> Option<String> {
        let (begin, end) = attribute_span(self.begin_tag(id), name)?;
        unescape(&self.begin_tag(id)[begin..end]).ok().map(|text| text.into_owned())
    }

    /// The text of a text node with its references read; nothing for other nodes.
    pub fn text(&self, id: Id) -> String {
        match &self.nodes[id as usize] {
            Node::Text(span) => unescape(self.span(*span)).map(|text| text.into_owned()).unwrap_or_default(),
            Node::Made(text) => unescape(text).map(|text| text.into_owned()).unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// What stands in the source for a node without children.
    pub fn raw(&self, id: Id) -> &str {
        match &self.nodes[id as usize] {
            Node::Text(span) | Node::Raw(span) => self.span(*span),
            Node::Made(text) => text,
            _ => "",
        }
    }

    fn span(&self, (begin, end): Span) -> &str {
        &self.source[begin as usize..end as usize]
    }

    /// Where a node stands among the children of its parent.
    pub fn position(&self, id: Id) -> usize {
        let siblings = match self.parent(id) {
            Some(parent) => self.children(parent),
            None => &self.top,
        };
        siblings.iter().position(|sibling| *sibling == id).unwrap_or(0)
    }

    fn siblings_mut(&mut self, parent: Id) -> &mut Vec<Id> {
        if parent == NOBODY {
            return &mut self.top;
        }
        match &mut self.nodes[parent as usize] {
            Node::Element(element) => &mut element.children,
            _ => &mut self.top,
        }
    }

    /// Makes a node that stands nowhere yet.
    pub fn make(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.parents.push(NOBODY);
        (self.nodes.len() - 1) as Id
    }

    /// Makes an element with the begin tag of another one.
    pub fn make_like(&mut self, like: Id, children: Vec<Id>) -> Id {
        let tag = self.begin_tag(like).to_owned();
        self.make_element(tag.strip_suffix("/>").map_or(tag.clone(), |head| format!("{head}>")), children)
    }

    /// Makes an element with a begin tag of one's own, such as `<w:r>`. The children stand nowhere yet.
    pub fn make_element(&mut self, tag: impl Into<Box<str>>, children: Vec<Id>) -> Id {
        let tag: Box<str> = tag.into();
        let is_empty = tag.ends_with("/>");
        let element =
            Element { open: (0, 0), name: (0, 0), changed: Some(tag), is_empty, children: Vec::new() };
        let id = self.make(Node::Element(element));
        for child in children {
            let at = self.children(id).len();
            self.insert(id, at, child);
        }
        id
    }

    /// Puts a node that stands nowhere among the children of another.
    pub fn insert(&mut self, parent: Id, at: usize, id: Id) {
        self.parents[id as usize] = parent;
        self.siblings_mut(parent).insert(at, id);
    }

    /// Takes a node out of its parent.
    pub fn remove(&mut self, id: Id) {
        let at = self.position(id);
        let parent = self.parents[id as usize];
        let siblings = self.siblings_mut(parent);
        if siblings.get(at) == Some(&id) {
            siblings.remove(at);
        }
        self.parents[id as usize] = NOBODY;
    }

    /// Puts other nodes in the place of a node.
    pub fn replace(&mut self, id: Id, with: Vec<Id>) {
        let (parent, at) = (self.parents[id as usize], self.position(id));
        self.remove(id);
        for (step, new) in with.into_iter().enumerate() {
            self.insert(parent, at + step, new);
        }
    }

    /// A copy of a node with all that is in it, standing nowhere yet.
    pub fn copy(&mut self, id: Id) -> Id {
        let children: Vec<Id> = self.children(id).to_vec();
        let mut node = self.nodes[id as usize].clone();
        if let Node::Element(element) = &mut node {
            element.children.clear();
        }
        let copy = self.make(node);
        for (at, child) in children.into_iter().enumerate() {
            let child = self.copy(child);
            self.insert(copy, at, child);
        }
        copy
    }

    /// The node and all in it, in the order of the document.
    pub fn walk(&self, id: Id) -> Vec<Id> {
        let mut found = Vec::new();
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            found.push(id);
            next.extend(self.children(id).iter().rev());
        }
        found
    }

    /// The root element.
    pub fn root(&self) -> Id {
        self.top.iter().copied().find(|id| matches!(self.node(*id), Node::Element(_))).unwrap_or(0)
    }

    /// Writes a node and all in it as it is.
    pub fn write(&self, id: Id, out: &mut String) {
        match &self.nodes[id as usize] {
            Node::Element(element) => {
                out.push_str(self.begin_tag(id));
                for child in &element.children {
                    self.write(*child, out);
                }
                if !element.is_empty {
                    self.write_end(id, out);
                }
            }
            Node::Tag(_) => {}
            _ => out.push_str(self.raw(id)),
        }
    }

    /// Writes the end tag of an element.
    pub fn write_end(&self, id: Id, out: &mut String) {
        out.push_str("</");
        out.push_str(self.name(id));
        out.push('>');
    }

    /// The whole part as it is now.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(self.source.len() + 256);
        for id in &self.top {
            self.write(*id, &mut out);
        }
        out
    }
}

fn element((begin, end): Span, name: usize, is_empty: bool) -> Node {
    let name = (begin + 1, begin + 1 + name as u32);
    Node::Element(Element { open: (begin, end), name, changed: None, is_empty, children: Vec::new() })
}

/// Where an attribute's value stands in a begin tag, without its quotes.
pub(crate) fn attribute_span(tag: &str, name: &str) -> Option<(usize, usize)> {
    let bytes = tag.as_bytes();
    let mut at = tag.find(|c: char| c.is_ascii_whitespace())?;
    loop {
        while bytes.get(at)?.is_ascii_whitespace() {
            at += 1;
        }
        let begin = at;
        while !matches!(bytes.get(at)?, b'=' | b'/' | b'>') && !bytes[at].is_ascii_whitespace() {
            at += 1;
        }
        let found = &tag[begin..at];
        while bytes.get(at)?.is_ascii_whitespace() {
            at += 1;
        }
        if *bytes.get(at)? != b'=' {
            return None;
        }
        at += 1;
        while bytes.get(at)?.is_ascii_whitespace() {
            at += 1;
        }
        let quote = *bytes.get(at)?;
        if !matches!(quote, b'"' | b'\'') {
            return None;
        }
        let value = at + 1;
        let end = value + bytes[value..].iter().position(|byte| *byte == quote)?;
        if found == name {
            return Some((value, end));
        }
        at = end + 1;
    }
}

fn broken(why: &str) -> Problem {
    Problem::Package(format!("the XML is broken: {why}"))
}
