//! The byte stream of the event socket: a head of `Key: value` lines, a blank line, and as many bytes as Content-Length says.
//! Called by [`super::link`] with whatever the socket gave, however it is cut.

use std::fmt;

/// Longest head, in bytes.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Most lines of a head.
pub const MAX_HEADERS: usize = 64;
/// Longest body, in bytes: a list of some thousand channels.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Content-Type, in lower case.
    pub kind: String,
    /// Reply-Text, of a reply to a command.
    pub reply: String,
    /// The body; empty without Content-Length.
    pub body: Vec<u8>,
}

/// Cuts a byte stream into frames. Give it bytes with [`Decoder::push`], take frames with [`Decoder::next`].
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the frame that is being read begins.
    start: usize,
    /// Up to where no end of a line was found.
    scanned: usize,
    /// The head, once it was read, and the length of its body.
    head: Option<(Frame, usize)>,
}

impl Decoder {
    /// A decoder at the beginning of a frame.
    pub fn new() -> Self {
        Decoder::default()
    }

    /// Takes bytes. Never keeps more than one unfinished frame beside them, if `next` is called until `None`.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; none when more bytes are needed.
    ///
    /// # Errors
    /// [`Error`] when these bytes are no event socket or pass a limit. The connection is of no use after that.
    #[expect(clippy::should_implement_trait, reason = "it can fail, and after that it is of no use")]
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        if self.head.is_none() {
            let Some(end) = self.end_of_head()? else { return Ok(None) };
            self.head = Some(read_head(&self.buffer[self.start..end])?);
            self.start = end;
        }
        let there = self.buffer.len() - self.start;
        match self.head.take_if(|(_, length)| *length <= there) {
            None => Ok(None),
            Some((mut frame, length)) => {
                frame.body = self.buffer[self.start..self.start + length].to_vec();
                self.start += length;
                self.scanned = self.start;
                Ok(Some(frame))
            }
        }
    }

    /// Where the blank line behind the head ends. Blank lines before a head count for nothing.
    fn end_of_head(&mut self) -> Result<Option<usize>, Error> {
        self.scanned = self.scanned.max(self.start);
        while let Some(at) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') {
            let end = self.scanned + at;
            let line = self.buffer[self.scanned..end].trim_ascii_end();
            let is_first = self.buffer[self.start..self.scanned].trim_ascii().is_empty();
            if end + 1 - self.start > MAX_HEAD_BYTES {
                return Err(Error::LongHead(printable(&self.buffer[self.start..])));
            }
            if line.is_empty() && is_first {
                self.start = end + 1;
            }
            // a line is looked at once: `scanned` stands behind whole lines only
            self.scanned = end + 1;
            if line.is_empty() && !is_first {
                return Ok(Some(self.scanned));
            }
        }
        if self.buffer.len() - self.start > MAX_HEAD_BYTES {
            return Err(Error::LongHead(printable(&self.buffer[self.start..])));
        }
        Ok(None)
    }
}

fn read_head(head: &[u8]) -> Result<(Frame, usize), Error> {
    let mut frame = Frame { kind: String::new(), reply: String::new(), body: Vec::new() };
    let mut length = 0;
    let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty());
    for (number, line) in lines.enumerate() {
        if number >= MAX_HEADERS {
            return Err(Error::ManyHeaders(printable(head)));
        }
        let colon = line.iter().position(|byte| *byte == b':').filter(|at| *at > 0);
        let Some(colon) = colon.filter(|at| line[..*at].iter().all(|byte| (0x21..0x7f).contains(byte)))
        else {
            return Err(Error::NotAHeader(printable(line)));
        };
        let value = String::from_utf8_lossy(line[colon + 1..].trim_ascii());
        match line[..colon].to_ascii_lowercase().as_slice() {
            b"content-type" => frame.kind = value.to_ascii_lowercase(),
            b"reply-text" => frame.reply = value.into_owned(),
            b"content-length" => {
                let known = value.parse::<usize>().ok().filter(|length| *length <= MAX_BODY_BYTES);
                length = known.ok_or_else(|| Error::LongBody(printable(value.as_bytes())))?;
            }
            _ => {}
        }
    }
    if frame.kind.is_empty() {
        return Err(Error::NotFreeSwitch(printable(head)));
    }
    Ok((frame, length))
}

