//! E-mail addresses: one reading for all that comes from outside, with domains in their ASCII form, and mailboxes with a name before them.
//! Called by rpc, the maker of messages, and for what the cards of partners hold.

/// Longest address in bytes (RFC 5321 section 4.5.3.1.3, without its angle brackets).
const LENGTH: usize = 254;
/// Longest part before the @.
const LOCAL: usize = 64;
/// Longest name before an address, in characters.
const NAME: usize = 200;

/// An address that mail can go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Reads one. Blanks around it and "mailto:" before it don't matter; the domain becomes lower case and ASCII ("xn--").
    ///
    /// # Errors
    /// In words, with the address, what is wrong with it.
    pub fn parse(text: &str) -> Result<Address, String> {
        let text = text.trim();
        let text = match text.get(..7) {
            Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => &text[7..],
            _ => text,
        };
        let shown: String = text.chars().take(80).filter(|it| !it.is_control()).collect();
        let wrong = |why: &str| Err(format!("{shown:?} is no address: {why}"));
        if text.len() > 2 * LENGTH {
            return wrong("it is too long");
        }
        let Some((local, domain)) = text.rsplit_once('@') else {
            return wrong("it has no @ and no domain, as in anna@example.com");
        };
        if local.is_empty() {
            return wrong("nothing stands before the @");
        }
        if domain.is_empty() {
            return wrong("it has no domain behind the @");
        }
        if local.len() > LOCAL {
            return wrong("more than 64 bytes stand before the @");
        }
        if !local.is_ascii() {
            return wrong("the part before the @ has letters beyond a-z, which most servers refuse");
        }
        let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        if !local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom)) {
            return wrong("the part before the @ has a character or a dot that may not stand there");
        }
        let domain = match domain_of(domain) {
            Ok(domain) => domain,
            Err(why) => return wrong(&why),
        };
        if local.len() + 1 + domain.len() > LENGTH {
            return wrong("it is longer than 254 bytes");
        }
        Ok(Address { local: local.to_owned(), domain })
    }

    /// The part before the @, as it was written.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain, lower case and ASCII.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// By what two addresses are the same one: without case. Servers that tell `Anna` from `anna` are all but extinct.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local.to_ascii_lowercase(), self.domain)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}@{}", self.local, self.domain)
    }
}

/// A domain, lower case and ASCII.
///
/// # Errors
/// In words, what is wrong with it.
pub fn domain_of(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('.');
    if text.is_empty() || text.len() > 1_000 {
        return Err("it has no domain".to_owned());
    }
    let ascii = idna::domain_to_ascii(text).map_err(|_| "its domain is none".to_owned())?;
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !ascii.contains('.') {
        return Err("its domain has no dot, as in example.com".to_owned());
    }
    let is_number = ascii.rsplit('.').next().is_some_and(|last| last.bytes().all(|it| it.is_ascii_digit()));
    if ascii.len() > 253 || is_number || !ascii.split('.').all(label) {
        return Err("its domain is none".to_owned());
    }
    Ok(ascii)
}

/// An address with a name before it: "Anna Berg <anna@example.com>".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Name for people; may be empty.
    pub name: String,
    /// The address.
    pub address: Address,
}

impl Mailbox {
    /// Reads one: an address alone, or with a name before it, in quotes or not.
    ///
    /// # Errors
    /// In words, what is wrong.
    pub fn parse(text: &str) -> Result<Mailbox, String> {
        if let Some(found) = text.chars().find(|it| it.is_control()) {
            return Err(format!("it has the control character {found:?}: write one line"));
        }
        let text = text.trim();
        let Some(rest) = text.strip_suffix('>') else {
            return Ok(Mailbox { name: String::new(), address: Address::parse(text)? });
        };
        let (name, address) =
            rest.rsplit_once('<').ok_or_else(|| format!("{text:?} has a > and no < before it"))?;
        let name = name.trim();
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        let name = name.replace("\\\"", "\"").trim().to_owned();
        if name.chars().count() > NAME {
            return Err(format!("the name is longer than {NAME} characters"));
        }
        Ok(Mailbox { name, address: Address::parse(address)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn good(text: &str) -> String {
        Address::parse(text).unwrap().to_string()
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        assert_eq!(good(" anna@Example.COM. "), "anna@example.com");
        assert_eq!(good("MAILTO:Anna.Berg+x@example.com"), "Anna.Berg+x@example.com");
        assert_eq!(good("post@b\u{fc}cher.example"), "post@xn--bcher-kva.example");
        assert_eq!(Address::parse("Anna@Example.com").unwrap().key(), "anna@example.com");
    }

    #[test]
    fn what_is_no_address_is_told_with_the_reason() {
        for (text, why) in [
            ("anna", "no @"),
            ("anna@", "no domain"),
            ("@example.com", "nothing stands before"),
            ("anna@localhost", "no dot"),
            ("a b@example.com", "may not stand"),
            ("a..b@example.com", "may not stand"),
            ("anna@exa mple.com", "domain"),
            ("anna@-x.com", "domain"),
            ("anna@1.2.3.4", "domain"),
            ("\u{e4}nna@example.com", "beyond a-z"),
            ("anna\r\nBcc: x@example.com", "may not stand"),
        ] {
            let told = Address::parse(text).unwrap_err();
            assert!(told.contains(why), "{text:?}: {told}");
            assert!(!told.contains(['\r', '\n']), "{told:?}");
        }
        assert!(Address::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(Address::parse(&"a@b.".repeat(100_000)).is_err());
    }

    #[test]
    fn mailboxes_have_a_name_or_none() {
        let read = |text: &str| Mailbox::parse(text).map(|it| (it.name, it.address.to_string()));
        let of = |name: &str| Ok((name.to_owned(), "anna@example.com".to_owned()));
        assert_eq!(read("anna@example.com"), of(""));
        assert_eq!(read("<anna@example.com>"), of(""));
        assert_eq!(read("Anna Berg <anna@example.com>"), of("Anna Berg"));
        assert_eq!(read("\"Berg, Anna\" <anna@example.com>"), of("Berg, Anna"));
        assert!(read("Anna\r\nBcc: b@example.com <anna@example.com>").is_err());
        assert!(read("anna@example.com>").is_err());
    }

    proptest! {
        #[test]
        fn what_was_read_is_read_again_as_the_same(text in ".{0,60}@[a-z\u{e0}-\u{ff}.-]{0,30}") {
            if let Ok(address) = Address::parse(&text) {
                let shown = address.to_string();
                prop_assert!(shown.is_ascii() && !shown.contains([' ', '<', '>', '\r', '\n', '\0', ',', ';']));
                prop_assert_eq!(Address::parse(&shown), Ok(address));
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            let _ = Address::parse(&text);
            let _ = Mailbox::parse(&text);
        }
    }
}
