//! A locale: which facts hold for a language tag such as `de-AT`.
//! Parsed once for a letter; asked by all formats.

use super::table::TABLE;

/// What CLDR says of one locale. The patterns are CLDR's own.
pub(super) struct Facts {
    pub(super) tag: &'static str,
    pub(super) decimal: &'static str,
    pub(super) group: &'static str,
    pub(super) money_decimal: &'static str,
    pub(super) money_group: &'static str,
    pub(super) min_grouping: usize,
    pub(super) money: &'static str,
    pub(super) percent: &'static str,
    pub(super) months: [&'static str; 12],
    pub(super) months_short: [&'static str; 12],
    pub(super) months_alone: [&'static str; 12],
    pub(super) days: [&'static str; 7],
    pub(super) days_short: [&'static str; 7],
    /// Full, long, medium, short.
    pub(super) dates: [&'static str; 4],
    /// Medium, short.
    pub(super) times: [&'static str; 2],
    pub(super) joint: &'static str,
    pub(super) periods: [&'static str; 2],
    pub(super) symbols: &'static [(&'static str, &'static str)],
}

/// The languages that differ in more than a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English
    English,
    /// German
    German,
    /// French
    French,
    /// Dutch
    Dutch,
    /// Spanish
    Spanish,
    /// Italian
    Italian,
    /// Polish
    Polish,
}

/// A locale whose formats are known.
#[derive(Clone, Copy)]
pub struct Locale {
    pub(super) facts: &'static Facts,
    language: Language,
}

impl Locale {
    /// Reads a tag of BCP 47, such as `de-AT` or `de_AT`. A region that is not known falls back to its language; a language that
    /// is not known gives nothing.
    pub fn parse(tag: &str) -> Option<Self> {
        let tag = tag.replace('_', "-");
        let first = tag.split('-').next().unwrap_or_default();
        let language = match first.to_ascii_lowercase().as_str() {
            "en" => Language::English,
            "de" => Language::German,
            "fr" => Language::French,
            "nl" => Language::Dutch,
            "es" => Language::Spanish,
            "it" => Language::Italian,
            "pl" => Language::Polish,
            _ => return None,
        };
        // English outside of the United States writes the day first.
        let wanted = match tag.to_ascii_lowercase().as_str() {
            "en-ie" | "en-au" | "en-nz" | "en-in" | "en-za" | "en-001" | "en-150" => "en-GB".to_owned(),
            _ => tag.clone(),
        };
        let whole = TABLE.iter().find(|facts| facts.tag.eq_ignore_ascii_case(&wanted));
        let facts = whole.or_else(|| TABLE.iter().find(|facts| facts.tag.eq_ignore_ascii_case(first)))?;
        Some(Self { facts, language })
    }

    /// English of the United States: what holds when nothing is known of a partner.
    pub fn english() -> Self {
        Self { facts: &TABLE[0], language: Language::English }
    }

    /// The tag of the facts that are used.
    pub fn tag(&self) -> &'static str {
        self.facts.tag
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Every tag that is known.
    pub fn all() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|facts| facts.tag)
    }
}

impl std::fmt::Debug for Locale {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Locale({})", self.facts.tag)
    }
}
