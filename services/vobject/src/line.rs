//! One content line: where it lies in the text, and its unfolded name, parameters and value (RFC 5545 3.1, RFC 6350 3.3).
//! Called by `tree` alone; readers meet lines as `Property`.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{Error, Kind, Result, clip};
use crate::limits::Limits;

/// A content line as read. Ranges of name, group and value are in `text`; `raw` is in the document.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Everything from the first byte to the end of the line's last line end.
    pub raw: Range<usize>,
    /// The first physical line, from 1.
    pub number: usize,
    /// The unfolded line without its end; borrowed from the document when it is not folded.
    pub text: Cow<'a, str>,
    pub group: Option<Range<usize>>,
    pub name: Range<usize>,
    /// Which of the document's parameters are this line's.
    pub params: Range<usize>,
    pub value: usize,
}

/// A parameter: ranges in the text of its line. `name` is empty for the bare words of vCard 2.1 (`TEL;HOME:`).
#[derive(Debug)]
pub(crate) struct Param {
    pub name: Range<usize>,
    pub values: Range<usize>,
}

impl Line<'_> {
    pub fn name(&self) -> &str {
        &self.text[self.name.clone()]
    }

    pub fn value(&self) -> &str {
        &self.text[self.value..]
    }
}

/// Cuts a document into content lines, one after the other, in one pass.
pub(crate) struct Lines<'a, 'l> {
    bytes: &'a [u8],
    at: usize,
    /// Physical lines begun so far.
    number: usize,
    limits: &'l Limits,
}

impl<'a, 'l> Lines<'a, 'l> {
    /// Starts at byte `at`, behind a byte order mark if there is one.
    pub fn new(bytes: &'a [u8], at: usize, limits: &'l Limits) -> Self {
        Lines { bytes, at, number: 0, limits }
    }

    /// The next content line with its parameters put behind those in `params`; `None` at the end.
    pub fn next(&mut self, params: &mut Vec<Param>) -> Result<Option<Line<'a>>> {
        while self.at < self.bytes.len() && matches!(self.bytes[self.at], b'\r' | b'\n') {
            self.physical()?; // an empty line belongs to no content line and stays where it is
        }
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let (start, number) = (self.at, self.number + 1);
        let text = self.unfold().map_err(|e| e.on(number))?;
        let raw = start..self.at;
        let text = match text {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        };
        let text = text.ok_or_else(|| Error::at(number, Kind::NotUtf8))?;
        let mut line = Line { raw, number, text, group: None, name: 0..0, params: 0..0, value: 0 };
        head(&mut line, params, self.limits).map_err(|e| e.on(number))?;
        Ok(Some(line))
    }

    /// Joins the physical lines of one content line. Bytes are joined before they are decoded, for a fold may
    /// stand inside a UTF-8 character.
    fn unfold(&mut self) -> Result<Cow<'a, [u8]>> {
        let first = self.physical()?;
        if matches!(first.first(), Some(b' ' | b'\t')) {
            return Err(Error::new(Kind::ContinuesNothing));
        }
        let mut text = Cow::Borrowed(first);
        // Found out at most once, from the first physical line, so that many lines ending in `=` stay linear.
        let mut quoted_printable = None;
        loop {
            let soft = text.last() == Some(&b'=')
                && *quoted_printable.get_or_insert_with(|| is_quoted_printable(first))
                && self.at < self.bytes.len();
            if soft {
                let next = self.physical()?;
                let joined = text.to_mut();
                joined.pop();
                joined.extend_from_slice(next);
                continue;
            }
            let Some(fold) = self.fold_ahead() else { return Ok(text) };
            while self.at < fold {
                self.physical()?; // the empty lines of a text whose line ends are CR LF LF
            }
            let next = self.physical()?;
            text.to_mut().extend_from_slice(&next[1..]);
        }
    }

    /// Where the next continuation begins, if one follows; empty lines before it do not count.
    fn fold_ahead(&self) -> Option<usize> {
        let mut at = self.at;
        // Only two empty lines are looked over: more are never a line end, and looking on would not be linear.
        let end = self.bytes.len().min(self.at + 4);
        while at < end && matches!(self.bytes[at], b'\r' | b'\n') {
            at += 1;
        }
        matches!(self.bytes.get(at), Some(b' ' | b'\t')).then_some(at)
    }

    /// The next physical line without its end: LF, CR LF or several CR before LF.
    fn physical(&mut self) -> Result<&'a [u8]> {
        self.number += 1;
        if self.number > self.limits.lines {
            return Err(Error::at(self.number, Kind::TooMany { what: "lines", limit: self.limits.lines }));
        }
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        self.at = self.bytes.len().min(self.at + length + 1);
        let mut line = &rest[..length];
        while let [shorter @ .., b'\r'] = line {
            line = shorter;
        }
        let is_control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
        // Two passes: the first has no early exit and so runs over many bytes at a time.
        if line.iter().fold(false, |any, byte| any | is_control(byte)) {
            let byte = line.iter().copied().find(is_control).unwrap_or_default();
            return Err(Error::at(self.number, Kind::ControlByte(byte)));
        }
        Ok(line)
    }
}

