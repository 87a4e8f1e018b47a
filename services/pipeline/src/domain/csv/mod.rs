//! CSV text, strictly (RFC 4180): every file either has one reading or is refused at a line, a column and, where it matters, a byte.
//! Called by the import, which pushes bytes in as they come; the fuzz target too. No I/O.
//!
//! Memory is bounded by one record and one chunk. What is wrong with a file is a `Fault`; what is wrong with the content of a field is the caller's.

mod decode;
mod parse;
#[cfg(test)]
mod tests;

use decode::Decoder;
use parse::Parser;

/// Columns of a record at most.
pub const COLUMNS: usize = 200;
/// Bytes of a field at most, in UTF-8: 100,000 letters of any script.
pub const FIELD_BYTES: usize = 400_000;
/// Bytes of a record at most, in UTF-8.
pub const RECORD_BYTES: usize = 1_000_000;
/// Bytes in which the heading line must end, in UTF-8.
const HEADING_BYTES: usize = 64 * 1024;

/// What parts the fields of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// ","
    Comma,
    /// ";", as spreadsheets write it where the comma parts decimals.
    Semicolon,
    /// Tabulator.
    Tab,
    /// "|"
    Bar,
}

impl Delimiter {
    /// All of them.
    pub const ALL: [Delimiter; 4] = [Delimiter::Comma, Delimiter::Semicolon, Delimiter::Tab, Delimiter::Bar];

    /// Its byte.
    pub fn byte(self) -> u8 {
        match self {
            Delimiter::Comma => b',',
            Delimiter::Semicolon => b';',
            Delimiter::Tab => b'\t',
            Delimiter::Bar => b'|',
        }
    }
}

/// How the bytes stand for letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with a byte-order mark or without.
    #[default]
    Utf8,
    /// UTF-16 of either byte order, told by its mark or by the first letter.
    Utf16,
    /// Windows-1252, what Western European spreadsheets call "CSV".
    Windows1252,
}

/// A record and the line on which it begins; the heading line is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Line of the file.
    pub line: u64,
    /// Fields, at least one.
    pub fields: Vec<String>,
}

/// Why a file is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// For programs: "CSV_QUOTE_OPEN".
    pub reason: &'static str,
    /// Line of the file, from 1.
    pub line: u64,
    /// Number of the field in its record, from 1.
    pub column: usize,
    /// Offset of the byte in the file, from 0; only for faults of the encoding.
    pub byte: Option<u64>,
    /// For people: what it is, and how to save it right.
    pub message: String,
}

/// Reads one file, chunk by chunk.
pub struct Reader {
    decoder: Decoder,
    delimiter: Option<Delimiter>,
    /// The heading line, until it is whole and the delimiter is known.
    heading: String,
    parser: Option<Parser>,
    decoded: String,
}

impl Reader {
    /// A reader; without a delimiter it is found from the heading line.
    pub fn new(encoding: Encoding, delimiter: Option<Delimiter>) -> Reader {
        Reader {
            decoder: Decoder::new(encoding),
            delimiter,
            heading: String::new(),
            parser: None,
            decoded: String::new(),
        }
    }

    /// Takes the next bytes and hands on each record that they complete. After a fault it is of no more use.
    ///
    /// # Errors
    /// The first fault of the file.
    pub fn push(&mut self, bytes: &[u8], take: &mut dyn FnMut(Record)) -> Result<(), Fault> {
        let mut text = std::mem::take(&mut self.decoded);
        text.clear();
        let decoded = self.decoder.decode(bytes, &mut text);
        let outcome = self.read(&text, take).and_then(|()| decoded.map_err(|bad| self.at(bad)));
        self.decoded = text;
        outcome
    }

    /// The file has ended.
    ///
    /// # Errors
    /// The first fault of the file.
    pub fn end(&mut self, take: &mut dyn FnMut(Record)) -> Result<(), Fault> {
        let mut text = String::new();
        let decoded = self.decoder.end(&mut text);
        self.read(&text, take)?;
        decoded.map_err(|bad| self.at(bad))?;
        self.begin(take)?;
        match &mut self.parser {
            Some(parser) => parser.end(take),
            None => Ok(()),
        }
    }

