//! Takes the inner XML of an element so that it can be written again elsewhere (dead properties).
//! Called by the PROPPATCH and MKCOL bodies.

use quick_xml::events::{BytesStart, Event};

use super::reader::{Error, Reader, malformed, resolve};
use super::writer::escape_into;

/// A child element of the property while it is copied.
struct Open {
    /// Where declarations can be put in: after the child's name.
    at: usize,
    /// Prefixes that the child declares itself.
    own: Vec<String>,
    /// Prefixes used inside so far; the empty one is the default namespace.
    used: Vec<String>,
}

impl<'a> Reader<'a> {
    /// The content of the element in which the reader stands, to its end. Prefixes that were declared outside are
    /// declared again on each child, so that the text stands alone. Comments are left out.
    pub fn inner_xml(&mut self, limit: usize) -> Result<String, Error> {
        let outside = self.declared();
        let base = self.depth();
        let mut out = String::new();
        let mut open: Option<Open> = None;
        loop {
            match self.event()? {
                Event::Start(start) => {
                    if self.depth() == base {
                        open = Some(begin(&start, out.len())?);
                    }
                    if let Some(open) = open.as_mut() {
                        note_prefixes(&start, open)?;
                    }
                    out.push('<');
                    out.push_str(start.name().0);
                    out.push_str(start.attributes_raw().trim_end());
                    out.push('>');
                    self.enter(start)?;
                }
                Event::End(end) => {
                    self.leave();
                    if self.depth() < base {
                        return Ok(out);
                    }
                    out.push_str("</");
                    out.push_str(end.name().0);
                    out.push('>');
                    if self.depth() == base
                        && let Some(open) = open.take()
                    {
                        declare(&mut out, &open, &outside);
                    }
                }
                Event::Text(text) => out.push_str(&text.xml10_content().replace('>', "&gt;")),
                Event::CData(text) => escape_into(&text.xml10_content(), &mut out),
                Event::GeneralRef(reference) => {
                    let mut one = [0; 4];
                    escape_into(resolve(&reference)?.encode_utf8(&mut one), &mut out);
                }
                Event::Eof => return Err(malformed("it ends inside an element")),
                _ => {}
            }
            if out.len() > limit {
                return Err(Error::Limit("bytes of a property's value"));
            }
        }
    }

    /// Prefix and namespace (raw) of everything declared here, without what is hidden by an inner one.
    fn declared(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        for (prefix, namespace) in self.inner.resolver().bindings() {
            let prefix = match prefix {
                quick_xml::name::PrefixDeclaration::Default => String::new(),
                quick_xml::name::PrefixDeclaration::Named(name) => name.to_owned(),
            };
            all.push((prefix, namespace.0.to_owned()));
        }
        all
    }
}

fn begin(start: &BytesStart<'_>, length: usize) -> Result<Open, Error> {
    let mut own = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|problem| malformed(problem.to_string()))?;
        match attribute.key.as_namespace_binding() {
            Some(quick_xml::name::PrefixDeclaration::Default) => own.push(String::new()),
            Some(quick_xml::name::PrefixDeclaration::Named(name)) => own.push(name.to_owned()),
            None => {}
        }
    }
    Ok(Open { at: length + 1 + start.name().0.len(), own, used: Vec::new() })
}

fn note_prefixes(start: &BytesStart<'_>, open: &mut Open) -> Result<(), Error> {
    let mut note = |prefix: &str| {
        if !open.used.iter().any(|known| known == prefix) {
            open.used.push(prefix.to_owned());
        }
    };
    note(start.name().prefix().map_or("", |prefix| prefix.into_inner()));
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|problem| malformed(problem.to_string()))?;
        if attribute.key.as_namespace_binding().is_none()
            && let Some(prefix) = attribute.key.prefix()
        {
            note(prefix.into_inner());
        }
    }
    Ok(())
}

/// Puts the declarations that came from outside into the child's start tag.
fn declare(out: &mut String, open: &Open, outside: &[(String, String)]) {
    let mut text = String::new();
    for prefix in open.used.iter().filter(|prefix| !open.own.contains(prefix)) {
        let Some((_, namespace)) = outside.iter().find(|(known, _)| known == prefix) else { continue };
        text.push_str(" xmlns");
        if !prefix.is_empty() {
            text.push(':');
            text.push_str(prefix);
        }
        text.push_str("=\"");
        // Kept raw by the parser, so references are still references; only the quotation mark may differ.
        text.push_str(&namespace.replace('"', "&quot;"));
        text.push('"');
    }
    out.insert_str(open.at, &text);
}
