//! A card as CardDAV stores it: one VCARD of version 3.0 or 4.0, with 2.1 tolerated (RFC 6350, 2426, 6352 5.1).
//! Called on PUT and by the directory service.

mod binary;
mod convert;
mod fields;
mod update;

pub use convert::{convert, version_of};
pub use fields::{Address, Email, Name, Phone};
pub(crate) use update::list_lines;
pub use update::update;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use crate::error::{Error, clip};
use crate::tree::{Component, Document, Property};
use crate::value::{structured, text_list};

/// The version of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// 2.1, which old phones still export
    V2,
    /// 3.0 (RFC 2426)
    #[default]
    V3,
    /// 4.0 (RFC 6350)
    V4,
}

/// Which precondition of a PUT a text violates (RFC 6352 6.3.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// `valid-address-data`: not one vCard; why, and the line (0 when it is the whole text).
    ValidAddressData(String, usize),
    /// `supported-address-data`: a version that is not known here.
    SupportedAddressData(String),
}

impl From<Error> for Violation {
    fn from(error: Error) -> Violation {
        Violation::ValidAddressData(error.kind.to_string(), error.line)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::ValidAddressData(why, 0) => f.write_str(why),
            Violation::ValidAddressData(why, line) => write!(f, "line {line}: {why}"),
            Violation::SupportedAddressData(version) => {
                write!(f, "version {version:?} of vcard is not taken here")
            }
        }
    }
}

impl std::error::Error for Violation {}

/// A card with its values typed. Fields are empty or None where the text has nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Card {
    /// VERSION
    pub version: Version,
    /// UID as written; a card that was checked has one.
    pub uid: String,
    /// KIND or X-ADDRESSBOOKSERVER-KIND in lower case; `individual` when there is none.
    pub kind: String,
    /// FN; a 2.1 card without it is named by N.
    pub formatted_name: String,
    /// N
    pub name: Option<Name>,
    /// ORG: the organization and then its units.
    pub organization: Vec<String>,
    /// TITLE
    pub title: Option<String>,
    /// TELs
    pub phones: Vec<Phone>,
    /// EMAILs
    pub emails: Vec<Email>,
    /// ADRs
    pub addresses: Vec<Address>,
    /// URLs
    pub urls: Vec<String>,
    /// NOTE
    pub note: Option<String>,
    /// BDAY as written, for years and times may be left out in it.
    pub birthday: Option<String>,
    /// CATEGORIES of all lines.
    pub categories: Vec<String>,
    /// Whether there is a PHOTO.
    pub has_photo: bool,
    /// MEMBER or X-ADDRESSBOOKSERVER-MEMBER of a group: URIs, mostly `urn:uuid:` and a UID.
    pub members: Vec<String>,
}

impl Card {
    /// Reads a card that is to be stored, and tells the precondition that it violates: exactly one VCARD,
    /// exactly one UID, a known version, and FN in 3.0 and 4.0.
    pub fn read(document: &Document<'_>) -> Result<Card, Violation> {
        let data = |why: &str, line| Err(Violation::ValidAddressData(why.to_owned(), line));
        if let Some(second) = document.roots().nth(1) {
            return data("more than one component at the top", second.line());
        }
        let component = document.root();
        let card = Card::read_component(&component)?;
        let mut uids = component.properties_named("UID");
        match (uids.next(), uids.next()) {
            (None, _) => data("UID is missing", component.line()),
            (_, Some(second)) => data("a second UID", second.line()),
            _ if card.uid.is_empty() => data("UID is empty", component.line()),
            _ if card.version >= Version::V3 && component.property("FN").is_none() => {
                data("FN is missing", component.line())
            }
            _ => Ok(card),
        }
    }

