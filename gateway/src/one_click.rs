//! Reads the body of a one-click unsubscribe (RFC 8058 section 3.2): "List-Unsubscribe=One-Click" as a form, urlencoded or multipart.
//! Called by the edge. The body has at most 4 KiB.

use percent_encoding::percent_decode;

/// Fields of a form that are looked at.
const FIELDS: usize = 20;
/// The field.
const NAME: &[u8] = b"List-Unsubscribe";
/// Its value.
const VALUE: &[u8] = b"One-Click";

/// Whether a body says that somebody unsubscribes.
pub fn is_one_click(content_type: &str, body: &[u8]) -> bool {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    match kind.trim().to_ascii_lowercase().as_str() {
        "multipart/form-data" => boundary(parameters).is_some_and(|boundary| multipart(&boundary, body)),
        // RFC 8058 asks for one of the two; senders that name nothing mean the first.
        "application/x-www-form-urlencoded" | "" => urlencoded(body),
        _ => false,
    }
}

fn urlencoded(body: &[u8]) -> bool {
    body.split(|byte| *byte == b'&').take(FIELDS).any(|field| {
        let Some(at) = field.iter().position(|byte| *byte == b'=') else { return false };
        let plain = |text: &[u8]| percent_decode(text).collect::<Vec<u8>>();
        plain(trim(&field[..at])) == NAME && plain(trim(&field[at + 1..])) == VALUE
    })
}

fn boundary(parameters: &str) -> Option<String> {
    parameters.split(';').take(FIELDS).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        let is_good = name.trim().eq_ignore_ascii_case("boundary") && (1..=70).contains(&value.len());
        is_good.then(|| value.to_owned())
    })
}

fn multipart(boundary: &str, body: &[u8]) -> bool {
    let mark = format!("--{boundary}");
    let mut rest = body;
    for _ in 0..FIELDS {
        let Some(at) = find(rest, mark.as_bytes()) else { return false };
        rest = &rest[at + mark.len()..];
        if rest.starts_with(b"--") {
            return false;
        }
        let end = find(rest, mark.as_bytes()).unwrap_or(rest.len());
        if is_field(&rest[..end]) {
            return true;
        }
    }
    false
}

/// A part: headers, an empty line, the value.
fn is_field(part: &[u8]) -> bool {
    let (at, gap) = match (find(part, b"\r\n\r\n"), find(part, b"\n\n")) {
        (Some(crlf), Some(lf)) if lf < crlf => (lf, 2),
        (Some(crlf), _) => (crlf, 4),
        (None, Some(lf)) => (lf, 2),
        (None, None) => return false,
    };
    let headers = String::from_utf8_lossy(&part[..at]);
    let is_named = headers.lines().take(FIELDS).any(|line| {
        let Some((name, value)) = line.split_once(':') else { return false };
        name.trim().eq_ignore_ascii_case("content-disposition")
            && value.split(';').any(|parameter| {
                let Some((name, value)) = parameter.split_once('=') else { return false };
                name.trim().eq_ignore_ascii_case("name") && value.trim().trim_matches('"').as_bytes() == NAME
            })
    });
    is_named && trim(&part[at + gap..]) == VALUE
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn only_the_words_of_the_rfc_unsubscribe() {
        assert!(is_one_click(FORM, b"List-Unsubscribe=One-Click"));
        assert!(is_one_click("", b"List-Unsubscribe=One-Click\r\n"));
        assert!(is_one_click(
            "Application/X-WWW-Form-Urlencoded; charset=utf-8",
            b"a=b&List-Unsubscribe=One%2DClick"
        ));
        for body in [
            "",
            "List-Unsubscribe",
            "List-Unsubscribe=",
            "List-Unsubscribe=one-click",
            "x=One-Click",
            "List-Unsubscribe=One-Click2",
        ] {
            assert!(!is_one_click(FORM, body.as_bytes()), "{body}");
        }
        assert!(!is_one_click("text/plain", b"List-Unsubscribe=One-Click"));
        assert!(!is_one_click("application/json", b"List-Unsubscribe=One-Click"));
    }

    #[test]
    fn a_multipart_form_is_read_too() {
        let kind = "multipart/form-data; boundary=\"x y\"";
        let body = b"--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x y\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x y--\r\n";
        assert!(is_one_click(kind, body));
        assert!(is_one_click(
            "multipart/form-data; boundary=z",
            b"--z\ncontent-disposition: form-data; name=List-Unsubscribe\n\nOne-Click\n--z--"
        ));
        assert!(!is_one_click("multipart/form-data", body), "no boundary");
        assert!(!is_one_click("multipart/form-data; boundary=other", body));
        let other = String::from_utf8_lossy(body).replace("One-Click", "No");
        assert!(!is_one_click(kind, other.as_bytes()));
        for end in 0..body.len() - 20 {
            let _ = is_one_click(kind, &body[..end]);
        }
    }
}
