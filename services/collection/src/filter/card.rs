//! Filters on cards (RFC 6352 10.5), and which of their tests the lookup table can narrow down.
//! Called by `filter` and `store::query`.

use kontor_proto::collection::v1::{CardFilter, Collation, MatchType, PropertyFilter, TextMatch};
use kontor_vobject::{Document, Property};

use super::text;
use crate::index::{fold, indexed};

const DEFAULT: Collation = Collation::UnicodeCasemap;

pub(super) fn matches(document: &Document<'_>, filter: &CardFilter) -> bool {
    let mut tests = filter.properties.iter().map(|test| property(document, test));
    match (filter.properties.is_empty(), filter.all_of) {
        (true, _) => true,
        (false, true) => tests.all(|test| test),
        (false, false) => tests.any(|test| test),
    }
}

fn property(document: &Document<'_>, filter: &PropertyFilter) -> bool {
    let card = document.root();
    let mut named = card.properties().filter(|property| is_named(property, &filter.name));
    if filter.is_not_defined {
        return named.next().is_none();
    }
    named.any(|property| instance(&property, filter))
}

/// A name may carry the group that the client saw: "item1.TEL".
fn is_named(property: &Property<'_>, name: &str) -> bool {
    match name.split_once('.') {
        Some((group, name)) => {
            property.is(name) && property.group().is_some_and(|found| found.eq_ignore_ascii_case(group))
        }
        None => property.is(name),
    }
}

fn instance(property: &Property<'_>, filter: &PropertyFilter) -> bool {
    if filter.text_matches.is_empty() && filter.parameters.is_empty() {
        return true;
    }
    let value = property.text();
    let mut texts = filter.text_matches.iter().map(|test| text::matches(test, &value, DEFAULT));
    let mut parameters = filter.parameters.iter().map(|test| text::parameter(test, property, DEFAULT));
    if filter.all_of {
        texts.all(|test| test) && parameters.all(|test| test)
    } else {
        texts.any(|test| test) || parameters.any(|test| test)
    }
}

/// A look into the lookup table that finds every card which may match, and some that don't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needle {
    /// Kind of the values.
    pub kind: i64,
    /// Folded text.
    pub text: String,
    /// Where in a value it stands.
    pub part: Part,
}

/// Where in a value a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It is the value.
    Whole,
    /// The value begins with it.
    Start,
    /// The value ends with it.
    End,
    /// Anywhere.
    Any,
}

impl Needle {
    /// Pattern for LIKE, with "\" as its escape.
    pub fn pattern(&self) -> String {
        let mut literal = String::with_capacity(self.text.len() + 2);
        for character in self.text.chars() {
            if matches!(character, '%' | '_' | '\\') {
                literal.push('\\');
            }
            literal.push(character);
        }
        match self.part {
            Part::Whole => literal,
            Part::Start => literal + "%",
            Part::End => format!("%{literal}"),
            Part::Any => format!("%{literal}%"),
        }
    }
}

/// The looks whose hits together hold all matches; none when every card must be read.
pub(crate) fn needles(filter: &CardFilter) -> Option<Vec<Needle>> {
    let mut each = filter.properties.iter().map(of_property);
    if filter.all_of {
        each.find_map(|needles| needles)
    } else {
        Some(each.collect::<Option<Vec<_>>>()?.concat())
    }
    .filter(|needles| !needles.is_empty())
}

fn of_property(filter: &PropertyFilter) -> Option<Vec<Needle>> {
    let kind = indexed(&filter.name.to_ascii_uppercase())?;
    if filter.is_not_defined || filter.text_matches.is_empty() {
        return None;
    }
    let mut each = filter.text_matches.iter().map(|test| needle(kind, test));
    if filter.all_of {
        return each.find_map(|needle| needle).map(|needle| vec![needle]);
    }
    if filter.parameters.is_empty() { each.collect() } else { None }
}

fn needle(kind: i64, test: &TextMatch) -> Option<Needle> {
    // Another collation folds other letters than the table has; of ASCII all fold alike.
    let collation = test.collation();
    let safe =
        test.text.is_ascii() || matches!(collation, Collation::Unspecified | Collation::UnicodeCasemap);
    if test.negate || !safe || test.text.contains('\0') {
        return None;
    }
    let part = match test.match_type() {
        MatchType::Equals => Part::Whole,
        MatchType::StartsWith => Part::Start,
        MatchType::EndsWith => Part::End,
        MatchType::Unspecified | MatchType::Contains => Part::Any,
    };
    Some(Needle { kind, text: fold(&test.text), part })
}
