//! Records of all partners: columns of one length, and for each partner a range of rows.
//! Called by the columns.

use std::ops::Range;

use super::cells::Cells;
use super::narrow::Codes;
use crate::domain::facts::{LIST_CAP, Value};

/// Fewer dead rows are never cleaned up.
const LEAST: usize = 65_536;

/// A list of all partners. A list that becomes longer or shorter is written anew behind the others; its old rows are dead until the next cleaning.
#[derive(Debug)]
pub(crate) struct Table {
    starts: Vec<u32>,
    lengths: Codes,
    pub cells: Vec<Cells>,
    rows: usize,
    dead: usize,
}

impl Table {
    pub fn new(cells: Vec<Cells>) -> Table {
        Table { starts: Vec::new(), lengths: Codes::default(), cells, rows: 0, dead: 0 }
    }

    /// How many rows there are, dead ones too.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows of a partner.
    #[inline]
    pub fn range(&self, ord: usize) -> Range<usize> {
        match self.starts.get(ord) {
            Some(start) => *start as usize..*start as usize + self.length(ord),
            None => 0..0,
        }
    }

    /// Ranges of all partners that have had some; the others have none.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = self.starts.iter().enumerate();
        starts.map(|(ord, start)| *start as usize..*start as usize + self.length(ord))
    }

    #[inline]
    fn length(&self, ord: usize) -> usize {
        self.lengths.get(ord) as usize
    }

    /// Takes over a list. Says whether it is another one than before.
    pub fn put<'v>(&mut self, ord: usize, count: usize, value: impl Fn(usize, usize) -> Value<'v>) -> bool {
        let count = count.min(LIST_CAP);
        let old = self.range(ord);
        let same = old.len() == count
            && old.clone().enumerate().all(|(at, row)| {
                self.cells.iter().enumerate().all(|(column, cells)| cells.get(row) == value(at, column))
            });
        if same {
            return false;
        }
        let start = if count <= old.len() { old.start } else { self.rows };
        self.dead += if count <= old.len() { old.len() - count } else { old.len() };
        if start == self.rows {
            self.rows += count;
            self.cells.iter_mut().for_each(|cells| cells.grow(self.rows));
        }
        for at in 0..count {
            for (column, cells) in self.cells.iter_mut().enumerate() {
                cells.set(start + at, value(at, column));
            }
        }
        if ord >= self.starts.len() {
            self.starts.resize(ord + 1, 0);
            self.lengths.grow(ord + 1);
        }
        self.starts[ord] = start as u32;
        self.lengths.set(ord, count as i64);
        if self.dead > LEAST.max(self.rows / 3) {
            self.clean();
        }
        true
    }

    fn clean(&mut self) {
        let mut kept = Vec::with_capacity(self.rows - self.dead);
        for (ord, start) in self.starts.iter_mut().enumerate() {
            let place = kept.len() as u32;
            kept.extend(*start..*start + self.lengths.get(ord) as u32);
            *start = place;
        }
        self.cells.iter_mut().for_each(|cells| cells.keep(&kept));
        self.rows = kept.len();
        self.dead = 0;
    }

    pub fn shrink(&mut self) {
        self.starts.shrink_to_fit();
        self.lengths.shrink();
        self.cells.iter_mut().for_each(Cells::shrink);
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let cells: usize = self.cells.iter().map(Cells::bytes).sum();
        self.starts.capacity() * 4 + self.lengths.bytes() + cells
    }
}
