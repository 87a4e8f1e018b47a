//! The query of a POST to a calendar object (RFC 8607 section 3.3): what is done with an attachment, and where.
//! Called by `methods::attachment`.

use percent_encoding::percent_decode_str;

use super::error::{Condition, Failure};
use super::limits;

/// What a query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A file comes, to these instances.
    Add(Vec<String>),
    /// A file comes in the place of this one.
    Update(String),
    /// This file goes, from these instances.
    Remove(String, Vec<String>),
}

impl Wish {
    /// Reads the query of a POST (RFC 8607 section 3.3).
    ///
    /// # Errors
    /// 403 with `valid-action`, `valid-rid` or `valid-managed-id`.
    pub fn parse(query: &str) -> Result<Wish, Failure> {
        let action_refused = || {
            let message =
                "the action is attachment-add, attachment-update or attachment-remove, and named once";
            Failure::forbidden(Condition::ValidAction, message)
        };
        if query.len() > limits::ATTACHMENT_QUERY_BYTES {
            return Err(action_refused());
        }
        let (mut action, mut rid, mut managed_id) = (None, None, None);
        for (name, value) in query.split('&').map(|part| part.split_once('=').unwrap_or((part, ""))) {
            let value = percent_decode_str(value).decode_utf8().map_err(|_| action_refused())?;
            let place = match name {
                "action" => &mut action,
                "rid" => &mut rid,
                "managed-id" => &mut managed_id,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(action_refused());
            }
        }
        let rid_refused = |message: &str| Failure::forbidden(Condition::ValidRid, message);
        let rids = |rid: Option<String>| -> Result<Vec<String>, Failure> {
            let Some(rid) = rid else { return Ok(Vec::new()) };
            let all: Vec<String> = rid.split(',').map(str::to_owned).collect();
            let is_one = |text: &String| {
                (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            if all.len() <= limits::ATTACHMENT_INSTANCES && all.iter().all(is_one) {
                return Ok(all);
            }
            Err(rid_refused("rid lists \"M\" and values of RECURRENCE-ID"))
        };
        let id_refused = |message: &str| Failure::forbidden(Condition::ValidManagedId, message);
        let id = |id: Option<String>| {
            id.filter(|id| (1..=100).contains(&id.len()))
                .ok_or_else(|| id_refused("managed-id names one attachment"))
        };
        match action.as_deref() {
            Some("attachment-add") if managed_id.is_some() => {
                Err(id_refused("managed-id has no place in attachment-add"))
            }
            Some("attachment-add") => Ok(Wish::Add(rids(rid)?)),
            Some("attachment-update") if rid.is_some() => {
                Err(rid_refused("rid has no place in attachment-update"))
            }
            Some("attachment-update") => Ok(Wish::Update(id(managed_id)?)),
            Some("attachment-remove") => Ok(Wish::Remove(id(managed_id)?, rids(rid)?)),
            _ => Err(action_refused()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_one_thing() {
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (query, wish) in [
            ("action=attachment-add", Wish::Add(Vec::new())),
            ("rid=M,20261130T090000Z&action=attachment-add&x=1", Wish::Add(all(&["M", "20261130T090000Z"]))),
            ("action=attachment-update&managed-id=a-1", Wish::Update("a-1".into())),
            (
                "action=attachment%2Dremove&managed-id=a%2d1&rid=20261130",
                Wish::Remove("a-1".into(), all(&["20261130"])),
            ),
        ] {
            assert_eq!(Wish::parse(query).expect(query), wish);
        }
        let long = format!("action=attachment-add&rid=M{}", ",M".repeat(limits::ATTACHMENT_INSTANCES));
        let longer = format!("action=attachment-add&x={}", "x".repeat(limits::ATTACHMENT_QUERY_BYTES));
        for (query, condition) in [
            ("", Condition::ValidAction),
            ("action=", Condition::ValidAction),
            ("action=attachment-add&action=attachment-add", Condition::ValidAction),
            ("action=attachment-add%ff", Condition::ValidAction),
            (longer.as_str(), Condition::ValidAction),
            ("action=attachment-add&rid=", Condition::ValidRid),
            ("action=attachment-add&rid=M,,M", Condition::ValidRid),
            ("action=attachment-add&rid=%0d%0a", Condition::ValidRid),
            (long.as_str(), Condition::ValidRid),
            ("action=attachment-update&managed-id=a&rid=M", Condition::ValidRid),
            ("action=attachment-add&managed-id=a", Condition::ValidManagedId),
            ("action=attachment-update", Condition::ValidManagedId),
            ("action=attachment-remove&managed-id=", Condition::ValidManagedId),
        ] {
            let refused = Wish::parse(query).expect_err(query);
            assert_eq!(refused.condition_named(), Some(&condition), "{query}");
        }
    }
}
