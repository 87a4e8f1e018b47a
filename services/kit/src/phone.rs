//! Telephone numbers and e-mail addresses in the one form by which partners are found.
//! Called by the services that look for partners and leads with them.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, enums};

/// Longest text, in bytes, that is looked at as a number.
const MAX_BYTES: usize = 96;

/// The number in E.164 ("+32471123456"), read as people in `region` (ISO 3166) write it. None for what is no number.
pub fn e164(text: &str, region: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_BYTES {
        return None;
    }
    // Without a known country only numbers with "+" can be read.
    let region = enums::Region::from_code(&region.to_ascii_uppercase()).ok();
    let number = PHONE_NUMBER_UTIL.parse(text, region).ok()?;
    number.is_possible_with_reason().ok()?;
    Some(number.format_as(PhoneNumberFormat::E164).into_owned())
}

/// Whether a text can be a telephone number at all, be it an extension or one of a country that is not known: it has a digit.
pub fn may_be_number(text: &str) -> bool {
    text.chars().any(char::is_numeric)
}

/// The address as it is compared: without outer blanks and case. Empty for what is none.
pub fn address(text: &str) -> String {
    let text = text.trim();
    if text.contains('@') && text.len() <= 254 { text.to_lowercase() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_number_are_one() {
        for text in ["0471 12 34 56", "+32 471/12.34.56", "0032471123456", "tel:+32-471-12-34-56"] {
            assert_eq!(
                e164(text.trim_start_matches("tel:"), "be").as_deref(),
                Some("+32471123456"),
                "{text}"
            );
        }
        for text in ["", "front desk", "1", &"4".repeat(200)] {
            assert_eq!(e164(text, "BE"), None, "{text}");
        }
    }

    #[test]
    fn a_number_has_a_digit() {
        for text in ["101", "+32 471", "ext. 7", "٤٥"] {
            assert!(may_be_number(text), "{text}");
        }
        for text in ["", "abc", "n/a", "-", "front desk"] {
            assert!(!may_be_number(text), "{text}");
        }
    }

    #[test]
    fn addresses_compare_without_case_and_blanks() {
        assert_eq!(address(" Ann@Example.ORG "), "ann@example.org");
        assert_eq!(address("nobody"), "");
    }
}
