//! Telephone numbers: raw text, E.164 and extension, or an internal extension that is no number at all.
//! Called by the connectors for each caller id and dialled text, and by the RPCs for numbers people type.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, enums};
use serde::{Deserialize, Serialize};

/// Longest text, in bytes, that is looked at as a number: E.164 has 15 digits, the rest is punctuation and extension.
pub const MAX_RAW_BYTES: usize = 96;

/// A telephone number in E.164 (ITU-T E.164: `+`, country code, at most 15 digits), with the text it came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PhoneNumber {
    e164: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extension: Option<String>,
    raw: String,
}

impl PhoneNumber {
    /// Reads a number as written in `region`; text with `+` needs no region.
    ///
    /// # Errors
    /// [`Error`] when the text is empty, too long, no number, or a length that no number of its country has.
    pub fn parse(raw: &str, region: Region) -> Result<Self, Error> {
        let text = raw.trim();
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if text.len() > MAX_RAW_BYTES {
            return Err(Error::TooLong(text.len()));
        }
        let number = PHONE_NUMBER_UTIL
            .parse(text, Some(region.0))
            .map_err(|error| Error::NotANumber { raw: text.to_owned(), reason: error.to_string() })?;
        if number.is_possible_with_reason().is_err() {
            return Err(Error::WrongLength(text.to_owned()));
        }
        let e164 = number.format_as(PhoneNumberFormat::E164).into_owned();
        let extension = number.extension.filter(|extension| !extension.is_empty());
        Ok(PhoneNumber { e164, extension, raw: text.to_owned() })
    }

    /// Reads a dialled number behind an outside-line `prefix` (such as `9`); the raw text keeps the prefix.
    ///
    /// # Errors
    /// As [`PhoneNumber::parse`], for the text without the prefix.
    pub fn parse_dialled(raw: &str, prefix: &str, region: Region) -> Result<Self, Error> {
        let rest = raw.trim().strip_prefix(prefix).unwrap_or(raw);
        Ok(PhoneNumber { raw: raw.trim().to_owned(), ..Self::parse(rest, region)? })
    }

    /// The number in E.164, such as `+33145551234`.
    pub fn e164(&self) -> &str {
        &self.e164
    }

    /// The extension behind the number, digits only.
    pub fn extension(&self) -> Option<&str> {
        self.extension.as_deref()
    }

    /// The text as it was received, trimmed.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The number as it is dialled in a country: its own national form there, and else behind the sign for abroad. Digits only, but for a leading plus
    /// where the country has several such signs.
    pub fn from_region(&self, region: Region) -> String {
        let Ok(number) = PHONE_NUMBER_UTIL.parse(&self.e164, None) else { return self.e164.clone() };
        let text = number.format_out_of_country_calling_number(region.0);
        let plus = if text.starts_with('+') { "+" } else { "" };
        let digits = text.chars().filter(char::is_ascii_digit);
        plus.chars().chain(digits).collect()
    }

    /// Whether a number of this form is handed out by its country's plan (a typing mistake often is not).
    pub fn is_valid(&self) -> bool {
        PHONE_NUMBER_UTIL.parse(&self.e164, None).is_ok_and(|number| number.is_valid())
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.e164)
    }
}

/// Who is at one end of a call, as far as the telephone system says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// A number of the public network.
    Number(PhoneNumber),
    /// A short extension inside the telephone system, such as `101`.
    Internal(String),
    /// Text that is neither, such as `anonymous`.
    Unknown(String),
}

impl Party {
    /// The text as the telephone system gave it.
    pub fn raw(&self) -> &str {
        match self {
            Party::Number(number) => number.raw(),
            Party::Internal(text) | Party::Unknown(text) => text,
        }
    }

    /// The number in E.164; extensions and unknown text have none.
    pub fn e164(&self) -> Option<&str> {
        match self {
            Party::Number(number) => Some(number.e164()),
            Party::Internal(_) | Party::Unknown(_) => None,
        }
    }

    /// The internal extension, when this is one.
    pub fn internal(&self) -> Option<&str> {
        match self {
            Party::Internal(extension) => Some(extension),
            Party::Number(_) | Party::Unknown(_) => None,
        }
    }
}

/// How one telephone system writes numbers; part of its connector's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberRules {
    /// The country whose national form is used.
    pub region: Region,
    /// Digits dialled for an outside line, such as `9`; empty when there are none.
    pub outside_prefix: String,
    /// Digits-only text up to this many digits is an internal extension; 0 when there are none.
    pub internal_digits: usize,
}

impl NumberRules {
    /// Reads a caller id: first as it stands, then behind the outside-line prefix, which some systems put in front.
    pub fn caller(&self, raw: &str) -> Option<Party> {
        self.party(raw, |text| {
            PhoneNumber::parse(text, self.region).or_else(|error| self.behind_prefix(text).ok_or(error))
        })
    }

    /// Reads what was dialled: first behind the outside-line prefix, then as it stands.
    pub fn dialled(&self, raw: &str) -> Option<Party> {
        self.party(raw, |text| {
            self.behind_prefix(text).map_or_else(|| PhoneNumber::parse(text, self.region), Ok)
        })
    }

