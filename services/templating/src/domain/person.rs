//! A partner's fields for letters, from the directory's record and the partner's card.
//! Called by directory.rs.

use kontor_proto::directory::v1::{Partner, PartnerKind};
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::field_value::Kind as Given;
use kontor_vobject::card::Card;
use kontor_vobject::limits::Limits;
use kontor_vobject::tree::Document;

use super::data::text;
use super::picture::Picture;

/// Photos of more bytes are left out of letters.
const PHOTO: usize = 512 * 1024;

/// What a card says beyond the partner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FromCard {
    /// LANG: "de-AT".
    pub language: String,
    /// GENDER: "f", "m" or empty.
    pub gender: String,
    /// Prefixes of N: "Dr.".
    pub title: String,
    /// PHOTO, when it stands in the card.
    pub photo: Vec<u8>,
}

impl FromCard {
    /// Reads a card; what is damaged in it is not there.
    pub fn read(bytes: &[u8]) -> FromCard {
        let Ok(document) = Document::parse(bytes, &Limits::default()) else { return FromCard::default() };
        let root = document.root();
        let text = |name: &str| root.text(name).map(|it| it.trim().to_owned()).unwrap_or_default();
        let name = Card::read_component(&root).ok().and_then(|card| card.name).unwrap_or_default();
        let gender = match text("GENDER").chars().next() {
            Some('F' | 'f') => "f",
            Some('M' | 'm') => "m",
            _ => "",
        };
        let photo = root.property("PHOTO").map(|photo| photo.value().to_owned()).unwrap_or_default();
        FromCard {
            language: text("LANG"),
            gender: gender.to_owned(),
            title: name.prefixes,
            photo: decode(&photo).filter(|bytes| bytes.len() <= PHOTO).unwrap_or_default(),
        }
    }
}

/// Bytes of a photo: base64 alone, as in version 3, or in a data URI.
fn decode(value: &str) -> Option<Vec<u8>> {
    let text = match value.split_once(";base64,") {
        Some((_, text)) => text,
        None if value.contains(':') => return None,
        None => value,
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|it| !it.is_ascii_whitespace() && *it != b'=' && *it != b'\\') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

/// The fields of a partner.
pub fn fields(partner: &Partner, card: &FromCard, photo: bool) -> proto::Fields {
    let address = partner.addresses.first().cloned().unwrap_or_default();
    let kind = if partner.kind() == PartnerKind::Company { "company" } else { "person" };
    let email = partner.emails.first().map(|it| it.address.as_str()).unwrap_or_default();
    let phone = partner.phones.first().map(|it| it.number.as_str()).unwrap_or_default();
    let texts = [
        ("name", partner.display_name.as_str()),
        ("kind", kind),
        ("first_name", &partner.given_name),
        ("last_name", &partner.family_name),
        ("organization", &partner.organization),
        ("job_title", &partner.title),
        ("note", &partner.note),
        ("email", email),
        ("phone", phone),
        ("street", &address.street),
        ("postal_code", &address.postal_code),
        ("city", &address.locality),
        ("region", &address.region),
        ("country", &address.country),
        ("title", &card.title),
        ("gender", &card.gender),
        ("language", &card.language),
        ("salutation", ""),
    ];
    let mut fields = proto::Fields::default();
    fields.fields.extend(texts.into_iter().map(|(name, value)| (name.to_owned(), text(value))));
    let is_good = photo && Picture::parse(card.photo.clone()).is_ok();
    let photo = is_good.then(|| Given::Picture(card.photo.clone().into()));
    fields.fields.insert("photo".to_owned(), proto::FieldValue { kind: photo });
    fields
}
