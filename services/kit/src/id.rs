//! New ids (UUIDv7, in order of time) and the reading of resource names.
//! Called by every service's rpc and store.

use crate::{Error, Result};

/// A new id: UUIDv7 as 36 characters of text.
pub fn new() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Reads the last id of a resource name: `parse("leads", "leads/42", "name")` gives `"42"`.
///
/// # Errors
/// INVALID_ARGUMENT naming `field` when the name is not `{collection}/{id}` with a plain id.
pub fn parse<'a>(collection: &str, name: &'a str, field: &str) -> Result<&'a str> {
    name.strip_prefix(collection)
        .and_then(|rest| rest.strip_prefix('/'))
        .filter(|id| is_plain(id))
        .ok_or_else(|| Error::invalid(field, format!("{name:?} is not a name like {collection}/{{id}}")))
}

/// Reads the two ids of a child's name: `parse_child("users", "appPasswords", "users/a/appPasswords/7", "name")` gives `("a", "7")`.
///
/// # Errors
/// INVALID_ARGUMENT naming `field` when the name has another form.
pub fn parse_child<'a>(parent: &str, child: &str, name: &'a str, field: &str) -> Result<(&'a str, &'a str)> {
    let mut parts = name.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(first), Some(id), Some(second), Some(child_id), None)
            if first == parent && second == child && is_plain(id) && is_plain(child_id) =>
        {
            Ok((id, child_id))
        }
        _ => {
            Err(Error::invalid(field, format!("{name:?} is not a name like {parent}/{{id}}/{child}/{{id}}")))
        }
    }
}

/// Whether a text can be the name of some resource: a collection, then more, as "leads/42" or "calendars/7/events/a b.ics".
pub fn is_name(text: &str) -> bool {
    let mut parts = text.split('/');
    let is_collection = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    parts.next().is_some_and(is_collection)
        && text.contains('/')
        && parts.all(|part| !part.is_empty() && !part.chars().any(char::is_control))
}

/// Checks an id that a caller chose: 1 to 64 of a-z, 0-9, ".", "_", "-", beginning with a letter or digit.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn check_chosen(id: &str, field: &str) -> Result<()> {
    let good = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
        && id.as_bytes()[0].is_ascii_alphanumeric();
    if good {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        format!(
            "{id:?} is no id: use 1 to 64 of a-z, 0-9, \".\", \"_\", \"-\", beginning with a letter or digit"
        ),
    ))
}

fn is_plain(id: &str) -> bool {
    (1..=200).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte))
}
