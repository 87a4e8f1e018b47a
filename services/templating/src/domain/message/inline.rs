//! Writes the styles of a message into its elements, for mail programs take <style> away or read half of it. Done once, before any field is filled.
//! Called by mod.rs.

use std::collections::{BTreeMap, HashMap};

use super::css::{Declaration, Sheet, declarations, read};
use super::marks::Marks;
use super::select::{Spent, spend};
use super::tree::{Id, Node, Tree};
use crate::domain::finding::Problem;

/// Looks of a selector at an element, and what the longer ones cost more.
const WORK: u64 = 5_000_000;
/// Bytes that styles may bring into the elements.
const BROUGHT: usize = 2 << 20;

/// Writes all styles of a tree into its elements; what can't be stays in the style.
pub(super) fn inline(tree: &mut Tree, marks: &mut Marks) {
    let mut sheet = Sheet::default();
    let styles: Vec<(Id, u32, bool)> = tree
        .all()
        .filter(|(_, element)| &*element.name == "style")
        .map(|(id, element)| (id, element.line, is_for_all(element.attribute("media"))))
        .collect();
    for (id, line, _) in styles.into_iter().filter(|(_, _, for_all)| *for_all) {
        let children = tree.element(id).map(|element| element.children.clone()).unwrap_or_default();
        let mut own = Sheet { rules: std::mem::take(&mut sheet.rules), rest: String::new() };
        for child in &children {
            if let Node::Raw(text) = tree.node(*child)
                && let Err(why) = read(text, &mut own)
            {
                marks.wrong(line, "<style>", Problem::Markup(why));
                return;
            }
        }
        sheet.rules = own.rules;
        match children.first() {
            Some(child) if !own.rest.is_empty() => tree.set_raw(*child, own.rest),
            _ => tree.remove(id),
        }
    }
    apply(tree, &sheet, marks);
}

/// Writes one style into the elements of a tree. Those that stand in it are MJML's own: they stay, without what comes from elsewhere.
pub(super) fn only(tree: &mut Tree, style: &str, marks: &mut Marks) {
    let raw = |id: Id| match tree.node(id) {
        Node::Raw(text) => Some(text),
        _ => None,
    };
    let is_style =
        |id: &Id| tree.parent(*id).and_then(|id| tree.element(id)).is_some_and(|it| &*it.name == "style");
    let texts =
        tree.all().flat_map(|(_, element)| element.children.iter().copied()).filter(is_style).filter_map(raw);
    let mut sheet = Sheet::default();
    for text in texts.map(|text| &**text) {
        if let Err(why) = read(text, &mut Sheet::default()) {
            return marks.wrong(0, "<mj-style>", Problem::Markup(why));
        }
    }
    match read(style, &mut sheet) {
        Ok(()) => apply(tree, &sheet, marks),
        Err(why) => marks.wrong(0, "<mj-style>", Problem::Markup(why)),
    }
}

fn is_for_all(media: Option<&str>) -> bool {
    media.is_none_or(|media| media.trim().is_empty() || media.trim().eq_ignore_ascii_case("all"))
}

fn apply(tree: &mut Tree, sheet: &Sheet, marks: &mut Marks) {
    let mut work = WORK;
    let mut room = BROUGHT;
    if sheet.rules.is_empty() {
        return;
    }
    let ids: Vec<Id> = tree.all().filter(|(_, element)| is_shown(&element.name)).map(|(id, _)| id).collect();
    for id in ids {
        let Ok(found) = declarations_of(tree, id, sheet, &mut work) else {
            let why = "the styles have too many rules for so many elements";
            marks.wrong(0, "<style>", Problem::Limit(why.to_owned()));
            return;
        };
        if found.is_empty() {
            continue;
        }
        let Some(element) = tree.element_mut(id) else { continue };
        let own = element.attribute("style").unwrap_or_default().trim().to_owned();
        let style = joined(&found, &own);
        let Some(left) = room.checked_sub(style.len()) else {
            let why = format!("the styles bring more than {BROUGHT} bytes into the elements");
            marks.wrong(0, "<style>", Problem::Limit(why));
            return;
        };
        room = left;
        element.attributes.retain(|(name, _)| **name != *"style");
        element.attributes.push(("style".into(), Some(style.into())));
    }
}

fn is_shown(name: &str) -> bool {
    !matches!(name, "head" | "title" | "meta" | "style" | "link" | "br" | "wbr" | "col" | "html")
}

/// Whether it is important, its selector, the places of its rule and in its rule.
type Weight = (bool, (u32, u32, u32), usize, usize);

/// What the rules say about an element: one declaration a property, those that weigh more behind.
fn declarations_of<'s>(
    tree: &Tree,
    id: Id,
    sheet: &'s Sheet,
    work: &mut u64,
) -> Result<Vec<&'s Declaration>, Spent> {
    let mut found: BTreeMap<&str, (Weight, &Declaration)> = BTreeMap::new();
    for (place, rule) in sheet.rules.iter().enumerate() {
        let mut weight = None;
        // Those that would weigh no more are passed over, not looked at.
        spend(work, rule.selectors.len() / 32)?;
        for selector in &rule.selectors {
            if weight.is_none_or(|weight| selector.weight > weight) && selector.matches(tree, id, work)? {
                weight = Some(selector.weight);
            }
        }
        let Some(weight) = weight else { continue };
        spend(work, rule.declarations.len())?;
        for (at, declaration) in rule.declarations.iter().enumerate() {
            let new: Weight = (declaration.important, weight, place, at);
            let old = found.get(&*declaration.property).map(|(old, _)| *old);
            if old.is_none_or(|old| new >= old) {
                found.insert(&declaration.property, (new, declaration));
            }
        }
    }
    let mut all: Vec<_> = found.into_values().collect();
    all.sort_by_key(|(weight, _)| *weight);
    Ok(all.into_iter().map(|(_, declaration)| declaration).collect())
}

/// The rules' declarations before the element's own, which beat them but for the important ones.
fn joined(found: &[&Declaration], own: &str) -> String {
    let own_declarations = declarations(own);
    // Whether one of its declarations of a property is important.
    let mut mine: HashMap<&str, bool> = HashMap::with_capacity(own_declarations.len());
    for declaration in &own_declarations {
        *mine.entry(&*declaration.property).or_default() |= declaration.important;
    }
    let mut out = String::new();
    for declaration in found {
        let beaten = mine.get(&*declaration.property).is_some_and(|mine| *mine || !declaration.important);
        if !beaten {
            let important = if declaration.important { " !important" } else { "" };
            // Quotes in it are written as references with the attribute.
            out.push_str(&format!("{}: {}{important}; ", declaration.property, declaration.value));
        }
    }
    out.push_str(own);
    out.trim_end().to_owned()
}
