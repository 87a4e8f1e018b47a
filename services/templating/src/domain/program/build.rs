//! Putting a program together: static bytes grow into one pool, blocks nest.
//! Used by the emitter of both formats.

use super::{Op, Ops};

/// A program that is being put together.
#[derive(Debug, Default)]
pub struct Builder {
    pool: Vec<u8>,
    ops: Ops,
    outer: Vec<Ops>,
}

impl Builder {
    /// Adds static text.
    pub fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let at = self.pool.len() as u32;
        let len = text.len() as u32;
        self.pool.extend_from_slice(text.as_bytes());
        match self.ops.last_mut() {
            Some(Op::Static { at: before, len: so_far }) if *before + *so_far == at => *so_far += len,
            _ => self.ops.push(Op::Static { at, len }),
        }
    }

    /// Adds an operation.
    pub fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Begins a list of its own.
    pub fn begin(&mut self) {
        self.outer.push(std::mem::take(&mut self.ops));
    }

    /// Ends it and gives it.
    pub fn end(&mut self) -> Ops {
        let outer = self.outer.pop().unwrap_or_default();
        std::mem::replace(&mut self.ops, outer)
    }

    /// The operations so far, leaving none; and the pool stays.
    pub fn take(&mut self) -> Ops {
        std::mem::take(&mut self.ops)
    }

    /// The pool.
    pub fn into_pool(self) -> Vec<u8> {
        self.pool
    }
}
