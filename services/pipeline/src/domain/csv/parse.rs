//! Letters to records: RFC 4180 and nothing beyond it. Every departure has its own fault at its own place.
//! Called by the reader, with text that has been decoded.

use super::{COLUMNS, FIELD_BYTES, Fault, RECORD_BYTES, Record};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first letter of a field.
    Begin,
    /// In a field without quotes.
    Bare,
    /// Inside quotes.
    Quoted,
    /// Behind a quote inside quotes: the first of two, or the end.
    Quote,
    /// Behind a carriage return outside quotes.
    Return,
}

pub(super) struct Parser {
    delimiter: u8,
    state: State,
    /// Where it reads.
    line: u64,
    /// Where the record began.
    record_line: u64,
    /// Where the field's quote began.
    quote_line: u64,
    field: String,
    record: Vec<String>,
    record_bytes: usize,
}

impl Parser {
    pub(super) fn new(delimiter: u8, line: u64) -> Parser {
        Parser {
            delimiter,
            state: State::Begin,
            line,
            record_line: line,
            quote_line: line,
            field: String::new(),
            record: Vec::new(),
            record_bytes: 0,
        }
    }

    /// Line and column at which it reads.
    pub(super) fn place(&self) -> (u64, usize) {
        (self.line, self.record.len() + 1)
    }

    pub(super) fn read(&mut self, text: &str, take: &mut dyn FnMut(Record)) -> Result<(), Fault> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let run = self.run(&bytes[at..]);
            if run > 0 {
                // All that ends a run is ASCII, so this is never inside a letter.
                self.grow(&text[at..at + run])?;
                at += run;
            } else {
                self.step(bytes[at], take)?;
                at += 1;
            }
        }
        Ok(())
    }

    pub(super) fn end(&mut self, take: &mut dyn FnMut(Record)) -> Result<(), Fault> {
        match self.state {
            State::Quoted => {
                self.line = self.quote_line;
                self.fault(
                    "CSV_QUOTE_OPEN",
                    "the quote that begins here is never closed: close it, or double quotes inside a field",
                )
            }
            State::Return => self.lone_return(),
            _ if self.record.is_empty() && self.field.is_empty() && self.state == State::Begin => Ok(()),
            _ => self.end_record(take),
        }
    }

    /// How many of these bytes simply belong to the field.
    fn run(&self, bytes: &[u8]) -> usize {
        let delimiter = self.delimiter;
        let ends = |byte: &u8| match self.state {
            State::Quoted => matches!(byte, b'"' | b'\n' | 0),
            State::Begin | State::Bare => *byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r' | 0),
            State::Quote | State::Return => true,
        };
        bytes.iter().position(ends).unwrap_or(bytes.len())
    }

    fn grow(&mut self, text: &str) -> Result<(), Fault> {
        if self.state == State::Begin {
            self.state = State::Bare;
        }
        self.field.push_str(text);
        self.record_bytes += text.len();
        if self.field.len() > FIELD_BYTES {
            let line = self.quote_line;
            let hint = if self.state == State::Quoted {
                format!(": is the quote that begins in line {line} never closed?")
            } else {
                String::new()
            };
            return self
                .fault("CSV_FIELD_TOO_LONG", &format!("the field has more than {FIELD_BYTES} bytes{hint}"));
        }
        if self.record_bytes > RECORD_BYTES {
            return self.fault(
                "CSV_RECORD_TOO_LONG",
                &format!(
                    "the record that begins in line {} has more than {RECORD_BYTES} bytes",
                    self.record_line
                ),
            );
        }
        Ok(())
    }

    fn step(&mut self, byte: u8, take: &mut dyn FnMut(Record)) -> Result<(), Fault> {
        let outside = matches!(self.state, State::Begin | State::Bare | State::Quote);
        match (self.state, byte) {
            (_, 0) => self.fault(
                "CSV_NUL",
                "the character U+0000 can't be kept: a file in UTF-16 is read when its encoding is named (UTF_16)",
            ),
            (State::Quoted, b'"') => {
                self.state = State::Quote;
                Ok(())
            }
            (State::Quoted, b'\n') => {
                self.line += 1;
                self.grow("\n")
            }
            (State::Quote, b'"') => {
                self.state = State::Quoted;
                self.grow("\"")
            }
            (State::Begin, b'"') => {
                self.state = State::Quoted;
                self.quote_line = self.line;
                Ok(())
            }
            (State::Bare, b'"') => self.fault(
                "CSV_BARE_QUOTE",
                "a quote stands inside a field that has none around it: put the whole field in quotes and double this one",
            ),
            (_, byte) if outside && byte == self.delimiter => self.end_field(),
            (_, b'\r') if outside => {
                self.state = State::Return;
                Ok(())
            }
            (_, b'\n') if outside || self.state == State::Return => self.end_record(take),
            (State::Return, _) => self.lone_return(),
            _ => {
                let message = format!(
                    "text stands behind the closing quote of a field whose quote begins in line {}: double quotes inside a field, or close that quote",
                    self.quote_line
                );
                self.fault("CSV_TEXT_AFTER_QUOTE", &message)
            }
        }
    }

    fn end_field(&mut self) -> Result<(), Fault> {
        if self.record.len() + 1 >= COLUMNS {
            return self.fault("CSV_TOO_MANY_COLUMNS", &format!("the record has more than {COLUMNS} fields"));
        }
        self.record.push(std::mem::take(&mut self.field));
        self.record_bytes += 1;
        self.state = State::Begin;
        Ok(())
    }

    /// A record in which nothing stands, as spreadsheets leave at the end, is none.
    fn end_record(&mut self, take: &mut dyn FnMut(Record)) -> Result<(), Fault> {
        self.record.push(std::mem::take(&mut self.field));
        let fields = std::mem::take(&mut self.record);
        let line = self.record_line;
        self.line += 1;
        self.record_line = self.line;
        self.record_bytes = 0;
        self.state = State::Begin;
        if fields.iter().any(|field| !field.is_empty()) {
            take(Record { line, fields });
        }
        Ok(())
    }

    fn lone_return<T>(&self) -> Result<T, Fault> {
        self.fault(
            "CSV_LINE_END",
            "a carriage return without a line feed: end lines with CR LF or with LF alone",
        )
    }

    fn fault<T>(&self, reason: &'static str, message: &str) -> Result<T, Fault> {
        let (line, column) = self.place();
        Err(Fault { reason, line, column, byte: None, message: message.to_owned() })
    }
}
