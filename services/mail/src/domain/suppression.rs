//! An address or a domain that gets no mailings.
//! Called by rpc and the store.

use kontor_kit::{Error, Result};

/// Why. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The person unsubscribed.
    Unsubscribed = 1,
    /// There is no such address.
    HardBounce = 2,
    /// The person complained.
    Complaint = 3,
    /// Decided in the company.
    Manual = 4,
}

impl Cause {
    /// Of the number in the database and in the API.
    pub fn of(number: i64) -> Option<Cause> {
        [Cause::Unsubscribed, Cause::HardBounce, Cause::Complaint, Cause::Manual]
            .into_iter()
            .find(|cause| *cause as i64 == number)
    }

    /// As a recipient's list shows it.
    pub fn words(self) -> &'static str {
        match self {
            Cause::Unsubscribed => "unsubscribed",
            Cause::HardBounce => "there is no such address",
            Cause::Complaint => "complained",
            Cause::Manual => "suppressed by hand",
        }
    }
}

/// A suppression. Its id is the keyed hash by which it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// Id: the hash of the address or the domain.
    pub id: String,
    /// Version.
    pub version: i64,
    /// The address; empty for a domain, and after an erasure.
    pub address: String,
    /// The domain, when it is one.
    pub domain: String,
    /// Why.
    pub cause: Cause,
    /// Free text.
    pub note: String,
    /// "mailings/{mailing}", or empty.
    pub mailing: String,
    /// "users/{user}", or empty.
    pub user: String,
    /// Microseconds UTC.
    pub create_time: i64,
}

impl Suppression {
    /// Checks the text.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        if self.note.chars().count() > 1_000 || self.note.contains('\0') {
            return Err(Error::invalid("suppression.note", "write at most 1,000 characters"));
        }
        Ok(())
    }
}
