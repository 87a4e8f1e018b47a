//! The typed side of a card: fields of a contact or partner, read from a card and written back into it line by line.
//! Called by store/card.rs and by rpc/contact.rs and rpc/partner.rs.

use kontor_kit::{Error, Result, phone};
use kontor_proto::r#type::v1::{Email, Phone, PostalAddress};
use kontor_vobject::card::{self, Card, Name};
use std::collections::BTreeSet;

/// Whether a card is about a person or a company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A person.
    #[default]
    Person,
    /// A company.
    Company,
}

/// Fields of a card. Texts are empty where the card has nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// Person or company.
    pub kind: Kind,
    /// A list of other cards, which some address books keep as a card.
    pub group: bool,
    /// UID of the card.
    pub uid: String,
    /// Name shown; at most 500 characters.
    pub display_name: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Company's name.
    pub organization: String,
    /// Job title.
    pub title: String,
    /// Telephone numbers; "pref" among the types marks the preferred one.
    pub phones: Vec<Phone>,
    /// E-mail addresses.
    pub emails: Vec<Email>,
    /// Postal addresses.
    pub addresses: Vec<PostalAddress>,
    /// Free text.
    pub note: String,
}

/// Fields that an update may take over.
pub const FIELDS: [&str; 9] = [
    "display_name",
    "given_name",
    "family_name",
    "organization",
    "title",
    "phones",
    "emails",
    "addresses",
    "note",
];

impl Fields {
    /// Reads a card. National numbers are read in `region`. Apple's mark tells a company where the version knows no KIND.
    pub fn of(card: &Card, shown_as_company: bool, region: &str) -> Fields {
        let name = card.name.clone().unwrap_or_default();
        let company = shown_as_company || card.kind == "org";
        let organization = card.organization.first().cloned().unwrap_or_default();
        let phone = |phone: &card::Phone| Phone {
            number: clip(&phone.number, 64),
            e164: phone::e164(&phone.number, region).unwrap_or_default(),
            types: types(&phone.types, phone.preferred),
        };
        let email = |email: &card::Email| Email {
            address: clip(&email.address, 254),
            types: types(&email.types, email.preferred),
        };
        Fields {
            kind: if company { Kind::Company } else { Kind::Person },
            group: card.is_group(),
            uid: card.uid.clone(),
            display_name: clip(&card.formatted_name, 500),
            given_name: clip(&name.given, 500),
            family_name: clip(&name.family, 500),
            // A company's card carries its own name as its organization, for programs that show only that.
            organization: if company && organization == card.formatted_name {
                String::new()
            } else {
                clip(&organization, 500)
            },
            title: clip(card.title.as_deref().unwrap_or_default(), 500),
            phones: card.phones.iter().filter(|entry| !entry.number.is_empty()).take(50).map(phone).collect(),
            emails: card
                .emails
                .iter()
                .filter(|entry| !entry.address.is_empty())
                .take(50)
                .map(email)
                .collect(),
            addresses: card.addresses.iter().take(20).map(address).collect(),
            note: clip(card.note.as_deref().unwrap_or_default(), 100_000),
        }
    }

    /// Checks fields that came from outside, tidies them and finds a name to show.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field below `resource` ("partner").
    pub fn checked(self, resource: &str) -> Result<Fields> {
        self.tidied(resource)?.named(resource)
    }

    /// Checks fields that came from outside and tidies them.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field below `resource` ("partner").
    pub fn tidied(mut self, resource: &str) -> Result<Fields> {
        let field = |name: &str| format!("{resource}.{name}");
        for (name, text) in [
            ("display_name", &mut self.display_name),
            ("given_name", &mut self.given_name),
            ("family_name", &mut self.family_name),
            ("organization", &mut self.organization),
            ("title", &mut self.title),
        ] {
            *text = one_line(text, 500).ok_or_else(|| {
                Error::invalid(field(name), "use at most 500 characters, without control characters")
            })?;
        }
        if self.note.chars().count() > 100_000 || self.note.contains('\0') {
            return Err(Error::invalid(field("note"), "use at most 100,000 characters"));
        }
        self.check_lists(&field)?;
        Ok(self)
    }

    /// The same with a name to show, made from the other fields when there is none.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field below `resource` ("partner").
    pub fn named(mut self, resource: &str) -> Result<Fields> {
        if self.display_name.is_empty() {
            self.display_name = self.name_to_show();
        }
        if self.display_name.is_empty() {
            let message = "give it a name of 1 to 500 characters";
            return Err(Error::invalid(format!("{resource}.display_name"), message));
        }
        Ok(self)
    }