    fn party(&self, raw: &str, read: impl Fn(&str) -> Result<PhoneNumber, Error>) -> Option<Party> {
        let text = raw.trim();
        if text.is_empty() || text == "<unknown>" {
            return None;
        }
        if text.len() <= self.internal_digits && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Party::Internal(text.to_owned()));
        }
        Some(read(text).map_or_else(|_| Party::Unknown(clip(text, MAX_RAW_BYTES).to_owned()), Party::Number))
    }

    fn behind_prefix(&self, text: &str) -> Option<PhoneNumber> {
        if self.outside_prefix.is_empty() || !text.starts_with(&self.outside_prefix) {
            return None;
        }
        // a US number may itself begin with 9, so what is left must be a number that exists
        PhoneNumber::parse_dialled(text, &self.outside_prefix, self.region).ok().filter(PhoneNumber::is_valid)
    }
}

/// A country or area whose national way of writing numbers is used (ISO 3166-1, two letters).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region(enums::Region);

impl Region {
    /// Reads a two-letter country code, in any case.
    ///
    /// # Errors
    /// [`Error::UnknownRegion`] when the text is not a country with a numbering plan.
    pub fn parse(code: &str) -> Result<Self, Error> {
        enums::Region::from_code(code)
            .ok()
            .filter(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(*region).is_some())
            .map(Region)
            .ok_or_else(|| Error::UnknownRegion(clip(code, 16).to_owned()))
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({})", self.0)
    }
}

/// Why a text is not a telephone number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There is no text.
    Empty,
    /// The text has this many bytes, more than [`MAX_RAW_BYTES`].
    TooLong(usize),
    /// The text has no number in it.
    NotANumber {
        /// The text, trimmed.
        raw: String,
        /// What is wrong with it, in words.
        reason: String,
    },
    /// No number of that country has so many digits.
    WrongLength(String),
    /// The text names no country with a numbering plan.
    UnknownRegion(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Empty => f.write_str("the telephone number is empty"),
            Error::TooLong(bytes) => {
                write!(f, "the telephone number has {bytes} bytes, at most {MAX_RAW_BYTES} are read")
            }
            Error::NotANumber { raw, reason } => write!(f, "{raw:?} is not a telephone number: {reason}"),
            Error::WrongLength(raw) => {
                write!(f, "{raw:?} has a number of digits that no telephone number has there")
            }
            Error::UnknownRegion(code) => {
                write!(f, "{code:?} is not the two-letter code of a country with telephone numbers")
            }
        }
    }
}

impl std::error::Error for Error {}

/// The longest start of `text` that has at most `bytes` bytes and cuts no character.
pub(crate) fn clip(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn france() -> NumberRules {
        let region = Region::parse("fr").expect("France is a region");
        NumberRules { region, outside_prefix: "9".into(), internal_digits: 3 }
    }

    #[test]
    fn national_and_international_text_give_one_e164() {
        let region = france().region;
        for raw in ["0145551234", "01 45 55 12 34", "+33145551234", " +33 (0)1 45 55 12 34 "] {
            assert_eq!(PhoneNumber::parse(raw, region).map(|n| n.e164), Ok("+33145551234".into()), "{raw}");
        }
    }

    #[test]
    fn extension_and_raw_text_are_kept() {
        let number = PhoneNumber::parse("01 45 55 12 34 ext. 12", france().region).expect("a number");
        assert_eq!((number.extension(), number.raw()), (Some("12"), "01 45 55 12 34 ext. 12"));
    }

    #[test]
    fn italian_leading_zero_stays() {
        let italy = Region::parse("IT").expect("Italy is a region");
        assert_eq!(PhoneNumber::parse("06 6982 0000", italy).map(|n| n.e164), Ok("+390669820000".into()));
    }

    #[test]
    fn outside_prefix_is_stripped_from_what_is_dialled() {
        let party = france().dialled("90145559876");
        assert_eq!(party.as_ref().and_then(Party::e164), Some("+33145559876"));
        assert_eq!(party.as_ref().map(Party::raw), Some("90145559876"));
        assert_eq!(france().dialled("0145559876").as_ref().and_then(Party::e164), Some("+33145559876"));
    }

    #[test]
    fn short_extensions_are_no_numbers() {
        assert_eq!(france().caller("101"), Some(Party::Internal("101".into())));
        assert_eq!(france().dialled("100"), Some(Party::Internal("100".into())));
    }

    #[test]
    fn other_text_is_unknown_and_nothing_is_none() {
        assert_eq!(france().caller("anonymous"), Some(Party::Unknown("anonymous".into())));
        assert_eq!(france().caller("<unknown>"), None);
        assert_eq!(france().caller(" "), None);
    }

    #[test]
    fn errors_carry_the_value() {
        let region = france().region;
        assert_eq!(PhoneNumber::parse("", region), Err(Error::Empty));
        assert_eq!(PhoneNumber::parse(&"1".repeat(200), region), Err(Error::TooLong(200)));
        assert!(PhoneNumber::parse("hello", region).is_err_and(|e| e.to_string().contains("\"hello\"")));
        assert_eq!(Region::parse("XX"), Err(Error::UnknownRegion("XX".into())));
        assert!(Region::parse("France").is_err());
    }
}
