//! File names in Content-Disposition (RFC 6266, RFC 8187): read from an upload, written for a download.
//! Called by the methods on attachments.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::limits;

/// The name of an uploaded file; empty when the header has none. `filename*` comes before `filename`. Folders, control characters and what is over
/// 255 bytes are left out.
pub fn filename(header: &[u8]) -> String {
    let header = &header[..header.len().min(limits::DISPOSITION_BYTES)];
    let (mut plain, mut extended) = (None, None);
    for (name, value) in Params(header) {
        match name.to_ascii_lowercase().as_slice() {
            b"filename*" if extended.is_none() => extended = of_extended(&value),
            b"filename" if plain.is_none() => plain = Some(of_bytes(&value)),
            _ => {}
        }
    }
    clean(&extended.or(plain).unwrap_or_default())
}

/// Content-Disposition of a download, which is never shown in the page of this server.
pub fn attachment(filename: &str) -> String {
    let plain: String = filename
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' })
        .collect();
    let mut header = format!("attachment; filename=\"{plain}\"");
    if plain != filename {
        header.push_str("; filename*=UTF-8''");
        for byte in filename.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                header.push(char::from(byte));
            } else {
                header.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    header
}

/// The parameters behind the disposition type.
struct Params<'a>(&'a [u8]);

impl<'a> Iterator for Params<'a> {
    type Item = (&'a [u8], Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.0.iter().position(|byte| *byte == b';')? + 1;
            let rest = &self.0[start..];
            let end = rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(rest.len());
            let name = rest[..end].trim_ascii();
            if rest.get(end) != Some(&b'=') {
                self.0 = &rest[end..];
                continue;
            }
            let value = rest[end + 1..].trim_ascii_start();
            if value.first() == Some(&b'"') {
                let (value, behind) = quoted(&value[1..]);
                self.0 = behind;
                return Some((name, value.into()));
            }
            let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
            self.0 = &value[end..];
            return Some((name, value[..end].trim_ascii().into()));
        }
    }
}

/// The text up to the closing quote, and what is behind it.
fn quoted(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut text = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => break,
            // Programs on Windows send paths whose backslashes escape nothing.
            b'\\' if matches!(bytes.get(at), Some(b'"' | b'\\')) => {
                text.push(bytes[at]);
                at += 1;
            }
            other => text.push(*other),
        }
    }
    (text, &bytes[at..])
}

/// `UTF-8'en'plan%20b.pdf`
fn of_extended(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _, text) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes: Vec<u8> = percent_decode(text).collect();
    if charset.eq_ignore_ascii_case(b"utf-8") {
        return String::from_utf8(bytes).ok();
    }
    charset.eq_ignore_ascii_case(b"iso-8859-1").then(|| bytes.into_iter().map(char::from).collect())
}

/// Many programs write UTF-8 as it is; what is none is Latin 1 (RFC 9110 section 5.5).
fn of_bytes(value: &[u8]) -> String {
    std::str::from_utf8(value)
        .map_or_else(|_| value.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

fn clean(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut kept = String::new();
    for character in last.trim().chars().filter(|c| !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}'))
    {
        if kept.len() + character.len_utf8() > limits::SEGMENT_BYTES {
            break;
        }
        kept.push(character);
    }
    let kept = kept.trim();
    if matches!(kept, "." | "..") { String::new() } else { kept.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_dress() {
        for (header, name) in [
            (&b"attachment; filename=plan.pdf"[..], "plan.pdf"),
            (b"attachment;FILENAME = \"plan \\\"b\\\"; c.pdf\" ; size=3", "plan \"b\"; c.pdf"),
            (b"inline; filename=\"x.txt\"; filename*=UTF-8''%e2%82%ac%20rates", "\u{20ac} rates"),
            (b"attachment; filename*=iso-8859-1'en'%A3.txt", "\u{a3}.txt"),
            (b"attachment; filename*=utf-16''x; filename=y", "y"),
            (b"attachment; filename*=UTF-8''%ff; filename=y", "y"),
            ("attachment; filename=\"pr\u{e9}cis.txt\"".as_bytes(), "pr\u{e9}cis.txt"),
            (b"attachment; filename=\"pr\xe9cis.txt\"", "pr\u{e9}cis.txt"),
            (b"attachment; filename=\"C:\\folder\\plan.pdf\"", "plan.pdf"),
            (b"attachment; filename=\"../../etc/passwd\"", "passwd"),
            (b"attachment; filename=\"..\"", ""),
            (b"attachment; filename*=UTF-8''a%0d%0aX-Y:%201", "aX-Y: 1"),
            (b"attachment; filename=\"never ends", "never ends"),
            (b"filename=plan.pdf", ""),
            (b"", ""),
        ] {
            assert_eq!(filename(header), name, "{}", String::from_utf8_lossy(header));
        }
        let long = format!("attachment; filename=\"{}\"", "\u{e9}".repeat(300));
        assert_eq!(filename(long.as_bytes()).len(), 254);
    }

    #[test]
    fn a_written_name_is_read_back() {
        for name in ["plan.pdf", "pr\u{e9}cis \"b\".txt", "50%.txt", "a;b,c", "\u{20ac}"] {
            let header = attachment(name);
            assert!(header.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{header}");
            assert_eq!(filename(header.as_bytes()), name, "{header}");
        }
    }
}
