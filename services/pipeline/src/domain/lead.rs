//! A lead: what may stand in its fields, and when it may change.
//! Called by rpc/lead.rs, rpc/convert.rs and store/lead.rs.

use std::collections::BTreeMap;

use kontor_kit::auth::Guard;
use kontor_kit::{Error, Result};

use super::text;

/// Someone who may become a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// What can be changed.
    pub details: Details,
    /// Name of the opportunity that it became, or empty.
    pub opportunity: String,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
    /// Microseconds since 1970 UTC.
    pub update_time: i64,
}

/// The fields of a lead that can be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// What it is about.
    pub title: String,
    /// Person's name.
    pub contact_name: String,
    /// Company's name.
    pub company_name: String,
    /// E-mail address.
    pub email: String,
    /// Telephone number as written.
    pub phone: String,
    /// ISO 3166 country for a national number.
    pub region: String,
    /// Where it came from.
    pub source: String,
    /// Free text.
    pub description: String,
    /// "users/{user}", or empty.
    pub assignee: String,
    /// "teams/{team}", or empty.
    pub team: String,
    /// State.
    pub state: State,
    /// Free tags.
    pub tags: Vec<String>,
    /// Free categories.
    pub attributes: BTreeMap<String, String>,
}

/// State of a lead. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Being looked at.
    #[default]
    Open = 1,
    /// Became an opportunity.
    Converted = 2,
    /// Not worth it.
    Disqualified = 3,
}

impl State {
    /// The state of a number.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field`.
    pub fn from_number(field: &str, number: i64) -> Result<State> {
        match number {
            0 | 1 => Ok(State::Open),
            2 => Ok(State::Converted),
            3 => Ok(State::Disqualified),
            other => Err(Error::invalid(field, format!("{other} is no state of a lead"))),
        }
    }
}

impl Lead {
    /// Whose it is.
    pub fn guard(&self) -> Guard {
        Guard::new(&*self.details.assignee, &*self.details.team)
    }

    /// Takes over changed fields.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when the state may not go this way: only ConvertLead converts, and a converted lead stays so.
    pub fn change(&mut self, details: Details, now: i64) -> Result<()> {
        if (self.details.state == State::Converted) != (details.state == State::Converted) {
            let message =
                format!("leads/{}: only ConvertLead converts, and what is converted stays so", self.id);
            return Err(Error::precondition("LEAD_STATE", message));
        }
        self.details = details;
        self.update_time = now;
        Ok(())
    }
}

impl Details {
    /// The same, trimmed, when all is right, the number too. Names of users and teams are checked elsewhere.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn checked_new(self) -> Result<Details> {
        Ok(Details { phone: text::phone("lead.phone", &self.phone)?, ..self.checked()? })
    }

    /// The same, trimmed, when all is right. A number may be one of before, when it was not asked whether it has a digit: who changes something else
    /// can't mend that.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn checked(self) -> Result<Details> {
        Ok(Details {
            title: text::filled_line("lead.title", &self.title, 500)?,
            contact_name: text::line("lead.contact_name", &self.contact_name, 500)?,
            company_name: text::line("lead.company_name", &self.company_name, 500)?,
            email: text::email("lead.email", &self.email)?,
            phone: text::line("lead.phone", &self.phone, 64)?,
            region: text::region("lead.region", &self.region)?,
            source: text::line("lead.source", &self.source, 100)?,
            description: text::free("lead.description", &self.description)?,
            tags: text::tags("lead.tags", &self.tags)?,
            attributes: text::attributes("lead.attributes", &self.attributes)?,
            ..self
        })
    }

    /// The name for a partner that is made from it: the person's, else the company's, else how it can be reached.
    pub fn partner_name(&self) -> Option<&str> {
        [&self.contact_name, &self.company_name, &self.email, &self.phone]
            .into_iter()
            .map(String::as_str)
            .find(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partner_is_named_by_person_then_company_then_address() {
        let mut details = Details { phone: "1".to_owned(), ..Details::default() };
        assert_eq!(details.partner_name(), Some("1"));
        details.company_name = "Acme".to_owned();
        assert_eq!(details.partner_name(), Some("Acme"));
        details.contact_name = "Anna".to_owned();
        assert_eq!(details.partner_name(), Some("Anna"));
        assert_eq!(Details::default().partner_name(), None);
    }
}
