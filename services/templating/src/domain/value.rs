//! The data of a letter: typed values in records, and the description of the fields that exist.
//! Built by the service for each partner; read by expressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::{Date, DateTime};
use rust_decimal::Decimal;

use super::picture::Picture;

/// One value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The field exists and has nothing in it. Shown as nothing.
    Empty,
    /// Yes or no.
    Bool(bool),
    /// A number, exact.
    Number(Decimal),
    /// An amount with its currency.
    Money(Money),
    /// Text. Line breaks and tabs become those of the document.
    Text(String),
    /// A day.
    Date(Date),
    /// A day and a time, already in the zone in which it is to be shown.
    DateTime(DateTime),
    /// A picture.
    Picture(Arc<Picture>),
    /// Many values, for loops.
    List(Vec<Value>),
    /// Fields by name.
    Record(Record),
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// The amount in whole units of the currency.
    pub amount: Decimal,
    /// The code by ISO 4217, such as `EUR`.
    pub currency: Arc<str>,
}

/// Fields by name, kept sorted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record(Vec<(Arc<str>, Value)>);

impl Record {
    /// A record without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field, and takes the place of one with the same name.
    pub fn set(&mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) {
        let name = name.into();
        let value = value.into();
        match self.0.binary_search_by(|(known, _)| (**known).cmp(&name)) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (name, value)),
        }
    }

    /// The same as `set`, in a chain.
    #[must_use]
    pub fn with(mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// The field of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    /// All fields in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl<N: Into<Arc<str>>, V: Into<Value>> FromIterator<(N, V)> for Record {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut record = Self::new();
        for (name, value) in fields {
            record.set(name, value);
        }
        record
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Bool(is)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}
impl From<Decimal> for Value {
    fn from(number: Decimal) -> Self {
        Self::Number(number)
    }
}
impl From<Money> for Value {
    fn from(money: Money) -> Self {
        Self::Money(money)
    }
}
impl From<Date> for Value {
    fn from(date: Date) -> Self {
        Self::Date(date)
    }
}
impl From<DateTime> for Value {
    fn from(time: DateTime) -> Self {
        Self::DateTime(time)
    }
}
impl From<Picture> for Value {
    fn from(picture: Picture) -> Self {
        Self::Picture(Arc::new(picture))
    }
}
impl From<Record> for Value {
    fn from(record: Record) -> Self {
        Self::Record(record)
    }
}
impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(list: Vec<V>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}
impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

impl Value {
    /// What kind of value it is, for errors.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Empty => "an empty value",
            Self::Bool(_) => "a yes or no",
            Self::Number(_) => "a number",
            Self::Money(_) => "an amount",
            Self::Text(_) => "a text",
            Self::Date(_) => "a date",
            Self::DateTime(_) => "a time",
            Self::Picture(_) => "a picture",
            Self::List(_) => "a list",
            Self::Record(_) => "a group of fields",
        }
    }
}

/// What a field holds, for checking a template before there is data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Bool,
    /// A number.
    Number,
    /// An amount with its currency.
    Money,
    /// Text.
    Text,
    /// A day.
    Date,
    /// A day and a time.
    DateTime,
    /// A picture.
    Picture,
    /// Many of one kind.
    List(Box<Kind>),
    /// Fields by name.
    Record(Fields),
    /// Not known before there is data; fits everywhere.
    Any,
}

/// The fields that exist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields(BTreeMap<String, Kind>);

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field, in a chain.
    #[must_use]
    pub fn with(mut self, name: &str, kind: Kind) -> Self {
        self.0.insert(name.to_owned(), kind);
        self
    }

    /// Adds a group of fields, in a chain.
    #[must_use]
    pub fn group(self, name: &str, fields: Fields) -> Self {
        self.with(name, Kind::Record(fields))
    }

    /// Adds a list of groups, in a chain.
    #[must_use]
    pub fn list(self, name: &str, fields: Fields) -> Self {
        self.with(name, Kind::List(Box::new(Kind::Record(fields))))
    }

    /// The field of this name.
    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.0.get(name)
    }

    /// All fields in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.0.iter().map(|(name, kind)| (name.as_str(), kind))
    }

    /// All paths to fields, such as `partner.name`; lists are named and not entered.
    pub fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect("", &mut found);
        found
    }

    fn collect(&self, before: &str, found: &mut Vec<String>) {
        for (name, kind) in &self.0 {
            let path = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
            match kind {
                Kind::Record(fields) => fields.collect(&path, found),
                _ => found.push(path),
            }
        }
    }
}
