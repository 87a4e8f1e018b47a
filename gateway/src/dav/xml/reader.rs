//! A reader of small XML bodies on top of quick-xml: no DOCTYPE, caps on depth, elements and attributes.
//! Called by the typed request bodies in this folder.

use std::borrow::Cow;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::{Name, Space};
use crate::dav::limits;

/// Why a body was not understood. A 400 unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not well-formed, or not what the request needs; the text says where.
    Malformed(String),
    /// A document type declaration.
    Doctype,
    /// One that names something outside: 403 with `no-external-entities`.
    Outside,
    /// One of the caps; the text names it.
    Limit(&'static str),
    /// A filter that does not say anything sensible: 403 with `valid-filter`.
    Filter(String),
    /// A collation that is not offered: 403 with `supported-collation`.
    Collation(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Malformed(what) => write!(out, "the XML body is not valid: {what}"),
            Error::Outside => write!(out, "the XML body names an entity outside of it, which is not fetched"),
            Error::Doctype => write!(out, "the XML body has a DOCTYPE, which is not taken"),
            Error::Limit(what) => write!(out, "the XML body has too much of this: {what}"),
            Error::Filter(what) => write!(out, "the filter is not valid: {what}"),
            Error::Collation(name) => write!(out, "collation {name} is not offered"),
        }
    }
}

impl std::error::Error for Error {}

/// Makes the error for something that does not fit.
pub(super) fn malformed(what: impl Into<String>) -> Error {
    Error::Malformed(what.into())
}

/// Steps through a body element by element. After `root` or `child` gave an element, the reader stands inside it;
/// `child` until `None`, `text`, `skip` or `inner_xml` takes it to the element's end.
pub struct Reader<'a> {
    pub(super) inner: NsReader<&'a [u8]>,
    depth: usize,
    elements: usize,
    /// `xml:lang` of the open elements that have one, with their depth.
    languages: Vec<(usize, String)>,
}

/// A start tag.
#[derive(Debug)]
pub struct Element<'a> {
    start: BytesStart<'a>,
    /// Namespace.
    pub space: Space,
}

impl<'a> Reader<'a> {
    /// Begins to read. The body is UTF-8, with or without a byte order mark.
    pub fn new(body: &'a [u8]) -> Result<Self, Error> {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8"))?;
        if let Some(bad) = text.chars().find(|c| !is_xml_char(*c)) {
            return Err(malformed(format!("character U+{:04X} is not allowed", u32::from(bad))));
        }
        let mut inner = NsReader::from_str(text);
        inner.config_mut().expand_empty_elements = true;
        inner.resolver_mut().set_max_namespace_bindings(limits::XML_NAMESPACES);
        Ok(Reader { inner, depth: 0, elements: 0, languages: Vec::new() })
    }

