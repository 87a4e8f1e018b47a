//! What two leads may have in common, and how sure that makes it that they are the same one.
//! Called by store/duplicate.rs and rpc/duplicate.rs.

use kontor_kit::{Error, Result, phone};

use super::lead::Details;
use super::text;

/// Longest value in bytes: a database's index takes no more, and nobody has such a name.
const LONGEST: usize = 1_000;
/// A value that more records have says little.
const COMMON: usize = 20;
/// Percent that such a value is worth.
const COMMON_WEIGHT: i64 = 10;

/// What it is that two records have in common. The numbers are those of the API and of the database; the first is the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// E-mail address.
    Email = 1,
    /// Number in E.164.
    Phone = 2,
    /// Person's name and company.
    Name = 3,
    /// Partner.
    Partner = 4,
}

impl Kind {
    /// The kind of a number.
    ///
    /// # Errors
    /// INTERNAL for another number.
    pub fn from_number(number: i64) -> Result<Kind> {
        [Kind::Email, Kind::Phone, Kind::Name, Kind::Partner]
            .into_iter()
            .find(|kind| *kind as i64 == number)
            .ok_or_else(|| Error::internal(format!("{number} is no kind of a duplicate's key")))
    }

    /// Percent of being sure by this alone, when so many records have the value.
    fn weight(self, holders: usize) -> i64 {
        match self {
            _ if holders > COMMON => COMMON_WEIGHT,
            Kind::Email => 90,
            Kind::Phone => 80,
            Kind::Name => 70,
            Kind::Partner => 50,
        }
    }
}

/// One value by which a lead is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// In the one form that is compared.
    pub value: String,
}

/// The keys of a lead, by kind. National numbers are read in its region, else in the installation's (`region`).
pub fn keys(details: &Details, region: &str) -> Vec<Key> {
    let email = text::email("email", &details.email).map(|email| phone::address(&email)).unwrap_or_default();
    let region = if details.region.is_empty() { region } else { &details.region };
    let number = phone::e164(&details.phone, region).unwrap_or_default();
    [(Kind::Email, email), (Kind::Phone, number), (Kind::Name, name(details))]
        .into_iter()
        .filter(|(_, value)| !value.is_empty() && value.len() <= LONGEST)
        .map(|(kind, value)| Key { kind, value })
        .collect()
}

/// As a lead has what a key comes from.
pub fn written(details: &Details, kind: Kind) -> String {
    match kind {
        Kind::Email => details.email.clone(),
        Kind::Phone => details.phone.clone(),
        Kind::Name => format!("{}, {}", details.contact_name, details.company_name),
        Kind::Partner => String::new(),
    }
}

/// "Peeters, Anna" at "ACME" is "anna peeters, acme". A name alone is none: too many people have the same.
fn name(details: &Details) -> String {
    let (mut person, company) = (words(&details.contact_name), words(&details.company_name));
    if person.is_empty() || company.is_empty() {
        return String::new();
    }
    person.sort();
    format!("{}, {}", person.join(" "), company.join(" "))
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    lower
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// How sure it is, in percent, that two records are the same one. Each match comes with how many records have its value.
pub fn confidence(matches: impl IntoIterator<Item = (Kind, usize)>) -> i32 {
    // In millionths.
    let mut doubt = 1_000_000;
    for (kind, holders) in matches {
        doubt = doubt * (100 - kind.weight(holders)) / 100;
    }
    i32::try_from(100 - doubt / 10_000).unwrap_or(0).clamp(1, 99)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(contact_name: &str, company_name: &str, email: &str, phone: &str) -> Details {
        Details {
            contact_name: contact_name.to_owned(),
            company_name: company_name.to_owned(),
            email: email.to_owned(),
            phone: phone.to_owned(),
            ..Details::default()
        }
    }

    #[test]
    fn spellings_of_one_lead_have_the_same_keys() {
        let first = lead("Anna Peeters", "Acme, N.V.", "A@X.com", "+32 471 12 34 56");
        let second = lead("PEETERS, Anna", "acme n v", " a@x.com ", "0471 123456");
        let found = keys(&first, "BE");
        assert_eq!(found, keys(&second, "BE"));
        let values: Vec<&str> = found.iter().map(|key| key.value.as_str()).collect();
        assert_eq!(values, ["a@x.com", "+32471123456", "anna peeters, acme n v"]);
        let french = Details { region: "FR".to_owned(), ..lead("", "", "", "01 45 55 12 34") };
        assert_eq!(keys(&french, "BE")[0].value, "+33145551234");
    }

    #[test]
    fn what_says_nothing_is_no_key() {
        for empty in [
            lead("Anna", "", "", ""),
            lead("", "Acme", "nobody", "front desk"),
            lead("-", "Acme", "a\0@x.com", ""),
            lead(&"é".repeat(400), &"é".repeat(400), "", ""),
        ] {
            assert_eq!(keys(&empty, "BE"), [], "{empty:?}");
        }
        let tagged = |email: &str| keys(&lead("", "", email, ""), "BE");
        assert_ne!(tagged("a+x@x.com"), tagged("a@x.com"));
    }

    #[test]
    fn several_matches_are_surer_than_one_and_a_common_value_is_hardly_any() {
        assert_eq!(confidence([(Kind::Email, 2)]), 90);
        assert_eq!(confidence([(Kind::Phone, 2)]), 80);
        assert_eq!(confidence([(Kind::Email, 2), (Kind::Phone, 2)]), 98);
        assert_eq!(confidence([(Kind::Email, 2), (Kind::Phone, 2), (Kind::Name, 2)]), 99);
        assert_eq!(confidence([(Kind::Email, COMMON + 1)]), 10);
        assert_eq!(confidence([(Kind::Email, COMMON)]), 90);
    }
}