    fn read(&mut self, text: &str, take: &mut dyn FnMut(Record)) -> Result<(), Fault> {
        if let Some(parser) = &mut self.parser {
            return parser.read(text, take);
        }
        self.heading.push_str(text);
        if first_line(&self.heading).is_some() {
            return self.begin(take);
        }
        if self.heading.len() > HEADING_BYTES {
            let message = format!(
                "the heading line does not end within {HEADING_BYTES} bytes: is a quote in it never closed, or is this no CSV file?"
            );
            return Err(Fault { reason: "CSV_HEADING", line: 1, column: 1, byte: None, message });
        }
        Ok(())
    }

    /// The heading line is whole, or the file ended in it.
    fn begin(&mut self, take: &mut dyn FnMut(Record)) -> Result<(), Fault> {
        if self.parser.is_some() {
            return Ok(());
        }
        let mut heading = std::mem::take(&mut self.heading);
        let mut line = 1;
        // Some spreadsheets write a line before the heading that says what parts the fields.
        if let Some((delimiter, rest)) = told(&heading) {
            self.delimiter = self.delimiter.or(Some(delimiter));
            heading.drain(..rest);
            line = 2;
        }
        let delimiter = match self.delimiter {
            Some(delimiter) => delimiter,
            None => found(first_line(&heading).unwrap_or(&heading))?,
        };
        let mut parser = Parser::new(delimiter.byte(), line);
        let outcome = parser.read(&heading, take);
        self.parser = Some(parser);
        outcome
    }

    fn at(&mut self, bad: decode::Bad) -> Fault {
        // A fault in the heading line: what came before it tells the column.
        if self.parser.is_none() {
            let begun = self.begin(&mut |_| {});
            if let Err(fault) = begun {
                return Fault { reason: "CSV_ENCODING", byte: Some(bad.byte), message: bad.message, ..fault };
            }
        }
        let (line, column) = self.parser.as_ref().map_or((1, 1), Parser::place);
        Fault { reason: "CSV_ENCODING", line, column, byte: Some(bad.byte), message: bad.message }
    }
}

/// The first line that ends outside quotes, without its end; none when it does not end.
fn first_line(text: &str) -> Option<&str> {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return Some(&text[..at]),
            _ => {}
        }
    }
    None
}

/// What a first line like `sep=;` says, and where the next one begins.
fn told(text: &str) -> Option<(Delimiter, usize)> {
    let line = first_line(text)?;
    let mark = line.trim_end_matches('\r').strip_prefix("sep=")?;
    let delimiter = Delimiter::ALL.into_iter().find(|known| mark.as_bytes() == [known.byte()])?;
    Some((delimiter, line.len() + 1))
}

/// The delimiter that stands most often in the heading line, outside quotes. A heading with none has one column.
fn found(heading: &str) -> Result<Delimiter, Fault> {
    let mut quoted = false;
    let mut counts = [0_usize; Delimiter::ALL.len()];
    for byte in heading.bytes() {
        if byte == b'"' {
            quoted = !quoted;
        } else if let Some(place) = Delimiter::ALL.iter().position(|known| known.byte() == byte)
            && !quoted
        {
            counts[place] += 1;
        }
    }
    let most = counts.into_iter().max().unwrap_or(0);
    let mut best = Delimiter::ALL.into_iter().zip(counts).filter(|(_, count)| *count == most);
    match (most, best.next(), best.next()) {
        (0, _, _) => Ok(Delimiter::Comma),
        (_, Some((delimiter, _)), None) => Ok(delimiter),
        _ => {
            let message =
                "the heading line has as many of one delimiter as of another: say which one parts the fields";
            Err(Fault {
                reason: "CSV_DELIMITER",
                line: 1,
                column: 1,
                byte: None,
                message: message.to_owned(),
            })
        }
    }
}