    fn check_lists(&mut self, field: &dyn Fn(&str) -> String) -> Result<()> {
        if self.phones.len() > 50 || self.emails.len() > 50 || self.addresses.len() > 20 {
            let message = "use at most 50 numbers, 50 e-mail addresses and 20 postal addresses";
            return Err(Error::invalid(field("phones"), message));
        }
        for (place, entry) in self.phones.iter_mut().enumerate() {
            entry.number =
                one_line(&entry.number, 64).filter(|number| !number.is_empty()).ok_or_else(|| {
                    Error::invalid(field(&format!("phones[{place}].number")), "use 1 to 64 characters")
                })?;
            // What another program wrote into a card is never asked this.
            if !phone::may_be_number(&entry.number) {
                let message = format!("{:?} is no telephone number: it has no digit", entry.number);
                return Err(Error::invalid(field(&format!("phones[{place}].number")), message));
            }
            entry.types = checked_types(&entry.types, &field("phones.types"))?;
        }
        for (place, email) in self.emails.iter_mut().enumerate() {
            email.address = one_line(&email.address, 254)
                .filter(|address| address.len() >= 3 && address.contains('@'))
                .ok_or_else(|| {
                    let message = "use an address like anna@example.com, of at most 254 characters";
                    Error::invalid(field(&format!("emails[{place}].address")), message)
                })?;
            email.types = checked_types(&email.types, &field("emails.types"))?;
        }
        for address in &mut self.addresses {
            let PostalAddress { street, locality, region, postal_code, country, types } = address;
            for part in [street, locality, region, postal_code, country] {
                *part = one_line(&part.replace(['\r', '\n'], " "), 500).ok_or_else(|| {
                    Error::invalid(field("addresses"), "use at most 500 characters in each part")
                })?;
            }
            *types = checked_types(types, &field("addresses.types"))?;
        }
        Ok(())
    }

    /// A name from the other fields: the person's, the company's, an address, a number.
    fn name_to_show(&self) -> String {
        let both = format!("{} {}", self.given_name, self.family_name);
        let email = self.emails.first().map(|email| email.address.as_str());
        let phone = self.phones.first().map(|phone| phone.number.as_str());
        let all = [both.trim(), &self.organization, email.unwrap_or_default(), phone.unwrap_or_default()];
        clip(all.into_iter().find(|name| !name.is_empty()).unwrap_or_default(), 500)
    }

    /// Puts the named fields into a card. What else the card has stays.
    pub fn apply(&self, card: &mut Card, has: impl Fn(&str) -> bool) {
        if has("display_name") {
            card.formatted_name.clone_from(&self.display_name);
        }
        if has("given_name") || has("family_name") {
            let name = card.name.get_or_insert_default();
            if has("given_name") {
                name.given.clone_from(&self.given_name);
            }
            if has("family_name") {
                name.family.clone_from(&self.family_name);
            }
        }
        if has("organization") {
            let name = if self.organization.is_empty() && self.kind == Kind::Company {
                &self.display_name
            } else {
                &self.organization
            };
            // The units behind the name are nothing that an API field speaks of.
            match (name.is_empty(), card.organization.first_mut()) {
                (true, _) => card.organization.clear(),
                (false, Some(first)) => first.clone_from(name),
                (false, None) => card.organization.push(name.clone()),
            }
        }
        if has("title") {
            card.title = Some(self.title.clone()).filter(|title| !title.is_empty());
        }
        if has("note") {
            card.note = Some(self.note.clone()).filter(|note| !note.is_empty());
        }
        if has("phones") {
            card.phones = self.phones.iter().map(card_phone).collect();
        }
        if has("emails") {
            card.emails = self.emails.iter().map(card_email).collect();
        }
        if has("addresses") {
            card.addresses =
                self.addresses.iter().map(|address| card_address(address, &card.addresses)).collect();
        }
    }

    /// A new card of these fields. A person's only name is split for programs that show given and family names.
    pub fn to_card(&self) -> Card {
        let mut card = Card { uid: self.uid.clone(), ..Card::default() };
        self.apply(&mut card, |_| true);
        if self.given_name.is_empty() && self.family_name.is_empty() && self.kind == Kind::Person {
            let (given, family) = self.display_name.rsplit_once(' ').unwrap_or(("", &self.display_name));
            card.name = Some(Name { given: given.to_owned(), family: family.to_owned(), ..Name::default() });
        }
        card
    }

