//! TEXT values: escapes, lists and structured values (RFC 5545 3.3.11, RFC 6350 3.4).
//! Called by typed reading and by whoever writes a property.

use std::borrow::Cow;

/// Turns `\n`, `\,`, `\;`, `\:`, `\"` and `\\` into what they mean. Any other backslash is kept, for it was
/// most likely meant as one. Borrows when there is nothing to turn.
pub fn unescape_text(value: &str) -> Cow<'_, str> {
    let Some(first) = value.find('\\') else { return Cow::Borrowed(value) };
    let mut out = String::with_capacity(value.len());
    out.push_str(&value[..first]);
    let mut rest = value[first..].chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match rest.next() {
            Some('n' | 'N') => out.push('\n'),
            Some(escaped @ ('\\' | ',' | ';' | ':' | '"')) => out.push(escaped),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    Cow::Owned(out)
}

/// Escapes a text for one place of a TEXT value, list or structured value. Line ends become `\n`; control
/// characters other than tab, which no line may hold, are left out.
pub fn escape_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' | ';' | ',' => out.extend(['\\', character]),
            '\r' => {
                rest.next_if_eq(&'\n');
                out.push_str("\\n");
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push('\t'),
            control if control.is_ascii_control() => {}
            other => out.push(other),
        }
    }
    out
}

/// Splits on a separator that no backslash escapes. The parts keep their escapes. An empty text is one empty part.
pub fn split_unescaped(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut escaped = false;
        for (at, character) in text.char_indices() {
            if escaped {
                escaped = false;
            } else if character == '\\' {
                escaped = true;
            } else if character == separator {
                rest = Some(&text[at + character.len_utf8()..]);
                return Some(&text[..at]);
            }
        }
        rest = None;
        Some(text)
    })
}

/// Reads a list split by commas, as in CATEGORIES. Places are trimmed; empty ones are left out.
pub fn text_list(value: &str) -> Vec<String> {
    split_unescaped(value, ',')
        .map(|part| unescape_text(part).trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Reads a structured value split by semicolons, as in N and ADR; every place is a list split by commas. An
/// empty place is an empty list, so that the places keep their numbers.
pub fn structured(value: &str) -> Vec<Vec<String>> {
    split_unescaped(value, ';').map(text_list).collect()
}