    /// Enters the root element.
    pub fn root(&mut self) -> Result<Element<'a>, Error> {
        loop {
            match self.event()? {
                Event::Start(start) => return self.enter(start),
                Event::Text(text) if text.trim().is_empty() => {}
                Event::Decl(_) => {}
                Event::Eof => return Err(malformed("there is no root element")),
                _ => return Err(malformed("there is text before the root element")),
            }
        }
    }

    /// Enters the next child of the element in which the reader stands; `None` once its end was reached.
    /// Text between children is passed over.
    pub fn child(&mut self) -> Result<Option<Element<'a>>, Error> {
        loop {
            match self.event()? {
                Event::Start(start) => return self.enter(start).map(Some),
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(None);
                }
                Event::GeneralRef(reference) => {
                    resolve(&reference)?;
                }
                Event::Eof => return Err(malformed("it ends inside an element")),
                _ => {}
            }
        }
    }

    /// The text of the element in which the reader stands, to its end. Elements inside are an error.
    pub fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        let mut whole = Cow::Borrowed("");
        loop {
            match self.event()? {
                Event::Text(text) => append(&mut whole, text.xml10_content()),
                Event::CData(text) => append(&mut whole, text.xml10_content()),
                Event::GeneralRef(reference) => whole.to_mut().push(resolve(&reference)?),
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(whole);
                }
                Event::Start(start) => {
                    return Err(malformed(format!("element {} stands where text belongs", name_of(&start))));
                }
                Event::Eof => return Err(malformed("it ends inside an element")),
                _ => {}
            }
        }
    }

    /// Passes over the element in which the reader stands, with all that is in it.
    pub fn skip(&mut self) -> Result<(), Error> {
        let outside = self.depth - 1;
        while self.depth > outside {
            self.child()?;
        }
        Ok(())
    }

    /// Checks that nothing but white space and comments follows the root element.
    pub fn finish(mut self) -> Result<(), Error> {
        loop {
            match self.event()? {
                Event::Eof => return Ok(()),
                Event::Text(text) if text.trim().is_empty() => {}
                _ => return Err(malformed("something follows the root element")),
            }
        }
    }

    /// The next event that is not a comment or a processing instruction.
    pub(super) fn event(&mut self) -> Result<Event<'a>, Error> {
        loop {
            match self.inner.read_event() {
                Ok(Event::Comment(_) | Event::PI(_)) => {}
                Ok(Event::DocType(text)) => return Err(doctype(&text)),
                Ok(event) => return Ok(event),
                Err(quick_xml::Error::Namespace(problem)) => return Err(malformed(problem.to_string())),
                Err(problem) => {
                    return Err(malformed(format!("{problem} at byte {}", self.inner.error_position())));
                }
            }
        }
    }

    /// Counts an element that was just opened and resolves its name.
    pub(super) fn enter(&mut self, start: BytesStart<'a>) -> Result<Element<'a>, Error> {
        self.depth += 1;
        self.elements += 1;
        if self.depth > limits::XML_DEPTH {
            return Err(Error::Limit("depth"));
        }
        if self.elements > limits::XML_ELEMENTS {
            return Err(Error::Limit("elements"));
        }
        if start.name().0.len() > limits::XML_NAME_BYTES {
            return Err(Error::Limit("length of an element's name"));
        }
        check_name(start.name().0)?;
        while self.languages.last().is_some_and(|(depth, _)| *depth >= self.depth) {
            self.languages.pop();
        }
        self.check_attributes(&start)?;
        let space = self.space_of(&start)?;
        Ok(Element { start, space })
    }

    /// Leaves an element whose end event the caller took.
    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// The language in force where the reader stands (XML 1.0 section 2.12); empty when none is.
    pub(super) fn language(&self) -> &str {
        let here = self.languages.iter().rfind(|(depth, _)| *depth <= self.depth);
        here.map_or("", |(_, language)| language)
    }

    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    fn space_of(&self, start: &BytesStart<'a>) -> Result<Space, Error> {
        match self.inner.resolver().resolve_element(start.name()).0 {
            ResolveResult::Bound(namespace) => self.space(namespace.0),
            ResolveResult::Unbound => Ok(Space::None),
            ResolveResult::Unknown(prefix) => {
                Err(malformed(format!("prefix {} is not declared", clip(&prefix))))
            }
        }
    }

    /// A namespace as it stands in the attribute, references included.
    fn space(&self, raw: &str) -> Result<Space, Error> {
        if raw.len() > limits::XML_NAME_BYTES {
            return Err(Error::Limit("length of a namespace"));
        }
        if raw.contains('&') {
            return Ok(Space::of(&unescape(raw)?));
        }
        Ok(Space::of(raw))
    }

    /// Attributes are well-formed, few, not doubled, and their prefixes are known.
    fn check_attributes(&mut self, start: &BytesStart<'a>) -> Result<(), Error> {
        if start.attributes_raw().trim().is_empty() {
            return Ok(());
        }
        // The library's check for doubles is quadratic, so count first without it.
        let many = start.attributes().with_checks(false).take(limits::XML_ATTRIBUTES + 1).count();
        if many > limits::XML_ATTRIBUTES {
            return Err(Error::Limit("attributes of an element"));
        }
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|problem| malformed(problem.to_string()))?;
            check_name(attribute.key.0)?;
            if attribute.value.contains('<') {
                return Err(malformed("an attribute holds a <"));
            }
            unescape(&attribute.value)?;
            if attribute.key.as_namespace_binding().is_some() {
                let declares_prefix = attribute.key.prefix().is_some();
                if declares_prefix && attribute.value.is_empty() {
                    return Err(malformed("a prefix is bound to nothing"));
                }
            } else if let ResolveResult::Unknown(prefix) =
                self.inner.resolver().resolve_attribute(attribute.key).0
            {
                return Err(malformed(format!("prefix {} is not declared", clip(&prefix))));
            } else if attribute.key.0 == "xml:lang" {
                self.languages.push((self.depth, language_tag(&attribute.value)));
            }
        }
        Ok(())
    }
}

