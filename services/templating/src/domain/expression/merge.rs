//! Names as the offices' own mail merge has them: `Partner_Name` or `[db.table.partner.name]` for `partner.name`.
//! Called by evaluation and by the check, over data and over the description of fields alike.

use crate::domain::value::{Fields, Kind, Record, Value};

/// A name with its spellings, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeName {
    spellings: Vec<Box<str>>,
}

/// Something with named entries, some of which have entries of their own.
pub(super) trait Names {
    /// What an entry is.
    type Entry;
    /// The entry of exactly this name.
    fn exact(&self, name: &str) -> Option<&Self::Entry>;
    /// The first entry that fits.
    fn each<'a>(&'a self, fits: &mut dyn FnMut(&str, &'a Self::Entry) -> bool);
    /// The entries of an entry.
    fn group(entry: &Self::Entry) -> Option<&Self>;
}

impl Names for Record {
    type Entry = Value;
    fn exact(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
    fn each<'a>(&'a self, fits: &mut dyn FnMut(&str, &'a Value) -> bool) {
        let mut entries = self.iter();
        while entries.next().is_some_and(|(name, value)| !fits(name, value)) {}
    }
    fn group(entry: &Value) -> Option<&Self> {
        if let Value::Record(record) = entry { Some(record) } else { None }
    }
}

impl Names for Fields {
    type Entry = Kind;
    fn exact(&self, name: &str) -> Option<&Kind> {
        self.get(name)
    }
    fn each<'a>(&'a self, fits: &mut dyn FnMut(&str, &'a Kind) -> bool) {
        let mut entries = self.iter();
        while entries.next().is_some_and(|(name, kind)| !fits(name, kind)) {}
    }
    fn group(entry: &Kind) -> Option<&Self> {
        if let Kind::Record(fields) = entry { Some(fields) } else { None }
    }
}

impl MergeName {
    /// Word's name of a field.
    pub fn word(name: &str) -> Self {
        Self { spellings: vec![name.trim().into()] }
    }

    /// LibreOffice's column: with its database and table before it, or alone. Columns may have dots in their names.
    pub fn column(reference: &str) -> Self {
        let text = reference.trim().trim_start_matches('[').trim_end_matches(']');
        let mut spellings: Vec<Box<str>> = vec![text.into()];
        let mut rest = text;
        for _ in 0..2 {
            let Some((_, behind)) = rest.split_once('.') else { break };
            spellings.push(behind.into());
            rest = behind;
        }
        Self { spellings }
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.spellings[0]
    }

    /// The entry that is meant.
    pub(super) fn find<'a, N: Names>(&self, names: &'a N) -> Option<&'a N::Entry> {
        self.spellings
            .iter()
            .find_map(|spelling| exactly(names, spelling).or_else(|| nearly(names, spelling)))
    }
}

fn exactly<'a, N: Names>(names: &'a N, path: &str) -> Option<&'a N::Entry> {
    if let Some(found) = names.exact(path) {
        return Some(found);
    }
    let (first, rest) = path.split_once('.')?;
    exactly(N::group(names.exact(first)?)?, rest)
}

/// Without regard to capitals and to what stands between the words.
fn nearly<'a, N: Names>(names: &'a N, path: &str) -> Option<&'a N::Entry> {
    let mut found = None;
    names.each(&mut |name, entry| {
        found = match after(path, name) {
            Some("") => Some(entry),
            Some(rest) if rest.starts_with(is_between) => {
                N::group(entry).and_then(|group| nearly(group, rest.trim_start_matches(is_between)))
            }
            _ => None,
        };
        found.is_some()
    });
    found
}

fn is_between(c: char) -> bool {
    matches!(c, '_' | '.' | '-' | ' ')
}

/// What is left of a path behind a name.
fn after<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let mut rest = path.chars();
    for wanted in name.chars() {
        let c = rest.next()?;
        let is_same = c == wanted
            || c.to_lowercase().eq(wanted.to_lowercase())
            || (is_between(c) && is_between(wanted));
        if !is_same {
            return None;
        }
    }
    Some(rest.as_str())
}
