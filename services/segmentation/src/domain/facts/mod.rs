//! What is known of partners, typed: the fields that rules may read, one partner's facts, and the columns of a million.
//! Called by the rule language and by everything that brings facts in.

pub mod columns;
pub mod record;
pub mod schema;
pub mod tables;
pub mod value;

use std::collections::{BTreeMap, BTreeSet};

pub use columns::{Change, Columns};
pub use record::{Call, Mail, Opportunity, Partner, Purchase, Visit};
pub use schema::{Column, Field, FieldSet, List, Texts};
pub use value::{Decimal, Kind, Micros, Value};

/// Most items in one list of one partner; the store keeps the newest ones.
pub const LIST_CAP: usize = 10_000;

/// All that is known of one partner.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The plain fields.
    pub partner: Partner,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// E-mail addresses in lower case.
    pub emails: BTreeSet<String>,
    /// Telephone numbers in E.164.
    pub phones: BTreeSet<String>,
    /// Deals.
    pub opportunities: Vec<Opportunity>,
    /// Calls that are over.
    pub calls: Vec<Call>,
    /// Sales and refunds.
    pub purchases: Vec<Purchase>,
    /// What became of mails to the partner.
    pub mails: Vec<Mail>,
    /// Pages that the partner looked at.
    pub visits: Vec<Visit>,
    /// Answers: "questions/{question}" to the choices made. A new answer replaces the set.
    pub answers: BTreeMap<String, BTreeSet<String>>,
}

impl Facts {
    /// One of the lists of texts.
    pub fn texts(&self, texts: Texts) -> &BTreeSet<String> {
        match texts {
            Texts::Tags => &self.tags,
            Texts::Emails => &self.emails,
            Texts::Phones => &self.phones,
        }
    }

    /// How many records a list has.
    pub fn count(&self, list: List) -> usize {
        match list {
            List::Opportunities => self.opportunities.len(),
            List::Calls => self.calls.len(),
            List::Purchases => self.purchases.len(),
            List::Mails => self.mails.len(),
            List::Visits => self.visits.len(),
        }
    }

    /// A field of a record; `column` counts in `List::columns`.
    pub fn record(&self, list: List, at: usize, column: usize) -> Value<'_> {
        match list {
            List::Opportunities => self.opportunities[at].value(column),
            List::Calls => self.calls[at].value(column),
            List::Purchases => self.purchases[at].value(column),
            List::Mails => self.mails[at].value(column),
            List::Visits => self.visits[at].value(column),
        }
    }
}
