//! What a partner gets from others that go into it, and how that is taken away again.
//! Called by store/merge.rs.

use kontor_kit::{Error, Result, phone};

use super::contact::{Fields, Kind};

/// What a card can hold, as `Fields` says.
const LISTS: [usize; 3] = [50, 50, 20];
const NOTE: usize = 100_000;

/// Gives the survivor what it lacks of another partner. Returns what that was.
///
/// # Errors
/// INVALID_ARGUMENT naming others when one is a person and one a company; FAILED_PRECONDITION with reason TOO_MUCH.
pub fn take(survivor: &mut Fields, other: &Fields) -> Result<Fields> {
    if survivor.kind != other.kind {
        return Err(Error::invalid("others", "a person and a company are not the same partner"));
    }
    let mut added = Fields { kind: survivor.kind, ..Fields::default() };
    for entry in &other.phones {
        let same = |it: &kontor_proto::r#type::v1::Phone| {
            it.number == entry.number || (!it.e164.is_empty() && it.e164 == entry.e164)
        };
        if !survivor.phones.iter().any(same) {
            added.phones.push(entry.clone());
            survivor.phones.push(entry.clone());
        }
    }
    for entry in &other.emails {
        let address = phone::address(&entry.address);
        if !survivor.emails.iter().any(|it| phone::address(&it.address) == address) {
            added.emails.push(entry.clone());
            survivor.emails.push(entry.clone());
        }
    }
    for entry in &other.addresses {
        if !survivor.addresses.contains(entry) {
            added.addresses.push(entry.clone());
            survivor.addresses.push(entry.clone());
        }
    }
    let company = survivor.kind == Kind::Company;
    for (mine, theirs, given) in [
        (&mut survivor.organization, &other.organization, &mut added.organization),
        (&mut survivor.title, &other.title, &mut added.title),
    ] {
        if mine.is_empty() && !theirs.is_empty() && !company {
            mine.clone_from(theirs);
            given.clone_from(theirs);
        }
    }
    if !other.note.is_empty() && !survivor.note.contains(&other.note) {
        added.note =
            if survivor.note.is_empty() { other.note.clone() } else { format!("\n\n{}", other.note) };
        survivor.note.push_str(&added.note);
    }
    check(survivor)?;
    Ok(added)
}

/// Takes away what was given, as far as it is still there.
pub fn give_back(survivor: &mut Fields, added: &Fields) {
    survivor.phones.retain(|it| !added.phones.iter().any(|given| given.number == it.number));
    let given = |address: &str| added.emails.iter().any(|given| given.address == address);
    survivor.emails.retain(|it| !given(&it.address));
    survivor.addresses.retain(|it| !added.addresses.contains(it));
    for (mine, given) in
        [(&mut survivor.organization, &added.organization), (&mut survivor.title, &added.title)]
    {
        if mine == given {
            mine.clear();
        }
    }
    if !added.note.is_empty() {
        survivor.note = survivor.note.replacen(&added.note, "", 1);
        // What came after a note that has gone stands first now.
        if let Some(rest) = survivor.note.strip_prefix("\n\n").filter(|_| !added.note.starts_with('\n')) {
            survivor.note = rest.to_owned();
        }
    }
}

/// Adds up what two others gave.
pub fn and(mut first: Fields, second: Fields) -> Fields {
    first.phones.extend(second.phones);
    first.emails.extend(second.emails);
    first.addresses.extend(second.addresses);
    first.note.push_str(&second.note);
    for (mine, theirs) in [(&mut first.organization, second.organization), (&mut first.title, second.title)] {
        if mine.is_empty() {
            *mine = theirs;
        }
    }
    first
}

fn check(fields: &Fields) -> Result<()> {
    let counts = [fields.phones.len(), fields.emails.len(), fields.addresses.len()];
    let fits = counts.iter().zip(LISTS).all(|(count, most)| *count <= most);
    if fits && fields.note.chars().count() <= NOTE {
        return Ok(());
    }
    let message = "together they have more than a card holds: 50 numbers, 50 e-mail addresses, 20 postal addresses, 100,000 characters of note";
    Err(Error::precondition("TOO_MUCH", message))
}

#[cfg(test)]
mod tests {
    use kontor_proto::r#type::v1::{Email, Phone};

    use super::*;

    fn fields(number: &str, address: &str, note: &str) -> Fields {
        let phone = Phone { number: number.to_owned(), e164: number.to_owned(), ..Phone::default() };
        let email = Email { address: address.to_owned(), ..Email::default() };
        Fields { phones: vec![phone], emails: vec![email], note: note.to_owned(), ..Fields::default() }
    }

    #[test]
    fn what_is_there_already_is_not_doubled_and_all_comes_back() {
        let first = fields("+3221", "a@x.com", "one");
        let mut survivor = first.clone();
        let second = fields("+3222", " A@X.com", "two");
        let added = take(&mut survivor, &second).unwrap();
        assert_eq!(
            (survivor.phones.len(), survivor.emails.len(), survivor.note.as_str()),
            (2, 1, "one\n\ntwo")
        );
        let third = take(&mut survivor, &fields("+3223", "b@x.com", "three")).unwrap();
        give_back(&mut survivor, &added);
        assert_eq!((survivor.phones.len(), survivor.note.as_str()), (2, "one\n\nthree"));
        give_back(&mut survivor, &third);
        assert_eq!(survivor, first);
    }

    #[test]
    fn a_person_does_not_go_into_a_company_and_a_card_does_not_overflow() {
        let company = Fields { kind: Kind::Company, ..Fields::default() };
        assert!(take(&mut Fields::default(), &company).unwrap_err().message().starts_with("others"));
        let full = Fields { note: "x".repeat(NOTE), ..Fields::default() };
        let refused = take(&mut full.clone(), &fields("1", "a@x.com", "y")).unwrap_err();
        assert_eq!(refused.reason(), "TOO_MUCH");
    }
}
