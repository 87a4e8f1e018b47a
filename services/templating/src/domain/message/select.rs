//! Selectors that can be decided on the tree alone, and whether an element is one of theirs. Each look costs from a budget.
//! Called by css.rs and inline.rs.

use super::marks::{Piece, pieces};
use super::tree::{Element, Id, Tree};

/// Simple selectors of one rule's selector.
const LONGEST: usize = 32;

/// A selector, from the right to the left.
#[derive(Debug)]
pub(super) struct Selector {
    /// The element's own part, then those to its left with how they are joined to the one before.
    parts: Vec<(Joint, Compound)>,
    /// Ids, classes, names: what weighs more wins.
    pub(super) weight: (u32, u32, u32),
}

/// How a part stands to the one on its right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// The rightmost.
    Itself,
    /// Anywhere around it.
    Around,
    /// Right around it.
    Parent,
    /// Right before it.
    Before,
    /// Somewhere before it.
    Earlier,
}

/// What one element must have.
#[derive(Debug, Default)]
struct Compound {
    name: Option<String>,
    tests: Vec<Test>,
}

#[derive(Debug)]
enum Test {
    Id(String),
    Class(String),
    Has(String),
    Value(String, char, String),
    FirstChild,
    LastChild,
    Root,
}

/// No work is left.
#[derive(Debug)]
pub(super) struct Spent;

impl Selector {
    /// Reads one; nothing for what only a mail program can decide, or none that is known here.
    pub(super) fn parse(text: &str) -> Option<Selector> {
        let mut parts: Vec<(Joint, Compound)> = Vec::new();
        let mut weight = (0, 0, 0);
        let mut rest = text.trim();
        let mut joint = Joint::Itself;
        while !rest.is_empty() {
            let (compound, behind) = compound(rest, &mut weight)?;
            parts.push((joint, compound));
            if parts.len() > LONGEST {
                return None;
            }
            let trimmed = behind.trim_start();
            let (next, after) = match trimmed.chars().next() {
                Some('>') => (Joint::Parent, &trimmed[1..]),
                Some('+') => (Joint::Before, &trimmed[1..]),
                Some('~') => (Joint::Earlier, &trimmed[1..]),
                Some(_) if behind.len() != trimmed.len() => (Joint::Around, trimmed),
                Some(_) => return None,
                None => break,
            };
            (joint, rest) = (next, after.trim_start());
            if rest.is_empty() {
                return None;
            }
        }
        if parts.is_empty() {
            return None;
        }
        // A joint stands with the part on its right; from the right it belongs to the one on its left.
        let joints: Vec<Joint> = parts.iter().map(|(joint, _)| *joint).collect();
        let count = parts.len();
        for (place, (joint, _)) in parts.iter_mut().enumerate() {
            *joint = if place + 1 == count { Joint::Itself } else { joints[place + 1] };
        }
        parts.reverse();
        Some(Selector { parts, weight })
    }

    /// Whether an element is meant.
    pub(super) fn matches(&self, tree: &Tree, id: Id, work: &mut u64) -> Result<bool, Spent> {
        self.from(0, tree, id, work)
    }

    fn from(&self, place: usize, tree: &Tree, id: Id, work: &mut u64) -> Result<bool, Spent> {
        spend(work, 1)?;
        let Some(element) = tree.element(id) else { return Ok(false) };
        if !self.parts[place].1.fits(tree, id, element, work)? {
            return Ok(false);
        }
        let Some((joint, _)) = self.parts.get(place + 1) else { return Ok(true) };
        let (mut at, again) = match joint {
            Joint::Parent | Joint::Around | Joint::Itself => (tree.parent(id), *joint == Joint::Around),
            Joint::Before | Joint::Earlier => (before(tree, id, work)?, *joint == Joint::Earlier),
        };
        while let Some(other) = at {
            if self.from(place + 1, tree, other, work)? {
                return Ok(true);
            }
            if !again {
                return Ok(false);
            }
            at = if *joint == Joint::Around { tree.parent(other) } else { before(tree, other, work)? };
        }
        Ok(false)
    }
}

fn siblings(tree: &Tree, id: Id) -> &[Id] {
    match tree.parent(id).and_then(|parent| tree.element(parent)) {
        Some(parent) => &parent.children,
        None => &tree.top,
    }
}

/// The element before this one.
fn before(tree: &Tree, id: Id, work: &mut u64) -> Result<Option<Id>, Spent> {
    let siblings = siblings(tree, id);
    spend(work, siblings.len() / 16 + 1)?;
    // Children are added in their order, so their numbers grow.
    let at = siblings.iter().position(|sibling| *sibling == id).unwrap_or(0);
    Ok(siblings[..at].iter().rev().copied().find(|id| tree.element(*id).is_some()))
}

