//! A segment's definition and the entries of its two lists.
//! Called by rpc/segment.rs, rpc/entry.rs and the engine.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::{Error, Result, id, phone};

/// Parents at most.
pub const PARENTS: usize = 10;
/// Entries of a segment at most.
pub const ENTRIES: i64 = 100_000;

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// Name for people.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Its rule in the usual form; empty when it has none.
    pub rule: String,
    /// Ids of its parents, in their order.
    pub parents: Vec<String>,
    /// "teams/{team}", or empty.
    pub team: String,
    /// "users/{user}".
    pub creator: String,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
    /// Microseconds UTC; none while it is there.
    pub delete_time: Option<i64>,
}

impl Segment {
    /// Resource name.
    pub fn full_name(&self) -> String {
        format!("segments/{}", self.id)
    }

    /// Who may see it, and its members and events.
    pub fn guard(&self) -> Guard {
        Guard::new("", &*self.team)
    }

    /// Checks that the caller may change it.
    ///
    /// # Errors
    /// NOT_FOUND when it may not be seen, PERMISSION_DENIED.
    pub fn must_be_managed_by(&self, caller: &Caller) -> Result<()> {
        caller.must_read(&self.guard(), &self.full_name())?;
        let own = self.team.is_empty() && !self.creator.is_empty() && self.creator == caller.name();
        if caller.admin || caller.leads(&self.team) || own {
            return Ok(());
        }
        Err(Error::denied(match self.team.as_str() {
            "" => format!(
                "{} is changed by who made it and by administrators: ask one of them",
                self.full_name()
            ),
            team => format!("{} is changed by the leaders of {team}: ask one of them", self.full_name()),
        }))
    }

    /// Checks that the caller may make it.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the team, PERMISSION_DENIED.
    pub fn must_be_made_by(&self, caller: &Caller) -> Result<()> {
        if !self.team.is_empty() {
            id::parse("teams", &self.team, "segment.team")?;
        }
        if self.team.is_empty() || caller.admin || caller.leads(&self.team) {
            return Ok(());
        }
        Err(Error::denied(format!("segments of {} are made by its leaders", self.team)))
    }

    /// Checks the texts and the parents; the rule is checked where it is read.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        check_name("segment.display_name", &self.display_name)?;
        if self.description.chars().count() > 2_000 {
            return Err(Error::invalid("segment.description", "write at most 2,000 characters"));
        }
        if self.parents.len() > PARENTS {
            return Err(Error::invalid("segment.parents", format!("name at most {PARENTS}")));
        }
        for (place, parent) in self.parents.iter().enumerate() {
            let field = format!("segment.parents[{place}]");
            if self.parents[..place].contains(parent) {
                return Err(Error::invalid(field, format!("segments/{parent} stands there twice")));
            }
            if *parent == self.id {
                return Err(cycle(&[self.id.clone(), self.id.clone()]));
            }
        }
        Ok(())
    }
}

/// Segments that build on each other in a circle.
pub fn cycle(path: &[String]) -> Error {
    let path: Vec<String> =
        path.iter().map(|id| format!("segments/{}", id.trim_start_matches("segments/"))).collect();
    let message = format!("segments can't build on each other in a circle: {}", path.join(" builds on "));
    Error::precondition("CYCLE", message)
}

/// Checks a name for people.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn check_name(field: &str, name: &str) -> Result<()> {
    let is_good =
        !name.trim().is_empty() && name.chars().count() <= 200 && !name.chars().any(char::is_control);
    if is_good { Ok(()) } else { Err(Error::invalid(field, "write 1 to 200 characters on one line")) }
}

/// Which of the lists. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Members whatever the rule says.
    Static = 1,
    /// Never members.
    Exclusion = 2,
}

/// Whom an entry means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// "partners/{id}"
    Partner(String),
    /// An address in lower case.
    Email(String),
    /// E.164.
    Phone(String),
    /// A domain in lower case.
    Domain(String),
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which list.
    pub side: Side,
    /// Whom it means.
    pub who: Who,
}

impl Entry {
    /// The number of its kind and its value, as the database has them.
    pub fn parts(&self) -> (i64, &str) {
        match &self.who {
            Who::Partner(value) => (1, value),
            Who::Email(value) => (2, value),
            Who::Phone(value) => (3, value),
            Who::Domain(value) => (4, value),
        }
    }

    /// Of the numbers and the value in the database.
    pub fn of(side: i64, kind: i64, value: String) -> Option<Entry> {
        let side = if side == 1 { Side::Static } else { Side::Exclusion };
        let who = match kind {
            1 => Who::Partner(value),
            2 => Who::Email(value),
            3 => Who::Phone(value),
            4 => Who::Domain(value),
            _ => return None,
        };
        Some(Entry { side, who })
    }

    /// One in which the value has the form by which it is compared. `region` is for national numbers.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field` with the part behind it.
    pub fn checked(self, field: &str, region: &str) -> Result<Entry> {
        if self.side == Side::Static && !matches!(self.who, Who::Partner(_)) {
            return Err(Error::invalid(field, "only partners can be on the static list"));
        }
        let who = match self.who {
            Who::Partner(name) => {
                id::parse("partners", &name, &format!("{field}.partner"))?;
                Who::Partner(name)
            }
            Who::Email(text) => match phone::address(&text) {
                address if address.is_empty() || address.contains(char::is_whitespace) => {
                    return Err(Error::invalid(
                        format!("{field}.email"),
                        format!("{text:?} is no e-mail address"),
                    ));
                }
                address => Who::Email(address),
            },
            Who::Phone(text) => match phone::e164(&text, region) {
                None => {
                    let field = format!("{field}.phone_number");
                    return Err(Error::invalid(field, format!("{text:?} is no telephone number")));
                }
                Some(number) => Who::Phone(number),
            },
            Who::Domain(text) => Who::Domain(domain(&text).ok_or_else(|| {
                Error::invalid(format!("{field}.domain"), format!("{text:?} is no domain like example.com"))
            })?),
        };
        Ok(Entry { side: self.side, who })
    }
}

/// A domain as it is compared.
fn domain(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches('@').trim_end_matches('.').to_lowercase();
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.chars().all(|it| it.is_alphanumeric() || it == '-')
    };
    let is_good = text.len() <= 253 && text.contains('.') && text.split('.').all(is_label);
    is_good.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_the_form_by_which_they_are_compared() {
        let entry = |who| Entry { side: Side::Exclusion, who }.checked("entries[0]", "BE");
        let value = |who| entry(who).expect("good").parts().1.to_owned();
        assert_eq!(value(Who::Email(" Ann@Example.ORG ".into())), "ann@example.org");
        assert_eq!(value(Who::Phone("0471 12 34 56".into())), "+32471123456");
        assert_eq!(value(Who::Domain("@Example.COM.".into())), "example.com");
        for (wrong, field) in [
            (Who::Email("nobody".into()), "entries[0].email"),
            (Who::Phone("desk".into()), "entries[0].phone_number"),
            (Who::Domain("localhost".into()), "entries[0].domain"),
            (Who::Domain("a..b".into()), "entries[0].domain"),
            (Who::Partner("people/1".into()), "entries[0].partner"),
        ] {
            assert_eq!(entry(wrong).expect_err("bad").field(), Some(field));
        }
    }
}
