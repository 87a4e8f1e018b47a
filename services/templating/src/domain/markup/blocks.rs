//! Blocks: the tags of a `for` or `if` are lifted to where both stand side by side, so what lies between is whole elements. A tag alone in
//! a paragraph, row or item takes it along; tags in two cells of a row take the row.
//! Called by the compilers once the tags are found.

use std::collections::HashSet;

use super::tags::{Tags, Word};
use super::{Dialect, Role};
use crate::domain::finding::Problem;
use crate::domain::xml::{Document, Id, Node};

/// What lifting tells the emitter.
#[derive(Debug, Default)]
pub(crate) struct Lifted {
    /// Paragraphs, rows and items that held only tags.
    pub(crate) removed: HashSet<Id>,
}

struct Lifter<'a, 't> {
    document: &'a mut Document,
    tags: &'a mut Tags<'t>,
    dialect: &'a dyn Dialect,
    /// How much there is to see in each node, before anything is moved.
    content: Vec<u32>,
    removed: HashSet<Id>,
    /// Markers that were put behind a unit.
    behind: HashSet<Id>,
}

/// A block: its tags in their order, and the element in which they stand side by side.
struct Block {
    markers: Vec<Id>,
    level: Option<Id>,
}

/// Lifts all blocks of a document. What cannot be lifted is a finding.
pub(crate) fn lift(document: &mut Document, tags: &mut Tags<'_>, dialect: &dyn Dialect) -> Lifted {
    let order = in_order(document);
    let Some((blocks, of_marker)) = pair(document, tags, &order) else { return Lifted::default() };
    if blocks.is_empty() {
        return Lifted::default();
    }
    let content = content(document, tags, dialect, &order);
    let mut lifter =
        Lifter { document, tags, dialect, content, removed: HashSet::new(), behind: HashSet::new() };
    let mut blocks = blocks;
    for (marker, block) in of_marker {
        let block = &mut blocks[block];
        if block.markers[0] == marker {
            block.level = lifter.common(&block.markers);
        }
        let Some(level) = block.level else { continue };
        let is_first = block.markers[0] == marker;
        let is_last = block.markers.last() == Some(&marker);
        if let Err(why) = lifter.place(marker, level, is_first, is_last) {
            let Node::Tag(number) = lifter.document.node(block.markers[0]) else { continue };
            let place = lifter.tags.list[*number as usize].place;
            lifter.tags.wrong(place, Problem::CrossesBorder(why));
            block.level = None;
        }
    }
    Lifted { removed: lifter.removed }
}

fn in_order(document: &Document) -> Vec<Id> {
    document.top.iter().flat_map(|top| document.walk(*top)).collect()
}

/// The blocks and, in the document's order, each marker with its block.
type Paired = (Vec<Block>, Vec<(Id, usize)>);

/// Pairs beginnings and ends. Gives the blocks and, in the document's order, each marker with its block.
fn pair(document: &Document, tags: &mut Tags<'_>, order: &[Id]) -> Option<Paired> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut of_marker = Vec::new();
    let mut open: Vec<(usize, bool, bool, u32)> = Vec::new();
    let mut is_whole = true;
    for id in order {
        let Node::Tag(number) = document.node(*id) else { continue };
        let tag = &tags.list[*number as usize];
        let place = tag.place;
        let (closes, is_for) = match tag.word {
            // These stand around their paragraph already.
            Word::Shown(_) => {
                open.push((usize::MAX, false, true, place));
                continue;
            }
            Word::EndIf if open.last().is_some_and(|(block, ..)| *block == usize::MAX) => {
                open.pop();
                continue;
            }
            Word::For(..) | Word::If(..) => {
                open.push((blocks.len(), matches!(tag.word, Word::For(..)), false, place));
                of_marker.push((*id, blocks.len()));
                blocks.push(Block { markers: vec![*id], level: None });
                continue;
            }
            Word::EndFor => (true, Some(true)),
            Word::EndIf => (true, Some(false)),
            Word::Else => (false, None),
            Word::Elif(..) => (false, Some(false)),
            _ => continue,
        };
        match open.last_mut() {
            Some((block, opened_for, has_else, _))
                if is_for.is_none_or(|is| is == *opened_for) && (closes || !*has_else) =>
            {
                blocks[*block].markers.push(*id);
                of_marker.push((*id, *block));
                *has_else |= matches!(tag.word, Word::Else);
                if closes {
                    open.pop();
                }
            }
            _ => {
                is_whole = false;
                tags.wrong(place, Problem::Unopened);
            }
        }
    }
    for (_, _, _, place) in open {
        is_whole = false;
        tags.wrong(place, Problem::Unclosed);
    }
    is_whole.then_some((blocks, of_marker))
}

