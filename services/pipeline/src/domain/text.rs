//! Texts that leads, opportunities and pipelines have in common, checked at the door.
//! Called by the other files of this folder.

use std::collections::BTreeMap;

use kontor_kit::{Error, Result};

/// Tags of one record at most.
const TAGS: usize = 50;
/// Attributes of one record at most.
const ATTRIBUTES: usize = 50;
/// Characters of a tag at most.
const TAG: usize = 100;

/// One line of at most `most` characters, trimmed; may be empty.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn line(field: &str, text: &str, most: usize) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(Error::invalid(field, format!("use at most {most} characters on one line")));
    }
    Ok(text.to_owned())
}

/// The same, but not empty.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn filled_line(field: &str, text: &str, most: usize) -> Result<String> {
    let text = line(field, text, most)?;
    if text.is_empty() {
        return Err(Error::invalid(field, format!("it is missing: use 1 to {most} characters")));
    }
    Ok(text)
}

/// Free text of at most 100,000 characters.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn free(field: &str, text: &str) -> Result<String> {
    if text.chars().count() > 100_000 || text.contains('\0') {
        return Err(Error::invalid(field, "use at most 100000 characters, without NUL"));
    }
    Ok(text.to_owned())
}

/// Tags: trimmed, each once, in the order given.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn tags(field: &str, tags: &[String]) -> Result<Vec<String>> {
    if tags.len() > TAGS {
        return Err(Error::invalid(field, format!("use at most {TAGS} tags")));
    }
    let mut checked: Vec<String> = Vec::new();
    for tag in tags {
        let tag = filled_line(field, tag, TAG)?;
        if !checked.contains(&tag) {
            checked.push(tag);
        }
    }
    Ok(checked)
}

/// Free categories: keys of 1 to 64 of a-z, 0-9, "_", values trimmed.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`, with the key when a value is wrong.
pub fn attributes(field: &str, attributes: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    if attributes.len() > ATTRIBUTES {
        return Err(Error::invalid(field, format!("use at most {ATTRIBUTES} attributes")));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let check = |(key, value): (&String, &String)| {
        if !(1..=64).contains(&key.len()) || !key.bytes().all(plain) {
            return Err(Error::invalid(
                field,
                format!("{key:?} is no key: use 1 to 64 of a-z, 0-9 and \"_\""),
            ));
        }
        Ok((key.clone(), line(&format!("{field}[{key}]"), value, 200)?))
    };
    attributes.iter().map(check).collect()
}

/// An e-mail address as written, trimmed; may be empty.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn email(field: &str, email: &str) -> Result<String> {
    let email = email.trim();
    let parts = email.rsplit_once('@');
    let good = email.len() <= 254
        && !email.chars().any(|letter| letter.is_whitespace() || letter.is_control())
        && parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if email.is_empty() || good {
        return Ok(email.to_owned());
    }
    Err(Error::invalid(field, format!("{email:?} is no e-mail address")))
}

/// An ISO 3166 country code in capitals; may be empty.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn region(field: &str, region: &str) -> Result<String> {
    let code = region.trim().to_ascii_uppercase();
    if code.is_empty() || (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())) {
        return Ok(code);
    }
    Err(Error::invalid(field, format!("{region:?} is no country code like BE")))
}

/// A probability in percent.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn percent(field: &str, value: i32) -> Result<i32> {
    if (0..=100).contains(&value) {
        return Ok(value);
    }
    Err(Error::invalid(field, format!("{value} is not between 0 and 100")))
}
