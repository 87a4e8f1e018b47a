//! Whether bytes speak of a person: by name, address or number.
//! Called by outbox.rs beside it, and by services for texts of their own.

use std::collections::HashSet;

use kontor_proto::directory::v1::PartnerErasureBegun as Person;

/// What is looked for.
pub(super) struct Matcher {
    /// "partners/{id}" of all names that the partner had.
    names: HashSet<String>,
    /// Records that were erased.
    records: HashSet<String>,
    /// Addresses and numbers in lower case.
    words: Vec<Vec<u8>>,
    /// What came later speaks of the person by them only if it names it too.
    until: i64,
}

impl Matcher {
    pub(super) fn new(person: &Person, records: Vec<String>) -> Matcher {
        let words = person.emails.iter().chain(&person.phones);
        Matcher {
            names: person.partners.iter().cloned().collect(),
            records: records.into_iter().collect(),
            words: words.map(|word| word.to_lowercase().into_bytes()).filter(|word| word.len() > 3).collect(),
            until: super::until(person),
        }
    }

    /// Whether it is one of the partner's names.
    pub(super) fn is_partner(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether it is an erased record, or a part of one: "opportunities/{id}/nextSteps/{id}".
    pub(super) fn is_record(&self, name: &str) -> bool {
        let parent = name.match_indices('/').nth(1).map_or(name, |(at, _)| &name[..at]);
        self.records.contains(name) || self.records.contains(parent)
    }

    /// Whether a message has one of the addresses or numbers somewhere.
    pub(super) fn is_in(&self, message: &[u8]) -> bool {
        if self.words.is_empty() {
            return false;
        }
        let plain = message.to_ascii_lowercase();
        let unfolded = unfolded(&plain);
        let has = |text: &[u8]| self.words.iter().any(|word| find(text, word).is_some());
        has(&plain) || unfolded.as_deref().is_some_and(has)
    }

    /// Whether a message of that instant speaks of the person. Who has one of the addresses or numbers after the erasure was asked for is somebody
    /// new, unless an erased record is meant: a call that went on.
    pub(super) fn is_said(&self, message: &[u8], time: i64) -> bool {
        self.is_in(message) && (time <= self.until || self.is_named_in(message))
    }

    /// Whether a message names the partner or an erased record somewhere.
    pub(super) fn is_named_in(&self, message: &[u8]) -> bool {
        let found = |name: &String| message.windows(name.len()).any(|window| window == name.as_bytes());
        // Names of records are ids in a few collections: look at each place where one may begin.
        self.names.iter().any(found) || names_in(message).any(|name| self.records.contains(name))
    }
}

/// Whether a message has an address or a number of the person somewhere, in iCalendar lines that are folded too.
pub fn is_in(message: &[u8], person: &Person) -> bool {
    Matcher::new(person, Vec::new()).is_in(message)
}

/// The text with each of these words replaced, whatever the case; none when it has none of them.
pub fn without(text: &str, words: &[String], replacement: &str) -> Option<String> {
    let mut present: Option<String> = None;
    for word in words.iter().filter(|word| word.chars().count() > 2) {
        let now = present.as_deref().unwrap_or(text);
        if let Some(changed) = replaced(now, word, replacement) {
            present = Some(changed);
        }
    }
    present
}

fn replaced(text: &str, word: &str, replacement: &str) -> Option<String> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let same = |rest: &str| -> Option<usize> {
        let mut wanted = word.iter();
        for (at, letter) in rest.char_indices() {
            for lower in letter.to_lowercase() {
                match wanted.next() {
                    None => return Some(at),
                    Some(expected) if *expected == lower => {}
                    Some(_) => return None,
                }
            }
        }
        wanted.next().is_none().then_some(rest.len())
    };
    let (mut out, mut at, mut found) = (String::with_capacity(text.len()), 0, false);
    while let Some(letter) = text[at..].chars().next() {
        match same(&text[at..]) {
            Some(length) if length > 0 => {
                out.push_str(replacement);
                at += length;
                found = true;
            }
            _ => {
                out.push(letter);
                at += letter.len_utf8();
            }
        }
    }
    found.then_some(out)
}

/// Where a word stands by itself. An address must not begin inside a longer one ("anna@x" in "joanna@x"), unless it is a whole field of the
/// message, which has its length before it.
fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte);
    (0..text.len().saturating_sub(word.len() - 1)).find(|&at| {
        text[at] == word[0]
            && text[at..].starts_with(word)
            && (at == 0
                || word[0] == b'+'
                || usize::from(text[at - 1]) == word.len()
                || !inside(text[at - 1]))
    })
}

