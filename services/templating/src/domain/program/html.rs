//! Writing values into HTML and plain text: nothing of a value is ever read as markup, and no address leads to a script.
//! Called by write.rs.

use super::{Place, Style};
use crate::domain::finding::Problem;
use crate::domain::message::{SCHEMES, has_scheme};
use crate::domain::xml::push_escaped;

/// Bytes of a value in a style.
const STYLE: usize = 200;

/// Writes a value in one of the styles of HTML.
pub(super) fn write(out: &mut Vec<u8>, text: &str, style: Style) -> Result<(), Problem> {
    match style {
        Style::HtmlText => {
            let mut rest = text;
            while let Some(at) = rest.find(['\n', '\r', '\u{b}', '\u{2028}']) {
                escaped(out, &rest[..at]);
                out.extend_from_slice(b"<br>");
                let is_pair = rest[at..].starts_with("\r\n");
                let length = rest[at..].chars().next().map_or(1, char::len_utf8);
                rest = &rest[at + length + usize::from(is_pair)..];
            }
            escaped(out, rest);
        }
        Style::HtmlCss => {
            let good = |c: char| c.is_ascii_alphanumeric() || "#%.,- ".contains(c);
            if text.len() > STYLE || !text.chars().all(good) {
                let why = "in a style a field may hold letters, digits and #%.,- only";
                return Err(Problem::WrongType(why.to_owned()));
            }
            out.extend_from_slice(text.as_bytes());
        }
        Style::HtmlAddress(place) => address(out, text, place)?,
        _ => escaped(out, text),
    }
    Ok(())
}

fn escaped(out: &mut Vec<u8>, text: &str) {
    // In preformatted text and titles line breaks stay as they are, and an apostrophe can end no attribute of ours.
    push_escaped(out, text);
}

fn address(out: &mut Vec<u8>, text: &str, place: Place) -> Result<(), Problem> {
    let text = text.trim();
    // A raw quote stands only where an attribute begins: all that was to stand before this value is empty.
    let is_first = out.ends_with(b"=\"");
    let place = match place {
        Place::Behind | Place::Query if is_first => Place::Start,
        place => place,
    };
    match place {
        Place::Start if text.is_empty() => {}
        Place::Start if !has_scheme(text) => {
            let known = SCHEMES.join(", ");
            let shown: String = text.chars().take(30).collect();
            return Err(Problem::WrongType(format!(
                "an address begins with one of {known}, and this is {shown:?}"
            )));
        }
        Place::Start => {
            let mut whole = String::with_capacity(text.len());
            for c in text.chars() {
                match c {
                    ' ' | '"' | '\'' | '<' | '>' | '`' | '\\' | '{' | '}' | '|' | '^' => {
                        whole.push_str(&format!("%{:02X}", u32::from(c)));
                    }
                    c if c.is_control() => {}
                    c => whole.push(c),
                }
            }
            push_escaped(out, &whole);
        }
        Place::Encoded => push_escaped(out, text),
        Place::Path | Place::Behind | Place::Query => encoded(out, text, place),
    }
    Ok(())
}

fn encoded(out: &mut Vec<u8>, text: &str, place: Place) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => out.push(byte),
            // Only behind a scheme that stands there for sure is it no end of one.
            b':' if place == Place::Path => out.push(byte),
            // Two at the beginning lead to another host.
            b'/' if place == Place::Behind && out.ends_with(b"=\"/") => out.extend_from_slice(b"%2F"),
            b'/' | b'+' if place != Place::Query => out.push(byte),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
}

/// Writes a value into an address in plain text. One at its beginning brings its own encoding.
pub(super) fn plain_address(out: &mut Vec<u8>, text: &str, place: Place) {
    // A sign, a blank or the bracket before the address: what was to stand before this value is empty.
    let end = String::from_utf8_lossy(&out[out.len().saturating_sub(4)..]);
    let is_before = |c: char| c == '(' || c.is_whitespace() || ('\u{e000}'..='\u{e00f}').contains(&c);
    let is_first = end.chars().next_back().is_none_or(is_before);
    let text = text.trim();
    // Two slashes at the beginning lead to another host, here as in HTML.
    let is_host = end.strip_suffix('/').is_some_and(|end| end.chars().next_back().is_none_or(is_before));
    let text = match text.strip_prefix('/') {
        Some(rest) if place == Place::Behind && is_host => {
            out.extend_from_slice(b"%2F");
            rest
        }
        _ => text,
    };
    match place {
        Place::Path => encoded(out, text, place),
        Place::Behind | Place::Query if !is_first => encoded(out, text, place),
        _ => plain(out, text),
    }
}

/// Writes a value into plain text: line ends are `\n`, and no other sign of control is in it.
pub(super) fn plain(out: &mut Vec<u8>, text: &str) {
    let text = text.replace("\r\n", "\n");
    for c in text.chars() {
        let c = if matches!(c, '\r' | '\u{b}' | '\u{2028}') { '\n' } else { c };
        // Those from U+E000 on are signs of plain text in the making.
        if c == '\n' || c == '\t' || !(c.is_control() || ('\u{e000}'..='\u{e00f}').contains(&c)) {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, style: Style) -> Option<String> {
        let mut out = Vec::new();
        write(&mut out, text, style).ok().map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn no_value_is_markup() {
        let hard = "<script>\"&'\r\nx";
        assert_eq!(written(hard, Style::HtmlText).unwrap(), "&lt;script&gt;&quot;&amp;'<br>x");
        assert_eq!(written("\" onclick=\"x", Style::HtmlLine).unwrap(), "&quot; onclick=&quot;x");
    }

    #[test]
    fn no_address_leads_to_a_script() {
        let start = Style::HtmlAddress(Place::Start);
        for bad in [
            "javascript:alert(1)",
            " JaVa\nScript:x",
            "data:text/html,x",
            "//example.com",
            "example.com",
            "java\tscript:x",
        ] {
            assert_eq!(written(bad, start), None, "{bad}");
        }
        assert_eq!(written("", start).unwrap(), "");
        assert_eq!(
            written(" https://example.com/a b?x=1&y=\"2\" ", start).unwrap(),
            "https://example.com/a%20b?x=1&amp;y=%222%22"
        );
        let query = Style::HtmlAddress(Place::Query);
        assert_eq!(written("a+b@example.com&x=/ä", query).unwrap(), "a%2Bb@example.com%26x%3D%2F%C3%A4");
        assert_eq!(written("+32 2/555", Style::HtmlAddress(Place::Path)).unwrap(), "+32%202/555");
        assert_eq!(written("a:1/b", Style::HtmlAddress(Place::Path)).unwrap(), "a:1/b");
        assert_eq!(written("a:1/b", Style::HtmlAddress(Place::Behind)).unwrap(), "a%3A1/b");
        assert_eq!(written("a:1/b", query).unwrap(), "a%3A1%2Fb");
    }

    #[test]
    fn a_value_in_a_style_is_a_value() {
        assert_eq!(written("#ff0000", Style::HtmlCss).unwrap(), "#ff0000");
        for bad in ["red; background: blue", "url(x)", "\"", "expression(1)"] {
            assert_eq!(written(bad, Style::HtmlCss), None, "{bad}");
        }
    }

    #[test]
    fn plain_text_has_no_signs_of_control() {
        let mut out = Vec::new();
        plain(&mut out, "a\r\nb\rc\u{0}\u{e003}\td");
        assert_eq!(String::from_utf8(out).unwrap(), "a\nb\nc\td");
    }
}