    /// Reads one VCARD of any number of them, as an import does: UID and FN may be missing.
    pub fn read_component(component: &Component<'_>) -> Result<Card, Violation> {
        if !component.is("VCARD") {
            let why = format!("{} is not a VCARD", clip(component.name()));
            return Err(Violation::ValidAddressData(why, component.line()));
        }
        let all = |name| component.properties_named(name);
        let text = |name| component.text(name).map(|text| text.trim().to_owned());
        let filled = |name| text(name).filter(|text| !text.is_empty());
        let either = |name, apple| component.property(name).or_else(|| component.property(apple));
        let name = component.property("N").map(|property| Name::read(&property));
        let labels = labels(component);
        let kind =
            either("KIND", "X-ADDRESSBOOKSERVER-KIND").map(|kind| kind.value().trim().to_ascii_lowercase());
        Ok(Card {
            version: version(component)?,
            uid: text("UID").unwrap_or_default(),
            kind: kind.filter(|kind| !kind.is_empty()).unwrap_or_else(|| "individual".to_owned()),
            formatted_name: filled("FN").or_else(|| name.as_ref().map(Name::display)).unwrap_or_default(),
            name,
            organization: component.property("ORG").map(|org| organization(&org)).unwrap_or_default(),
            title: filled("TITLE"),
            phones: all("TEL").enumerate().map(|(place, p)| Phone::read(place, &p, &labels)).collect(),
            emails: all("EMAIL").enumerate().map(|(place, p)| Email::read(place, &p, &labels)).collect(),
            addresses: all("ADR").enumerate().map(|(place, p)| Address::read(place, &p)).collect(),
            urls: all("URL").map(|url| url.value().trim().to_owned()).filter(|url| !url.is_empty()).collect(),
            note: component.text("NOTE").map(|note| note.into_owned()).filter(|note| !note.is_empty()),
            birthday: component
                .property("BDAY")
                .map(|p| p.value().trim().to_owned())
                .filter(|b| !b.is_empty()),
            categories: all("CATEGORIES").flat_map(|p| text_list(&p.decoded())).collect(),
            has_photo: component.property("PHOTO").is_some_and(|photo| !photo.value().trim().is_empty()),
            members: all("MEMBER")
                .chain(all("X-ADDRESSBOOKSERVER-MEMBER"))
                .map(|member| member.value().trim().to_owned())
                .collect(),
        })
    }

    /// Whether the card is a group of others.
    pub fn is_group(&self) -> bool {
        self.kind == "group"
    }
}

fn version(component: &Component<'_>) -> Result<Version, Violation> {
    let Some(version) = component.property("VERSION") else {
        return Err(Violation::ValidAddressData("VERSION is missing".to_owned(), component.line()));
    };
    match version.value().trim() {
        "2.1" => Ok(Version::V2),
        "3.0" => Ok(Version::V3),
        "4.0" => Ok(Version::V4),
        other => Err(Violation::SupportedAddressData(clip(other))),
    }
}

fn organization(property: &Property<'_>) -> Vec<String> {
    // A comma in ORG is a comma: the grammar has no lists inside its places, and people write "Doe, Inc".
    let mut units: Vec<String> = structured(&property.decoded()).iter().map(|unit| unit.join(", ")).collect();
    while units.last().is_some_and(String::is_empty) {
        units.pop();
    }
    units
}

/// The labels that Apple puts beside a property, by group: `item1.X-ABLabel` speaks of `item1.TEL`.
fn labels(component: &Component<'_>) -> HashMap<String, String> {
    let of = |property: Property<'_>| {
        let text = property.text();
        // The labels that Apple translates are wrapped like `_$!<Mobile>!$_`.
        let plain = text.strip_prefix("_$!<").and_then(|t| t.strip_suffix(">!$_")).unwrap_or(&text);
        Some((property.group()?.to_ascii_lowercase(), plain.to_owned()))
    };
    component.properties_named("X-ABLABEL").filter_map(of).collect()
}

/// TYPE in lower case, one by one, and whether the property is the preferred one.
fn types(property: &Property<'_>) -> (BTreeSet<String>, bool) {
    let mut types = BTreeSet::new();
    for value in property.param_values("TYPE") {
        // `TYPE="home,voice"` means two types (RFC 6350 5.6 has it so in its examples).
        let each = value.split(',').map(|one| one.trim().to_ascii_lowercase());
        types.extend(each.filter(|one| !one.is_empty()));
    }
    let first = property.param("PREF").is_some_and(|rank| rank.trim() == "1");
    let preferred = types.remove("pref") || first;
    (types, preferred)
}

#[cfg(test)]
mod tests;
