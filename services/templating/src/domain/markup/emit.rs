//! From a tree with its tags lifted to a program. What a format has to say about an element, its `Hooks` say.
//! Called by both compilers for each part.

use std::collections::HashSet;

use super::tags::{Compare, Merge, Piece, Source, Tags, Word, WordIf};
use super::{Dialect, Role};
use crate::domain::expression::{Expr, Filter, Operator, Scope, parse, parse_for};
use crate::domain::finding::Problem;
use crate::domain::program::{Builder, Op, Ops, Style, write};
use crate::domain::value::Value;
use crate::domain::xml::{Document, Id, Node};

/// What a format does with its elements.
pub(crate) trait Hooks: Dialect + Sized {
    /// Writes an element that needs more than a copy. Says whether it did.
    fn element(emitter: &mut Emitter<'_, '_, Self>, id: Id) -> bool;
    /// How a value is written in this element.
    fn style(&self, name: &str) -> Style;
    /// What stands around a text of a condition, with the formatting that it brings.
    fn around(&self, document: &Document, format: Option<Id>) -> (String, &'static str);
}

/// A block that is open.
enum Open {
    For { name: String, list: Expr, place: u32, body: Option<Ops> },
    If { arms: Vec<(Expr, u32, Ops)>, condition: Option<(Expr, u32)> },
}

/// The emitter of a part.
pub(crate) struct Emitter<'a, 't, H: Hooks> {
    /// The tree.
    pub(crate) document: &'a Document,
    /// The tags.
    pub(crate) tags: &'a mut Tags<'t>,
    /// Elements that held only block tags.
    pub(crate) removed: &'a HashSet<Id>,
    /// The program.
    pub(crate) builder: Builder,
    /// The format.
    pub(crate) hooks: H,
    /// The number of places that write once.
    pub(crate) marks: &'a mut u32,
    scope: Scope,
    open: Vec<Open>,
}

impl<'a, 't, H: Hooks> Emitter<'a, 't, H> {
    /// An emitter for a part.
    pub(crate) fn new(
        document: &'a Document,
        tags: &'a mut Tags<'t>,
        removed: &'a HashSet<Id>,
        hooks: H,
        marks: &'a mut u32,
    ) -> Self {
        Self {
            document,
            tags,
            removed,
            builder: Builder::default(),
            hooks,
            marks,
            scope: Scope::default(),
            open: Vec::new(),
        }
    }

    /// Whether a loop is around.
    pub(crate) fn is_in_loop(&self) -> bool {
        self.scope.depth() > 0
    }

    /// Writes a node.
    pub(crate) fn node(&mut self, id: Id) {
        if self.removed.contains(&id) {
            return self.ranges(id);
        }
        let document = self.document;
        match document.node(id) {
            Node::Text(_) | Node::Made(_) | Node::Raw(_) => self.builder.text(document.raw(id)),
            Node::Tag(number) => self.tag(*number, document.parent(id)),
            Node::Element(_) => {
                if !H::element(self, id) {
                    self.plain(id);
                }
            }
        }
    }

    /// Writes an element as it is, with its children by their own rules.
    pub(crate) fn plain(&mut self, id: Id) {
        let document = self.document;
        self.builder.text(document.begin_tag(id));
        self.inner(id);
        self.end_tag(id);
    }

    /// Writes the end tag of an element, if it has one.
    pub(crate) fn end_tag(&mut self, id: Id) {
        if !self.document.is_self_closed(id) {
            let name = self.document.name(id);
            self.builder.text("</");
            self.builder.text(name);
            self.builder.text(">");
        }
    }

    /// Writes the children of an element.
    pub(crate) fn inner(&mut self, id: Id) {
        let document = self.document;
        self.nodes(document.children(id));
    }

    /// Writes nodes that follow each other. Blocks that begin in them end in them.
    pub(crate) fn nodes(&mut self, ids: &[Id]) {
        let depth = self.open.len();
        for id in ids {
            self.node(*id);
        }
        while self.open.len() > depth {
            let place = match self.open.last() {
                Some(Open::For { place, .. }) => Some(*place),
                Some(Open::If { arms, condition }) => {
                    condition.as_ref().map(|(_, place)| *place).or(arms.last().map(|(_, place, _)| *place))
                }
                None => None,
            };
            if let Some(place) = place {
                self.tags.wrong(
                    place,
                    Problem::CrossesBorder(
                        "the block begins and ends in different cells, lists or text boxes".into(),
                    ),
                );
            }
            self.close();
        }
    }

