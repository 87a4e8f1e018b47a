//! Pictures, sounds and keys: base64 with its own parameters in vCard 3.0, a `data:` URI in 4.0 (RFC 2426 3.1.4, RFC 6350 6.2.4).
//! Called by `convert`.

/// The media type of a 3.0 TYPE.
pub(super) fn media_type(property: &str, kind: &str) -> String {
    let kind = kind.trim().to_ascii_lowercase();
    if kind.contains('/') {
        return kind;
    }
    match (property, kind.as_str()) {
        (_, "") => "application/octet-stream".to_owned(),
        (_, "jpg") => "image/jpeg".to_owned(),
        ("KEY", "pgp") => "application/pgp-keys".to_owned(),
        ("KEY", "x509" | "x.509") => "application/pkix-cert".to_owned(),
        ("KEY", _) => format!("application/{kind}"),
        ("SOUND", _) => format!("audio/{kind}"),
        _ => format!("image/{kind}"),
    }
}

/// The 3.0 TYPE of a media type; none when it says nothing.
pub(super) fn kind_of(property: &str, media_type: &str) -> Option<String> {
    let media_type = media_type.trim().to_ascii_lowercase();
    match (property, media_type.as_str()) {
        (_, "" | "application/octet-stream") => None,
        ("KEY", "application/pgp-keys") => Some("PGP".to_owned()),
        ("KEY", "application/pkix-cert" | "application/x-x509-ca-cert") => Some("X509".to_owned()),
        // Other kinds keep the whole media type, which reads back as it is.
        ("PHOTO" | "LOGO", _) => Some(short(&media_type, "image/")),
        ("SOUND", _) => Some(short(&media_type, "audio/")),
        _ => Some(media_type),
    }
}

fn short(media_type: &str, family: &str) -> String {
    match media_type.strip_prefix(family) {
        Some(rest) if !rest.is_empty() && !rest.contains('/') => rest.to_ascii_uppercase(),
        _ => media_type.to_owned(),
    }
}

/// Media type and base64 text of a `data:` URI. None for another URI, or one whose data is not in base64. A backslash before the
/// comma, which some programs write although a URI has no escapes, is passed over.
pub(super) fn of_data_uri(uri: &str) -> Option<(&str, &str)> {
    let head = uri.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:"))?;
    let (description, data) = uri[head.len()..].split_once(',')?;
    let description = description.trim_end_matches('\\');
    let at = description.len().checked_sub(";base64".len())?;
    let marked = description.get(at..)?.eq_ignore_ascii_case(";base64");
    // Parameters such as `;charset=` say nothing of a picture.
    marked.then(|| (description[..at].split(';').next().unwrap_or_default(), data.trim()))
}

/// Whether a text is base64 and nothing else, blanks aside.
pub(super) fn is_base64(text: &str) -> bool {
    let mut digits = text.bytes().filter(|byte| !matches!(byte, b' ' | b'\t'));
    !text.trim().is_empty()
        && digits.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}
