//! The AMI byte stream: lines of `Key: value`, a blank line ends a message, one banner line comes first.
//! Called by [`super::link`] with whatever the socket gave, however it is cut.

use std::fmt;
use std::ops::Range;

/// Longest line, in bytes, without its line end.
pub const MAX_LINE_BYTES: usize = 8 * 1024;
/// Longest message, in bytes, with its line ends.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Most lines of one message.
pub const MAX_HEADERS: usize = 512;

/// What an Asterisk says first; a version follows it.
const BANNER: &str = "Asterisk Call Manager/";

/// Cuts a byte stream into messages. Give it bytes with [`Decoder::push`], take messages with [`Decoder::next`].
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the message that is being read begins.
    start: usize,
    /// Where the line that is being read begins.
    line: usize,
    /// Up to where no line end was found.
    scanned: usize,
    lines: usize,
    banner: Option<String>,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

impl Decoder {
    /// A decoder at the beginning of a connection: the banner comes first.
    pub fn new() -> Self {
        Decoder { buffer: Vec::new(), start: 0, line: 0, scanned: 0, lines: 0, banner: None }
    }

    /// A decoder in the middle of a connection: there is no banner.
    pub fn after_banner() -> Self {
        Decoder { banner: Some(String::new()), ..Decoder::new() }
    }

    /// The version in the banner, such as `5.0.4`, once it was read.
    pub fn version(&self) -> Option<&str> {
        self.banner.as_deref()
    }