    /// Writes what stands once in a file however often it comes.
    pub(crate) fn once(&mut self, write: impl FnOnce(&mut Self)) {
        self.builder.begin();
        write(self);
        let body = self.builder.end();
        let mark = *self.marks;
        *self.marks += 1;
        self.builder.push(Op::Once { mark, body });
    }

    /// Of an element that goes, bookmarks stay: their other end may be elsewhere.
    fn ranges(&mut self, id: Id) {
        for child in self.document.walk(id) {
            if self.hooks.role(self.document.name(child)) == Role::Range {
                self.node(child);
            }
        }
    }

    /// Reads an expression of a tag; a wrong one is noted and gives nothing.
    pub(crate) fn expr(&mut self, text: &str, offset: usize, place: u32) -> Expr {
        parse(text, offset, &self.scope).unwrap_or_else(|problem| {
            self.tags.wrong(place, problem);
            Expr::Literal(Value::Empty)
        })
    }

    fn tag(&mut self, number: u32, parent: Option<Id>) {
        let tag = &self.tags.list[number as usize];
        let place = tag.place;
        match tag.word.clone() {
            Word::Comment => {}
            Word::Output(text, offset) => {
                let expr = self.expr(&text, offset, place);
                self.field(expr, parent, place);
            }
            Word::Merge(merge) => {
                let expr = self.merge(&merge, place);
                self.field(expr, parent, place);
            }
            Word::Condition(found) => self.word_if(&found, place),
            Word::Next(condition) => {
                if self.is_in_loop() {
                    self.tags.wrong(
                        place,
                        Problem::CrossesBorder("the next record cannot be taken inside of a for".into()),
                    );
                }
                let condition = condition.map(|condition| self.compare(&condition, place));
                self.builder.push(Op::Next { condition, tag: place });
            }
            Word::Skip(condition) => {
                let condition = self.compare(&condition, place);
                self.builder.push(Op::Skip { condition, tag: place });
            }
            Word::For(text, offset) => {
                let (name, list) = parse_for(&text, offset, &self.scope).unwrap_or_else(|problem| {
                    self.tags.wrong(place, problem);
                    (String::new(), Expr::Literal(Value::Empty))
                });
                self.scope.enter(&name);
                self.builder.begin();
                self.open.push(Open::For { name, list, place, body: None });
            }
            Word::If(text, offset) => {
                let condition = self.expr(&text, offset, place);
                self.begin_if(condition, place);
            }
            Word::Shown(condition) => {
                let condition = self.compare(&condition, place);
                self.begin_if(condition, place);
            }
            Word::Elif(text, offset) => {
                let condition = self.expr(&text, offset, place);
                self.next_arm(Some((condition, place)));
            }
            Word::Else => self.next_arm(None),
            Word::EndFor | Word::EndIf => self.close(),
        }
    }

    fn field(&mut self, expr: Expr, parent: Option<Id>, place: u32) {
        let style = self.hooks.style(parent.map_or("", |parent| self.document.name(parent)));
        self.builder.push(Op::Field { expr, style, tag: place });
    }

    fn begin_if(&mut self, condition: Expr, place: u32) {
        self.builder.begin();
        self.open.push(Open::If { arms: Vec::new(), condition: Some((condition, place)) });
    }

    /// Ends an arm of the innermost block and begins the next; without a condition it is the last.
    fn next_arm(&mut self, next: Option<(Expr, u32)>) {
        let ops = self.builder.end();
        match self.open.last_mut() {
            Some(Open::If { arms, condition }) => {
                if let Some((condition, place)) = std::mem::replace(condition, next) {
                    arms.push((condition, place, ops));
                }
            }
            Some(Open::For { body, .. }) => {
                // The variable is not known where there is no element.
                self.scope.leave();
                *body = Some(ops);
            }
            None => {}
        }
        self.builder.begin();
    }

    fn close(&mut self) {
        let ops = self.builder.end();
        match self.open.pop() {
            Some(Open::For { list, place, body, .. }) => {
                let (body, otherwise) = match body {
                    Some(body) => (body, ops),
                    None => {
                        self.scope.leave();
                        (ops, Ops::new())
                    }
                };
                self.builder.push(Op::For { list, tag: place, body, otherwise });
            }
            Some(Open::If { mut arms, condition }) => {
                let otherwise = match condition {
                    Some((condition, place)) => {
                        arms.push((condition, place, ops));
                        Ops::new()
                    }
                    None => ops,
                };
                self.builder.push(Op::If { arms, otherwise });
            }
            None => {}
        }
    }

