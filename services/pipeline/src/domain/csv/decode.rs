//! Bytes to letters, chunk by chunk: a byte that stands for nothing is a fault with its place, never a replacement character.
//! Called by the reader.

use super::Encoding;

/// A byte that can't be read.
#[derive(Debug)]
pub(super) struct Bad {
    /// Offset in the file, from 0.
    pub byte: u64,
    /// What it is, and how to save the file right.
    pub message: String,
}

pub(super) struct Decoder {
    encoding: Encoding,
    /// Bytes that wait for more: the beginning of the file, or of a letter.
    waiting: Vec<u8>,
    /// Offset of the first byte that waits.
    offset: u64,
    begun: bool,
    big_endian: bool,
    /// First half of a letter outside the basic plane, in UTF-16.
    high: Option<u16>,
}

/// The marks at the beginning of a file.
const UTF8_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];
const LITTLE_MARK: &[u8] = &[0xFF, 0xFE];
const BIG_MARK: &[u8] = &[0xFE, 0xFF];

/// What Windows-1252 has at 0x80 to 0x9F; five places are empty.
const WINDOWS: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Decoder {
        Decoder { encoding, waiting: Vec::new(), offset: 0, begun: false, big_endian: false, high: None }
    }

    /// Puts what the bytes stand for behind `text`; when one can't be read, what stands before it.
    pub(super) fn decode(&mut self, bytes: &[u8], text: &mut String) -> Result<(), Bad> {
        self.waiting.extend_from_slice(bytes);
        // The marks have at most three bytes.
        if !self.begun {
            if self.waiting.len() < 3 {
                return Ok(());
            }
            self.begin()?;
        }
        self.go_on(text)
    }

    /// The file has ended.
    pub(super) fn end(&mut self, text: &mut String) -> Result<(), Bad> {
        if !self.begun {
            self.begin()?;
            self.go_on(text)?;
        }
        if self.waiting.is_empty() && self.high.is_none() {
            return Ok(());
        }
        self.bad(
            "the file ends in the middle of a letter: it was cut off, or has another encoding".to_owned(),
        )
    }

    fn bad<T>(&self, message: String) -> Result<T, Bad> {
        Err(Bad { byte: self.offset, message })
    }

    fn taken(&mut self, count: usize) {
        self.waiting.drain(..count);
        self.offset += count as u64;
    }

    fn begin(&mut self) -> Result<(), Bad> {
        self.begun = true;
        let has = |mark: &[u8]| self.waiting.starts_with(mark);
        let wide = has(LITTLE_MARK) || has(BIG_MARK);
        match self.encoding {
            Encoding::Utf8 if wide => self.bad(
                "the file begins with the mark of UTF-16: save it as \"CSV UTF-8\", or name the encoding UTF_16"
                    .to_owned(),
            ),
            Encoding::Utf8 => {
                if has(UTF8_MARK) {
                    self.taken(UTF8_MARK.len());
                }
                Ok(())
            }
            _ if has(UTF8_MARK) => {
                self.bad("the file begins with the mark of UTF-8: name the encoding UTF_8, or none".to_owned())
            }
            Encoding::Windows1252 if wide => {
                self.bad("the file begins with the mark of UTF-16: name the encoding UTF_16".to_owned())
            }
            Encoding::Windows1252 => Ok(()),
            Encoding::Utf16 => {
                self.big_endian = has(BIG_MARK) || self.waiting.first() == Some(&0);
                if wide {
                    self.taken(2);
                } else if self.waiting.len() > 1 && !self.waiting[..2].contains(&0) {
                    let message =
                        "the file is no UTF-16: it has neither its mark nor a plain letter at its beginning";
                    return self.bad(message.to_owned());
                }
                Ok(())
            }
        }
    }

    fn go_on(&mut self, text: &mut String) -> Result<(), Bad> {
        match self.encoding {
            Encoding::Utf8 => self.utf8(text),
            Encoding::Utf16 => self.utf16(text),
            Encoding::Windows1252 => self.windows(text),
        }
    }

    fn utf8(&mut self, text: &mut String) -> Result<(), Bad> {
        let (good, bad) = match std::str::from_utf8(&self.waiting) {
            Ok(all) => (all, None),
            Err(cause) => {
                let (good, rest) = self.waiting.split_at(cause.valid_up_to());
                // The standard library has just said that these are good.
                let good = std::str::from_utf8(good).unwrap_or_default();
                (good, cause.error_len().and_then(|_| rest.first().copied()))
            }
        };
        text.push_str(good);
        self.taken(good.len());
        let Some(byte) = bad else { return Ok(()) };
        let guess =
            letter(byte).map(|letter| format!("; in Windows-1252 it is {letter:?}")).unwrap_or_default();
        self.bad(format!(
            "byte 0x{byte:02X} is no UTF-8{guess}: save the file as \"CSV UTF-8\", or name its encoding (WINDOWS_1252)"
        ))
    }

    fn utf16(&mut self, text: &mut String) -> Result<(), Bad> {
        let big = self.big_endian;
        let unit = |pair: &[u8]| {
            let pair = [pair[0], pair[1]];
            if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
        };
        let mut count = 0;
        let mut half = false;
        for pair in self.waiting.chunks_exact(2) {
            let units = [self.high.unwrap_or_else(|| unit(pair)), unit(pair)];
            let units = if self.high.take().is_some() { &units[..] } else { &units[..1] };
            match char::decode_utf16(units.iter().copied()).next() {
                Some(Ok(letter)) => text.push(letter),
                Some(Err(_)) if units.len() == 1 && (0xD800..0xDC00).contains(&units[0]) => {
                    self.high = Some(units[0]);
                }
                _ => {
                    half = true;
                    break;
                }
            }
            count += 2;
        }
        self.taken(count);
        if half {
            self.bad("half a letter of UTF-16: the file is damaged or has another encoding".to_owned())
        } else {
            Ok(())
        }
    }

    fn windows(&mut self, text: &mut String) -> Result<(), Bad> {
        let mut bad = None;
        let mut count = 0;
        for byte in &self.waiting {
            let Some(letter) = letter(*byte) else {
                bad = Some(*byte);
                break;
            };
            text.push(letter);
            count += 1;
        }
        self.taken(count);
        match bad {
            None => Ok(()),
            Some(byte) => self.bad(format!(
                "byte 0x{byte:02X} stands for nothing in Windows-1252: the file has another encoding, UTF-8 perhaps"
            )),
        }
    }
}

/// What a byte is in Windows-1252.
fn letter(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9F => WINDOWS[usize::from(byte - 0x80)],
        _ => Some(char::from(byte)),
    }
}