/// How much there is to see in each node besides block tags.
fn content(document: &Document, tags: &Tags<'_>, dialect: &dyn Dialect, order: &[Id]) -> Vec<u32> {
    let mut content = vec![0_u32; document.len()];
    // Children come behind their parents in the order, so backwards each sum is whole when it is added.
    for id in order.iter().rev() {
        let own = match document.node(*id) {
            Node::Tag(number) => u32::from(!matches!(
                tags.list[*number as usize].word,
                Word::For(..)
                    | Word::If(..)
                    | Word::Shown(_)
                    | Word::Elif(..)
                    | Word::Else
                    | Word::EndFor
                    | Word::EndIf
                    | Word::Comment
                    | Word::Next(None)
            )),
            Node::Text(_) | Node::Made(_) => {
                let holds =
                    document.parent(*id).is_some_and(|parent| dialect.holds_text(document.name(parent)));
                u32::from(holds && !document.raw(*id).trim().is_empty())
            }
            Node::Element(_) => u32::from(dialect.role(document.name(*id)) == Role::Object),
            Node::Raw(_) => 0,
        };
        let sum = content[*id as usize].saturating_add(own);
        content[*id as usize] = sum;
        if let Some(parent) = document.parent(*id) {
            content[parent as usize] = content[parent as usize].saturating_add(sum);
        }
    }
    content
}

impl Lifter<'_, '_> {
    fn ancestors(&self, id: Id) -> Vec<Id> {
        let mut found = Vec::new();
        let mut at = self.document.parent(id);
        while let Some(id) = at {
            found.push(id);
            at = self.document.parent(id);
        }
        found.reverse();
        found
    }

    /// The innermost element that holds all of these.
    fn common(&self, markers: &[Id]) -> Option<Id> {
        let mut shared = self.ancestors(markers[0]);
        for marker in &markers[1..] {
            let other = self.ancestors(*marker);
            let same = shared.iter().zip(&other).take_while(|(left, right)| left == right).count();
            shared.truncate(same);
        }
        shared.last().copied()
    }

    fn role(&self, id: Id) -> Role {
        self.dialect.role(self.document.name(id))
    }

    /// Moves a marker to its level.
    fn place(&mut self, marker: Id, level: Id, is_first: bool, is_last: bool) -> Result<(), String> {
        let is_inline =
            std::iter::once(level).chain(self.ancestors(level)).any(|id| self.role(id) == Role::Paragraph)
                && !self.leaves_paragraph(level);
        if is_inline {
            return self.cut(marker, level);
        }
        if self.role(level) == Role::Row {
            if !is_first && !is_last {
                return Err("an else between the cells of a row; put it alone into a row".into());
            }
            let Some(outer) = self.document.parent(level) else {
                return Err("a row outside of a table".into());
            };
            self.document.remove(marker);
            self.beside(marker, outer, level, is_last);
            return Ok(());
        }
        let unit = self.child_of(level, marker);
        let own = self.content.get(unit as usize).copied().unwrap_or(0);
        if own == 0 && unit != marker {
            self.document.remove(marker);
            self.removed.insert(unit);
            let at = self.document.position(unit);
            self.document.insert(level, at, marker);
            return Ok(());
        }
        if !matches!(self.role(unit), Role::Paragraph | Role::Row | Role::Item) {
            return Err("the block begins and ends in different cells, lists or text boxes".into());
        }
        let at_edge =
            if is_first { self.is_first_in(unit, marker) } else { is_last && self.is_last_in(unit, marker) };
        if !at_edge {
            return Err("the block begins or ends in the middle of a paragraph, row or item and goes over its border; put the tag alone into a paragraph".into());
        }
        self.document.remove(marker);
        self.beside(marker, level, unit, !is_first);
        Ok(())
    }

