//! An object without a person: the lines that are the person's go, and texts lose name, address and number. All other bytes stay.
//! Called by erase.rs.

use kontor_kit::erase::{ERASED, Person, without};
use kontor_kit::{Error, Result};
use kontor_vobject::content::ContentLine;
use kontor_vobject::tree::{Component, Document, Property};
use kontor_vobject::{Limits, Patch};

use super::event::PARTNER;
use super::scheduling::answer::bare;

/// Who stands where an organizer stood; no mail can go there (RFC 2606).
const NOBODY: &str = "mailto:erased@erased.invalid";

/// The bytes without the person; none when nothing of it is there.
///
/// # Errors
/// INTERNAL: what is stored was checked when it came.
pub fn erase(bytes: &[u8], person: &Person) -> Result<Option<Vec<u8>>> {
    let document = Document::parse(bytes, &Limits::default()).map_err(Error::internal)?;
    let mut patch = Patch::new(&document);
    let words = words(person);
    for root in document.roots() {
        erase_in(&mut patch, &root, person, &words);
    }
    Ok((!patch.is_empty()).then(|| patch.apply()))
}

/// Names, addresses and numbers, as they are and as iCalendar writes them.
fn words(person: &Person) -> Vec<String> {
    let plain = person.emails.iter().chain(&person.phones).chain(&person.display_names);
    let mut words: Vec<String> = plain.cloned().collect();
    let written = words.iter().filter(|word| word.contains([',', ';']));
    let written: Vec<String> = written.map(|word| word.replace(',', "\\,").replace(';', "\\;")).collect();
    words.extend(written);
    // The longer one first: the shorter may be a part of it.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}

/// Calendars are three deep, and the parser has a limit of its own.
fn erase_in(patch: &mut Patch<'_>, component: &Component<'_>, person: &Person, words: &[String]) {
    for property in component.properties() {
        erase_line(patch, &property, person, words);
    }
    for inner in component.components() {
        erase_in(patch, &inner, person, words);
    }
}

fn erase_line(patch: &mut Patch<'_>, property: &Property<'_>, person: &Person, words: &[String]) {
    let is_person = || {
        let told = property.param("EMAIL");
        person.emails.contains(&bare(property.value()))
            || told.is_some_and(|email| person.emails.contains(&bare(&email)))
    };
    if property.is("UID") {
        return;
    }
    if property.is(PARTNER) {
        if person.partners.iter().any(|name| name == property.value().trim()) {
            patch.remove(property);
        }
        return;
    }
    if property.is("ATTENDEE") && is_person() {
        return patch.remove(property);
    }
    if property.is("ORGANIZER") && is_person() {
        let params: Vec<&str> = property.params().map(|(name, _)| name).collect();
        return patch.replace_without(property, ContentLine::new("ORGANIZER", NOBODY), &params);
    }
    let params: Vec<&str> = property
        .params()
        .filter(|(_, value)| without(value, words, ERASED).is_some())
        .map(|(name, _)| name)
        .collect();
    let value = without(property.value(), words, ERASED);
    match (params.is_empty(), value) {
        (true, None) => {}
        (true, Some(value)) => patch.replace_value(property, &value),
        (false, value) => {
            let value = value.unwrap_or_else(|| property.value().to_owned());
            patch.replace_without(property, ContentLine::new(property.name(), value), &params);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_person_go_and_all_other_bytes_stay() {
        let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nX-Odd ;A=b:kept  \r\n"
            .replace(" ;", ";")
            + "SUMMARY:Lunch with ANNA Peeters\r\nDESCRIPTION:Peeters\\, Anna\\n+3225550000\r\nX-KONTOR-PARTNER:partners/1\r\n"
            + "X-KONTOR-PARTNER:partners/2\r\nORGANIZER;CN=Anna Peeters:MAILTO:anna@x.com\r\nATTENDEE;CN=Anna:mailto:Anna@X.com\r\n"
            + "ATTENDEE;DELEGATED-FROM=\"mailto:anna@x.com\";CN=Bo:mailto:bo@x.com\r\nBEGIN:VALARM\r\nATTENDEE:mailto:anna@x\r\n"
            + " .com\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let person = Person {
            partners: vec!["partners/1".to_owned()],
            emails: vec!["anna@x.com".to_owned()],
            phones: vec!["+3225550000".to_owned()],
            display_names: vec!["Anna Peeters".to_owned(), "Peeters, Anna".to_owned()],
            ..Person::default()
        };
        let erased = erase(text.as_bytes(), &person).expect("it is read").expect("something goes");
        let erased = String::from_utf8(erased).expect("text");
        let expected = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nX-Odd;A=b:kept  \r\nSUMMARY:Lunch with Erased\r\n\
            DESCRIPTION:Erased\\nErased\r\nX-KONTOR-PARTNER:partners/2\r\nORGANIZER:mailto:erased@erased.invalid\r\n\
            ATTENDEE;CN=Bo:mailto:bo@x.com\r\nBEGIN:VALARM\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert_eq!(erased, expected);
        assert_eq!(erase(erased.as_bytes(), &person).expect("it is read"), None);
    }
}