    fn word_if(&mut self, found: &WordIf, place: u32) {
        let condition = self.compare(&found.condition, place);
        self.builder.begin();
        self.formatted(&found.yes, place);
        let yes = self.builder.end();
        self.builder.begin();
        self.formatted(&found.no, place);
        let no = self.builder.end();
        self.builder.push(Op::If { arms: vec![(condition, place, yes)], otherwise: no });
    }

    fn formatted(&mut self, pieces: &[(Piece, Option<Id>)], place: u32) {
        for (piece, format) in pieces {
            if let Piece::If(inner) = piece {
                self.word_if(inner, place);
                continue;
            }
            let (before, behind) = self.hooks.around(self.document, *format);
            self.builder.text(&before);
            let style = self.hooks.style("");
            match piece {
                Piece::Text(text) => {
                    let mut out = Vec::new();
                    if let Err(problem) = write(&mut out, text, style) {
                        self.tags.wrong(place, problem);
                    }
                    self.builder.text(&String::from_utf8_lossy(&out));
                }
                piece => {
                    let expr = self.piece(piece, place);
                    self.builder.push(Op::Field { expr, style, tag: place });
                }
            }
            self.builder.text(behind);
        }
    }

    /// The expression of a text with fields in it.
    pub(crate) fn pieces(&mut self, pieces: &[Piece], place: u32) -> Expr {
        let mut parts: Vec<Expr> = pieces.iter().map(|piece| self.piece(piece, place)).collect();
        match parts.len() {
            0 => Expr::Literal(Value::Text(String::new())),
            1 => parts.remove(0),
            _ => Expr::Concat(parts),
        }
    }

    /// The expression of a link's target: a field that is only a part of it is encoded.
    pub(crate) fn target(&mut self, pieces: &[Piece], place: u32) -> Expr {
        if pieces.len() == 1 {
            return self.pieces(pieces, place);
        }
        let parts = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Expr::Literal(Value::Text(text.clone())),
                piece => Expr::Filter(Box::new(self.piece(piece, place)), Filter::Address, Vec::new()),
            })
            .collect();
        Expr::Concat(parts)
    }

    fn piece(&mut self, piece: &Piece, place: u32) -> Expr {
        match piece {
            Piece::Text(text) => Expr::Literal(Value::Text(text.clone())),
            Piece::Output(text, offset) => self.expr(text, *offset, place),
            Piece::Merge(merge) => self.merge(merge, place),
            Piece::If(inner) => {
                let condition = self.compare(&inner.condition, place);
                let plain = |pieces: &[(Piece, Option<Id>)]| {
                    pieces.iter().map(|(piece, _)| piece.clone()).collect::<Vec<_>>()
                };
                let yes = self.pieces(&plain(&inner.yes), place);
                let no = self.pieces(&plain(&inner.no), place);
                Expr::Choose(Box::new([condition, yes, no]))
            }
        }
    }

    fn compare(&mut self, compare: &Compare, place: u32) -> Expr {
        match compare {
            Compare::Sides(operator, left, right) => {
                let (left, right) = (self.pieces(left, place), self.pieces(right, place));
                Expr::WordCompare(*operator, Box::new(left), Box::new(right))
            }
            Compare::All(parts) => self.chain(Operator::And, parts, place),
            Compare::Any(parts) => self.chain(Operator::Or, parts, place),
            Compare::Not(inner) => Expr::Not(Box::new(self.compare(inner, place))),
            Compare::Holds(piece) => self.piece(piece, place),
        }
    }

    fn chain(&mut self, operator: Operator, parts: &[Compare], place: u32) -> Expr {
        let mut whole: Option<Expr> = None;
        for part in parts {
            let part = self.compare(part, place);
            whole = Some(match whole {
                None => part,
                Some(so_far) => Expr::Binary(operator, Box::new(so_far), Box::new(part)),
            });
        }
        whole.unwrap_or(Expr::Literal(Value::Bool(operator == Operator::And)))
    }

    fn merge(&mut self, merge: &Merge, place: u32) -> Expr {
        let mut expr = match &merge.source {
            Source::RecordNumber => Expr::RecordNumber,
            Source::Now => Expr::Now,
            Source::Name(name) => {
                // In a loop a merge field may name the loop's variable.
                let first = name.text().split('.').next().unwrap_or_default();
                let is_local = self
                    .open
                    .iter()
                    .any(|open| matches!(open, Open::For { name, body: None, .. } if name == first));
                if is_local { self.expr(name.text(), 0, place) } else { Expr::Merge(name.clone()) }
            }
        };
        for filter in &merge.filters {
            expr = Expr::Filter(Box::new(expr), filter.clone(), Vec::new());
        }
        expr
    }
}
