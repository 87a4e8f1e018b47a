//! Puts a program together from static text and tags, with the blocks that stand open.
//! Called by emit.rs and text.rs.

use super::marks::Marks;
use crate::domain::expression::{Expr, Scope, parse_for};
use crate::domain::finding::Problem;
use crate::domain::markup::{Compare, Piece, Word};
use crate::domain::program::{Builder, Op, Ops, Program, Style};
use crate::domain::value::Value;

enum Open {
    For { list: Expr, place: u32, body: Option<Ops> },
    If { arms: Vec<(Expr, u32, Ops)>, condition: Option<(Expr, u32)>, place: u32 },
}

/// A program in the making.
#[derive(Default)]
pub(super) struct Blocks {
    builder: Builder,
    scope: Scope,
    open: Vec<Open>,
}

impl Blocks {
    /// Adds static text.
    pub(super) fn text(&mut self, text: &str) {
        self.builder.text(text);
    }

    /// How many blocks are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Ends the blocks that began behind `depth` and have no end of their own.
    pub(super) fn end_at(&mut self, depth: usize, marks: &mut Marks) {
        while self.open.len() > depth {
            if let Some(Open::For { place, .. } | Open::If { place, .. }) = self.open.last() {
                marks.wrong_at(*place, Problem::Unclosed);
            }
            self.close();
        }
    }

    /// Adds what a tag does. `depth`: blocks below are of an element around, so they can't end here.
    pub(super) fn tag(&mut self, number: u32, style: Style, depth: usize, marks: &mut Marks) {
        let Some((word, place)) = marks.words.get(number as usize).cloned() else { return };
        let is_open = self.open.len() > depth;
        match word {
            Word::Output(text, offset) => {
                if let Some(expr) = marks.expr(&text, offset, &self.scope, place) {
                    let style = style.for_expr(&expr);
                    self.builder.push(Op::Field { expr, style, tag: place });
                }
            }
            Word::Skip(Compare::Holds(Piece::Output(text, offset))) => {
                if let Some(condition) = marks.expr(&text, offset, &self.scope, place) {
                    self.builder.push(Op::Skip { condition, tag: place });
                }
            }
            Word::For(text, offset) => {
                let (name, list) = parse_for(&text, offset, &self.scope).unwrap_or_else(|problem| {
                    marks.wrong_at(place, problem);
                    (String::new(), Expr::Literal(Value::Empty))
                });
                self.scope.enter(&name);
                self.builder.begin();
                self.open.push(Open::For { list, place, body: None });
            }
            Word::If(text, offset) => {
                let condition = marks.expr(&text, offset, &self.scope, place);
                let condition = condition.unwrap_or(Expr::Literal(Value::Empty));
                self.builder.begin();
                self.open.push(Open::If { arms: Vec::new(), condition: Some((condition, place)), place });
            }
            Word::Elif(text, offset) if is_open => {
                let condition = marks.expr(&text, offset, &self.scope, place);
                let condition = condition.unwrap_or(Expr::Literal(Value::Empty));
                self.arm(Some((condition, place)), place, marks);
            }
            Word::Else if is_open => self.arm(None, place, marks),
            Word::EndFor if is_open && matches!(self.open.last(), Some(Open::For { .. })) => self.close(),
            Word::EndIf if is_open && matches!(self.open.last(), Some(Open::If { .. })) => self.close(),
            Word::Elif(..) | Word::Else | Word::EndFor | Word::EndIf => {
                marks.wrong_at(place, Problem::Unopened)
            }
            _ => {}
        }
    }

    /// Ends an arm of the innermost block and begins the next; without a condition it is the last.
    fn arm(&mut self, next: Option<(Expr, u32)>, place: u32, marks: &mut Marks) {
        let ops = self.builder.end();
        match self.open.last_mut() {
            Some(Open::If { arms, condition, .. }) if condition.is_some() => {
                if let Some((condition, place)) = std::mem::replace(condition, next) {
                    arms.push((condition, place, ops));
                }
            }
            Some(Open::For { body, .. }) if body.is_none() && next.is_none() => {
                // The variable is not known where there is no element.
                self.scope.leave();
                *body = Some(ops);
            }
            _ => marks.wrong_at(place, Problem::Unopened),
        }
        self.builder.begin();
    }

    fn close(&mut self) {
        let ops = self.builder.end();
        match self.open.pop() {
            Some(Open::For { list, place, body }) => {
                let (body, otherwise) = match body {
                    Some(body) => (body, ops),
                    None => {
                        self.scope.leave();
                        (ops, Ops::new())
                    }
                };
                self.builder.push(Op::For { list, tag: place, body, otherwise });
            }
            Some(Open::If { mut arms, condition, .. }) => {
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

    /// The program.
    pub(super) fn program(mut self, marks: &mut Marks) -> Program {
        self.end_at(0, marks);
        let body = self.builder.take();
        Program { pool: self.builder.into_pool(), body, ..Program::default() }
    }
}
