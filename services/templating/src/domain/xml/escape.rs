//! Escapes and characters: what data may bring into XML and what XML forbids.
//! Called by the tree and by each output of a value.

use std::borrow::Cow;

/// Whether XML 1.0 allows a character at all. U+FFFE in data is what corrupts the letters of others.
pub(crate) fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Text as content or in an attribute: five signs escaped, forbidden characters left out.
pub fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let mut plain = 0;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let instead: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            0..=8 | 11 | 12 | 14..=31 => b"",
            // U+FFFE and U+FFFF are EF BF BE and EF BF BF.
            0xef if bytes[at..].starts_with(&[0xef, 0xbf, 0xbe])
                || bytes[at..].starts_with(&[0xef, 0xbf, 0xbf]) =>
            {
                b""
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..at]);
        out.extend_from_slice(instead);
        plain = at + if *byte == 0xef { 3 } else { 1 };
    }
    out.extend_from_slice(&bytes[plain..]);
}

/// Reads the references in a text. Without a DOCTYPE there are the five names and numbers only.
pub fn unescape(raw: &str) -> Result<Cow<'_, str>, String> {
    if !raw.contains('&') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let end = behind.find(';').filter(|end| *end <= 10).ok_or("an & without its reference")?;
        out.push(reference(&behind[..end])?);
        rest = &behind[end + 1..];
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

fn reference(name: &str) -> Result<char, String> {
    let number = match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => name
            .strip_prefix("#x")
            .map(|hex| u32::from_str_radix(hex, 16))
            .or_else(|| name.strip_prefix('#').map(str::parse)),
    };
    let found = number.and_then(Result::ok).and_then(char::from_u32).filter(|c| is_allowed(*c));
    found.ok_or_else(|| format!("there is no reference &{name};"))
}
