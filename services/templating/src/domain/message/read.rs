//! From a source with marks to a tree: HTML as mail programs need it, or MJML. What readers of HTML would guess at is a finding.
//! Called by mod.rs and mjml.rs.

use super::marks::{END, Marks, Piece, has_tag, pieces};
use super::names::{ends_itself, ends_paragraph, is_raw, is_void, needs, only_in};
use super::tree::{Element, Id, Node, Tree};
use crate::domain::finding::Problem;
use crate::domain::markup::Word;

/// Elements at most.
pub(super) const ELEMENTS: usize = 20_000;
/// Elements inside of each other.
const DEPTH: usize = 100;
/// Attributes of an element.
const ATTRIBUTES: usize = 64;
/// Bytes of an attribute's name.
const NAME: usize = 64;

/// Which rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// Those of HTML.
    Html,
    /// Every element is closed.
    Mjml,
}

/// What is wrong with the form of a source: reading ends there.
type Wrong = (u32, Problem);

fn markup<T>(line: u32, why: impl Into<String>) -> Result<T, Wrong> {
    Err((line, Problem::Markup(why.into())))
}

/// Reads a source.
pub(super) fn read(source: &str, rules: Rules, marks: &mut Marks) -> Option<Tree> {
    let mut reader = Reader {
        rest: source,
        line: 1,
        rules,
        tree: Tree::default(),
        open: Vec::new(),
        blocks: Vec::new(),
        marks,
    };
    match reader.all() {
        Ok(()) => Some(reader.tree),
        Err((line, problem)) => {
            reader.marks.wrong(line, "", problem);
            None
        }
    }
}

struct Reader<'s, 'm> {
    rest: &'s str,
    line: u32,
    rules: Rules,
    tree: Tree,
    open: Vec<Id>,
    /// How many elements were open where each block began.
    blocks: Vec<usize>,
    marks: &'m mut Marks,
}