/// The first bytes of a text that came from outside, fit for a log line.
fn printable(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(60)].escape_ascii().to_string()
}

/// Why bytes are no event socket. The text is the beginning of what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A head has no Content-Type.
    NotFreeSwitch(String),
    /// A line of a head is no `Key: value`.
    NotAHeader(String),
    /// A head is longer than [`MAX_HEAD_BYTES`].
    LongHead(String),
    /// A head has more than [`MAX_HEADERS`] lines.
    ManyHeaders(String),
    /// A body would be longer than [`MAX_BODY_BYTES`], or its length is no number.
    LongBody(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotFreeSwitch(text) => write!(f, "\"{text}\" has no Content-Type"),
            Error::NotAHeader(text) => write!(f, "the line \"{text}\" is no \"key: value\""),
            Error::LongHead(text) => {
                write!(f, "the head \"{text}...\" is longer than {MAX_HEAD_BYTES} bytes")
            }
            Error::ManyHeaders(text) => {
                write!(f, "the head \"{text}...\" has more than {MAX_HEADERS} lines")
            }
            Error::LongBody(text) => {
                write!(f, "the Content-Length \"{text}\" is not up to {MAX_BODY_BYTES} bytes")
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8], chunk: usize) -> Result<Vec<Frame>, Error> {
        let mut decoder = Decoder::new();
        let mut found = Vec::new();
        for bytes in bytes.chunks(chunk) {
            decoder.push(bytes);
            while let Some(frame) = decoder.next()? {
                found.push(frame);
            }
        }
        Ok(found)
    }

    const STREAM: &[u8] = b"Content-Type: auth/request\n\n\nContent-Type: command/reply\nReply-Text: +OK accepted\n\n\
        Content-Length: 7\nContent-Type: text/event-json\n\n{\"a\":1}Content-Type: api/response\r\nContent-Length: 2\r\n\r\n\n\n";

    #[test]
    fn frames_come_out_however_the_bytes_are_cut() {
        let whole = frames(STREAM, STREAM.len()).expect("frames");
        let kinds: Vec<&str> = whole.iter().map(|frame| frame.kind.as_str()).collect();
        assert_eq!(kinds, ["auth/request", "command/reply", "text/event-json", "api/response"]);
        assert_eq!((whole[1].reply.as_str(), whole[2].body.as_slice()), ("+OK accepted", &b"{\"a\":1}"[..]));
        assert_eq!(whole[3].body, b"\n\n", "a body may be blank lines");
        for chunk in 1..40 {
            assert_eq!(frames(STREAM, chunk).as_ref(), Ok(&whole), "{chunk}");
        }
    }

    #[test]
    fn limits_hold() {
        let refused = |text: String| frames(text.as_bytes(), 1_000).expect_err("refused");
        assert!(matches!(refused("220 mail\r\n\r\n".into()), Error::NotAHeader(_)));
        assert!(matches!(refused("Key: value\n\n".into()), Error::NotFreeSwitch(_)));
        assert!(matches!(refused("x".repeat(MAX_HEAD_BYTES + 1)), Error::LongHead(_)));
        assert!(matches!(refused(format!("{}\n\n", "a: b\n".repeat(9_000))), Error::LongHead(_)));
        assert!(matches!(refused(format!("{}\n", "a: b\n".repeat(MAX_HEADERS + 1))), Error::ManyHeaders(_)));
        for length in ["8388609", "-1", "x", "99999999999999999999"] {
            let text = format!("Content-Type: a\nContent-Length: {length}\n\n");
            assert!(matches!(refused(text), Error::LongBody(_)), "{length}");
        }
    }
}