    /// Whether an element inside of a paragraph holds paragraphs of its own: a text box, a note.
    fn leaves_paragraph(&self, level: Id) -> bool {
        let path: Vec<Id> = self.ancestors(level).into_iter().chain([level]).collect();
        let inner = path.iter().rposition(|id| self.role(*id) == Role::Paragraph).unwrap_or(0);
        path[inner + 1..].iter().any(|id| !matches!(self.role(*id), Role::Inline | Role::Fixed))
    }

    fn beside(&mut self, marker: Id, level: Id, unit: Id, is_behind: bool) {
        let mut at = self.document.position(unit);
        if is_behind {
            at += 1;
            while self.document.children(level).get(at).is_some_and(|next| self.behind.contains(next)) {
                at += 1;
            }
            self.behind.insert(marker);
        }
        self.document.insert(level, at, marker);
    }

    fn child_of(&self, level: Id, id: Id) -> Id {
        let mut at = id;
        while let Some(parent) = self.document.parent(at) {
            if parent == level {
                return at;
            }
            at = parent;
        }
        id
    }

    /// Whether nothing is to be seen in a unit before a marker.
    fn is_first_in(&self, unit: Id, marker: Id) -> bool {
        let mut at = marker;
        while at != unit {
            let Some(parent) = self.document.parent(at) else { return false };
            let before = &self.document.children(parent)[..self.document.position(at)];
            if before.iter().any(|id| self.content.get(*id as usize).is_some_and(|content| *content > 0)) {
                return false;
            }
            at = parent;
        }
        true
    }

    fn is_last_in(&self, unit: Id, marker: Id) -> bool {
        let mut at = marker;
        while at != unit {
            let Some(parent) = self.document.parent(at) else { return false };
            let behind = &self.document.children(parent)[self.document.position(at) + 1..];
            if behind.iter().any(|id| self.content.get(*id as usize).is_some_and(|content| *content > 0)) {
                return false;
            }
            at = parent;
        }
        true
    }

    /// Cuts the elements around a marker in two, up to the level. What has nothing in it is not made.
    fn cut(&mut self, marker: Id, level: Id) -> Result<(), String> {
        while let Some(parent) = self.document.parent(marker).filter(|parent| *parent != level) {
            if self.role(parent) != Role::Inline {
                return Err(format!(
                    "the block begins or ends inside of {}, which cannot be cut",
                    self.document.name(parent)
                ));
            }
            let at = self.document.position(marker);
            let behind: Vec<Id> = self.document.children(parent)[at + 1..].to_vec();
            let before = self.document.children(parent)[..at].to_vec();
            let properties: Vec<Id> =
                before.iter().copied().filter(|id| self.role(*id) == Role::Properties).collect();
            self.document.remove(marker);
            let Some(outer) = self.document.parent(parent) else {
                return Err("a tag outside of the document".into());
            };
            let place = self.document.position(parent);
            if behind.is_empty() {
                self.document.insert(outer, place + 1, marker);
                continue;
            }
            if before.len() == properties.len() {
                self.document.insert(outer, place, marker);
                continue;
            }
            let mut children: Vec<Id> = properties.into_iter().map(|id| self.document.copy(id)).collect();
            for id in &behind {
                self.document.remove(*id);
            }
            children.extend(behind);
            let sum = children.iter().filter_map(|id| self.content.get(*id as usize)).sum();
            let copy = self.document.make_like(parent, children);
            self.content.resize(self.document.len(), 0);
            self.content[copy as usize] = sum;
            self.document.insert(outer, place + 1, copy);
            self.document.insert(outer, place + 1, marker);
        }
        Ok(())
    }
}