    /// Names of the fields that differ, for the event of a change.
    pub fn changed(&self, old: &Fields) -> Vec<String> {
        let differs = [
            ("kind", self.kind != old.kind),
            ("display_name", self.display_name != old.display_name),
            ("given_name", self.given_name != old.given_name),
            ("family_name", self.family_name != old.family_name),
            ("organization", self.organization != old.organization),
            ("title", self.title != old.title),
            ("phones", self.phones != old.phones),
            ("emails", self.emails != old.emails),
            ("addresses", self.addresses != old.addresses),
            ("note", self.note != old.note),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
    }

    /// Every field as text, lists by lines, with the company that the contact belongs to: for the audit.
    pub fn lines(&self, company: &str) -> Vec<(&'static str, String)> {
        let typed = |text: &str, types: &[String]| match types {
            [] => text.to_owned(),
            types => format!("{text} ({})", types.join(", ")),
        };
        let lines = |lines: Vec<String>| lines.join("\n");
        let address = |it: &PostalAddress| {
            let parts = [&it.street, &it.postal_code, &it.locality, &it.region, &it.country];
            let parts: Vec<&str> =
                parts.into_iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
            typed(&parts.join(", "), &it.types)
        };
        let kind = if self.kind == Kind::Company { "COMPANY" } else { "PERSON" };
        vec![
            ("kind", kind.to_owned()),
            ("display_name", self.display_name.clone()),
            ("given_name", self.given_name.clone()),
            ("family_name", self.family_name.clone()),
            ("organization", self.organization.clone()),
            ("title", self.title.clone()),
            ("phones", lines(self.phones.iter().map(|it| typed(&it.number, &it.types)).collect())),
            ("emails", lines(self.emails.iter().map(|it| typed(&it.address, &it.types)).collect())),
            ("addresses", lines(self.addresses.iter().map(address).collect())),
            ("note", self.note.clone()),
            ("company", company.to_owned()),
        ]
    }
}

fn clip(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// The text without outer blanks, if it is short enough and of one line.
fn one_line(text: &str, characters: usize) -> Option<String> {
    let text = text.trim();
    let good = text.chars().count() <= characters && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}

fn types(types: &BTreeSet<String>, preferred: bool) -> Vec<String> {
    types.iter().cloned().chain(preferred.then(|| "pref".to_owned())).collect()
}

fn checked_types(types: &[String], field: &str) -> Result<Vec<String>> {
    let good = |one: &str| {
        (1..=32).contains(&one.len()) && one.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if types.len() > 10 || !types.iter().all(|one| good(one)) {
        return Err(Error::invalid(field, "use at most 10 of 1 to 32 letters, digits and \"-\""));
    }
    Ok(types.iter().map(|one| one.to_ascii_lowercase()).collect())
}

fn split(types: &[String]) -> (BTreeSet<String>, bool) {
    let preferred = types.iter().any(|one| one == "pref");
    (types.iter().filter(|one| *one != "pref").cloned().collect(), preferred)
}

fn card_phone(phone: &Phone) -> card::Phone {
    let (types, preferred) = split(&phone.types);
    card::Phone { number: phone.number.clone(), types, preferred, ..card::Phone::default() }
}

fn card_email(email: &Email) -> card::Email {
    let (types, preferred) = split(&email.types);
    card::Email { address: email.address.clone(), types, preferred, ..card::Email::default() }
}

fn address(address: &card::Address) -> PostalAddress {
    PostalAddress {
        street: clip(&address.street, 500),
        locality: clip(&address.locality, 500),
        region: clip(&address.region, 500),
        postal_code: clip(&address.postal_code, 500),
        country: clip(&address.country, 500),
        types: types(&address.types, address.preferred),
    }
}

/// An address for the card. One that is there already keeps its post box and extension, which the API does not have.
fn card_address(new: &PostalAddress, old: &[card::Address]) -> card::Address {
    if let Some(same) = old.iter().find(|old| address(old) == *new) {
        return same.clone();
    }
    let (types, preferred) = split(&new.types);
    card::Address {
        street: new.street.clone(),
        locality: new.locality.clone(),
        region: new.region.clone(),
        postal_code: new.postal_code.clone(),
        country: new.country.clone(),
        types,
        preferred,
        ..card::Address::default()
    }
}