    /// Takes bytes. Never keeps more than one unfinished message beside them, if `next` is called until `None`.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.line -= self.start;
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, without its blank line; none when more bytes are needed.
    ///
    /// # Errors
    /// [`Error`] when these bytes are not AMI or pass a limit. The connection is of no use after that.
    #[expect(clippy::should_implement_trait, reason = "the message borrows from the decoder")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        Ok(self.next_range()?.map(|range| &self.buffer[range]))
    }

    /// The bytes of a message that [`Decoder::next_range`] found; they stay until the next [`Decoder::push`].
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// As [`Decoder::next`], but tells where the message is.
    pub(super) fn next_range(&mut self) -> Result<Option<Range<usize>>, Error> {
        while let Some((from, to)) = self.next_line()? {
            if self.banner.is_none() {
                self.banner = Some(read_banner(&self.buffer[from..to])?);
                self.start = self.line;
            } else if from < to {
                self.check_line(from, to)?;
            } else if self.lines == 0 {
                // a second blank line, or the one that some systems send after the banner
                self.start = self.line;
            } else {
                let message = self.start..from;
                self.start = self.line;
                self.lines = 0;
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The ends of the next whole line without CR and LF. A bare LF ends a line too, so `\r\n\n` ends a message.
    fn next_line(&mut self) -> Result<Option<(usize, usize)>, Error> {
        let found = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n');
        let stop = found.map_or(self.buffer.len(), |at| self.scanned + at);
        if stop - self.line > MAX_LINE_BYTES + 1 {
            return Err(Error::LongLine(printable(&self.buffer[self.line..stop])));
        }
        if stop - self.start > MAX_MESSAGE_BYTES {
            return Err(Error::LongMessage(printable(&self.buffer[self.start..stop])));
        }
        if found.is_none() {
            self.scanned = stop;
            return Ok(None);
        }
        let from = self.line;
        let to = if stop > from && self.buffer[stop - 1] == b'\r' { stop - 1 } else { stop };
        self.line = stop + 1;
        self.scanned = stop + 1;
        Ok(Some((from, to)))
    }

    fn check_line(&mut self, from: usize, to: usize) -> Result<(), Error> {
        self.lines += 1;
        if self.lines > MAX_HEADERS {
            return Err(Error::ManyHeaders(printable(&self.buffer[self.start..to])));
        }
        let line = &self.buffer[from..to];
        let key = line.iter().position(|byte| *byte == b':').map(|at| &line[..at]);
        match key {
            Some(key) if !key.is_empty() && key.iter().all(|byte| (0x20..0x7f).contains(byte)) => Ok(()),
            _ => Err(Error::NotAHeader(printable(line))),
        }
    }
}

fn read_banner(line: &[u8]) -> Result<String, Error> {
    let version = line.strip_prefix(BANNER.as_bytes()).ok_or_else(|| Error::NotAsterisk(printable(line)))?;
    Ok(printable(version))
}

/// The first bytes of a text that came from outside, fit for a log line.
fn printable(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(60)].escape_ascii().to_string()
}

/// Why bytes are not AMI. The text is the beginning of what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The first line is not the banner of an Asterisk.
    NotAsterisk(String),
    /// A line is no `Key: value`.
    NotAHeader(String),
    /// A line is longer than [`MAX_LINE_BYTES`].
    LongLine(String),
    /// A message is longer than [`MAX_MESSAGE_BYTES`].
    LongMessage(String),
    /// A message has more than [`MAX_HEADERS`] lines.
    ManyHeaders(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotAsterisk(text) => {
                write!(f, "the first line is \"{text}\" and not the banner of an Asterisk manager")
            }
            Error::NotAHeader(text) => write!(f, "the line \"{text}\" is no \"key: value\""),
            Error::LongLine(text) => {
                write!(f, "the line \"{text}...\" is longer than {MAX_LINE_BYTES} bytes")
            }
            Error::LongMessage(text) => {
                write!(f, "the message \"{text}...\" is longer than {MAX_MESSAGE_BYTES} bytes")
            }
            Error::ManyHeaders(text) => {
                write!(f, "the message \"{text}...\" has more than {MAX_HEADERS} lines")
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        decoder.push(bytes);
        while let Some(message) = decoder.next()? {
            found.push(String::from_utf8_lossy(message).into_owned());
        }
        Ok(found)
    }

    #[test]
    fn banner_comes_first_and_has_the_version() {
        let mut decoder = Decoder::new();
        let found = messages(&mut decoder, b"Asterisk Call Manager/5.0.4\r\nResponse: Success\r\n\r\n");
        assert_eq!(found, Ok(vec!["Response: Success\r\n".into()]));
        assert_eq!(decoder.version(), Some("5.0.4"));
    }

    #[test]
    fn other_servers_are_refused_with_their_first_line() {
        let error = messages(&mut Decoder::new(), b"SSH-2.0-OpenSSH_9\r\n").map_err(|e| e.to_string());
        assert!(error.is_err_and(|text| text.contains("SSH-2.0-OpenSSH_9")));
    }

    #[test]
    fn bare_line_feed_after_crlf_ends_the_message() {
        let found = messages(&mut Decoder::after_banner(), b"Event: A\r\nB: 1\r\n\nEvent: C\r\n\r\n\r\n\n");
        assert_eq!(found, Ok(vec!["Event: A\r\nB: 1\r\n".into(), "Event: C\r\n".into()]));
    }

    #[test]
    fn line_without_colon_is_garbage() {
        let found = messages(&mut Decoder::after_banner(), b"Event: A\r\n\x00\xffgarbage\r\n");
        assert_eq!(found, Err(Error::NotAHeader("\\x00\\xffgarbage".into())));
        assert!(messages(&mut Decoder::after_banner(), b": no key\r\n").is_err());
    }

    #[test]
    fn limits_hold_with_and_without_a_line_end() {
        let long = [b"K: ".as_slice(), &[b'x'; MAX_LINE_BYTES]].concat();
        assert!(matches!(messages(&mut Decoder::after_banner(), &long), Err(Error::LongLine(_))));
        let fits = [b"K: ".as_slice(), &[b'x'; MAX_LINE_BYTES - 3], b"\r\n\r\n"].concat();
        assert_eq!(messages(&mut Decoder::after_banner(), &fits).map(|it| it.len()), Ok(1));
        let many = "K: v\n".repeat(MAX_HEADERS + 1);
        assert!(matches!(
            messages(&mut Decoder::after_banner(), many.as_bytes()),
            Err(Error::ManyHeaders(_))
        ));
        let line = format!("K: {}\n", "x".repeat(MAX_LINE_BYTES - 3));
        let found = messages(&mut Decoder::after_banner(), line.repeat(9).as_bytes());
        assert!(matches!(found, Err(Error::LongMessage(_))));
    }
}
