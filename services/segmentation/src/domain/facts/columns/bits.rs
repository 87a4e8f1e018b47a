//! A row of bits, one for each partner or record.
//! Called by the columns and the scan.

use std::ops::Range;

use roaring::RoaringBitmap;

/// Bits of a fixed number. Those behind the last one are 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// All alike.
    pub fn all(len: usize, value: bool) -> Bits {
        let mut bits = Bits { words: vec![if value { u64::MAX } else { 0 }; len.div_ceil(64)], len };
        bits.trim();
        bits
    }

    /// Each as told.
    #[inline]
    pub fn fill(len: usize, mut tell: impl FnMut(usize) -> bool) -> Bits {
        let mut words = Vec::with_capacity(len.div_ceil(64));
        let mut at = 0;
        while at < len {
            let end = (at + 64).min(len);
            let mut word = 0_u64;
            for (bit, at) in (at..end).enumerate() {
                word |= u64::from(tell(at)) << bit;
            }
            words.push(word);
            at = end;
        }
        Bits { words, len }
    }

    /// Each by the cell that stands there.
    #[inline]
    pub fn of<T: Copy>(cells: &[T], mut tell: impl FnMut(T) -> bool) -> Bits {
        let mut words = Vec::with_capacity(cells.len().div_ceil(64));
        for chunk in cells.chunks(64) {
            let mut word = 0_u64;
            for (bit, cell) in chunk.iter().enumerate() {
                word |= u64::from(tell(*cell)) << bit;
            }
            words.push(word);
        }
        Bits { words, len: cells.len() }
    }

    /// Those in a bitmap.
    pub fn of_bitmap(bitmap: &RoaringBitmap, len: usize) -> Bits {
        let mut bits = Bits::all(len, false);
        for at in bitmap {
            if (at as usize) < len {
                bits.words[at as usize / 64] |= 1 << (at % 64);
            }
        }
        bits
    }

    /// As a bitmap.
    pub fn to_bitmap(&self) -> RoaringBitmap {
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut bitmap = RoaringBitmap::from_lsb0_bytes(0, &bytes);
        bitmap.optimize();
        bitmap
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, at: usize) -> bool {
        self.words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Sets one, making the row longer when need be.
    pub fn set(&mut self, at: usize, value: bool) {
        if at >= self.len {
            self.len = at + 1;
            self.words.resize(self.len.div_ceil(64), 0);
        }
        let bit = 1 << (at % 64);
        if value {
            self.words[at / 64] |= bit;
        } else {
            self.words[at / 64] &= !bit;
        }
    }

    /// Sets all of a range.
    pub fn set_range(&mut self, range: Range<usize>) {
        for at in range {
            self.words[at / 64] |= 1 << (at % 64);
        }
    }

    /// How many of a range are set.
    #[inline]
    pub fn count(&self, range: Range<usize>) -> u32 {
        if range.is_empty() {
            return 0;
        }
        let (first, last) = (range.start / 64, (range.end - 1) / 64);
        let low = u64::MAX << (range.start % 64);
        let high = u64::MAX >> (63 - (range.end - 1) % 64);
        if first == last {
            return (self.words[first] & low & high).count_ones();
        }
        let middle: u32 = self.words[first + 1..last].iter().map(|word| word.count_ones()).sum();
        (self.words[first] & low).count_ones() + middle + (self.words[last] & high).count_ones()
    }

    pub fn and(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }

    pub fn or(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    pub fn not(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.trim();
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.words.capacity() * 8
    }

    fn trim(&mut self) {
        if let Some(last) = self.words.last_mut()
            && !self.len.is_multiple_of(64)
        {
            *last &= (1 << (self.len % 64)) - 1;
        }
    }
}
