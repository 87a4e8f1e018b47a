//! What may stand in a header: one line, without the characters by which another header would begin.
//! Called by rpc for what people write, and before each message for what their fields became.

/// Checks a text that becomes a header.
///
/// # Errors
/// In words, for a line break, a NUL or another control character.
pub fn check(text: &str) -> Result<(), String> {
    match text.chars().find(|it| it.is_control()) {
        None => Ok(()),
        Some('\r' | '\n') => Err("it has a line break: write one line".to_owned()),
        Some(found) => Err(format!("it has the control character {found:?}: take it out")),
    }
}

/// A subject from a rendered text: blanks and line breaks of a field become one blank, other control characters go.
pub fn one_line(text: &str) -> String {
    let words = text.split(|it: char| it.is_whitespace() || it.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_begins_inside_of_another_one() {
        assert!(check("News for \u{fc}ber 100 friends").is_ok());
        assert!(check("a\r\nBcc: b@example.com").unwrap_err().contains("line break"));
        assert!(check("a\0").is_err());
        assert_eq!(one_line("a\r\nBcc:  b\u{0}c\u{85}"), "a Bcc: b c");
    }
}