impl Compound {
    /// A long value and many siblings cost more than a look.
    fn fits(&self, tree: &Tree, id: Id, element: &Element, work: &mut u64) -> Result<bool, Spent> {
        if self.name.as_ref().is_some_and(|name| **name != *element.name) {
            return Ok(false);
        }
        for test in &self.tests {
            let fits = match test {
                Test::Id(wanted) => element.attribute("id") == Some(wanted),
                Test::Class(wanted) => {
                    let classes = element.attribute("class").unwrap_or_default();
                    spend(work, classes.len() / 32)?;
                    has_word(classes, wanted)
                }
                Test::Has(name) => element.attributes.iter().any(|(known, _)| **known == **name),
                Test::Value(name, sign, wanted) => {
                    let value = element.attribute(name);
                    spend(work, value.map_or(0, str::len) / 32)?;
                    value.is_some_and(|value| is_value(value, *sign, wanted))
                }
                Test::FirstChild => first_element(tree, siblings(tree, id).iter(), work)? == Some(id),
                Test::LastChild => first_element(tree, siblings(tree, id).iter().rev(), work)? == Some(id),
                Test::Root => &*element.name == "html",
            };
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Takes from the work that is left.
pub(super) fn spend(work: &mut u64, cost: usize) -> Result<(), Spent> {
    *work = work.checked_sub(cost as u64).ok_or(Spent)?;
    Ok(())
}

fn is_value(value: &str, sign: char, wanted: &str) -> bool {
    match sign {
        '~' => has_word(value, wanted),
        '|' => value.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
        '^' => !wanted.is_empty() && value.starts_with(wanted),
        '$' => !wanted.is_empty() && value.ends_with(wanted),
        '*' => !wanted.is_empty() && value.contains(wanted),
        _ => value == wanted,
    }
}

fn first_element<'i>(
    tree: &Tree,
    ids: impl Iterator<Item = &'i Id>,
    work: &mut u64,
) -> Result<Option<Id>, Spent> {
    for (seen, id) in ids.enumerate() {
        if tree.element(*id).is_some() {
            return spend(work, seen / 32).map(|()| Some(*id));
        }
    }
    Ok(None)
}

/// Whether a word stands among those of a value; what a field brings is no word yet.
fn has_word(value: &str, wanted: &str) -> bool {
    pieces(value).iter().any(|piece| match piece {
        Piece::Text(text) => text.split_ascii_whitespace().any(|word| word == wanted),
        Piece::Tag(_) => false,
    })
}

fn word(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn compound<'s>(text: &'s str, weight: &mut (u32, u32, u32)) -> Option<(Compound, &'s str)> {
    let mut compound = Compound::default();
    let mut rest = text;
    if let Some(behind) = rest.strip_prefix('*') {
        rest = behind;
    } else if let Some((name, behind)) = word(rest) {
        compound.name = Some(name.to_ascii_lowercase());
        weight.2 += 1;
        rest = behind;
    }
    while let Some(sign) = rest.chars().next() {
        match sign {
            '#' | '.' => {
                let (name, behind) = word(&rest[1..])?;
                if sign == '#' {
                    weight.0 += 1;
                    compound.tests.push(Test::Id(name.to_owned()));
                } else {
                    weight.1 += 1;
                    compound.tests.push(Test::Class(name.to_owned()));
                }
                rest = behind;
            }
            '[' => {
                let (inner, behind) = rest[1..].split_once(']')?;
                compound.tests.push(attribute(inner)?);
                weight.1 += 1;
                rest = behind;
            }
            ':' => {
                let (name, behind) = word(&rest[1..])?;
                compound.tests.push(match name.to_ascii_lowercase().as_str() {
                    "first-child" => Test::FirstChild,
                    "last-child" => Test::LastChild,
                    "root" => Test::Root,
                    _ => return None,
                });
                if behind.starts_with('(') {
                    return None;
                }
                weight.1 += 1;
                rest = behind;
            }
            _ => break,
        }
        if compound.tests.len() > LONGEST {
            return None;
        }
    }
    (rest.len() < text.len()).then_some((compound, rest))
}

fn attribute(inner: &str) -> Option<Test> {
    let Some((name, value)) = inner.split_once('=') else {
        let (name, rest) = word(inner.trim())?;
        return rest.is_empty().then(|| Test::Has(name.to_ascii_lowercase()));
    };
    let name = name.trim();
    let sign = name.chars().last().filter(|c| "~|^$*".contains(*c));
    let name = name.trim_end_matches(['~', '|', '^', '$', '*']).trim();
    let (name, rest) = word(name)?;
    let value = value.trim();
    let bare = value.strip_prefix(['"', '\'']).and_then(|it| it.strip_suffix(['"', '\''])).unwrap_or(value);
    (rest.is_empty() && !bare.contains(['"', '\'', '\\']))
        .then(|| Test::Value(name.to_ascii_lowercase(), sign.unwrap_or('='), bare.to_owned()))
}