/// Without the folds of iCalendar lines; none when there are none.
fn unfolded(text: &[u8]) -> Option<Vec<u8>> {
    if !text.windows(2).any(|pair| pair == b"\n " || pair == b"\n\t") {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(b"\r\n ") || rest.starts_with(b"\r\n\t") {
            at += 3;
        } else if rest.starts_with(b"\n ") || rest.starts_with(b"\n\t") {
            at += 2;
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    Some(out)
}

/// What looks like resource names in a message: "leads/", "opportunities/", "calls/" and an id.
fn names_in(message: &[u8]) -> impl Iterator<Item = &str> {
    let id = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    message.iter().enumerate().filter(|(_, byte)| **byte == b'/').flat_map(move |(slash, _)| {
        let begin =
            message[..slash].iter().rposition(|byte| !byte.is_ascii_lowercase()).map_or(0, |at| at + 1);
        let end =
            message[slash + 1..].iter().position(|byte| !id(byte)).map_or(message.len(), |at| slash + 1 + at);
        // The byte behind an id may be the tag of the next field and look like a letter: an id has 36.
        let whole = std::str::from_utf8(&message[begin..end]).ok();
        let exact = std::str::from_utf8(&message[begin..end.min(slash + 37)]).ok();
        // And the byte before a collection may be its length.
        let later = std::str::from_utf8(&message[(begin + 1).min(slash)..end.min(slash + 37)]).ok();
        [whole, exact, later].into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher() -> Matcher {
        let person = Person {
            partners: vec!["partners/1".to_owned()],
            emails: vec!["anna@example.com".to_owned()],
            phones: vec!["+32471112233".to_owned()],
            ..Person::default()
        };
        Matcher::new(&person, vec!["leads/0193f2b0-1111-7000-8000-0000000000ab".to_owned()])
    }

    #[test]
    fn an_address_is_found_alone_and_not_inside_a_longer_one() {
        let matcher = matcher();
        assert!(matcher.is_in(b"ATTENDEE:mailto:Anna@Example.com"));
        assert!(matcher.is_in(b"ATTENDEE:mailto:anna@exam\r\n ple.com\r\n"));
        assert!(!matcher.is_in(b"ATTENDEE:mailto:joanna@example.com"));
        // A field of a protobuf message: tag, length, bytes.
        assert!(matcher.is_in(b"\x0a\x10anna@example.com2\x01x"));
        assert!(matcher.is_in(b"call from +32471112233."));
        assert!(!matcher.is_in(b"call from +32471112234"));
    }

    #[test]
    fn a_record_is_found_in_a_message_and_by_its_parts() {
        let matcher = matcher();
        let lead = "leads/0193f2b0-1111-7000-8000-0000000000ab";
        for after in ["2", "\x12", ""] {
            assert!(matcher.is_named_in(format!("\x0a\x2a{lead}{after}").as_bytes()), "{after:?}");
        }
        assert!(!matcher.is_named_in(b"\x0a\x2aleads/0193f2b0-1111-7000-8000-0000000000ac"));
        assert!(matcher.is_record(&format!("{lead}/notes/1")) && matcher.is_record(lead));
        assert!(!matcher.is_record("leads/0193f2b0") && !matcher.is_record(""));
    }

    #[test]
    fn later_messages_are_the_persons_only_when_they_name_it() {
        let person = Person {
            partners: vec!["partners/1".to_owned()],
            phones: vec!["+32471112233".to_owned()],
            begin_time: Some(crate::clock::to_proto(1_000_000)),
            ..Person::default()
        };
        let matcher = Matcher::new(&person, Vec::new());
        let call = b"call from +32471112233.";
        assert!(matcher.is_said(call, 1_000_000) && !matcher.is_said(call, 1_000_001));
        assert!(matcher.is_said(b"call from +32471112233 of partners/1.", 1_000_001));
        let older = Matcher::new(&Person { begin_time: None, ..person }, Vec::new());
        assert!(older.is_said(call, i64::MAX));
    }

    #[test]
    fn words_are_replaced_whatever_their_case() {
        let words = ["Ann Öberg".to_owned(), "ann@x.se".to_owned()];
        let text = "Lunch with ANN öberg (Ann@X.se)";
        assert_eq!(without(text, &words, "…").as_deref(), Some("Lunch with … (…)"));
        assert_eq!(without("Lunch", &words, "…"), None);
    }
}