/// Whether a line says so as vCard 2.1 does, which has no quotes in its parameters.
fn is_quoted_printable(line: &[u8]) -> bool {
    let head = line.split(|&byte| byte == b':').next().unwrap_or_default();
    let says_so = |word: &[u8]| {
        let word = word.trim_ascii();
        word.eq_ignore_ascii_case(b"QUOTED-PRINTABLE")
            || word.eq_ignore_ascii_case(b"ENCODING=QUOTED-PRINTABLE")
    };
    !head.contains(&b'"') && head.split(|&byte| byte == b';').skip(1).any(says_so)
}

/// Reads group, name and parameters, up to the colon before the value.
fn head(line: &mut Line<'_>, params: &mut Vec<Param>, limits: &Limits) -> Result<()> {
    let text = line.text.as_bytes();
    let end = find(text, 0, b";:").ok_or_else(|| Error::new(Kind::NoColon(clip(&line.text))))?;
    // A space before the colon is a slip of some writers and hurts nobody.
    let name = line.text[..end].trim_end();
    let dot = name.find('.');
    line.group = dot.map(|dot| 0..dot);
    line.name = dot.map_or(0, |dot| dot + 1)..name.len();
    let group_is_good = line.group.clone().is_none_or(|group| is_name(&name[group]));
    if !group_is_good || !is_name(&name[line.name.clone()]) {
        return Err(Error::new(Kind::BadName(clip(&line.text[..end]))));
    }
    let first = params.len();
    let mut at = end;
    while text[at] == b';' {
        if params.len() - first == limits.parameters_per_property {
            let limit = limits.parameters_per_property;
            return Err(Error::new(Kind::TooMany { what: "parameters", limit }));
        }
        let (param, next) = param(line, at + 1)?;
        at = next;
        // `;;` and `;:` are slips that mean nothing.
        if !(param.name.is_empty() && param.values.is_empty()) {
            params.push(param);
        }
    }
    (line.params, line.value) = (first..params.len(), at + 1);
    Ok(())
}

/// Reads one parameter that starts at `start`; also returns where its `;` or `:` stands.
fn param(line: &Line<'_>, start: usize) -> Result<(Param, usize)> {
    let text = line.text.as_bytes();
    let no_colon = || Error::new(Kind::NoColon(clip(&line.text)));
    let stop = find(text, start, b"=;:").ok_or_else(no_colon)?;
    if text[stop] != b'=' {
        return Ok((Param { name: start..start, values: start..stop }, stop));
    }
    let written = &line.text[start..stop];
    let name = start + (written.len() - written.trim_start().len())..start + written.trim_end().len();
    if !is_name(written.trim()) {
        return Err(Error::new(Kind::BadName(clip(written))));
    }
    let mut at = stop + 1;
    loop {
        // A quote opens a quoted value only where a value begins; elsewhere it is a character like others.
        if text.get(at) == Some(&b'"') {
            let close = find(text, at + 1, b"\"");
            at = close.ok_or_else(|| Error::new(Kind::UnterminatedQuote(clip(line.name()))))? + 1;
        }
        at = find(text, at, b",;:").ok_or_else(no_colon)?;
        if text[at] != b',' {
            return Ok((Param { name, values: stop + 1..at }, at));
        }
        at += 1;
    }
}

fn find(text: &[u8], from: usize, any: &[u8]) -> Option<usize> {
    text.get(from..)?.iter().position(|byte| any.contains(byte)).map(|at| from + at)
}

/// Whether a text can be a name. Wider than the grammar's letters, digits and `-`, for programs write `_` and `/` too.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b':' | b';' | b'=' | b'.');
    !text.is_empty() && text.bytes().all(allowed)
}

/// Splits the values of a parameter on commas outside of quotes and decodes each: quotes off, RFC 6868 read.
pub(crate) fn param_values(values: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(values);
    std::iter::from_fn(move || {
        let text = rest?;
        let quoted_end = text.strip_prefix('"').and_then(|inner| inner.find('"')).map(|close| close + 2);
        let from = quoted_end.unwrap_or(0);
        let end = text[from..].find(',').map(|comma| from + comma);
        rest = end.map(|end| &text[end + 1..]);
        let value = &text[..end.unwrap_or(text.len())];
        let bare = value.trim().strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        Some(decode_caret(bare.unwrap_or(value)))
    })
}

/// RFC 6868: `^n` is a line end, `^'` a quote, `^^` a caret; any other caret stands for itself.
fn decode_caret(value: &str) -> Cow<'_, str> {
    if !value.contains('^') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value.chars().peekable();
    while let Some(character) = rest.next() {
        let meant = match (character, rest.peek()) {
            ('^', Some('n' | 'N')) => Some('\n'),
            ('^', Some('\'')) => Some('"'),
            ('^', Some('^')) => Some('^'),
            _ => None,
        };
        if meant.is_some() {
            rest.next();
        }
        out.push(meant.unwrap_or(character));
    }
    Cow::Owned(out)
}
