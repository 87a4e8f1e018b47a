//! Writing values into XML: what is a line break in data is one in the document.
//! Called by the machine for each field.

use super::{Style, html};
use crate::domain::finding::Problem;
use crate::domain::xml::push_escaped;

/// Writes a text in a style.
pub(crate) fn write(out: &mut Vec<u8>, text: &str, style: Style) -> Result<(), Problem> {
    match style {
        Style::WordText => word(out, text),
        Style::OdtText => odt(out, text),
        Style::WordInstruction => {
            let flat = text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\t', '\r'], " ");
            push_escaped(out, &flat);
        }
        Style::Target => push_escaped(out, &target(text)?),
        Style::HtmlText | Style::HtmlLine | Style::HtmlCss | Style::HtmlAddress(_) => {
            html::write(out, text, style)?;
        }
        Style::Plain => html::plain(out, text),
        Style::PlainAddress(place) => html::plain_address(out, text, place),
        Style::Line => out.extend_from_slice(text.replace(char::is_control, " ").as_bytes()),
    }
    Ok(())
}

fn word(out: &mut Vec<u8>, text: &str) {
    if !text.contains(['\n', '\t', '\r', '\u{b}', '\u{2028}']) {
        return push_escaped(out, text);
    }
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\t', '\r', '\u{b}', '\u{2028}']) {
        push_escaped(out, &rest[..at]);
        let (sign, behind) = break_at(rest, at);
        let element = if sign == '\t' { "<w:tab/>" } else { "<w:br/>" };
        out.extend_from_slice(b"</w:t>");
        out.extend_from_slice(element.as_bytes());
        out.extend_from_slice(b"<w:t xml:space=\"preserve\">");
        rest = behind;
    }
    push_escaped(out, rest);
}

/// The sign of a break and what follows it; CR LF is one break.
fn break_at(text: &str, at: usize) -> (char, &str) {
    let behind = &text[at..];
    if let Some(rest) = behind.strip_prefix("\r\n") {
        return ('\n', rest);
    }
    let mut chars = behind.chars();
    (chars.next().unwrap_or('\n'), chars.as_str())
}

/// ODT runs spaces together and drops those at the edges, so all but a lone space between words is an element.
fn odt(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    let mut is_edge = true;
    while let Some(at) = rest.find([' ', '\n', '\t', '\r', '\u{b}', '\u{2028}']) {
        push_escaped(out, &rest[..at]);
        is_edge &= at == 0;
        let (sign, behind) = break_at(rest, at);
        match sign {
            ' ' => {
                let spaces = rest[at..].bytes().take_while(|byte| *byte == b' ').count();
                rest = &rest[at + spaces..];
                let is_edge = is_edge || rest.is_empty() || rest.starts_with(['\n', '\r', '\t']);
                let elements = if is_edge { spaces } else { spaces - 1 };
                if !is_edge {
                    out.push(b' ');
                }
                match elements {
                    0 => {}
                    1 => out.extend_from_slice(b"<text:s/>"),
                    n => out.extend_from_slice(format!("<text:s text:c=\"{n}\"/>").as_bytes()),
                }
                continue;
            }
            '\t' => out.extend_from_slice(b"<text:tab/>"),
            _ => out.extend_from_slice(b"<text:line-break/>"),
        }
        rest = behind;
        is_edge = true;
    }
    push_escaped(out, rest);
}

/// A link's target: spaces and quotes encoded, and only schemes that open something harmless.
pub(super) fn target(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if let Some(scheme) = scheme
        .filter(|scheme| is_scheme(scheme) || scheme.chars().any(|c| c.is_control() || c.is_whitespace()))
    {
        const KNOWN: [&str; 6] = ["http", "https", "mailto", "tel", "sms", "ftp"];
        if !KNOWN.contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(Problem::WrongType(format!(
                "a link may lead to {}, not to {scheme:?}",
                KNOWN.join(", ")
            )));
        }
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' => out.push_str("%20"),
            '"' => out.push_str("%22"),
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    Ok(out)
}