impl Element<'_> {
    /// Local name.
    pub fn local(&self) -> &str {
        self.start.local_name().into_inner()
    }

    /// Name with namespace, owned.
    pub fn name(&self) -> Name {
        Name { space: self.space.clone(), local: self.local().to_owned() }
    }

    /// True for this name.
    pub fn is(&self, space: &Space, local: &str) -> bool {
        self.space == *space && self.local() == local
    }

    /// Value of an attribute without a namespace, references resolved.
    pub fn attribute(&self, name: &str) -> Result<Option<String>, Error> {
        for attribute in self.start.attributes() {
            let attribute = attribute.map_err(|problem| malformed(problem.to_string()))?;
            if attribute.key.0 == name {
                if attribute.value.len() > limits::XML_NAME_BYTES {
                    return Err(Error::Limit("length of an attribute"));
                }
                return unescape(&attribute.value).map(Some);
            }
        }
        Ok(None)
    }

    /// Value of an attribute that must be there.
    pub fn required(&self, name: &str) -> Result<String, Error> {
        self.attribute(name)?
            .ok_or_else(|| malformed(format!("element {} lacks attribute {name}", name_of(&self.start))))
    }
}

/// The character of `&amp;` or `&#10;`. No other entity exists without a DOCTYPE.
pub(super) fn resolve(reference: &BytesRef<'_>) -> Result<char, Error> {
    let found = match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(character),
        Ok(None) => match &**reference {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "apos" => Some('\''),
            "quot" => Some('"'),
            _ => None,
        },
        Err(_) => None,
    };
    found
        .filter(|c| is_xml_char(*c))
        .ok_or_else(|| malformed(format!("reference &{}; is unknown", clip(reference))))
}

/// The characters that XML 1.0 allows (section 2.2).
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The names that XML and its namespaces allow (XML 1.0 section 2.3); the library takes anything without a space.
fn check_name(name: &str) -> Result<(), Error> {
    let good = |part: &str| {
        let mut characters = part.chars();
        characters.next().is_some_and(begins_name) && characters.all(continues_name)
    };
    let valid = match name.split_once(':') {
        Some((prefix, local)) => good(prefix) && good(local),
        None => good(name),
    };
    if valid { Ok(()) } else { Err(malformed(format!("{} is not a name", clip(name)))) }
}

fn begins_name(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

fn continues_name(c: char) -> bool {
    begins_name(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Why a document type declaration is refused: nothing outside is ever fetched (RFC 4918 section 20.6).
fn doctype(text: &str) -> Error {
    let names_outside = text
        .split(|c: char| c.is_ascii_whitespace() || c == '[')
        .any(|word| matches!(word, "SYSTEM" | "PUBLIC"));
    if names_outside { Error::Outside } else { Error::Doctype }
}

/// A language as it is kept: what can't be a tag (RFC 5646) says nothing.
fn language_tag(raw: &str) -> String {
    let is_tag = raw.len() <= limits::LANGUAGE_BYTES
        && raw.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_tag { raw.to_owned() } else { String::new() }
}

fn unescape(raw: &str) -> Result<String, Error> {
    let text = quick_xml::escape::unescape(raw).map_err(|problem| malformed(problem.to_string()))?;
    if text.chars().all(is_xml_char) {
        Ok(text.into_owned())
    } else {
        Err(malformed("an attribute holds a character that is not allowed"))
    }
}

fn append<'a>(whole: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if whole.is_empty() {
        *whole = more;
    } else {
        whole.to_mut().push_str(&more);
    }
}

fn name_of(start: &BytesStart<'_>) -> String {
    clip(start.name().0)
}

/// The beginning of a text of the outside, for an error message.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}
