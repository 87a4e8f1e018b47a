//! A calendar or card text as a tree of components and properties over the bytes it was read from.
//! Called by everyone who reads or patches; `Document::parse` is the door.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{Error, Kind, Result, clip};
use crate::limits::Limits;
use crate::line::{Line, Lines, Param, param_values};
use crate::value::unescape_text;

/// A text that was read. It borrows the bytes and never changes them.
#[derive(Debug)]
pub struct Document<'a> {
    bytes: &'a [u8],
    lines: Vec<Line<'a>>,
    params: Vec<Param>,
    // An arena: components name each other by number, so that no depth can exhaust the stack, not even in Drop.
    nodes: Vec<Node>,
    roots: Vec<usize>,
}

#[derive(Debug)]
struct Node {
    parent: Option<usize>,
    begin: usize,
    end: usize,
    properties: Vec<usize>,
    children: Vec<usize>,
}

impl<'a> Document<'a> {
    /// Reads a text: LF or CR LF, folds anywhere, a byte order mark at its start tolerated. Takes linear time.
    ///
    /// Fails, with the line, on what is over a limit, on control bytes, on bytes that are not UTF-8, on lines
    /// without a name or colon, and on BEGIN and END that do not match.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Document<'a>> {
        if bytes.len() > limits.bytes {
            return Err(Error::new(Kind::TooLarge { bytes: bytes.len(), limit: limits.bytes }));
        }
        let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut document =
            Document { bytes, lines: Vec::new(), params: Vec::new(), nodes: Vec::new(), roots: Vec::new() };
        let mut lines = Lines::new(bytes, start, limits);
        let mut open = Vec::new();
        while let Some(line) = lines.next(&mut document.params)? {
            let number = line.number;
            document.place(line, &mut open, limits).map_err(|e| e.on(number))?;
        }
        if let Some(&node) = open.last() {
            let begin = &document.lines[document.nodes[node].begin];
            return Err(Error::at(begin.number, Kind::NotClosed(clip(begin.value().trim()))));
        }
        if document.roots.is_empty() {
            return Err(Error::new(Kind::NoComponent));
        }
        Ok(document)
    }

    /// Puts one line into the tree; `open` holds the open components, the innermost last.
    fn place(&mut self, line: Line<'a>, open: &mut Vec<usize>, limits: &Limits) -> Result<()> {
        let index = self.lines.len();
        if line.name().eq_ignore_ascii_case("BEGIN") {
            self.begin(&line, index, open, limits)?;
        } else if line.name().eq_ignore_ascii_case("END") {
            let name = open.last().map(|&node| self.lines[self.nodes[node].begin].value().trim());
            match (name, open.pop()) {
                (Some(name), Some(node)) if name.eq_ignore_ascii_case(line.value().trim()) => {
                    self.nodes[node].end = index;
                }
                (name, _) => {
                    let (found, open) = (clip(line.value().trim()), clip(name.unwrap_or_default()));
                    return Err(Error::new(Kind::UnexpectedEnd { found, open }));
                }
            }
        } else {
            let Some(&node) = open.last() else {
                return Err(Error::new(Kind::OutsideComponent(clip(line.name()))));
            };
            let properties = &mut self.nodes[node].properties;
            if properties.len() == limits.properties_per_component {
                let limit = limits.properties_per_component;
                return Err(Error::new(Kind::TooMany { what: "properties of one component", limit }));
            }
            properties.push(index);
        }
        self.lines.push(line);
        Ok(())
    }

    fn begin(&mut self, line: &Line<'_>, index: usize, open: &mut Vec<usize>, limits: &Limits) -> Result<()> {
        if open.len() == limits.depth {
            return Err(Error::new(Kind::TooDeep { limit: limits.depth }));
        }
        if self.nodes.len() == limits.components {
            return Err(Error::new(Kind::TooMany { what: "components", limit: limits.components }));
        }
        if line.value().trim().is_empty() {
            return Err(Error::new(Kind::Missing("name of a component")));
        }
        let node = self.nodes.len();
        let parent = open.last().copied();
        self.nodes.push(Node {
            parent,
            begin: index,
            end: index,
            properties: Vec::new(),
            children: Vec::new(),
        });
        match parent {
            Some(parent) => self.nodes[parent].children.push(node),
            None => self.roots.push(node),
        }
        open.push(node);
        Ok(())
    }

    /// The bytes as they were given.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first component of the text; there always is one.
    pub fn root(&self) -> Component<'_> {
        self.component(self.roots[0])
    }

    /// All components that stand in no other: one, or several in an export of many cards.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = Component<'_>> {
        self.roots.iter().map(|&node| self.component(node))
    }

    /// The component of a number got from `Component::index`. Panics on a number of another document.
    pub fn component(&self, index: usize) -> Component<'_> {
        Component { document: self, node: &self.nodes[index], index }
    }

    /// The line end that the text uses, as told by its first line: LF, or else CR LF.
    pub fn line_end(&self) -> &'static str {
        match self.bytes.iter().position(|&byte| byte == b'\n') {
            Some(at) if at == 0 || self.bytes[at - 1] != b'\r' => "\n",
            _ => "\r\n",
        }
    }
}

/// A component: what stands between BEGIN and its END.
#[derive(Debug, Clone, Copy)]
pub struct Component<'d> {
    document: &'d Document<'d>,
    node: &'d Node,
    index: usize,
}

