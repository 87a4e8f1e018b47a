//! Comparing texts: collations of RFC 4790 and RFC 5051, and how a text is looked for.
//! Called by the two kinds of filters.

use std::borrow::Cow;

use kontor_proto::collection::v1::{Collation, MatchType, ParameterFilter, TextMatch};
use kontor_vobject::Property;

use crate::index::fold;

/// Whether a text matches, `negate` included.
pub(super) fn matches(test: &TextMatch, text: &str, default: Collation) -> bool {
    let collation = match test.collation() {
        Collation::Unspecified => default,
        named => named,
    };
    let (text, wanted) = (folded(text, collation), folded(&test.text, collation));
    let found = match test.match_type() {
        MatchType::Equals => text == wanted,
        MatchType::StartsWith => text.starts_with(&*wanted),
        MatchType::EndsWith => text.ends_with(&*wanted),
        MatchType::Unspecified | MatchType::Contains => text.contains(&*wanted),
    };
    found != test.negate
}

fn folded(text: &str, collation: Collation) -> Cow<'_, str> {
    match collation {
        Collation::Octet => Cow::Borrowed(text),
        Collation::UnicodeCasemap => Cow::Owned(fold(text)),
        Collation::AsciiCasemap | Collation::Unspecified => Cow::Owned(text.to_ascii_lowercase()),
    }
}

/// Whether a property's parameters match a param-filter.
pub(super) fn parameter(filter: &ParameterFilter, property: &Property<'_>, default: Collation) -> bool {
    let mut values = property.param_values(&filter.name);
    if filter.is_not_defined {
        return values.next().is_none();
    }
    match &filter.text_match {
        None => values.next().is_some(),
        Some(test) => values.any(|value| matches(test, &value, default)),
    }
}
