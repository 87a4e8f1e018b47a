//! Texts that leads, opportunities and pipelines have in common, checked at the door.
//! Called by the other files of this folder.

use std::collections::BTreeMap;

use kontor_kit::{Error, Result, phone};

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

/// A telephone number as written, trimmed; may be empty. It has a digit.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn phone(field: &str, number: &str) -> Result<String> {
    let number = line(field, number, 64)?;
    if number.is_empty() || phone::may_be_number(&number) {
        return Ok(number);
    }
    Err(Error::invalid(field, format!("{number:?} is no telephone number: it has no digit")))
}

/// Whether a cell of a file says that there is nothing: "-", "n/a".
pub fn says_nothing(cell: &str) -> bool {
    let cell = cell.trim().to_lowercase();
    !cell.chars().any(char::is_alphanumeric)
        || ["n/a", "n.a.", "na", "none", "null", "nil"].contains(&cell.as_str())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_digit_and_some_cells_say_nothing() {
        for number in ["", " 101 ", "0800 FLOWERS", "+32 471 12 34 56"] {
            assert_eq!(phone("lead.phone", number).expect("good"), number.trim());
        }
        for number in ["abc", "-", "n/a"] {
            let refused = phone("lead.phone", number).expect_err("no digit");
            assert_eq!(refused.field(), Some("lead.phone"));
            assert!(refused.message().contains("has no digit"), "{refused}");
        }
        for cell in ["", " - ", "--", "?", "N/A", "n.a.", "none"] {
            assert!(says_nothing(cell), "{cell}");
        }
        for cell in ["abc", "1", "call her"] {
            assert!(!says_nothing(cell), "{cell}");
        }
    }
}
