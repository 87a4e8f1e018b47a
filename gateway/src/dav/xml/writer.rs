//! Writes XML into a buffer of bytes: fixed markup as it is, outside text escaped.
//! Called by properties, reports and errors; prefixes are declared once on the root element.

use super::{Name, Space};

/// The declarations that every root element carries.
const DECLARATIONS: &str = " xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" \
     xmlns:CR=\"urn:ietf:params:xml:ns:carddav\" xmlns:CS=\"http://calendarserver.org/ns/\" \
     xmlns:ICAL=\"http://apple.com/ns/ical/\" xmlns:P=\"https://bitfire.at/webdav-push\"";

/// A growing XML text.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        Writer::default()
    }

    /// Begins a document whose root element has this prefixed name: `D:multistatus`.
    pub fn document(root: &'static str) -> Self {
        let mut out = Writer { buffer: Vec::with_capacity(2048) };
        out.raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<");
        out.raw(root);
        out.raw(DECLARATIONS);
        out.raw(">");
        out
    }

    /// Markup that stands in the source code.
    #[inline]
    pub fn raw(&mut self, markup: &'static str) {
        self.buffer.extend_from_slice(markup.as_bytes());
    }

    /// Bytes that another writer made, or inner XML that the reader took.
    #[inline]
    pub fn ready(&mut self, xml: &[u8]) {
        self.buffer.extend_from_slice(xml);
    }

    /// Text of the outside, escaped.
    #[inline]
    pub fn text(&mut self, text: &str) {
        escape(text.as_bytes(), &mut self.buffer);
    }

    /// Bytes of the outside, which should be UTF-8, escaped. What is not UTF-8 becomes U+FFFD.
    pub fn bytes(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text(text),
            Err(_) => self.text(&String::from_utf8_lossy(bytes)),
        }
    }

    /// A number.
    pub fn number(&mut self, number: impl std::fmt::Display) {
        use std::io::Write;
        // Writing into a Vec can't fail.
        let _ = write!(self.buffer, "{number}");
    }

    /// `<D:name>` for the six known namespaces, else a declaration on the spot.
    pub fn open(&mut self, name: &Name) {
        self.raw("<");
        self.tag(name);
        if let Space::Other(address) = &name.space {
            self.raw(" xmlns:x=\"");
            self.text(address);
            self.raw("\"");
        }
        self.raw(">");
    }

    /// Puts a language on the start tag that was just written; an empty one says nothing.
    pub fn language(&mut self, language: &str) {
        if !language.is_empty() && self.buffer.last() == Some(&b'>') {
            self.buffer.pop();
            self.raw(" xml:lang=\"");
            self.text(language);
            self.raw("\">");
        }
    }

    /// The end tag for `open`.
    pub fn close(&mut self, name: &Name) {
        self.raw("</");
        self.tag(name);
        self.raw(">");
    }

    /// An element without content.
    pub fn empty(&mut self, name: &Name) {
        self.open(name);
        self.buffer.pop();
        self.raw("/>");
    }

    fn tag(&mut self, name: &Name) {
        match (&name.space, name.space.prefix()) {
            (_, Some(prefix)) => {
                self.raw(prefix);
                self.raw(":");
            }
            (Space::Other(_), None) => self.raw("x:"),
            _ => {}
        }
        // A name was checked by the reader, or stands in the source code.
        self.buffer.extend_from_slice(name.local.as_bytes());
    }

    /// `<D:href>` with a path that is already percent-encoded.
    pub fn href(&mut self, path: &str) {
        self.raw("<D:href>");
        self.text(path);
        self.raw("</D:href>");
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// True when nothing was written.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Takes back everything after the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.buffer.truncate(length);
    }

    /// Hands over what was written and begins anew.
    pub fn take(&mut self) -> bytes::Bytes {
        let next = Vec::with_capacity(self.buffer.len().min(2 * crate::dav::limits::ANSWER_CHUNK_BYTES));
        std::mem::replace(&mut self.buffer, next).into()
    }

    /// Everything written.
    pub fn into_bytes(self) -> bytes::Bytes {
        self.buffer.into()
    }

    /// Everything written, to look at.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }
}

/// What a byte needs: 0 nothing, 1 to 5 an index into `REPLACEMENTS`, 6 a look at the next two bytes.
const CLASSES: [u8; 256] = classes();
const REPLACEMENTS: [&[u8]; 6] = [b"", b"&amp;", b"&lt;", b"&gt;", b"&quot;", "\u{FFFD}".as_bytes()];

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        // XML 1.0 has no way to write a control character.
        table[byte] = 5;
        byte += 1;
    }
    table[b'\t' as usize] = 0;
    table[b'\n' as usize] = 0;
    table[b'\r' as usize] = 0;
    table[b'&' as usize] = 1;
    table[b'<' as usize] = 2;
    table[b'>' as usize] = 3;
    table[b'"' as usize] = 4;
    // Begins U+FFFE and U+FFFF, which XML excludes, and many good characters.
    table[0xEF] = 6;
    table
}

/// Escapes UTF-8 for text and for attributes in quotation marks. A carriage return is written as it is: an XML reader
/// turns CR LF into LF, which RFC 4791 section 9.6 foresees.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    let mut at = 0;
    while let Some(step) = text[at..].iter().position(|byte| CLASSES[usize::from(*byte)] != 0) {
        at += step;
        let (width, replacement) = match CLASSES[usize::from(text[at])] {
            6 if !matches!(text.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])) => {
                at += 1;
                continue;
            }
            6 => (3, REPLACEMENTS[5]),
            class => (1, REPLACEMENTS[usize::from(class)]),
        };
        out.extend_from_slice(&text[copied..at]);
        out.extend_from_slice(replacement);
        at += width;
        copied = at;
    }
    out.extend_from_slice(&text[copied..]);
}

/// The same, into a `String`.
pub(super) fn escape_into(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
}
