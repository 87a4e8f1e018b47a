//! The different texts of a column, each kept once and known by a number.
//! Called by the cells.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::narrow::Codes;

/// Texts by number; number 0 is the empty text.
#[derive(Debug)]
pub(crate) struct Words {
    text: String,
    /// Where each text ends; it begins where the one before ends.
    ends: Vec<u32>,
    /// Open addressing: number plus one, 0 where nothing is.
    index: Vec<u32>,
    hasher: RandomState,
    /// How many there may be before dead ones are looked for.
    limit: usize,
}

/// Fewer texts are never cleaned up.
const LEAST: usize = 65_536;

impl Words {
    pub fn new() -> Words {
        let mut words = Words {
            text: String::new(),
            ends: Vec::new(),
            index: vec![0; 16],
            hasher: RandomState::new(),
            limit: LEAST,
        };
        words.intern("");
        words
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn text(&self, code: u32) -> &str {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] as usize };
        &self.text[start..self.ends[code] as usize]
    }

    /// All texts in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let text = &self.text[start..*end as usize];
            start = *end as usize;
            text
        })
    }

    /// The number of a text that is there.
    pub fn find(&self, text: &str) -> Option<u32> {
        self.slot(text).ok()
    }

    /// The number of a text, which is added when it is not there.
    pub fn intern(&mut self, text: &str) -> u32 {
        let slot = match self.slot(text) {
            Ok(code) => return code,
            Err(slot) => slot,
        };
        let code = self.ends.len() as u32;
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
        self.index[slot] = code + 1;
        if self.ends.len() * 4 > self.index.len() * 3 {
            self.index_anew(self.index.len() * 2);
        }
        code
    }

    /// The number of a text, or where it would stand in the index.
    fn slot(&self, text: &str) -> Result<u32, usize> {
        let mask = self.index.len() - 1;
        let mut slot = self.hasher.hash_one(text) as usize & mask;
        loop {
            match self.index[slot] {
                0 => return Err(slot),
                found if self.text(found - 1) == text => return Ok(found - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn index_anew(&mut self, size: usize) {
        self.index = vec![0; size];
        for code in 0..self.ends.len() as u32 {
            if let Err(slot) = self.slot(self.text(code)) {
                self.index[slot] = code + 1;
            }
        }
    }

    /// Whether so many were added that dead ones should be looked for. A text that no cell has any more stays until then.
    pub fn is_full(&self) -> bool {
        self.ends.len() > self.limit
    }

    /// Forgets the texts that no cell has; the cells get new numbers.
    pub fn clean(&mut self, cells: &mut Codes) {
        let mut clean = Words::new();
        let mut fresh = Codes::default();
        fresh.grow(cells.len());
        for at in 0..cells.len() {
            fresh.set(at, i64::from(clean.intern(self.text(cells.get(at) as u32))));
        }
        clean.limit = (clean.len() * 2).max(LEAST);
        (*self, *cells) = (clean, fresh);
    }

    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4 + self.index.capacity() * 4
    }
}
