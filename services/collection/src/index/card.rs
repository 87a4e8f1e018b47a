//! The index of a card: folded values of the properties that address-book programs search.
//! Called by the hooks of `directory`; `fold` and `indexed` also by `store::query` and `filter`.

use kontor_kit::Error;
use kontor_vobject::Document;
use kontor_vobject::card::Violation;
use tonic::Code;
use unicode_normalization::UnicodeNormalization;

use super::{Index, Lookup};

/// Values noted of one card at most, and the longest; a card with more is always looked into.
const VALUES: usize = 100;
const LENGTH: usize = 500;

/// Properties whose values are noted, with their kind.
const KINDS: [(&str, i64); 6] = [("EMAIL", 1), ("TEL", 2), ("FN", 3), ("N", 4), ("NICKNAME", 5), ("ORG", 6)];

/// The kind under which a property's values are noted, if they are.
pub(crate) fn indexed(property: &str) -> Option<i64> {
    KINDS.iter().find(|(name, _)| *name == property).map(|(_, kind)| *kind)
}

/// A text as i;unicode-casemap compares it: decomposed and without case (RFC 5051).
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkd().flat_map(char::to_lowercase).nfkd().collect()
}

impl Index {
    /// The index of a card that was read.
    pub fn card(document: &Document<'_>) -> Index {
        let mut index = Index::timeless();
        for property in document.root().properties() {
            let kind = KINDS.iter().find(|(name, _)| property.is(name)).map(|(_, kind)| *kind);
            let Some(kind) = kind else { continue };
            let value = fold(&property.text());
            if index.lookups.len() == VALUES || value.len() > LENGTH || value.contains('\0') {
                index.partial = true;
                continue;
            }
            index.lookups.push(Lookup { kind, value });
        }
        index.lookups.sort();
        index.lookups.dedup();
        index
    }
}

/// The error of a card that is not one object as RFC 6352 5.1 wants it: INVALID_ARGUMENT with the reason that the edge turns
/// into the precondition, VALID_DATA or SUPPORTED_DATA.
pub fn card_error(violation: &Violation) -> Error {
    let reason = match violation {
        Violation::ValidAddressData(..) => "VALID_DATA",
        Violation::SupportedAddressData(_) => "SUPPORTED_DATA",
    };
    Error::new(Code::InvalidArgument, reason, violation.to_string())
}
