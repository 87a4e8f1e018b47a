//! The condition headers: If-Match, If-None-Match and If-Schedule-Tag-Match. `If` is read next door, in `if_header.rs`.
//! Called by `if_header` and GET. Writes are checked by the service inside its transaction, reads here.

use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use kontor_proto::collection::v1::{Conditions, StateList};

use super::error::Failure;
use super::limits;

/// A list of entity tags, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`
    Any,
    /// These, without quotes.
    These(Vec<String>),
}

/// Reads the conditions of a request.
///
/// # Errors
/// 400 for a header that is not text or has too many tags.
pub fn conditions(headers: &HeaderMap) -> Result<Conditions, Failure> {
    let mut conditions = Conditions::default();
    match tags(headers, IF_MATCH.as_str())? {
        Some(Tags::Any) => conditions.if_exists = true,
        Some(Tags::These(list)) => conditions.if_match = list,
        None => {}
    }
    match tags(headers, IF_NONE_MATCH.as_str())? {
        Some(Tags::Any) => conditions.if_absent = true,
        Some(Tags::These(list)) => conditions.if_none_match = list,
        None => {}
    }
    if let Some(Tags::These(list)) = tags(headers, "if-schedule-tag-match")? {
        conditions.if_schedule_tag = list.into_iter().next().unwrap_or_default();
    }
    Ok(conditions)
}

/// True when If-None-Match names this tag, so that a GET is answered with 304.
pub fn not_modified(conditions: &Conditions, etag: &str) -> bool {
    conditions.if_absent || conditions.if_none_match.iter().any(|tag| tag == etag)
}

/// True when If-Match or If-Schedule-Tag-Match rules this object out, so that a GET is answered with 412.
pub fn refused(conditions: &Conditions, etag: &str, schedule_tag: &str) -> bool {
    (!conditions.if_match.is_empty() && !conditions.if_match.iter().any(|tag| tag == etag))
        || (!conditions.if_schedule_tag.is_empty() && conditions.if_schedule_tag != schedule_tag)
        || (!conditions.if_lists.is_empty() && !conditions.if_lists.iter().any(|list| list_holds(list, etag)))
}

/// A read knows the object alone: what a list says of its collection was looked up before.
fn list_holds(list: &StateList, etag: &str) -> bool {
    list.tests.iter().all(|test| (test.collection_id.is_empty() && test.etag == etag) != test.negate)
}

fn tags(headers: &HeaderMap, name: &str) -> Result<Option<Tags>, Failure> {
    let Some(header) = text(headers, name)? else { return Ok(None) };
    let tags = parse(&header)?;
    if tags == Tags::These(Vec::new()) {
        // To read it as no condition would make the write an unconditional one.
        return Err(Failure::bad_request(format!("header {name} names no entity tag")));
    }
    Ok(Some(tags))
}

/// All lines of a header as one list.
///
/// # Errors
/// 400 for bytes that are not UTF-8.
pub fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Failure> {
    let mut whole: Option<String> = None;
    for line in headers.get_all(name) {
        let line = std::str::from_utf8(line.as_bytes())
            .map_err(|_| Failure::bad_request(format!("header {name} is not UTF-8")))?;
        match whole.as_mut() {
            None => whole = Some(line.to_owned()),
            Some(whole) => {
                whole.push(',');
                whole.push_str(line);
            }
        }
    }
    Ok(whole)
}

/// Reads a list of entity tags (RFC 9110 section 8.8.3). A weak tag is taken as the strong one: ours are all strong, and
/// proxies that compress weaken them. A tag without quotes, as some clients send it, is taken too.
///
/// # Errors
/// 400 for an open quote or too many tags.
pub fn parse(header: &str) -> Result<Tags, Failure> {
    let mut rest = header.trim();
    if rest == "*" {
        return Ok(Tags::Any);
    }
    let mut list = Vec::new();
    while !rest.is_empty() {
        if list.len() == limits::ENTITY_TAGS {
            return Err(Failure::bad_request("a condition header has too many entity tags"));
        }
        let strong = rest.strip_prefix("W/").or_else(|| rest.strip_prefix("w/")).unwrap_or(rest);
        let (tag, after) = match strong.strip_prefix('"') {
            Some(quoted) => quoted
                .split_once('"')
                .ok_or_else(|| Failure::bad_request("an entity tag has no closing quote"))?,
            None => strong.split_once(',').map_or((strong, ""), |(tag, _)| (tag, &strong[tag.len()..])),
        };
        // An empty tag in quotes stays: no object has it, and to drop it would make the write an unconditional one.
        let tag = tag.trim();
        if !tag.is_empty() || strong.starts_with('"') {
            list.push(tag.to_owned());
        }
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Ok(Tags::These(list))
}
