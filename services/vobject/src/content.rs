//! A content line to be written: parameters quoted, folded at 75 octets (RFC 5545 3.1, RFC 6868).
//! Made by `patch` and `write` and by whoever hands them a property.

use crate::line::is_name;
use crate::value::{DateValue, escape_text};

/// The most octets on one physical line, without its end (RFC 5545 3.1, RFC 6350 3.2).
const OCTETS: usize = 75;

/// A property to be written. Whatever is put in, one property comes out: line ends and control characters that
/// would break out of the line are left out of parameters and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentLine {
    pub(crate) group: Option<String>,
    pub(crate) name: String,
    pub(crate) params: Vec<(String, Vec<String>)>,
    pub(crate) value: String,
}

impl ContentLine {
    /// A property whose value is in its written form already, as a RRULE or a list is.
    pub fn new(name: &str, value: impl Into<String>) -> ContentLine {
        ContentLine { group: None, name: name.to_owned(), params: Vec::new(), value: value.into() }
    }

    /// A property with a text, which is escaped here.
    pub fn text(name: &str, text: &str) -> ContentLine {
        ContentLine::new(name, escape_text(text))
    }

    /// A property with a date or time, with the parameters that it needs.
    pub fn date(name: &str, date: &DateValue) -> ContentLine {
        let (value, params) = date.format();
        params.into_iter().fold(ContentLine::new(name, value), |line, (name, value)| line.param(name, value))
    }

    /// A property with a structured value, as in N and ADR: each place is a list.
    pub fn structured<P: AsRef<[String]>>(name: &str, places: impl IntoIterator<Item = P>) -> ContentLine {
        let place =
            |place: P| place.as_ref().iter().map(|part| escape_text(part)).collect::<Vec<_>>().join(",");
        ContentLine::new(name, places.into_iter().map(place).collect::<Vec<_>>().join(";"))
    }

    /// Adds a parameter with one value.
    #[must_use]
    pub fn param(self, name: &str, value: impl Into<String>) -> ContentLine {
        self.param_list(name, vec![value.into()])
    }

    /// Adds a parameter with several values; none at all adds nothing.
    #[must_use]
    pub fn param_list(mut self, name: &str, values: Vec<String>) -> ContentLine {
        if !values.is_empty() {
            self.params.push((name.to_owned(), values));
        }
        self
    }

    /// Puts the property in a group, as in `item1.TEL`.
    #[must_use]
    pub fn group(mut self, group: &str) -> ContentLine {
        self.group = Some(group.to_owned());
        self
    }

    /// The line, folded, with its line end.
    pub fn write(&self, line_end: &str) -> String {
        let mut line = String::with_capacity(self.name.len() + self.value.len() + 16);
        if let Some(group) = self.group.as_deref().filter(|group| is_name(group)) {
            line.extend([group, "."]);
        }
        // A name that could not be read back is replaced whole, never guessed at.
        line.push_str(if is_name(&self.name) { &self.name } else { "X-UNNAMED" });
        for (name, values) in self.params.iter().filter(|(name, _)| is_name(name)) {
            line.extend([";", name, "="]);
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    line.push(',');
                }
                push_param_value(&mut line, value);
            }
        }
        line.push(':');
        line.extend(self.value.chars().filter(|&character| is_writable(character)));
        fold(&line, line_end)
    }
}

fn is_writable(character: char) -> bool {
    character == '\t' || !character.is_ascii_control()
}

fn push_param_value(line: &mut String, value: &str) {
    let quoted = value.contains([':', ';', ',']) || value.trim() != value;
    if quoted {
        line.push('"');
    }
    for character in value.chars() {
        match character {
            '\n' => line.push_str("^n"),
            '"' => line.push_str("^'"),
            '^' => line.push_str("^^"),
            other if is_writable(other) => line.push(other),
            _ => {}
        }
    }
    if quoted {
        line.push('"');
    }
}

/// Folds an unfolded line without splitting a character, and ends it.
pub(crate) fn fold(line: &str, line_end: &str) -> String {
    let mut out = String::with_capacity(line.len() + line.len() / 25 + line_end.len());
    let mut on_line = 0;
    for character in line.chars() {
        if on_line + character.len_utf8() > OCTETS {
            out.push_str(line_end);
            out.push(' ');
            on_line = 1;
        }
        out.push(character);
        on_line += character.len_utf8();
    }
    out.push_str(line_end);
    out
}