impl<'s> Reader<'s, '_> {
    fn all(&mut self) -> Result<(), Wrong> {
        while !self.rest.is_empty() {
            if !self.rest.starts_with('<') {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let text = self.take(end);
                self.text(text)?;
            } else if self.rest.starts_with("<!") || self.rest.starts_with("<?") {
                self.comment()?;
            } else if self.rest.starts_with("</") {
                self.end()?;
            } else if self.rest[1..].starts_with(|c: char| c.is_ascii_alphabetic()) {
                self.start()?;
            } else {
                return markup(self.line, "a lone < begins no element: write &lt;");
            }
        }
        while let Some(top) = self.open.last().copied() {
            let (name, line) = self.name_of(top);
            if self.rules == Rules::Mjml || !(ends_itself(name) || matches!(name, "html" | "body" | "head")) {
                return markup(line, format!("<{name}> is not closed"));
            }
            self.open.pop();
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count() as u32;
        self.rest = rest;
        taken
    }

    fn name_of(&self, id: Id) -> (&str, u32) {
        self.tree.element(id).map_or(("", 0), |element| (&*element.name, element.line))
    }

    fn top(&self) -> &str {
        self.open.last().map_or("", |top| self.name_of(*top).0)
    }

    fn add(&mut self, node: Node) -> Id {
        let parent = self.open.last().copied();
        self.tree.add(parent, node)
    }

    /// Text with its tags.
    fn text(&mut self, text: &str) -> Result<(), Wrong> {
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => {
                    if !text.trim().is_empty() && only_in(self.top()).is_some() {
                        let top = self.top();
                        return markup(self.line, format!("in <{top}> text stands in cells only"));
                    }
                    self.add(Node::Text(text.into()));
                }
                Piece::Tag(number) => self.tag(number)?,
            }
        }
        Ok(())
    }

    fn tag(&mut self, number: u32) -> Result<(), Wrong> {
        match &self.marks.words[number as usize].0 {
            Word::For(..) | Word::If(..) => {
                let depth = self.open.len();
                self.blocks.push(depth);
            }
            word @ (Word::Else | Word::Elif(..) | Word::EndFor | Word::EndIf) => {
                let ends = matches!(word, Word::EndFor | Word::EndIf);
                // Nothing ends where no block is open.
                let depth = self.blocks.last().copied().unwrap_or(usize::MAX);
                // `{% for %}<li>..{% endfor %}`: the item ends with the loop.
                while self.open.len() > depth && ends_itself(self.top()) && self.rules == Rules::Html {
                    self.open.pop();
                }
                if ends {
                    self.blocks.pop();
                }
            }
            Word::Output(..) if only_in(self.top()).is_some() => {
                let top = self.top();
                return markup(self.line, format!("in <{top}> fields stand in cells only"));
            }
            _ => {}
        }
        self.add(Node::Tag(number));
        Ok(())
    }

    /// A comment, a DOCTYPE, and Outlook's conditions. Only those for Outlook stay.
    fn comment(&mut self) -> Result<(), Wrong> {
        let line = self.line;
        let whole = if self.rest.starts_with("<!--") {
            let Some(end) = self.rest[4..].find("-->") else {
                return markup(line, "the comment is not closed");
            };
            self.take(end + 7)
        } else {
            let Some(end) = self.rest.find('>') else { return markup(line, "<! is not closed") };
            self.take(end + 1)
        };
        if let Some(inner) = whole.strip_prefix("<!--").and_then(|it| it.strip_suffix("-->")) {
            // What mjml.rs put a block tag into.
            let lone = pieces(inner);
            if let ([Piece::Tag(number)], true) = (lone.as_slice(), inner.ends_with(END)) {
                return self.tag(*number);
            }
        }
        if has_tag(whole) {
            return markup(line, "no field may stand in a comment: take the comment out");
        }
        let is_outlook = ["[if ", "[endif]"].iter().any(|word| whole.contains(word));
        let is_doctype = whole.get(..9).is_some_and(|it| it.eq_ignore_ascii_case("<!doctype"));
        if is_outlook && self.rules == Rules::Html
            || is_doctype && self.tree.top.is_empty()
            || self.rules == Rules::Mjml && is_outlook
        {
            self.add(Node::Raw(whole.into()));
        }
        Ok(())
    }

    fn name(&mut self) -> String {
        let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/' | '=' | '<' | '"' | '\'');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        self.take(end).to_ascii_lowercase()
    }

    fn end(&mut self) -> Result<(), Wrong> {
        let line = self.line;
        self.take(2);
        let name = self.name();
        self.blanks();
        if !self.rest.starts_with('>') {
            return markup(line, format!("</{name} is not closed"));
        }
        self.take(1);
        if !self.open.iter().any(|id| self.name_of(*id).0 == name) {
            return markup(line, format!("</{name}> closes nothing"));
        }
        while self.rules == Rules::Html && self.top() != name && ends_itself(self.top()) {
            self.open.pop();
        }
        if self.top() != name {
            let (top, at) = self.name_of(self.open[self.open.len() - 1]);
            return markup(line, format!("</{name}> stands before the end of <{top}> of line {at}"));
        }
        self.open.pop();
        Ok(())
    }

    fn blanks(&mut self) {
        let end = self.rest.find(|c: char| !c.is_ascii_whitespace()).unwrap_or(self.rest.len());
        self.take(end);
    }

    fn start(&mut self) -> Result<(), Wrong> {
        let line = self.line;
        self.take(1);
        let name = self.name();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '_');
        if name.len() > NAME || !name.chars().all(is_name) {
            return markup(
                line,
                format!("<{}> is no name of an element", name.chars().take(20).collect::<String>()),
            );
        }
        let (attributes, closed) = self.attributes(line, &name)?;
        if self.rules == Rules::Html {
            self.make_room(line, &name)?;
            if closed && !is_void(&name) {
                return markup(line, format!("write <{name}></{name}>: HTML does not close it by />"));
            }
        }
        if self.tree.elements >= ELEMENTS {
            return Err((line, Problem::Limit(format!("more than {ELEMENTS} elements"))));
        }
        if self.open.len() >= DEPTH {
            return Err((line, Problem::Limit(format!("more than {DEPTH} elements inside of each other"))));
        }
        let is_empty = closed || is_void(&name);
        let element = Element { name: name.as_str().into(), attributes, children: Vec::new(), line };
        let id = self.add(Node::Element(element));
        if is_empty {
            return Ok(());
        }
        self.open.push(id);
        if is_raw(&name) || name == "title" {
            return self.raw(line, &name);
        }
        Ok(())
    }

    /// The text of an element in which there is no markup.
    fn raw(&mut self, line: u32, name: &str) -> Result<(), Wrong> {
        let bytes = self.rest.as_bytes();
        let is_end = |at: usize| {
            bytes[at] == b'<'
                && bytes.get(at + 1) == Some(&b'/')
                && bytes
                    .get(at + 2..at + 2 + name.len())
                    .is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()))
        };
        let Some(end) = (0..bytes.len()).find(|at| is_end(*at)) else {
            return markup(line, format!("<{name}> is not closed"));
        };
        let text = self.take(end);
        if name == "title" {
            return self.text(text);
        }
        if has_tag(text) {
            return markup(line, format!("no field may stand in <{name}>"));
        }
        if !text.is_empty() {
            self.add(Node::Raw(text.into()));
        }
        Ok(())
    }

    /// Ends what ends by itself where this element begins, and refuses what would be moved or torn apart.
    fn make_room(&mut self, line: u32, name: &str) -> Result<(), Wrong> {
        let ended: &[&str] = match name {
            "li" => &["li"],
            "dt" | "dd" => &["dt", "dd"],
            "td" | "th" => &["td", "th"],
            "tr" => &["td", "th", "tr"],
            "thead" | "tbody" | "tfoot" => &["td", "th", "tr", "thead", "tbody", "tfoot", "colgroup"],
            _ => &[],
        };
        let depth = self.blocks.last().copied().unwrap_or(0);
        let ends_p = ends_paragraph(name) || matches!(name, "li" | "dt" | "dd" | "td" | "th" | "tr");
        while self.open.len() > depth && (ended.contains(&self.top()) || ends_p && self.top() == "p") {
            self.open.pop();
        }
        // Up to the cell: what stands in it has nothing to do with what is around.
        let around = self.open.iter().rev().map(|id| self.name_of(*id));
        for (outer, at) in around.take_while(|(outer, _)| !matches!(*outer, "td" | "th" | "caption")) {
            let crosses = outer == "p" && ends_paragraph(name)
                || outer == "a" && name == "a"
                || outer == "li" && name == "li" && !self.is_in_list(at);
            if crosses {
                return markup(
                    line,
                    format!("<{name}> can't stand in <{outer}> of line {at}: close that first"),
                );
            }
        }
        let top = self.top();
        if only_in(top).is_some_and(|only| !only.contains(&name) && name != "style") {
            return markup(line, format!("<{name}> can't stand right in <{top}>, only in its cells"));
        }
        if needs(name).is_some_and(|needs| !needs.contains(&top)) {
            return markup(line, format!("<{name}> stands in no table"));
        }
        if matches!(name, "html" | "body" | "head") && self.tree.first(name).is_some() {
            return markup(line, format!("there is a second <{name}>"));
        }
        Ok(())
    }

    /// Whether a list stands in the item of this line, so that another item may come.
    fn is_in_list(&self, item: u32) -> bool {
        let names = self.open.iter().rev().map(|id| self.name_of(*id));
        names
            .take_while(|(name, line)| !(*name == "li" && *line == item))
            .any(|(name, _)| matches!(name, "ul" | "ol" | "menu"))
    }

    #[expect(clippy::type_complexity, reason = "attributes, and whether the tag closes itself")]
    fn attributes(
        &mut self,
        line: u32,
        of: &str,
    ) -> Result<(Vec<(Box<str>, Option<Box<str>>)>, bool), Wrong> {
        let mut found: Vec<(Box<str>, Option<Box<str>>)> = Vec::new();
        for _ in 0..=ATTRIBUTES {
            self.blanks();
            if self.rest.starts_with("/>") {
                self.take(2);
                return Ok((found, true));
            }
            match self.rest.chars().next() {
                None => return markup(line, format!("<{of} is not closed")),
                Some('>') => {
                    self.take(1);
                    return Ok((found, false));
                }
                Some('/') => {
                    self.take(1);
                    continue;
                }
                Some(_) => {}
            }
            let name = self.name();
            if has_tag(&name) {
                return markup(line, format!("in <{of}> a field stands outside of quotes"));
            }
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '_' | '.' | '@');
            if name.is_empty() || name.len() > NAME || !name.chars().all(good) {
                return markup(line, format!("in <{of}> stands what is no attribute"));
            }
            self.blanks();
            let value = if self.rest.starts_with('=') {
                self.take(1);
                self.blanks();
                Some(self.value(line, &name)?)
            } else {
                None
            };
            if !found.iter().any(|(known, _)| **known == *name) {
                found.push((name.into(), value.map(Into::into)));
            }
        }
        Err((line, Problem::Limit(format!("<{of}> has more than {ATTRIBUTES} attributes"))))
    }

    fn value(&mut self, line: u32, name: &str) -> Result<&'s str, Wrong> {
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            self.take(1);
            let Some(end) = self.rest.find(quote) else {
                return markup(line, format!("the quote of {name} is not closed"));
            };
            let value = self.take(end);
            self.take(1);
            return Ok(value);
        }
        let end = self.rest.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(self.rest.len());
        let value = self.take(end);
        if has_tag(value) || value.contains(['"', '\'', '<', '=', '`']) {
            return markup(line, format!("write the value of {name} in quotes"));
        }
        Ok(value)
    }
}
