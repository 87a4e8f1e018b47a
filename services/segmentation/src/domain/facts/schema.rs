//! Names and kinds of all fields that rules may read.
//! Called by the checker, the evaluators and whoever lists the fields for people.

use super::record::{Call, Mail, Opportunity, Partner, Purchase, Visit};
use super::value::Kind;

/// A plain field of a partner or of a record.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in rules and in tables. `rfm_recency` is written `rfm.recency` in rules, its two neighbours alike.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// All that it can be besides empty; empty when it is free text.
    pub choices: &'static [&'static str],
    /// One line for people.
    pub about: &'static str,
}

/// Lists of texts of a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Texts {
    /// `tags`
    Tags,
    /// `emails`
    Emails,
    /// `phones`
    Phones,
}

impl Texts {
    /// All of them.
    pub const ALL: [Texts; 3] = [Texts::Tags, Texts::Emails, Texts::Phones];

    /// Its name in rules.
    pub fn name(self) -> &'static str {
        match self {
            Texts::Tags => "tags",
            Texts::Emails => "emails",
            Texts::Phones => "phones",
        }
    }
}

/// Lists of records of a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum List {
    /// `opportunities`
    Opportunities,
    /// `calls`
    Calls,
    /// `purchases`
    Purchases,
    /// `mails`
    Mails,
    /// `visits`
    Visits,
}

impl List {
    /// All of them.
    pub const ALL: [List; 5] = [List::Opportunities, List::Calls, List::Purchases, List::Mails, List::Visits];

    /// Its name in rules.
    pub fn name(self) -> &'static str {
        match self {
            List::Opportunities => "opportunities",
            List::Calls => "calls",
            List::Purchases => "purchases",
            List::Mails => "mails",
            List::Visits => "visits",
        }
    }

    /// The fields of its records.
    pub fn columns(self) -> &'static [Column] {
        match self {
            List::Opportunities => Opportunity::COLUMNS,
            List::Calls => Call::COLUMNS,
            List::Purchases => Purchase::COLUMNS,
            List::Mails => Mail::COLUMNS,
            List::Visits => Visit::COLUMNS,
        }
    }
}

/// One thing of a partner that changes as a whole: a plain field, a list, the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// A plain field, counted in `Partner::COLUMNS`.
    Plain(u8),
    /// A list of texts.
    Texts(Texts),
    /// A list of records.
    List(List),
    /// The answers to questionnaires.
    Answers,
}

impl Field {
    /// The name in rules: "country", "rfm.recency", "calls".
    pub fn name(self) -> String {
        match self {
            Field::Plain(column) => {
                let name = Partner::COLUMNS[usize::from(column)].name;
                name.strip_prefix("rfm_").map_or_else(|| name.to_owned(), |rest| format!("rfm.{rest}"))
            }
            Field::Texts(texts) => texts.name().to_owned(),
            Field::List(list) => list.name().to_owned(),
            Field::Answers => "answers".to_owned(),
        }
    }

    /// The field of that name.
    pub fn named(name: &str) -> Option<Field> {
        Field::all().find(|field| field.name() == name)
    }

    /// All of them, plain ones first.
    pub fn all() -> impl Iterator<Item = Field> {
        let plain = (0..Partner::COLUMNS.len()).map(|column| Field::Plain(column as u8));
        plain.chain(Texts::ALL.map(Field::Texts)).chain(List::ALL.map(Field::List)).chain([Field::Answers])
    }

    fn bit(self) -> u64 {
        1 << match self {
            Field::Plain(column) => column,
            Field::Texts(texts) => 40 + texts as u8,
            Field::List(list) => 48 + list as u8,
            Field::Answers => 63,
        }
    }
}

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet(u64);

impl FieldSet {
    /// Adds one.
    pub fn insert(&mut self, field: Field) {
        self.0 |= field.bit();
    }

    /// Whether it is in there.
    pub fn contains(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// Whether the two have one in common.
    pub fn meets(self, other: FieldSet) -> bool {
        self.0 & other.0 != 0
    }

    /// Both together.
    pub fn union(self, other: FieldSet) -> FieldSet {
        FieldSet(self.0 | other.0)
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its fields.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::all().filter(move |field| self.contains(*field))
    }
}
