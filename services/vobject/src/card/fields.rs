//! The parts of a card that have parts themselves: names, phones, e-mail and postal addresses.
//! Read by `Card`; filled by whoever writes or changes a card.

use std::collections::{BTreeSet, HashMap};

use crate::card::types;
use crate::tree::Property;
use crate::value::structured;

/// N (RFC 6350 6.2.2). Several values in one part are joined by a space.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// Family names.
    pub family: String,
    /// Given names.
    pub given: String,
    /// Additional names.
    pub additional: String,
    /// Prefixes, as in "Dr.".
    pub prefixes: String,
    /// Suffixes, as in "Jr.".
    pub suffixes: String,
}

/// TEL
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Phone {
    /// Which TEL of the card it is, from 0; None in one that is to be added.
    pub place: Option<usize>,
    /// The number as people wrote it, without `tel:`.
    pub number: String,
    /// TYPE in lower case, without `pref`: `cell`, `work`, `voice`, ...
    pub types: BTreeSet<String>,
    /// Whether it is the preferred one (TYPE=pref, or PREF=1).
    pub preferred: bool,
    /// The label that Apple's programs show instead of the type.
    pub label: Option<String>,
}

/// EMAIL
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Email {
    /// Which EMAIL of the card it is, from 0; None in one that is to be added.
    pub place: Option<usize>,
    /// The address as people wrote it, without `mailto:`.
    pub address: String,
    /// TYPE in lower case, without `pref`.
    pub types: BTreeSet<String>,
    /// Whether it is the preferred one (TYPE=pref, or PREF=1).
    pub preferred: bool,
    /// The label that Apple's programs show instead of the type.
    pub label: Option<String>,
}

/// ADR (RFC 6350 6.3.1). Several values in one part are joined by a comma.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Which ADR of the card it is, from 0; None in one that is to be added.
    pub place: Option<usize>,
    /// Post office box.
    pub post_box: String,
    /// Apartment or suite.
    pub extended: String,
    /// Street and number.
    pub street: String,
    /// City.
    pub locality: String,
    /// State or province.
    pub region: String,
    /// Postal code.
    pub postal_code: String,
    /// Country by its name.
    pub country: String,
    /// TYPE in lower case, without `pref`.
    pub types: BTreeSet<String>,
    /// Whether it is the preferred one (TYPE=pref, or PREF=1).
    pub preferred: bool,
}

impl Name {
    pub(super) fn read(property: &Property<'_>) -> Name {
        let mut parts = structured(&property.decoded()).into_iter().map(|part| part.join(" "));
        let mut next = || parts.next().unwrap_or_default();
        Name { family: next(), given: next(), additional: next(), prefixes: next(), suffixes: next() }
    }

    /// The parts in the order of N.
    pub(crate) fn parts(&self) -> [&str; 5] {
        [&self.family, &self.given, &self.additional, &self.prefixes, &self.suffixes]
    }

    /// The name as people say it: prefixes, given, additional, family, suffixes.
    pub fn display(&self) -> String {
        let order = [&self.prefixes, &self.given, &self.additional, &self.family, &self.suffixes];
        order.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

impl Address {
    pub(super) fn read(place: usize, property: &Property<'_>) -> Address {
        let mut parts = structured(&property.decoded()).into_iter().map(|part| part.join(", "));
        let mut next = || parts.next().unwrap_or_default();
        let (types, preferred) = types(property);
        Address {
            place: Some(place),
            post_box: next(),
            extended: next(),
            street: next(),
            locality: next(),
            region: next(),
            postal_code: next(),
            country: next(),
            types,
            preferred,
        }
    }

    /// The parts in the order of ADR.
    pub(crate) fn parts(&self) -> [&str; 7] {
        [
            &self.post_box,
            &self.extended,
            &self.street,
            &self.locality,
            &self.region,
            &self.postal_code,
            &self.country,
        ]
    }
}

impl Phone {
    pub(super) fn read(place: usize, property: &Property<'_>, labels: &HashMap<String, String>) -> Phone {
        let (types, preferred) = types(property);
        let (number, label) = (without_scheme(&property.text(), "tel:"), label(property, labels));
        Phone { place: Some(place), number, types, preferred, label }
    }
}

impl Email {
    pub(super) fn read(place: usize, property: &Property<'_>, labels: &HashMap<String, String>) -> Email {
        let (types, preferred) = types(property);
        let (address, label) = (without_scheme(&property.text(), "mailto:"), label(property, labels));
        Email { place: Some(place), address, types, preferred, label }
    }
}

fn without_scheme(text: &str, scheme: &str) -> String {
    let text = text.trim();
    let bare = text.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme));
    bare.map_or(text, |_| text[scheme.len()..].trim()).to_owned()
}

fn label(property: &Property<'_>, labels: &HashMap<String, String>) -> Option<String> {
    labels.get(&property.group()?.to_ascii_lowercase()).cloned()
}
