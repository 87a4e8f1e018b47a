//! An erasure of a partner: why, and by what its data is found.
//! Called by rpc/erasure.rs and store/erasure.rs.

use kontor_kit::{Error, Result};

use super::contact::Fields;
use kontor_kit::phone;

/// Longest note, in characters.
const NOTE: usize = 200;
/// The last number of ErasureReason.
const REASONS: i32 = 4;

/// Checks why; answers the number as it is kept, and the note.
///
/// # Errors
/// INVALID_ARGUMENT naming reason or note.
pub fn why(reason: i32, note: &str) -> Result<(i64, String)> {
    if !(1..=REASONS).contains(&reason) {
        return Err(Error::invalid("reason", "say why: set one of the reasons"));
    }
    let note = note.trim();
    if note.chars().count() > NOTE || note.chars().any(char::is_control) {
        return Err(Error::invalid("note", format!("write at most {NOTE} characters on one line")));
    }
    Ok((i64::from(reason), note.to_owned()))
}

/// By what the data of a partner is found: what all its cards say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Addresses in lower case.
    pub emails: Vec<String>,
    /// E.164.
    pub phones: Vec<String>,
    /// Names for people.
    pub display_names: Vec<String>,
}

impl Keys {
    /// Adds what a card says.
    pub fn add(&mut self, fields: &Fields) {
        self.emails.extend(fields.emails.iter().map(|email| phone::address(&email.address)));
        self.phones.extend(fields.phones.iter().map(|phone| phone.e164.clone()));
        let whole = format!("{} {}", fields.given_name.trim(), fields.family_name.trim());
        let turned = format!("{}, {}", fields.family_name.trim(), fields.given_name.trim());
        self.display_names.push(fields.display_name.trim().to_owned());
        if !fields.given_name.trim().is_empty() && !fields.family_name.trim().is_empty() {
            self.display_names.extend([whole, turned]);
        }
        for list in [&mut self.emails, &mut self.phones, &mut self.display_names] {
            list.retain(|word| !word.is_empty());
            list.sort();
            list.dedup();
        }
    }
}

#[cfg(test)]
mod tests {
    use kontor_proto::r#type::v1::{Email, Phone};

    use super::*;

    #[test]
    fn a_reason_must_be_set_and_a_note_is_one_short_line() {
        assert_eq!(why(1, " by letter ").expect("good"), (1, "by letter".to_owned()));
        assert!(why(0, "").unwrap_err().message().starts_with("reason"));
        assert!(why(5, "").unwrap_err().message().starts_with("reason"));
        assert!(why(4, &"x".repeat(201)).unwrap_err().message().starts_with("note"));
        assert!(why(4, "two\nlines").unwrap_err().message().starts_with("note"));
    }

    #[test]
    fn keys_are_those_of_all_cards_each_once() {
        let card = |name: &str, given: &str, family: &str| Fields {
            display_name: name.to_owned(),
            given_name: given.to_owned(),
            family_name: family.to_owned(),
            emails: vec![Email { address: " Anna@X.com".to_owned(), ..Default::default() }],
            phones: vec![Phone { e164: "+3225550000".to_owned(), ..Default::default() }],
            ..Fields::default()
        };
        let mut keys = Keys::default();
        keys.add(&card("Anna Peeters", "Anna", "Peeters"));
        keys.add(&card("A. Peeters", "", "Peeters"));
        assert_eq!(keys.emails, ["anna@x.com"]);
        assert_eq!(keys.phones, ["+3225550000"]);
        assert_eq!(keys.display_names, ["A. Peeters", "Anna Peeters", "Peeters, Anna"]);
    }
}
