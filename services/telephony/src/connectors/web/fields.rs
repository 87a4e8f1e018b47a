//! Fields of a post: a form, a flat JSON object or a flat XML document, with caps on their number, size and depth.
//! Called by the rooms of the cloud connectors; fuzzed by `fuzz/fuzz_targets/fields.rs`.

use kontor_kit::{Error, Result};
use percent_encoding::percent_decode;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use super::BODY_BYTES;

/// Most fields of a post.
pub const MAX_FIELDS: usize = 200;
/// Longest name, in bytes.
const NAME_BYTES: usize = 200;
/// Longest value, in bytes.
const VALUE_BYTES: usize = 8 * 1024;

/// Names with their values, in the order in which they came; a name may come twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `name=value&...` (application/x-www-form-urlencoded), of a body or a query.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the body.
    pub fn form(bytes: &[u8]) -> Result<Fields> {
        check_size(bytes)?;
        let mut fields = Fields::default();
        for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(at + 1..).unwrap_or_default();
            fields.add(decoded(&pair[..at])?, decoded(value)?)?;
        }
        Ok(fields)
    }

    /// Reads a JSON object. Texts, numbers, true and false are fields, null and what is nested is left out.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the body.
    pub fn json(bytes: &[u8]) -> Result<Fields> {
        check_size(bytes)?;
        // the reader stops at 128 brackets in brackets
        let no_json = |cause: serde_json::Error| Error::invalid("body", format!("it is no JSON: {cause}"));
        let value: Value = serde_json::from_slice(bytes).map_err(no_json)?;
        let Value::Object(object) = value else {
            return Err(Error::invalid("body", "it is not a JSON object"));
        };
        let mut fields = Fields::default();
        for (name, value) in object {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            fields.add(name, text)?;
        }
        Ok(fields)
    }

    /// Reads an XML document: one element, and in it one for each field. Nothing is nested, and there is no DTD.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the body.
    pub fn xml(bytes: &[u8]) -> Result<Fields> {
        check_size(bytes)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Error::invalid("body", "it is not UTF-8"))?;
        let wrong = |message: &str| Error::invalid("body", message);
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let mut fields = Fields::default();
        let mut inside: Vec<String> = Vec::new();
        let mut seen = false;
        let mut value = String::new();
        loop {
            match reader.read_event().map_err(|cause| Error::invalid("body", cause))? {
                Event::Start(element) => {
                    if inside.len() == 2 || (inside.is_empty() && seen) {
                        return Err(wrong("it is nested: write one element, and in it one for each field"));
                    }
                    seen = true;
                    inside.push(element.local_name().into_inner().to_owned());
                    value.clear();
                }
                Event::Empty(element) if inside.len() == 1 => {
                    fields.add(element.local_name().into_inner().to_owned(), String::new())?;
                }
                Event::Empty(_) => return Err(wrong("it is nested or empty")),
                Event::End(_) => {
                    let name = inside.pop().ok_or_else(|| wrong("an element ends that did not begin"))?;
                    if inside.len() == 1 {
                        fields.add(name, value.trim().to_owned())?;
                    }
                    value.clear();
                }
                Event::Text(text) => value.push_str(&text.xml10_content()),
                Event::CData(text) => value.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => value.push(character(&reference)?),
                Event::DocType(_) => return Err(wrong("it has a DTD, which is not taken")),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
            if value.len() > VALUE_BYTES {
                return Err(wrong("a field is longer than 8 KiB"));
            }
        }
        if inside.is_empty() && seen { Ok(fields) } else { Err(wrong("the XML document is not whole")) }
    }

    /// A field; empty when it is missing. The first one of a name counts.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By name and then by value, as signatures want them.
    pub fn sorted(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable();
        all
    }

    fn add(&mut self, name: String, value: String) -> Result<()> {
        if self.0.len() == MAX_FIELDS {
            return Err(Error::invalid("body", format!("it has more than {MAX_FIELDS} fields")));
        }
        if name.len() > NAME_BYTES || value.len() > VALUE_BYTES {
            return Err(Error::invalid(
                "body",
                "a field has a name of over 200 bytes or a value of over 8 KiB",
            ));
        }
        self.0.push((name, value));
        Ok(())
    }
}

fn check_size(bytes: &[u8]) -> Result<()> {
    if bytes.len() <= BODY_BYTES {
        return Ok(());
    }
    let message = format!("it has {} bytes, at most {BODY_BYTES} are taken", bytes.len());
    Err(Error::invalid("body", message))
}

fn decoded(bytes: &[u8]) -> Result<String> {
    let plain: Vec<u8> = bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let bytes: Vec<u8> = percent_decode(&plain).collect();
    String::from_utf8(bytes).map_err(|_| Error::invalid("body", "it is not UTF-8"))
}

/// The five entities that XML has of itself, and numbers.
fn character(reference: &quick_xml::events::BytesRef<'_>) -> Result<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Ok(character);
    }
    match &**reference {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(Error::invalid("body", "it has an entity that XML does not know of itself")),
    }
}