impl<'d> Component<'d> {
    /// Its name as written, as in `VEVENT`. Compare it with `is`.
    pub fn name(&self) -> &'d str {
        self.document.lines[self.node.begin].value().trim()
    }

    /// Whether this is its name, whatever the case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// Its number in the document, for keeping; `Document::component` gives the component back.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The component that it stands in.
    pub fn parent(&self) -> Option<Component<'d>> {
        self.node.parent.map(|node| self.document.component(node))
    }

    /// All components right inside it, in their order.
    pub fn components(&self) -> impl ExactSizeIterator<Item = Component<'d>> + use<'d> {
        let document = self.document;
        self.node.children.iter().map(move |&node| document.component(node))
    }

    /// The components right inside it of one name, whatever the case.
    pub fn children(&self, name: &str) -> impl Iterator<Item = Component<'d>> {
        self.components().filter(move |component| component.is(name))
    }

    /// All its own properties, in their order.
    pub fn properties(&self) -> impl ExactSizeIterator<Item = Property<'d>> + use<'d> {
        let document = self.document;
        self.node.properties.iter().map(move |&line| Property { document, line: &document.lines[line] })
    }

    /// Its own properties of one name, whatever the case and the group.
    pub fn properties_named(&self, name: &str) -> impl Iterator<Item = Property<'d>> {
        self.properties().filter(move |property| property.is(name))
    }

    /// Its first own property of a name.
    pub fn property(&self, name: &str) -> Option<Property<'d>> {
        self.properties_named(name).next()
    }

    /// The unescaped text of the first property of a name.
    pub fn text(&self, name: &str) -> Option<Cow<'d, str>> {
        self.property(name).map(|property| property.text())
    }

    /// The physical line of its BEGIN, from 1.
    pub fn line(&self) -> usize {
        self.document.lines[self.node.begin].number
    }

    /// Its bytes in the document, from BEGIN to the line end of END.
    pub fn raw_range(&self) -> Range<usize> {
        self.begin_range().start..self.end_range().end
    }

    /// The bytes of its BEGIN line.
    pub fn begin_range(&self) -> Range<usize> {
        self.document.lines[self.node.begin].raw.clone()
    }

    /// The bytes of its END line.
    pub fn end_range(&self) -> Range<usize> {
        self.document.lines[self.node.end].raw.clone()
    }

    /// Its bytes as written.
    pub fn raw(&self) -> &'d [u8] {
        &self.document.bytes[self.raw_range()]
    }
}

/// A property: one content line.
#[derive(Debug, Clone, Copy)]
pub struct Property<'d> {
    document: &'d Document<'d>,
    line: &'d Line<'d>,
}

impl<'d> Property<'d> {
    /// Its name as written. Compare it with `is`.
    pub fn name(&self) -> &'d str {
        self.line.name()
    }

    /// Whether this is its name, whatever the case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The group before the name, as in `item1.TEL`.
    pub fn group(&self) -> Option<&'d str> {
        self.line.group.clone().map(|range| &self.line.text[range])
    }

    /// The unfolded value, with its escapes.
    pub fn value(&self) -> &'d str {
        self.line.value()
    }

    /// The value as text: unescaped, and decoded when a vCard 2.1 wrote it in quoted-printable.
    pub fn text(&self) -> Cow<'d, str> {
        if !self.is_quoted_printable() {
            return unescape_text(self.value());
        }
        Cow::Owned(unescape_text(&self.decoded()).into_owned())
    }

    /// The value before unescaping, but with quoted-printable decoded; for lists and structured values.
    pub fn decoded(&self) -> Cow<'d, str> {
        if !self.is_quoted_printable() {
            return Cow::Borrowed(self.value());
        }
        let latin1 =
            self.param("CHARSET").is_some_and(|set| set.to_ascii_uppercase().starts_with("ISO-8859-1"));
        Cow::Owned(crate::quoted::decode(self.value(), latin1))
    }

    fn is_quoted_printable(&self) -> bool {
        self.param("ENCODING").is_some_and(|encoding| encoding.eq_ignore_ascii_case("QUOTED-PRINTABLE"))
    }

    /// The first value of a parameter, whatever the case of its name. Quotes are off and RFC 6868 is decoded.
    pub fn param(&self, name: &str) -> Option<Cow<'d, str>> {
        self.param_values(name).next()
    }

    /// All values of a parameter, also when it is written several times. The bare words of vCard 2.1 count as
    /// ENCODING when they name one, and as TYPE else.
    pub fn param_values(&self, name: &str) -> impl Iterator<Item = Cow<'d, str>> {
        self.params().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every parameter as name and value, in their order; one with several values comes once for each.
    pub fn params(&self) -> impl Iterator<Item = (&'d str, Cow<'d, str>)> + use<'d> {
        let line = self.line;
        self.document.params[line.params.clone()].iter().flat_map(move |param| {
            let name = match &line.text[param.name.clone()] {
                "" => bare_name(&line.text[param.values.clone()]),
                name => name,
            };
            param_values(&line.text[param.values.clone()]).map(move |value| (name, value))
        })
    }

    /// The physical line that it begins on, from 1.
    pub fn line(&self) -> usize {
        self.line.number
    }

    /// Its bytes in the document, with folds and line end.
    pub fn raw_range(&self) -> Range<usize> {
        self.line.raw.clone()
    }

    /// Its bytes as written.
    pub fn raw(&self) -> &'d [u8] {
        &self.document.bytes[self.raw_range()]
    }

    /// Group, name and parameters as written, unfolded, up to the colon and without it.
    pub fn head(&self) -> &'d str {
        &self.line.text[..self.line.value - 1]
    }
}

fn bare_name(word: &str) -> &'static str {
    const ENCODINGS: [&str; 5] = ["QUOTED-PRINTABLE", "BASE64", "B", "8BIT", "7BIT"];
    if ENCODINGS.iter().any(|encoding| word.eq_ignore_ascii_case(encoding)) { "ENCODING" } else { "TYPE" }
}

#[cfg(test)]
mod tests;
